"""Random descriptors for one queue: good ones, wrong ones, and ones that reach too far."""

from __future__ import annotations

from random import Random

from driver.accel.qm import KERNEL_IOVA
from spec.qm import SGE, SGL, SGL_ALIGN
from spec.sec import BD3, AddressType, Cipher, Mode
from tb.accel.space import NoRoom, Slot, Space
from tb.random_jobs import KINDS, Kind, RandomJobs

SIZES = (1, 7, 16, 17, 64, 100, 255, 256, 257, 1000, 2048)
WRONG = 0.15


class Work:
    """Draws descriptors.

    Parameters
    ----------
    kinds
        Names of what may be asked for; None: everything.
    lists
        Whether there may be scatter-gather lists.
    wild
        Whether addresses outside the space lead nowhere, so that they may be tried.
    """

    def __init__(self, space: Space, rng: Random, kinds: list[str] | None, lists: bool,
                 wild: bool) -> None:
        self._space, self._rng, self._lists, self._wild = space, rng, lists, wild
        self._kinds = [kind for kind in KINDS if kinds is None or kind.name in kinds]

    def draw(self, slot: Slot) -> tuple[str, BD3]:
        """(what it is, descriptor) of a job that uses only `slot`."""
        rng = self._rng
        if rng.random() < 0.03:
            return "garbage", BD3(rng.getrandbits(BD3.BITS - 4) << 4 | rng.choice((0, 1, 2, 4)))
        kind = rng.choice(self._kinds)
        size = rng.choice((rng.choice(SIZES), rng.randrange(1, 600)))
        bd = self._layout(kind, slot, max(size // kind.block, 1) * kind.block)
        if rng.random() < WRONG:
            return "wrong", self._spoil(bd)
        return kind.name, bd

    def _layout(self, kind: Kind, slot: Slot, size: int) -> BD3:
        rng = self._rng
        jobs = RandomJobs(self._space, rng, slot.take)
        while True:
            slot.at = slot.start
            parts = [rng.choice((0, 1, 3, 6)) if self._lists and rng.random() < 0.5 else 0
                     for _ in range(2)]
            try:
                return jobs.job(kind, size, source_parts=parts[0], target_parts=parts[1],
                                in_place=rng.random() < 0.3, offset=rng.choice((0, 0, 0, 9))).bd
            except NoRoom:
                size = kind.block

    def _spoil(self, bd: BD3) -> BD3:
        """One thing about it is not right."""
        rng = self._rng
        changes: list[dict[str, int]] = [
            {"type": 2}, {"invalid": 1}, {"de": 2}, {"scene": rng.randrange(2, 16)},
            {"cipher": Cipher.NONE}, {"auth": 1}, {"c_len": 0}, {"c_len": 0xFF_FFFF},
            {"src_addr_type": rng.randrange(2, 8)}, {"dst_addr_type": rng.randrange(2, 8)},
            {"c_mode": Mode.XTS}, {"c_key_len": 3}]
        if self._wild:
            places = (0, KERNEL_IOVA, rng.getrandbits(47), rng.getrandbits(64))
            changes += [{name: rng.choice(places)}
                        for name in ("data_src_addr", "data_dst_addr", "c_key_addr")] * 2
        lists = [getattr(bd, f"data_{side}_addr") for side in ("src", "dst")
                 if getattr(bd, f"{side}_addr_type") == AddressType.SGL]
        if lists and rng.random() < 0.6:
            self._spoil_list(rng.choice(lists))
            return bd
        return bd.replace(**rng.choice(changes))

    def _spoil_list(self, at: int) -> None:
        rng, space = self._rng, self._space
        head = SGL.from_bytes(space.read(at, SGL.size()))
        first = SGE.from_bytes(space.read(at + SGL.size(), SGE.size()))
        match rng.randrange(5):
            case 0:
                head = head.replace(entry_sum_in_sgl=0)
            case 1:
                head = head.replace(entry_sum_in_sgl=max(head.entry_sum_in_sgl - 1, 1))
            case 2:
                head = head.replace(next_dma=head.next_dma | SGL_ALIGN // 2)
            case 3:
                first = first.replace(buffer=0)
            case 4:
                first = first.replace(length=0)
        space.write(at, head.to_bytes() + first.to_bytes())
