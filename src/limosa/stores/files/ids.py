"""Ids as files have them, and of what kind they all are."""

from __future__ import annotations

import re
from collections.abc import Set

from limosa.model.point import IdKind

__all__ = ["ID_NAMES", "kind_of", "kind_of_all"]

ID_NAMES = ("id", "_id", "key", "pk")
"""What a column or field of ids is called in files that others wrote; the first that is there is taken."""

_UUID = re.compile(r"[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}")
_UINT63, _UINT64, _UUIDS, _TEXT = range(4)


def kind_of(key: str) -> int:
    """Of what kind one id is; only what is written as limosa writes it is a number or a UUID."""
    if key.isdecimal() and key.isascii() and len(key) < 21 and (key[0] != "0" or key == "0"):
        number = int(key)
        return _UINT63 if number < 1 << 63 else _UINT64 if number < 1 << 64 else _TEXT
    return _UUIDS if len(key) == 36 and _UUID.fullmatch(key) else _TEXT


def kind_of_all(kinds: Set[int]) -> IdKind:
    """The first kind of the port that all are of; numbers where there is none."""
    if _TEXT in kinds:
        return "text"
    if _UUIDS in kinds:
        return "uuid" if kinds == {_UUIDS} else "mixed"
    return "uint64" if _UINT64 in kinds else "uint63"
