"""Counts: what the application did and met, and how long each of its calls took."""

from __future__ import annotations

import threading
import time
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

__all__ = ["Counts", "Report", "Waits"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Waits:
    """How long calls took, in milliseconds: half of them at most p50, 99 of 100 at most p99."""

    p50_ms: float
    p99_ms: float
    longest_ms: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Report:
    """One phase of the application's work.

    Attributes:
        empty: searches without any answer; short: with fewer answers than were asked for.
        messages: what the errors said, each with how often.
    """

    seconds: float
    inserts: int
    edits: int
    deletes: int
    searches: int
    errors: int
    empty: int
    short: int
    messages: dict[str, int]
    write_waits: Waits
    search_waits: Waits

    @property
    def writes(self) -> int:
        """Inserts, edits and deletes."""
        return self.inserts + self.edits + self.deletes

    @property
    def longest_ms(self) -> float:
        """The longest pause of a write or a search."""
        return max(self.write_waits.longest_ms, self.search_waits.longest_ms)

    @classmethod
    def of(cls, counted: dict[str, Any]) -> Report:
        """The report that ``Counts.report`` gave, back from JSON."""
        waits = {name: Waits(**counted[name]) for name in ("write_waits", "search_waits")}
        return cls(**{**counted, **waits})


class Counts:
    """Adds up from several threads."""

    def __init__(self) -> None:
        self._began_s = time.monotonic()
        self._guard = threading.Lock()
        self._made: Counter[str] = Counter()
        self._messages: Counter[str] = Counter()
        self._writes_s: list[float] = []
        self._searches_s: list[float] = []

    def wrote(self, kind: str, took_s: float) -> None:
        """One ``inserts``, ``edits`` or ``deletes``."""
        with self._guard:
            self._made[kind] += 1
            self._writes_s.append(took_s)

    def searched(self, took_s: float, *, found: int, wanted: int) -> None:
        """One search with so many answers."""
        with self._guard:
            self._made["searches"] += 1
            self._made["empty"] += found == 0
            self._made["short"] += found < wanted
            self._searches_s.append(took_s)

    def failed(self, message: str) -> None:
        """One error."""
        with self._guard:
            self._messages[message.strip().splitlines()[0]] += 1

    def report(self) -> dict[str, Any]:
        """Everything as JSON takes it; the fields of ``Report``."""
        with self._guard:
            names = ("inserts", "edits", "deletes", "searches", "empty", "short")
            return {
                "seconds": time.monotonic() - self._began_s,
                **{name: self._made[name] for name in names},
                "errors": self._messages.total(),
                "messages": dict(self._messages),
                "write_waits": _waits(self._writes_s),
                "search_waits": _waits(self._searches_s),
            }


def _waits(took_s: Sequence[float]) -> dict[str, float]:
    ordered = sorted(took_s) or [0.0]
    last = len(ordered) - 1
    at = {"p50_ms": last // 2, "p99_ms": last * 99 // 100, "longest_ms": last}
    return {name: ordered[place] * 1000 for name, place in at.items()}
