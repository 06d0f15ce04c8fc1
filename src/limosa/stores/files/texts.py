"""Texts of JSON that any reader of UTF-8 takes, and that say of every number what it is."""

from __future__ import annotations

import json
from collections.abc import Mapping

from limosa.model.point import Json

__all__ = ["payload_text", "writable"]


def payload_text(payload: Mapping[str, Json]) -> str:
    """A payload as JSON; whole numbers have all their digits.

    Raises:
        TypeError, ValueError: it is none, for what is in it or because it holds NaN.
    """
    text = json.dumps(dict(payload), ensure_ascii=False, allow_nan=False, separators=(",", ":"))
    # Half of a surrogate pair is a text in JSON, and none in UTF-8.
    return text if writable(text) else json.dumps(dict(payload), separators=(",", ":"))


def writable(text: str) -> bool:
    """Whether UTF-8 has it."""
    try:
        text.encode()
    except UnicodeEncodeError:
        return False
    return True
