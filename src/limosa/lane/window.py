"""How many requests are worth having in flight with one provider, found by trying."""

from __future__ import annotations

import math
import statistics
from collections import deque
from dataclasses import dataclass

__all__ = ["Window"]

FIRST = 4.0
"""Requests in flight at the start: enough to see an answer's time, too few to hurt anybody."""

DOUBLING_UP_TO = 16.0
"""Up to here the window doubles with each round of answers; above, it grows by a tenth, so that the requests which a
limit catches in flight are a tenth of those that it let through."""

SEARCH, STEADY = 0.1, 0.03
"""Growth by each answer as a share of one request: while nothing stood in the way yet, and afterwards."""

CALM, CROWDED = 1.3, 1.6
"""Answers so many times slower than the best: below, there is room; above, requests queue at the provider. The
median of a round of answers with a jitter of half their time lies within 1.3."""

LATENCY_CUT, LOSS_CUT = 0.9, 0.7

ROUND = 8
"""Fewest answers of which a median says something."""

BEST_FOR_S = 60.0
"""After so long the best answer time is tried again with half the window: a queue of our own looks like a slow
provider."""


@dataclass(frozen=True, slots=True)
class _Round:
    at_s: float
    size: float
    latency_s: float
    per_s: float


class Window:
    """The number of requests in flight, between 1 and ``most``.

    Additive increase and multiplicative decrease as in TCP (Chiu and Jain 1989), with the delay as a further
    sign of a queue as in TCP Vegas (Brakmo and Peterson 1995): more in flight than the provider works on at once
    makes answers slower and nothing faster.

    Attributes:
        most: never more than so many.
        in_flight: how many there are.
    """

    def __init__(self, most: int) -> None:
        self.most = most
        self.in_flight = 0
        self._size = min(FIRST, float(most))
        self._doubling_up_to = DOUBLING_UP_TO
        self._growth = SEARCH
        self._cut_s = -math.inf
        self._work = 0.0
        self._latencies: list[float] = []
        self._round_s: float | None = None
        self._round_pressed = False
        self._rounds: deque[_Round] = deque()
        self._calm = True
        self._best_seen_s = math.inf
        self._dipping = False

    @property
    def size(self) -> int:
        """Requests that may be in flight now."""
        size = self._size / 2 if self._dipping else self._size
        return max(1, min(self.most, int(size)))

    @property
    def pressed(self) -> bool:
        """Whether the window is about full, so that it is what holds requests back."""
        return self.in_flight >= 0.8 * self.size

    def answered(self, sent_s: float, now_s: float, *, work: float, pressed: bool) -> None:
        """Notes an answer to a request that was sent at that time with that much work, in a full window or not."""
        if pressed and self._calm and not self._dipping and self._size < self.most:
            doubling = self._size < self._doubling_up_to
            self._size += 1.0 if doubling else max(self._growth, 1 / self._size if self._growth == STEADY else 0.0)
        self._work = work if self._work == 0 else 0.95 * self._work + 0.05 * work
        if self._round_s is None:
            self._round_s = now_s
        self._round_pressed |= pressed
        if sent_s >= self._cut_s and 0.5 * self._work <= work <= 2 * self._work:
            self._latencies.append(now_s - sent_s)
            if len(self._latencies) >= max(ROUND, self.size):
                self._judge(now_s)

    def lost(self, sent_s: float, now_s: float) -> None:
        """Notes a time-out, a lost connection or a server's error; a round trip costs the window once."""
        if sent_s > self._cut_s:
            self._cut(LOSS_CUT, now_s)

    def restart(self) -> None:
        """Begins small again, after an outage; doubles up to half of what was good before."""
        self._doubling_up_to = max(FIRST, self._size / 2)
        self._size = min(FIRST, float(self.most))

    def _judge(self, now_s: float) -> None:
        took_s = max(1e-6, now_s - (self._round_s or now_s))
        mine = _Round(now_s, self.in_flight, statistics.median(self._latencies), len(self._latencies) / took_s)
        while self._rounds and self._rounds[0].at_s < now_s - 2 * BEST_FOR_S:
            self._rounds.popleft()
        self._rounds.append(mine)
        best_s = min(each.latency_s for each in self._rounds)
        if mine.latency_s <= 1.15 * best_s or math.isinf(self._best_seen_s):
            self._best_seen_s = now_s
        slower = mine.latency_s / best_s
        self._calm = slower < CALM
        if self._round_pressed and not self._dipping and slower > CROWDED and not self._gains(mine):
            self._cut(LATENCY_CUT, now_s)
        self._dipping = not self._dipping and self._round_pressed and now_s - self._best_seen_s > BEST_FOR_S
        if self._dipping:
            self._best_seen_s = now_s
        self._latencies, self._round_s, self._round_pressed = [], now_s, False

    def _gains(self, mine: _Round) -> bool:
        """Whether more in flight still brings more answers a second, as with a server that works in batches."""
        fewer = [each for each in self._rounds if each.size <= 0.8 * mine.size]
        if not fewer:
            return False
        last = fewer[-1]
        return mine.per_s / last.per_s - 1 > 0.3 * (mine.size / last.size - 1)

    def _cut(self, share: float, now_s: float) -> None:
        self._size = max(1.0, min(self._size, self.most) * share)
        self._doubling_up_to = min(self._doubling_up_to, self._size)
        self._growth = STEADY
        self._cut_s = now_s
        self._latencies = []
