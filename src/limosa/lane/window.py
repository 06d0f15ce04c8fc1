"""How many requests are worth having in flight with one provider, found by trying."""

from __future__ import annotations

import math
import statistics
from collections import deque

__all__ = ["Window"]

FIRST = 2.0
"""Requests in flight at the start, whose answers show the time of a provider that is not busy with us."""

DOUBLING_UP_TO = 24.0
"""Up to here the window doubles with each round of answers; above, it grows by a twelfth, so that the requests which a
limit catches in flight are a twelfth of those that it let through."""

SEARCH, STEADY = 0.08, 0.03
"""Growth by each answer as a share of one request: while nothing stood in the way yet, and afterwards."""

CALM, CROWDED = 1.4, 1.7
"""Answers so many times slower than the best: below, there is room; above, requests queue at the provider. The
median of a round of answers with a jitter of half their time lies within 1.4."""

GENTLE, HARD, LOSS_CUT = 0.9, 0.5, 0.7
"""What a cut leaves of the window: for slow answers as much as would make them quick again, within these bounds; for
lost ones the usual of delay-based controls."""

ROUND, FIRST_ROUND = 12, 4
"""Fewest answers of which a median says something; and of the first one, which is taken while nothing queues yet."""

FIRST_ROUND_FOR_S = 15.0
"""So long the first median counts: it is that of few, and too low a best would make every answer look slow."""

NEAR_BEST = 1.15
"""A round of answers at most so much slower than the best one confirms it."""

BEST_FOR_S = 60.0
"""After so long the best answer time is tried again with half the window: a queue of our own looks like a slow
provider."""


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
        self._cut_s = self._fresh_s = -math.inf
        self._work = 0.0
        self._latencies: list[float] = []
        self._pressed_once = False
        self._rounds: deque[tuple[float, float]] = deque()
        self._began = False
        self._calm = True
        self._best_s = self._best_seen_s = math.inf
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
        quick = now_s - sent_s <= CROWDED * self._best_s
        if pressed and quick and self._calm and not self._dipping and self._size < self.most:
            doubling = self._size < self._doubling_up_to
            self._size += 1.0 if doubling else max(self._growth, 1 / self._size if self._growth == STEADY else 0.0)
        self._work = work if self._work == 0 else 0.95 * self._work + 0.05 * work
        self._pressed_once |= pressed
        if sent_s >= self._fresh_s and 0.5 * self._work <= work <= 2 * self._work:
            self._latencies.append(now_s - sent_s)
            if len(self._latencies) >= (max(ROUND, self.size) if self._began else FIRST_ROUND):
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
        latency_s = statistics.median(self._latencies)
        while self._rounds and self._rounds[0][0] < now_s - 2 * BEST_FOR_S:
            self._rounds.popleft()
        self._rounds.append((now_s if self._began else now_s - 2 * BEST_FOR_S + FIRST_ROUND_FOR_S, latency_s))
        self._began = True
        best_s = self._best_s = min(each_s for _, each_s in self._rounds)
        if latency_s <= NEAR_BEST * best_s or math.isinf(self._best_seen_s):
            self._best_seen_s = now_s
        slower = latency_s / best_s
        self._calm = slower < CALM
        if self._pressed_once and not self._dipping and slower > CROWDED:
            self._cut(min(GENTLE, max(HARD, CROWDED / slower)), now_s)
        self._dipping = not self._dipping and self._pressed_once and now_s - self._best_seen_s > BEST_FOR_S
        if self._dipping:
            self._best_seen_s = self._fresh_s = now_s
        self._latencies, self._pressed_once = [], False

    def _cut(self, share: float, now_s: float) -> None:
        self._size = max(1.0, min(self._size, self.most) * share)
        self._doubling_up_to = min(self._doubling_up_to, self._size)
        self._growth = STEADY
        self._cut_s = self._fresh_s = now_s
        self._latencies = []
