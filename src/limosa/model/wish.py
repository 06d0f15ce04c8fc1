"""Wishes: what people ask of a migration while it runs."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime

__all__ = ["Pause", "Setting", "Settings", "Wished"]

Setting = int | float | str
"""What a setting is set to: its name says its unit."""

Settings = Mapping[str, Setting]
"""Settings by name; what nobody set is left out."""


@dataclass(frozen=True, slots=True)
class Pause:
    """Somebody paused the migration: why, which may be empty, and since when."""

    why: str
    since: datetime

    @property
    def said(self) -> str:
        """In words, without the time."""
        return f"paused: {self.why}" if self.why else "paused"


@dataclass(frozen=True, slots=True, kw_only=True)
class Wished:
    """Everything that is asked of a migration at one moment.

    Attributes:
        pause: None where the migration may go on.
        settings: ``requests_in_flight`` (int), ``requests_per_minute`` (int), ``tokens_per_minute`` (int),
            ``budget_usd`` (float), ``lane`` (``direct`` or ``batch``).
    """

    pause: Pause | None = None
    settings: Settings = field(default_factory=dict)
