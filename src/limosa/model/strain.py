"""Strain: how much of it a database may show before a run waits."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from decimal import Decimal

__all__ = ["Limits", "reason_of"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Limits:
    """What a database may bear; what is None is not looked at.

    Attributes:
        max_lag_s: how far a replica or a subscriber that is connected may be behind.
        max_lock_waits: how many sessions that use the table may wait for a lock.
        wait_while: a SELECT; a run waits while its first value is true.
    """

    max_lag_s: float | None = None
    max_lock_waits: int | None = None
    wait_while: str | None = None


def reason_of(rows: Sequence[Sequence[object]]) -> str:
    """What the answer of ``wait_while`` means: why to wait, or nothing. No row and NULL mean nothing."""
    value = rows[0][0] if rows and rows[0] else None
    if value is None or isinstance(value, bool | int | float | Decimal):
        return "wait_while answers true" if value else ""
    return f"wait_while answers a {type(value).__name__}; needed is true or false"
