"""A limit that a provider does not tell, learned from its refusals, for one unit (requests or tokens)."""

from __future__ import annotations

import math
from collections import deque
from dataclasses import dataclass

__all__ = ["Learned"]

MINUTE_S = 60.0
"""Providers state and count their limits by the minute."""

SHARE_BELOW = 0.04
"""A new rate begins this far below the estimate, whose own error is about so large."""

PLATEAU_S = (5.0, 60.0)
"""How long the rate stays about the estimate before it looks for more. Below 5 s a probe's own pauses would be
most of the span; above a minute a limit that was raised would be found too late."""

PLATEAU_REQUESTS = 20
"""A slow provider's plateau holds as many requests, so that refusals stay rare there too."""

DOUBLING_S = 2.0
"""How fast the rate rises while only bounds of the limit are known."""

LEAST_SHARE, MANY = 0.3, 20
"""One estimate lowers the rate at most to this: a span of fewer requests is mostly chance."""


AGREE = 0.2
"""Two estimates that differ by less mean the same."""

WHOLE_S = 45.0
"""A first span of about a minute holds a whole minute's allowance, whatever the provider's way of counting."""

LONG_S = 5.0
"""A bucket refills a request sooner; after a longer time without any, a fixed window has begun anew."""


@dataclass(slots=True)
class _Shape:
    """The rate as a function of the time for which it was used.

    From ``low`` it doubles until it meets a cubic curve with its plateau at ``top`` after ``plateau_s``.
    """

    low: float = math.inf
    top: float = math.inf
    plateau_s: float = 0.0
    used_s: float = 0.0

    @property
    def rate(self) -> float:
        if math.isinf(self.top):
            return math.inf
        deviation = (self.used_s - self.plateau_s) / self.plateau_s
        curve = self.top * (1 + SHARE_BELOW * deviation**3)
        if self.low >= self.top:
            return curve
        return min(curve, self.low * 2 ** min(self.used_s / DOUBLING_S, 60.0))


