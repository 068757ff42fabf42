"""What a BD3 asks for, and doing it (reference 3.8)."""

from __future__ import annotations

from pymodel.accel.dma import AccessError, Dma, Task
from pymodel.memory import PAGE
from spec.sec import (
    BD3,
    BD3_TYPE,
    CIPHER_LENGTH_MAX,
    AddressType,
    Auth,
    Cipher,
    ErrorType,
    Scene,
)


def check(bd: BD3) -> ErrorType:
    """The reason with the lowest code why the BD cannot be done, or OK."""
    in_place = bd.de == 0
    reasons = (
        (ErrorType.BD_TYPE, bd.type != BD3_TYPE or bd.invalid == 1 or bd.de > 1),
        (ErrorType.SCENE, bd.scene not in (Scene.NONE, Scene.IPSEC)),
        (ErrorType.CIPHER, bd.cipher != Cipher.COPY or bd.auth != Auth.NONE),
        (ErrorType.LENGTH, not 0 < bd.c_len <= CIPHER_LENGTH_MAX),
        (ErrorType.ADDRESS_TYPE, bd.src_addr_type != AddressType.FLAT
         or (not in_place and bd.dst_addr_type != AddressType.FLAT)),
    )
    return next((code for code, bad in reasons if bad), ErrorType.OK)


def run(dma: Dma, ssid: int | None, bd: BD3) -> Task[ErrorType]:
    """Do what the BD says; how it ended.

    If both a source and a destination page fail, either may be reported by a device that reads
    ahead; this one reports the first in the order of the bytes, source before destination.
    """
    error = check(bd)
    if error:
        return error
    source = bd.data_src_addr + bd.cipher_src_offset
    target = bd.data_dst_addr if bd.de else source
    for done in range(0, bd.c_len, PAGE):
        size = min(PAGE, bd.c_len - done)
        try:
            data = yield from dma.read(ssid, source + done, size)
        except AccessError:
            return ErrorType.DATA_READ
        try:
            yield from dma.write(ssid, target + done, data)
        except AccessError:
            return ErrorType.DATA_WRITE
    return ErrorType.OK

