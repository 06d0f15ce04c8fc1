"""A look at a migration from outside: which step, how far, how fast, what it has cost."""

from __future__ import annotations

import resource
import time
from collections import deque
from dataclasses import dataclass, field, replace
from pathlib import Path
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
        waiting: what this process waits for; empty where it does not.
        filled: rows that have an outcome, in whatever phase.
        database_bytes: size of the database; None where nobody says.
        cpu_share: this process's processor time by the time that went by; 2.0 is two processors.
        memory_bytes: what this process holds.
        what: what is counted, in a word.
    """

    phase: str
    done: int = 0
    total: int | None = None
    rate_per_s: float | None = None
    cost_usd: float = 0.0
    changes: int = 0
    detail: str = ""
    waiting: str = ""
    filled: int = 0
    database_bytes: int | None = None
    cpu_share: float | None = None
    memory_bytes: int = 0
    what: str = "rows"

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
    _seen: deque[tuple[float, float]] = field(default_factory=deque)
    _used: deque[tuple[float, float]] = field(default_factory=deque)

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
        look = Look(
            phase=phase,
            cost_usd=tally.cost_usd,
            changes=tally.changes,
            waiting=self.app.voyage.meter.read().waiting,
            filled=filled,
            database_bytes=tally.database_bytes,
            cpu_share=_slope(self._used, time.process_time()),
            memory_bytes=_memory_bytes(),
            what="points" if self.app.migration.copy is not None else "rows",
        )
        if phase == "index" and (progress := self.app.voyage.store.runner.progress()) is not None:
            # A total that has been passed was an estimate, and says nothing any more.
            total = progress.total if progress.total >= progress.done else None
            return replace(look, done=progress.done, total=total or None, detail=progress.phase)
        if phase == "backfill" and record.at_expand is not None:
            # Rows that appeared meanwhile are counted too; the bar must not pass its end.
            return replace(
                look, done=filled, total=max(record.at_expand, filled), rate_per_s=_slope(self._seen, filled)
            )
        return look


def _slope(seen: deque[tuple[float, float]], value: float) -> float | None:
    """How fast a value grew lately, a second; None while that is not known."""
    now_s = time.monotonic()
    seen.append((now_s, value))
    while len(seen) > 2 and now_s - seen[1][0] > WINDOW_S:
        seen.popleft()
    since_s, before = seen[0]
    return (value - before) / (now_s - since_s) if now_s - since_s > 0.2 else None


def _memory_bytes() -> int:
    """What this process holds in memory; where the system does not say, the most that it ever held."""
    try:
        pages = int(Path("/proc/self/statm").read_text(encoding="ascii").split()[1])
    except OSError:
        # macOS, in bytes.
        return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return pages * resource.getpagesize()
