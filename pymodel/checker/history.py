"""What memory held when: the versions of every doubleword that has changed."""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

from pymodel.checker.lifetime import BEGIN, NEVER, Time
from pymodel.memory import PAGE, Memory

_WORD = 8


class Version(NamedTuple):
    """A value, and from when to when memory held it."""

    value: int
    written: Time = BEGIN
    overwritten: Time = NEVER


class Copy(NamedTuple):
    """A structure as one fetch may have seen it, doubleword by doubleword: it has been whole since
    `written`, and its first doubleword to change did so at `overwritten`."""

    value: bytes
    written: Time
    overwritten: Time


class History:
    """Versions of doublewords, newest first where several are listed.

    A doubleword with one version is not kept here: memory has it. Injected bus errors have no
    history; they apply as they are.
    """

    def __init__(self, memory: Memory) -> None:
        self.memory = memory
        self.words: dict[int, list[Version]] = {}
        self.pages: set[int] = set()  # numbers of the 4 KB pages with a changed doubleword

    def on_write(self, address: int, old: bytes, new: bytes, time: Time) -> bool:
        """Memory has changed; whether any doubleword has another value now."""
        first = address // _WORD * _WORD
        last = (address + len(new) + _WORD - 1) // _WORD * _WORD
        after = bytearray(self.memory.read(first, last - first))
        after[address - first:address - first + len(new)] = new
        before = bytearray(after)
        before[address - first:address - first + len(new)] = old
        if before == after:
            return False
        for at in range(0, last - first, _WORD):
            if before[at:at + _WORD] != after[at:at + _WORD]:
                self._change(first + at, int.from_bytes(before[at:at + _WORD], "little"),
                             int.from_bytes(after[at:at + _WORD], "little"), time)
        return True

    def _change(self, address: int, old: int, new: int, time: Time) -> None:
        versions = self.words.setdefault(address, [Version(old)])
        if versions[0].written == time:
            versions[0] = Version(new, time)  # nobody saw what was there for no time at all
            return
        versions[0] = versions[0]._replace(overwritten=time)
        versions.insert(0, Version(new, time))
        self.pages.add(address // PAGE)

    def word(self, address: int) -> list[Version]:
        """The versions of an aligned doubleword. May raise `BusError`."""
        now = self.memory.read64(address)
        return self.words.get(address) or [Version(now)]

    def structure(self, address: int, size: int,
                  keep: Callable[[Time, Time], bool]) -> list[Copy]:
        """The copies of an aligned structure that a fetch may have seen. May raise `BusError`.

        Doublewords are read in any order, each at another time, so every combination counts whose
        (`written`, `overwritten`) passes `keep`. A narrower span must never pass where a wider one
        does not.
        """
        raw = self.memory.read(address, size)
        words = [self.words.get(address + at) for at in range(0, size, _WORD)]
        copies = [Copy(b"", BEGIN, NEVER)] if keep(BEGIN, NEVER) else []
        for n, versions in enumerate(words):
            if versions is None:
                same = raw[n * _WORD:(n + 1) * _WORD]
                copies = [copy._replace(value=copy.value + same) for copy in copies]
                continue
            longer = (Copy(copy.value + version.value.to_bytes(_WORD, "little"),
                           max(copy.written, version.written),
                           min(copy.overwritten, version.overwritten))
                      for copy in copies for version in versions)
            copies = [copy for copy in longer if keep(copy.written, copy.overwritten)]
        return copies

    def keep(self, kept: dict[int, list[Version]]) -> None:
        """Forget the versions that are not in `kept`; the newest one always stays."""
        self.words.clear()
        self.words.update((address, versions) for address, versions in kept.items()
                          if len(versions) > 1)
        self.pages.clear()
        self.pages.update(address // PAGE for address in self.words)