class Learned:
    """The rate in units a second, from refusals alone.

    What was let through between two *marks*, divided by the time between them, is the limit. A mark is the end
    of an episode of refusals: a token bucket is empty there, a fixed window begins anew there, so that the
    content at both marks is the same. Before the first mark stands the provider's initial burst: the first
    estimate is an upper bound only.

    From each estimate the rate follows a cubic curve with a plateau there, as the congestion window of CUBIC
    does (RFC 9438): it nears the estimate from below, stays about it, and looks for more ever faster
    when no refusal comes.

    Attributes:
        spread: by how much estimates differ from one to the next, as a logarithm; infinite before the third.
    """

    def __init__(self) -> None:
        self.spread = math.inf
        self._mark_s: float | None = None
        self._passed = 0.0
        self._requests = 0
        self._refused_s: float | None = None
        self._recent: deque[tuple[int, float]] = deque()
        self._onset_s = 0.0
        self._idle_s = 0.0
        self._shape = _Shape()
        self._last: float | None = None
        self._before: tuple[float, float, int, float, _Shape, float | None] = (0.0, 0.0, 0, 0.0, self._shape, None)

    @property
    def rate(self) -> float:
        """Units a second that may be sent; infinite while no refusal came."""
        return self._shape.rate

    def begin(self, now_s: float) -> None:
        """Notes the first request of all; later calls do nothing."""
        if self._mark_s is None:
            self._mark_s = now_s

    def use(self, seconds: float, idle_s: float) -> None:
        """Notes for how long the rate was what held requests back, and for how long fewer were sent."""
        self._shape.used_s += seconds
        if self._refused_s is None:
            self._idle_s += idle_s

    def passed(self, sent_s: float, amount: float) -> None:
        """Notes a request that was let through, of so many units, sent at that time."""
        self._requests += 1
        self._passed += amount
        second = int(sent_s)
        if self._recent and self._recent[-1][0] >= second:
            self._recent[-1] = (self._recent[-1][0], self._recent[-1][1] + amount)
        else:
            self._recent.append((second, amount))
            while self._recent[0][0] < second - MINUTE_S - 1:
                self._recent.popleft()

    def refused(self, sent_s: float) -> None:
        """Notes a refusal of an episode by the time at which that request was sent."""
        if self._refused_s is None:
            self._onset_s = self._refused_s = sent_s
        self._refused_s = max(self._refused_s, sent_s)

    def settle(self, sent_s: float, *, asked: bool) -> None:
        """Ends an episode with a request that was let through, and draws the conclusion.

        Args:
            sent_s: when that request was sent.
            asked: the provider had said when to come again.
        """
        if self._refused_s is None or self._mark_s is None:
            return
        gap_s = sent_s - min(self._refused_s, sent_s)
        if asked:
            # Providers round the pause they ask for up to a second.
            gap_s = min(gap_s, 1 + 0.05 * gap_s)
        # The allowance was renewed somewhere between the last refusal and this request.
        mark_s, earliest_s = sent_s - gap_s / 2, sent_s - gap_s
        self._refused_s = None
        self._before = (self._mark_s, self._passed, self._requests, self._idle_s, self._shape, self._last)
        if mark_s > self._mark_s and self._passed > 0:
            self._conclude(mark_s - self._mark_s, mark_s, earliest_s)
        self._mark_s, self._passed, self._requests, self._idle_s = mark_s, 0.0, 0, 0.0

    def unsettle(self) -> None:
        """Takes the last conclusion back: the next request was refused again, so the episode was not over.

        Where a limit by tokens is used up, a small request may still pass.
        """
        passed, requests = self._passed, self._requests
        self._mark_s, self._passed, self._requests, self._idle_s, self._shape, self._last = self._before
        self._passed += passed
        self._requests += requests

    def _conclude(self, span_s: float, mark_s: float, earliest_s: float) -> None:
        shut_s = mark_s - self._onset_s
        # While shut a large bucket fills and a small one runs over; which one it is shows with time.
        wasted_s = self._idle_s + (shut_s / 6 if shut_s <= LONG_S else 0.0)
        mean = self._passed / max(span_s - wasted_s, span_s / 10)
        peak = max((amount for second, amount in self._recent if second >= self._onset_s - 3), default=0.0)
        if span_s > MINUTE_S:
            # Any span that ends at a mark bounds the limit from above: one that fell shows in the last minute. The
            # first span began slowly: its mean says nothing.
            last = sum(amount for second, amount in self._recent if second >= earliest_s - MINUTE_S) / MINUTE_S
            mean = last if self._last is None else min(mean, last) if span_s > 1.1 * MINUTE_S else mean
        if self._last is None:
            self._shape = self._guess(mean, max(mean, peak), span_s)
            self._last = mean if span_s >= WHOLE_S else math.inf
            return
        if self._requests >= MANY and self._last < math.inf:
            change = abs(math.log(mean / self._last))
            self.spread = change if math.isinf(self.spread) else (self.spread + change) / 2
        before = min(self.rate, max(mean, peak))
        if shut_s > LONG_S or _alike(mean, self._last) or _alike(mean, before):
            self._shape = self._estimate(mean, before, span_s)
        else:
            # A small bucket that ran over while little was sent has the same mean as a large one.
            between = max(math.sqrt(mean * before), before * LEAST_SHARE)
            self._shape = _Shape(between, between, max(PLATEAU_S[0], span_s / 4))
        self._last = mean

    def _guess(self, mean: float, peak: float, span_s: float) -> _Shape:
        """The first span begins with a burst of unknown size: it gives bounds, and the rate rises between them."""
        if span_s >= WHOLE_S:
            return _Shape(mean, mean, span_s / 2)
        plateau_s = max(PLATEAU_S[0], span_s / 4)
        # A bucket of a minute's worth has given away as much; one of a few requests lets nothing above it pass.
        return _Shape(min(mean, 2 * self._passed / (MINUTE_S + span_s)), peak, plateau_s)

    def _estimate(self, mean: float, before: float, span_s: float) -> _Shape:
        shortest, longest = PLATEAU_S
        longest = max(longest, PLATEAU_REQUESTS * span_s / max(1, self._requests))
        top = mean if self._requests >= MANY else max(mean, before * LEAST_SHARE)
        return _Shape(top, top, min(max(span_s, shortest), longest))


def _alike(one: float, other: float) -> bool:
    return one < other * (1 + AGREE) and other < one * (1 + AGREE)
