"""Layouts as text: header lines, each followed by the fields of that register or structure.

A header is `[0xNUMBER] NAME BITS [ACCESS] [key=value ...]`. The number is the offset of a
register, the opcode of a command or the type of an event. Headers that follow each other directly
share the fields below them. Keys: `reset` (default 0), `needs` (ID fields, comma separated),
`guard` (conditions, comma separated), `secure`.

A field is indented: `[UNIT] BITS NAME[:Enum] [addr] [if=IDFIELD]`. The unit is what the bits count
from: `dwN` doubleword, `wN` 32-bit word, `@N` byte, nothing for bit 0. `addr` marks an address
held in place. Bits written `?` mean that the reference names the field and its doubleword only.
Text after `#` is a comment.
"""

from __future__ import annotations

from dataclasses import dataclass, field

UNITS = {"dw": 64, "w": 32, "@": 8}


@dataclass(frozen=True)
class Row:
    """One typed field; `hi` and `lo` count from bit `base`, or are None if not given."""

    name: str
    base: int
    hi: int | None
    lo: int | None
    enum: str = ""
    addr: bool = False
    needs: str = ""


@dataclass
class Layout:
    """One typed register, structure, command or event."""

    name: str
    bits: int
    number: int | None = None
    access: str = ""
    keys: dict[str, str] = field(default_factory=dict)
    rows: list[Row] = field(default_factory=list)

    def listed(self, key: str) -> set[str]:
        """A comma separated key as a set."""
        return set(filter(None, self.keys.get(key, "").split(",")))

    def pack(self, **values: int) -> int:
        """The integer with the given fields, by the typed positions alone."""
        rows = {row.name: row for row in self.rows}
        result = 0
        for name, value in values.items():
            row = rows[name]
            assert row.lo is not None
            assert row.hi is not None
            assert value >> (row.hi - row.lo + 1) == 0, f"{name} does not fit"
            result |= value << (row.base + row.lo)
        return result


def _header(words: list[str]) -> Layout:
    number = int(words.pop(0), 16) if words[0].startswith("0x") else None
    layout = Layout(words[0], int(words[1]), number)
    for word in words[2:]:
        key, equals, value = word.partition("=")
        if equals:
            layout.keys[key] = value
        elif key == "secure":
            layout.keys[key] = "1"
        else:
            layout.access = key
    return layout


def _unit(word: str) -> int | None:
    for prefix, size in UNITS.items():
        if word.startswith(prefix) and word[len(prefix):].isdigit():
            return size * int(word[len(prefix):])
    return None


def _row(words: list[str]) -> Row:
    base = _unit(words[0])
    if base is None:
        base = 0
    else:
        words = words[1:]
    bits, name, *marks = words
    name, _, enum = name.partition(":")
    hi: int | None = None
    lo: int | None = None
    if bits != "?":
        high, _, low = bits.partition(":")
        hi, lo = int(high), int(low or high)
    needs = "".join(mark[3:] for mark in marks if mark.startswith("if="))
    unknown = [mark for mark in marks if mark != "addr" and not mark.startswith("if=")]
    assert not unknown, f"{name}: {unknown}"
    return Row(name, base, hi, lo, enum, "addr" in marks, needs)


def parse(text: str) -> dict[str, Layout]:
    """Name -> layout of everything in `text`."""
    layouts: dict[str, Layout] = {}
    group: list[Layout] = []
    for line in text.splitlines():
        words = line.partition("#")[0].split()
        if not words:
            continue
        if line[0] != " ":
            if group and group[0].rows:
                group = []
            layout = _header(words)
            assert layout.name not in layouts, f"{layout.name} is typed twice"
            layouts[layout.name] = layout
            group.append(layout)
        else:
            row = _row(words)
            for layout in group:
                layout.rows.append(row)
    return layouts
