"""What every engine is to a lane."""

from __future__ import annotations

from typing import ClassVar

from spec.sec import BD3


class Engine:
    """Takes the packed bytes of a job and gives those of its result, in order.

    Members
    -------
    READS, WRITES
        Whether jobs have a source, a destination.
    BLOCK
        Every call of `work` but the last gets a multiple of this many bytes.
    """

    READS: ClassVar[bool] = True
    WRITES: ClassVar[bool] = True
    BLOCK: ClassVar[int] = 16

    def __init__(self, bd: BD3, key: bytes = b"", iv: bytes = b"") -> None:
        """For one job, with the key and IV that it names."""

    def work(self, data: bytes) -> bytes:
        """The next bytes of the source to as many bytes of the destination. An engine without a
        source gets zeros; of one without a destination nothing is used."""
        raise NotImplementedError

    def result(self) -> int:
        """What the device returns in the SQE when all bytes are through."""
        return 0
