"""Each guard of `mutants.MUTANTS`, broken: a named test must go red."""

import pytest

from sim.build import build
from sim.runner import run
from tests.rtl.mutants import FIELD, MUTANTS
from tests.rtl.simulators import VERILATOR


def some(*, of_blocks: bool):
    """The mutants whose tests are those of a block, or the others."""
    return pytest.mark.parametrize("mutant", [m for m in MUTANTS if bool(m.test) == of_blocks],
                                   ids=lambda mutant: mutant.name)


@pytest.mark.regress
@pytest.mark.timeout(3600)
@some(of_blocks=True)
def test_noticed_by_a_test_of_the_block(mutant):
    done = mutant.tested()
    assert done.returncode == pytest.ExitCode.TESTS_FAILED, done.stdout


@pytest.mark.regress
@pytest.mark.timeout(3600)
@pytest.mark.parametrize("sim", [VERILATOR])
@some(of_blocks=False)
def test_noticed(mutant, sim):
    built = build(mutant.verilog(), sim, optimize="-O0")
    if mutant.case == FIELD:
        found = run(built, FIELD, preset=mutant.preset).check().value
        assert all(found[name] for name in mutant.names), found
        return
    for seed in range(1, mutant.seeds + 1):
        if not run(built, mutant.case, seed=seed, preset=mutant.preset).ok:
            return
    pytest.fail(f"seeds 1 to {mutant.seeds} all passed")
