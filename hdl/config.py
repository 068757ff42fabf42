"""User choices for one instance of the design, validated; the widths that follow from them.

What the SMMU implements is `spec.impl.Implementation`; everything here is size and number.
"""

from __future__ import annotations

from dataclasses import dataclass, fields, replace
from typing import Self

from spec.impl import PRESETS, Implementation
from spec.qm import QUEUES_MAX
from spec.registers import HTTU, TTF

ACCELERATOR_WIDTH = 128
DATA_WIDTHS = (32, 64, 128, 256, 512)


# Largest value of the ID fields that the RTL does not know in full.
LIMITS = {"TTF": TTF.AARCH64, "HTTU": HTTU.DIRTY, "DS": 0}


class ConfigError(ValueError):
    """A parameter out of range; the message names it, its value and what is allowed."""


@dataclass(frozen=True, kw_only=True)
class Config:
    """Parameters of `hdl.top.Substream`.

    Members
    -------
    impl
        What is implemented; fixes the ID registers.
    clients
        AXI4 client ports beside the accelerator's. Each has a TBU.
    queues
        Queues of the accelerator, a power of two.
    depth
        Entries of a submission and of a completion queue, as the capabilities say.
    lanes
        Jobs of the accelerator under way at once, each with its own engines.
    accel_sid
        StreamID of the accelerator.
    data_width
        Data bits of the client ports and of their memory ports.
    utlb_entries
        Micro TLB entries of each TBU.
    tbu_slots
        Transactions per TBU and direction that can wait for their translation, or for software if
        they stall. While all wait, nothing that needs a slot is taken.
    tbu_threads
        Different AXI ids per TBU and direction that can be in flight.
    write_blocks
        Blocks of 16 beats in each TBU for the data of writes that others pass. While they are in
        use, and for bursts that need more, writes wait for the one before. The accelerator has up
        to 8 bursts of a block under way for each lane: that many for all lanes but one keep a
        queue that stalls from delaying another.
    walks
        Translations in progress in the TCU.
    memory_reads
        Outstanding reads of the TCU's memory port.
    ste_entries, cd_entries
        Entries of the TCU's STE cache and CD cache; 0 disables the cache.
    walk_entries
        Table descriptors that the walk cache of each stage keeps for each level; 0 disables it.
    tlb_entries, ipa_entries
        Leaf descriptors of stage 1 (the main TLB; a power of two) and of stage 2 (IPA to PA):
        pages, and fewer blocks of each size. 0 disables the cache.
    """

    impl: Implementation
    clients: int = 1
    queues: int = 8
    depth: int = 64
    lanes: int = 2
    accel_sid: int = 0x18
    data_width: int = 128
    utlb_entries: int = 16
    tbu_slots: int = 32
    tbu_threads: int = 16
    write_blocks: int = 16
    walks: int = 32
    memory_reads: int = 32
    ste_entries: int = 16
    cd_entries: int = 16
    walk_entries: int = 16
    tlb_entries: int = 512
    ipa_entries: int = 32

    def __post_init__(self) -> None:
        for name, low, high in (("clients", 0, 14), ("queues", 2, QUEUES_MAX),
                                ("depth", 2, 4096), ("lanes", 1, 60), ("accel_sid", 0, 2**32 - 1),
                                ("utlb_entries", 4, 64), ("tbu_slots", 2, 64),
                                ("tbu_threads", 1, 64), ("write_blocks", 1, 64), ("walks", 1, 64),
                                ("memory_reads", 1, 128), ("ste_entries", 0, 128),
                                ("cd_entries", 0, 128), ("walk_entries", 0, 128),
                                ("tlb_entries", 0, 4096), ("ipa_entries", 0, 128)):
            value = getattr(self, name)
            if not isinstance(value, int) or not low <= value <= high:
                raise ConfigError(f"{name}={value!r}: must be an integer from {low} to {high}")
        for name, zero in (("queues", ""), ("tlb_entries", "0 or ")):
            if (value := getattr(self, name)) & (value - 1):
                raise ConfigError(f"{name}={value}: must be {zero}a power of two")
        for name in ("tbu_slots", "tbu_threads", "write_blocks"):
            if getattr(self, name) < self.lanes:
                raise ConfigError(f"lanes={self.lanes}: at most {name}={getattr(self, name)}, or "
                                  f"stalled jobs leave nothing for others")
        if self.data_width not in DATA_WIDTHS:
            raise ConfigError(f"data_width={self.data_width!r}: must be one of {DATA_WIDTHS}")
        if not isinstance(self.impl, Implementation):
            raise ConfigError(f"impl={self.impl!r}: must be a spec.impl.Implementation")
        for name, most in LIMITS.items():
            if getattr(self.impl, name) > most:
                raise ConfigError(f"impl.{name}={getattr(self.impl, name)}: the RTL goes to {most}")

    @property
    def completions(self) -> int:
        """Jobs of the accelerator whose results are being told to software at once."""
        return min(self.lanes, 4)

    @property
    def tbus(self) -> int:
        """TBUs: number 0 is the accelerator's, number 1 + i is client i's."""
        return 1 + self.clients

    @property
    def requests(self) -> int:
        """Requests that all TBUs together can have with the TCU at once."""
        return self.tbus * 2 * self.tbu_slots

    @property
    def port_widths(self) -> list[int]:
        """Data bits of each TBU; the accelerator's are fixed."""
        return [ACCELERATOR_WIDTH] + [self.data_width] * self.clients

    @classmethod
    def preset(cls, name: str) -> Self:
        """The configuration of that name; ConfigError lists the names there are.

        `name:parameter=value,...` has other parameters than the preset; `sizes=other` among them
        stands for all those of the preset `other`.
        """
        name, _, changes = name.partition(":")
        if name not in PRESETS:
            raise ConfigError(f"preset={name!r}: must be one of {', '.join(PRESETS)}")
        parameters = dict(SIZES.get(name, {}))
        for change in changes.split(",") if changes else ():
            key, _, value = change.partition("=")
            if key == "sizes" and value in PRESETS:
                parameters |= SIZES.get(value, {})
            elif key in _NUMBERS and value.isdecimal():
                parameters[key] = int(value)
            else:
                raise ConfigError(f"preset={name}:{change}: must be sizes=preset or "
                                  f"parameter=number, of {', '.join(_NUMBERS)}")
        return cls(impl=PRESETS[name], **parameters)

    @classmethod
    def for_idrs(cls, idr0: int, idr1: int, idr3: int, idr5: int, aidr: int,
                 iidr: int = 0) -> Self:
        """The base sizes with the ID registers of a capture."""
        return cls(impl=Implementation.from_idrs(idr0, idr1, idr3, idr5, aidr, iidr))

    def with_(self, **changes) -> Self:
        """A copy with other parameters."""
        return replace(self, **changes)


_NUMBERS = tuple(field.name for field in fields(Config) if field.name != "impl")

_TINY = {"utlb_entries": 8, "tbu_slots": 4, "tbu_threads": 4, "write_blocks": 2, "walks": 2,
         "memory_reads": 4, "ste_entries": 2, "cd_entries": 2, "walk_entries": 2,
         "tlb_entries": 16, "ipa_entries": 2}
_BASE = {"utlb_entries": 32, "queues": 16}
SIZES: dict[str, dict[str, int]] = {
    "tiny": _TINY,
    "tiny-stall": _TINY,
    "base": _BASE,
    "wide": _BASE,
    "full": {"utlb_entries": 64, "tbu_slots": 64, "tbu_threads": 32, "write_blocks": 32,
             "walks": 32, "memory_reads": 32, "queues": 64, "ste_entries": 64, "cd_entries": 64,
             "walk_entries": 32, "tlb_entries": 1024, "ipa_entries": 64},
}
