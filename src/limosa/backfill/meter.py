"""What a run has done until now, for progress and for the budget."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, field

from limosa.model.spread import Spread, class_of, joined

__all__ = ["Meter", "Reading"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Reading:
    """One look at a run: rows, tokens and dollars of this process since it started."""

    done: int
    skipped: int
    dead: int
    moved: int
    tokens: int
    cost_usd: float
    elapsed_s: float
    waiting: str = ""

    @property
    def rows(self) -> int:
        """Rows that have an outcome."""
        return self.done + self.skipped + self.dead

    @property
    def rate_per_s(self) -> float:
        """Rows a second since the start."""
        return self.rows / self.elapsed_s if self.elapsed_s > 0 else 0.0


@dataclass(slots=True)
class Meter:
    """Adds up outcomes and durations from several threads.

    Attributes:
        waiting: why no batch is begun; provider_waits: asked for where that is empty.
    """

    started_s: float = field(default_factory=time.monotonic)
    waiting: str = ""
    provider_waits: Callable[[], str] = lambda: ""
    _counts: dict[str, int] = field(
        default_factory=lambda: dict.fromkeys(("done", "skipped", "dead", "moved", "tokens"), 0)
    )
    _cost_usd: float = 0.0
    _writes: dict[int, int] = field(default_factory=dict)
    _requests: dict[int, int] = field(default_factory=dict)
    _guard: threading.Lock = field(default_factory=threading.Lock)

    def add(self, *, cost_usd: float = 0.0, **counts: int) -> None:
        """Adds outcomes of one batch."""
        with self._guard:
            self._cost_usd += cost_usd
            for name, count in counts.items():
                self._counts[name] += count

    def wrote(self, seconds: float) -> None:
        """Notes a write transaction that was committed."""
        with self._guard:
            self._writes = joined([self._writes, {class_of(seconds): 1}])

    def answered(self, seconds: float) -> None:
        """Notes a request that a provider answered."""
        with self._guard:
            self._requests = joined([self._requests, {class_of(seconds): 1}])

    def taken(self) -> tuple[Spread, Spread]:
        """Durations of write transactions and of requests since the last call."""
        with self._guard:
            found = self._writes, self._requests
            self._writes, self._requests = {}, {}
        return found

    def read(self) -> Reading:
        """The sums until now."""
        with self._guard:
            return Reading(
                **self._counts,
                cost_usd=self._cost_usd,
                elapsed_s=time.monotonic() - self.started_s,
                waiting=self.waiting or self.provider_waits(),
            )
