"""TLB entries of other streams (rule 5 of the checker)."""

from types import SimpleNamespace

import pytest

from pymodel.checker.registry import Tags
from pymodel.checker.search import _hit
from pymodel.checker.shares import User
from pymodel.reader import World


@pytest.mark.parametrize(("cd", "hits"), [(None, True), (b"a CD", False)])
def test_an_entry_of_stage_2_alone_serves_no_stage_1(cd, hits):
    """Both streams have the same VMID; one of them has both stages."""
    tags = Tags(World.NS_EL1, 7, None, False)
    run = SimpleNamespace(cd_read=None, stage1=[], stage2=["leaf"], updated=[], tags=lambda: tags)
    assert _hit(run, None, User(tags, b"an STE", cd)) == hits
