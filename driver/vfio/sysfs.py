"""The parent's directory in sysfs."""

from __future__ import annotations

import errno
from collections.abc import Callable

from driver.vfio.mdev import Parent
from driver.vfio.packed import fail

TYPES = "mdev_supported_types"


class Sysfs:
    """Files and directories by path relative to the parent's directory; text ends in newlines.

    ENOENT: no such path. EACCES: a file that is only written, or only read. EISDIR, ENOTDIR.
    """

    def __init__(self, parent: Parent) -> None:
        self._parent = parent

    def list(self, path: str = "") -> list[str]:
        """Names in a directory."""
        node = self._find(path)
        if not isinstance(node, dict):
            raise fail(errno.ENOTDIR, path)
        return sorted(node)

    def read(self, path: str) -> str:
        """Content of a file, or where a link leads."""
        node = self._find(path)
        if isinstance(node, dict):
            raise fail(errno.EISDIR, path)
        if not isinstance(node, str):
            raise fail(errno.EACCES, f"{path} is only written")
        return node

    def write(self, path: str, data: bytes) -> int:
        """Write a file; the bytes taken. Errors of what the file does: `Parent`."""
        node = self._find(path)
        if isinstance(node, dict):
            raise fail(errno.EISDIR, path)
        if isinstance(node, str):
            raise fail(errno.EACCES, f"{path} is only read")
        node(data)
        return len(data)

    def _find(self, path: str) -> Node:
        node: Node = self._tree()
        for name in path.split("/") if path else ():
            if not isinstance(node, dict):
                raise fail(errno.ENOTDIR, path)
            if name not in node:
                raise fail(errno.ENOENT, path)
            node = node[name]
        return node

    def _tree(self) -> dict[str, Node]:
        tree: dict[str, Node] = {TYPES: {kind: self._type(kind) for kind in self._parent.types}}
        for uuid, device in self._parent.devices.items():
            tree[uuid] = {"remove": self._remover(uuid), "mdev_type": f"../{TYPES}/{device.kind}"}
        return tree

    def _type(self, kind: str) -> Node:
        info = self._parent.types[kind]
        node: dict[str, Node] = {
            "create": lambda data: self._create(kind, data), "name": info.name + "\n",
            "device_api": "vfio-platform\n",
            "available_instances": f"{self._parent.available}\n",
            "devices": {uuid: f"../../../{uuid}" for uuid, device in self._parent.devices.items()
                        if device.kind == kind}}
        if info.description:
            node["description"] = info.description + "\n"
        return node

    def _create(self, kind: str, data: bytes) -> None:
        self._parent.create(kind, data)

    def _remover(self, uuid: str) -> Callable[[bytes], None]:
        def remove(data: bytes) -> None:
            """Any number but 0 removes; EINVAL if it is no number."""
            try:
                chosen = int(data.decode("ascii").strip(), 0)
            except ValueError:
                raise fail(errno.EINVAL, f"{data!r} is not a number") from None
            if chosen:
                self._parent.remove(uuid)
        return remove


Node = dict[str, "Node"] | str | Callable[[bytes], None]
