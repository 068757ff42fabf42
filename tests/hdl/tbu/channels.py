"""Channels and streams of a block as a Python model around it drives and takes them."""

from types import SimpleNamespace

from amaranth import Cat
from amaranth.lib import data


class Channel:
    """One AXI channel or stream seen from Python: the signals, and the pending drive."""

    def __init__(self, valid, ready, members):
        self.valid, self.ready = valid, ready
        self.names = [n for n, _ in members]
        self.signals = [s.as_value() if hasattr(s, "as_value") else s for _, s in members]
        self.widths = [len(s) for s in self.signals]
        self.payload = Cat(self.signals)

    def unpack(self, value: int) -> SimpleNamespace:
        out = {}
        for name, width in zip(self.names, self.widths, strict=True):
            out[name] = value & ((1 << width) - 1)
            value >>= width
        return SimpleNamespace(**out)

    def pack(self, item) -> int:
        value, shift = 0, 0
        for name, width in zip(self.names, self.widths, strict=True):
            value |= (int(getattr(item, name, 0)) & ((1 << width) - 1)) << shift
            shift += width
        return value


def axi_channel(port, prefix: str) -> Channel:
    names = [n.removeprefix(prefix) for n in port.signature.members
             if n.startswith(prefix) and n not in (prefix + "valid", prefix + "ready")]
    return Channel(getattr(port, prefix + "valid"), getattr(port, prefix + "ready"),
                   [(n, getattr(port, prefix + n)) for n in names])


def stream_channel(port) -> Channel:
    payload = port.payload
    names = [n for n, _ in data.Layout.cast(payload.shape())]
    return Channel(port.valid, port.ready, [(n, getattr(payload, n)) for n in names])
