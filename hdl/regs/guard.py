"""When a register field may be written: the guards of the specification's tables."""

import re
from typing import NamedTuple

from spec.fields import Field, Register

_CLAUSE = re.compile(r"(?:(?P<prefix>\w+)\*: )?(?P<enables>(?:\w+=)+)0")


class Guarded(NamedTuple):
    """Fields of one register that are writable while all `enables` read 0, as bit mask `mask`."""

    mask: int
    enables: tuple[str, ...]


def guarded(register: type[Register]) -> list[Guarded]:
    """The fields of `register`, grouped by guard.

    A guard is written `A=0`, `A=B=0`, or `PREFIX*: A=0; ...` for the fields of that prefix. `A` is
    an enable of CR0 or IRQ_CTRL, which reads 0 when both it and its acknowledge do (reference 1.2).
    ValueError for any other text.
    """
    if not register.GUARD:
        return [Guarded(_mask(list(register.FIELDS.values())), ())]
    groups = []
    for text in register.GUARD.split("; "):
        clause = _CLAUSE.fullmatch(text)
        if clause is None:
            raise ValueError(f"{register.__name__}: guard {text!r} is not of the form A=B=0")
        prefix = clause["prefix"] or ""
        fields = [f for f in register.FIELDS.values() if f.name.startswith(prefix)]
        groups.append(Guarded(_mask(fields), tuple(clause["enables"].split("=")[:-1])))
    return groups


def _mask(fields: list[Field]) -> int:
    return sum(field.mask for field in fields)
