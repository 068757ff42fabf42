"""What is wrong with a BD3 before anything it points to is touched (reference 3.8)."""

from __future__ import annotations

from pymodel.accel.engines import AesEngine, engine_for
from spec.sec import (
    AES_BLOCK,
    AES_KEY_BYTES,
    BD3,
    BD3_TYPE,
    CIPHER_LENGTH_MAX,
    AddressType,
    Algorithm,
    Auth,
    Cipher,
    ErrorType,
    Mode,
    Scene,
)

_ADDRESS_TYPES = (AddressType.FLAT, AddressType.SGL)
_WHOLE_BLOCKS = (Mode.ECB, Mode.CBC)
_AES_MODES = (*_WHOLE_BLOCKS, Mode.CTR)


def check(bd: BD3) -> ErrorType:
    """The reason with the lowest code why the BD cannot be done, or OK."""
    engine = engine_for(bd)
    aes = engine is AesEngine
    reasons = (
        (ErrorType.BD_TYPE, bd.type != BD3_TYPE or bd.invalid == 1 or bd.de > 1),
        (ErrorType.SCENE, bd.scene not in (Scene.NONE, Scene.IPSEC)),
        (ErrorType.CIPHER, bd.cipher == Cipher.NONE or bd.auth != Auth.NONE),
        (ErrorType.ALGORITHM, aes and bd.c_alg != Algorithm.AES),
        (ErrorType.MODE, engine is None or (aes and bd.c_mode not in _AES_MODES)),
        (ErrorType.KEY_LENGTH, aes and bd.c_key_len not in AES_KEY_BYTES),
        (ErrorType.LENGTH, not 0 < bd.c_len <= CIPHER_LENGTH_MAX
         or (aes and bd.c_mode in _WHOLE_BLOCKS and bd.c_len % AES_BLOCK != 0)),
        (ErrorType.ADDRESS_TYPE, engine is not None and any(
            kind not in _ADDRESS_TYPES for kind in _used_types(bd, engine.READS, engine.WRITES))),
    )
    return next((code for code, bad in reasons if bad), ErrorType.OK)


def _used_types(bd: BD3, reads: bool, writes: bool) -> list[int]:
    """Address types of what the job reads and writes."""
    target = bd.dst_addr_type if bd.de else bd.src_addr_type
    return [bd.src_addr_type] * reads + [target] * writes
