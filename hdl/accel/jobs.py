"""What travels between scheduler, lanes and completion: jobs and their results."""

from amaranth.lib import data

from hdl.accel.streams import VALUE_BITS, Space
from hdl.layouts import layout
from hdl.streams import ADDR_BITS
from spec.sec import BD3


def job_layout(queues: int) -> data.StructLayout:
    """A job for a lane.

    Members
    -------
    queue, index
        Submission queue and the SQE's place in it.
    sqe_addr
        Where the SQE lies, for the write-back.
    bd
        The SQE.
    space
        Where everything the SQE points to lies.
    fetch_error
        The SQE could not be read: `bd` is not valid.
    """
    return data.StructLayout({
        "queue": range(queues), "index": 16, "sqe_addr": ADDR_BITS,
        "bd": layout(BD3), "space": Space, "fetch_error": 1})


def done_layout(queues: int) -> data.StructLayout:
    """A finished job on its way to completion; `error_type` and `result` as in `spec.sec.BD3`."""
    return data.StructLayout({
        "queue": range(queues), "index": 16, "sqe_addr": ADDR_BITS,
        "error_type": BD3.error_type.width, "result": VALUE_BITS})
