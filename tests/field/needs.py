"""Says which ID fields a bug needs."""

from __future__ import annotations

from collections.abc import Callable
from typing import TypeVar

T = TypeVar("T")


def needs(*names: str) -> Callable[[T], T]:
    """The test applies where these ID fields are not 0."""
    def mark(test: T) -> T:
        test.needs = names  # type: ignore[attr-defined]
        return test
    return mark
