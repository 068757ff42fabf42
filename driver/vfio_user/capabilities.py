"""What the two sides tell each other with VERSION (vfio.md 3)."""

from __future__ import annotations

import errno
import json
from dataclasses import dataclass
from typing import Any

from driver.vfio.packed import fail
from driver.vfio_user import uapi
from driver.vfio_user.uapi import Version

JSON_MAX = 4096


@dataclass(frozen=True, kw_only=True)
class Capabilities:
    """One side's limits; what a peer does not mention has the default of the specification."""

    max_msg_fds: int = uapi.SPEC_MAX_FDS
    max_data_xfer_size: int = uapi.SPEC_MAX_TRANSFER
    max_dma_maps: int = uapi.SPEC_MAX_MAPS
    pgsizes: int = uapi.PAGE_SIZES
    write_multiple: bool = False

    def encode(self, minor: int) -> bytes:
        """The payload of VERSION, request or reply."""
        text = json.dumps({"capabilities": {
            "max_msg_fds": self.max_msg_fds, "max_data_xfer_size": self.max_data_xfer_size,
            "max_dma_maps": self.max_dma_maps, "pgsizes": self.pgsizes,
            "write_multiple": self.write_multiple}})
        return Version(uapi.MAJOR, minor).encode() + text.encode() + b"\0"


def decode(payload: bytes) -> tuple[Version, Capabilities]:
    """A peer's version and limits. EINVAL: another major version, or text that is not what it
    should be; unknown keys are ignored."""
    version = Version.decode(payload)
    if version.major != uapi.MAJOR:
        raise fail(errno.EINVAL, f"version {version.major}.{version.minor}")
    text = payload[version.size():]
    if not text:
        return version, Capabilities()
    if len(text) > JSON_MAX or text[-1] or 0 in text[:-1]:
        raise fail(errno.EINVAL, "the JSON text does not end with its one NUL")
    try:
        value = json.loads(text[:-1].decode())
    except (ValueError, RecursionError):
        raise fail(errno.EINVAL, "no JSON") from None
    found = value.get("capabilities", {}) if isinstance(value, dict) else None
    if not isinstance(found, dict):
        raise fail(errno.EINVAL, "no JSON object")
    return version, Capabilities(
        max_msg_fds=_number(found, "max_msg_fds", 0, uapi.SPEC_MAX_FDS),
        max_data_xfer_size=_number(found, "max_data_xfer_size", 1, uapi.SPEC_MAX_TRANSFER),
        max_dma_maps=_number(found, "max_dma_maps", 0, uapi.SPEC_MAX_MAPS),
        pgsizes=_number(found, "pgsizes", 0, uapi.PAGE_SIZES),
        write_multiple=_flag(found, "write_multiple"))


def _number(found: dict[str, Any], key: str, least: int, default: int) -> int:
    value = found.get(key, default)
    if not isinstance(value, int) or isinstance(value, bool) or value < least:
        raise fail(errno.EINVAL, f"{key}: {value!r}")
    return value


def _flag(found: dict[str, Any], key: str) -> bool:
    value = found.get(key, False)
    if not isinstance(value, bool):
        raise fail(errno.EINVAL, f"{key}: {value!r}")
    return value
