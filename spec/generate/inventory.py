"""Everything the generated files show, in order."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from enum import IntEnum
from types import ModuleType

from spec import (
    codes,
    commands,
    context,
    events,
    pmcg,
    pri,
    qm,
    registers,
    sec,
    stream_table,
    vmsa,
)
from spec.fields import Register, RegisterMap, Structure


@dataclass(frozen=True)
class Part:
    """One chapter.

    Members
    -------
    title, reference
        For the document: heading, and the reference that the section numbers belong to.
    prefix
        What the C names begin with.
    modules
        Where structures and enums come from.
    map
        Registers, if any.
    indexed
        Registers that repeat with an index and are in no map.
    """

    title: str
    reference: str
    prefix: str
    modules: tuple[ModuleType, ...]
    map: RegisterMap | None = None
    indexed: tuple[type[Register], ...] = ()

    def structures(self) -> Iterator[type[Structure]]:
        """Structures in memory, in the order of declaration."""
        seen = set()
        for module in self.modules:
            for name, item in vars(module).items():
                if (isinstance(item, type) and issubclass(item, Structure) and item not in seen
                        and not issubclass(item, Register) and not name.startswith("_")
                        and item not in (Structure, commands.Command, events.Event)):
                    seen.add(item)
                    yield item

    def enums(self) -> Iterator[type[IntEnum]]:
        """Enums declared in the modules."""
        seen = set()
        for module in self.modules:
            for item in vars(module).values():
                if (isinstance(item, type) and issubclass(item, IntEnum) and len(item)
                        and item.__module__.startswith(module.__name__) and item not in seen):
                    seen.add(item)
                    yield item


PARTS = (
    Part("Codes used in several places", "smmuv3.md", "SMMU_", (codes,)),
    Part("SMMU registers", "smmuv3.md", "SMMU_", (registers,), registers.SMMU),
    Part("Stream table", "smmuv3.md", "SMMU_", (stream_table,)),
    Part("Context descriptors", "smmuv3.md", "SMMU_", (context,)),
    Part("Translation tables", "smmuv3.md", "SMMU_", (vmsa,)),
    Part("Commands", "smmuv3.md", "SMMU_CMD_", (commands,)),
    Part("Events", "smmuv3.md", "SMMU_EVENT_", (events,)),
    Part("Page requests", "smmuv3.md", "SMMU_", (pri,)),
    Part("Performance monitors", "smmuv3.md", "PMCG_", (pmcg,), pmcg.PMCG,
         (pmcg.EVTYPER, pmcg.SMR)),
    Part("Queue manager", "qm.md", "QM_", (qm,), qm.QM),
    Part("Configuration space", "qm.md", "QM_CONFIG_", (), qm.CONFIG),
    Part("SEC engine", "qm.md", "SEC_", (sec,), sec.SEC),
)
