"""Rate limits of a server: a token bucket or a fixed window, and the headers that tell of them."""

from __future__ import annotations

import math
import threading
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Literal

__all__ = ["Meter", "Quota", "Reading", "duration"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Quota:
    """What a server allows.

    Attributes:
        requests_per_minute, tokens_per_minute: None for as many as come.
        how: ``bucket`` refills evenly; ``window`` begins anew every ``window_s``.
        burst_s: what a full bucket holds, as seconds of its rate; 60 is one minute's worth.
        window_s: length of a window; it holds that many seconds of the rate.
        headers: every answer tells limit, remaining and reset as OpenAI does.
        retry_after: a 429 tells how long to wait.
        counts: what counts as a request; Google counts every text of a batch.
        refused_count: requests that are refused use up the limit too, as at OpenAI.
    """

    requests_per_minute: float | None = None
    tokens_per_minute: float | None = None
    how: Literal["bucket", "window"] = "bucket"
    burst_s: float = 60.0
    window_s: float = 60.0
    headers: bool = False
    retry_after: bool = True
    counts: Literal["request", "text"] = "request"
    refused_count: bool = False

    @property
    def span_s(self) -> float:
        """Seconds of the rate that can be had at once."""
        return self.burst_s if self.how == "bucket" else self.window_s


@dataclass(frozen=True, slots=True, kw_only=True)
class Reading:
    """What the meter said of one request.

    Attributes:
        passed: the limit that was in the way: ``requests`` or ``tokens``; None where it may go on.
        limit: of what was passed, a minute.
        wait_s: how long until the same request may go on.
        headers: to be sent with the answer.
    """

    passed: Literal["requests", "tokens"] | None
    limit: int
    wait_s: float
    headers: Mapping[str, str]


class Meter:
    """Keeps to a quota; safe for threads.

    Args:
        clock: seconds, never going back.
    """

    def __init__(self, quota: Quota, *, clock: Callable[[], float] = time.monotonic) -> None:
        self._quota = quota
        self._clock = clock
        self._start = clock()
        self._lock = threading.Lock()
        rates: dict[Literal["requests", "tokens"], float | None] = {
            "requests": quota.requests_per_minute,
            "tokens": quota.tokens_per_minute,
        }
        self._pots = {name: _Pot(rate / 60, quota.span_s) for name, rate in rates.items() if rate is not None}
        self._filled = self._start

    def take(self, *, requests: int, tokens: int) -> Reading:
        """Takes what a request needs, or nothing where that is not to be had."""
        wanted = {"requests": requests, "tokens": tokens}
        with self._lock:
            left_s = self._refill()
            short = {name: pot for name, pot in self._pots.items() if pot.level + 1e-9 < wanted[name]}
            if not short or self._quota.refused_count:
                for name, pot in self._pots.items():
                    pot.level = max(0.0, pot.level - wanted[name])
            waits = {name: self._wait(pot, wanted[name], left_s) for name, pot in short.items()}
            headers = self._headers(left_s) if self._quota.headers else {}
            if not waits:
                return Reading(passed=None, limit=0, wait_s=0.0, headers=headers)
            wait_s, passed = max((wait_s, name) for name, wait_s in waits.items())
            limit = round(self._pots[passed].per_s * 60)
            return Reading(passed=passed, limit=limit, wait_s=wait_s, headers=headers)

    def _refill(self) -> float:
        """Brings the pots up to now; seconds until the window ends."""
        now = self._clock()
        if self._quota.how == "bucket":
            for pot in self._pots.values():
                pot.level = min(pot.full, pot.level + pot.per_s * (now - self._filled))
        elif self._window(now) != self._window(self._filled):
            for pot in self._pots.values():
                pot.level = pot.full
        self._filled = now
        return (self._window(now) + 1) * self._quota.window_s + self._start - now

    def _window(self, now: float) -> int:
        return math.floor((now - self._start) / self._quota.window_s)

    def _wait(self, pot: _Pot, wanted: float, left_s: float) -> float:
        return (wanted - pot.level) / pot.per_s if self._quota.how == "bucket" else left_s

    def _headers(self, left_s: float) -> dict[str, str]:
        told: dict[str, str] = {}
        for name, pot in self._pots.items():
            reset_s = (pot.full - pot.level) / pot.per_s if self._quota.how == "bucket" else left_s
            told[f"x-ratelimit-limit-{name}"] = str(round(pot.per_s * 60))
            told[f"x-ratelimit-remaining-{name}"] = str(math.floor(pot.level + 1e-9))
            told[f"x-ratelimit-reset-{name}"] = duration(reset_s)
        return told


class _Pot:
    def __init__(self, per_s: float, span_s: float) -> None:
        self.per_s = per_s
        self.full = self.level = per_s * span_s


def duration(seconds: float) -> str:
    """Seconds as OpenAI's headers write them: ``20ms``, ``1s``, ``7.66s``, ``6m0s``, ``1h0m0s``."""
    ms = math.ceil(seconds * 1000)
    if ms < 1000:
        return f"{ms}ms"
    minutes, rest_ms = divmod(ms, 60_000)
    hours, minutes = divmod(minutes, 60)
    told = f"{rest_ms / 1000:g}s"
    if hours or minutes:
        told = f"{minutes}m{told}"
    return f"{hours}h{told}" if hours else told
