"""Kinds of ids that are texts: what a store without kinds of its own finds in them."""

from __future__ import annotations

import uuid
from collections.abc import Set

from limosa.model.point import IdKind

__all__ = ["KINDS", "common_kind", "kind_of"]

KINDS: frozenset[IdKind] = frozenset({"uint63", "uint64", "uuid", "mixed", "text"})
"""What a store can hold whose ids are texts."""

_DIGITS = 20
"""As many has the largest number of 64 bits; a longer text is not looked at as a number."""


def kind_of(text: str) -> IdKind:
    """The narrowest kind of one id; only what would be written the same way again is a number or a UUID."""
    if text.isascii() and text.isdecimal() and len(text) <= _DIGITS and str(int(text)) == text:
        number = int(text)
        return "uint63" if number < 1 << 63 else "uint64" if number < 1 << 64 else "text"
    try:
        return "uuid" if str(uuid.UUID(text)) == text else "text"
    except ValueError:
        return "text"


def common_kind(kinds: Set[IdKind]) -> IdKind:
    """The first of the kinds that ids of all these kinds are of; ``text`` for none."""
    if not kinds or kinds & {"text"}:
        return "text"
    if "uuid" in kinds:
        return "uuid" if kinds == {"uuid"} else "mixed"
    return "uint64" if "uint64" in kinds else "uint63"
