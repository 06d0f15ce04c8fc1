"""A look at a migration from outside: which step, how far, how fast, what it has cost."""

from __future__ import annotations

import time
from collections import deque
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from limosa.app import App
    from limosa.control.records import Record

__all__ = ["Look", "Watch"]

WINDOW_S = 15.0
"""The rate is taken over so long: long enough to be steady, short enough to show a change."""

_NEXT = {"plan": "expand", "expand": "backfill", "backfill": "index", "index": "verify"}


@dataclass(frozen=True, slots=True, kw_only=True)
class Look:
    """How far a migration is at one moment.

    Attributes:
        phase: the step that is under way, or ``plan`` before anything, or ``catch up``.
        done: units that are done; rows while filling.
        total: all of them; None where nobody knows.
        rate_per_s: rows a second lately, by all workers; None while it is not known.
        detail: what the store says of it, as the phase of an index build.
        changes: changes of the application that wait.
        filled: rows that have an outcome, in whatever phase.
    """

    phase: str
    done: int = 0
    total: int | None = None
    rate_per_s: float | None = None
    cost_usd: float = 0.0
    changes: int = 0
    detail: str = ""
    filled: int = 0

    @property
    def left_s(self) -> float | None:
        """Seconds until the end at this rate; None while that is not known."""
        if self.total is None or not self.rate_per_s:
            return None
        return max(0, self.total - self.done) / self.rate_per_s


@dataclass(slots=True)
class Watch:
    """Looks again and again, and remembers enough to say a rate."""

    app: App
    titles: dict[str, str] = field(default_factory=dict)
    _seen: deque[tuple[float, int]] = field(default_factory=deque)

    def look(self) -> Look:
        """How far it is now.

        Raises:
            Transient: the database does not answer.
        """
        record = self.app.voyage.records.get()
        if record is None or not (record.active or record.step == "finish"):
            return Look(phase="plan")
        self.titles = {operation.title: operation.step for operation in record.operations}
        return self._of(record)

    def step_of(self, line: str) -> str:
        """The step of the operation that a line speaks of; empty where it speaks of none."""
        return next((step for title, step in self.titles.items() if title in line), "")

    def _of(self, record: Record) -> Look:
        phase = "catch up" if record.switched else _NEXT.get(record.step, "catch up")
        tally = self.app.voyage.reports.tally()
        filled = tally.done + tally.skipped + tally.dead
        look = Look(phase=phase, cost_usd=tally.cost_usd, changes=tally.changes, filled=filled)
        if phase == "index" and (progress := self.app.voyage.store.runner.progress()) is not None:
            # A total that has been passed was an estimate, and says nothing any more.
            total = progress.total if progress.total >= progress.done else None
            return replace(look, done=progress.done, total=total or None, detail=progress.phase)
        if phase == "backfill" and record.at_expand is not None:
            # Rows that appeared meanwhile are counted too; the bar must not pass its end.
            return replace(look, done=filled, total=max(record.at_expand, filled), rate_per_s=self._rate(filled))
        return look

    def _rate(self, done: int) -> float | None:
        now_s = time.monotonic()
        self._seen.append((now_s, done))
        while len(self._seen) > 2 and now_s - self._seen[1][0] > WINDOW_S:
            self._seen.popleft()
        since_s, before = self._seen[0]
        return (done - before) / (now_s - since_s) if now_s - since_s > 0.2 else None
