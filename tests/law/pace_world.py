"""Providers and a caller with endless work in virtual time: four minutes of requests pass in less than a second."""

from __future__ import annotations

import heapq
import math
import random
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Literal, Protocol

from limosa.errors import Unanswered
from limosa.lane.pace import Pace, Sent
from limosa.model.batch import Allowance

__all__ = ["Bucket", "Capacity", "Latency", "Limited", "Outcome", "Provider", "Quota", "Run", "Window", "run"]

UPLINK_S = (0.01, 0.04)
"""A request reaches the provider after so long, drawn evenly: the order of sending is not quite that of arrival."""

MOST_EVENTS = 1_000_000
"""A provider that is asked as often as the window allows is so by a tenth of it."""

MARGIN = 1e-9
"""Sums of many small floats are not exact."""


@dataclass(frozen=True, slots=True)
class Outcome:
    """What a provider decided when a request came.

    Attributes:
        status: 200, 429 or another failure.
        takes_s: until the answer is back.
        retry_after_s, allowances: as its headers say.
    """

    status: int
    takes_s: float
    retry_after_s: float | None = None
    allowances: tuple[Allowance, ...] = ()


class Provider(Protocol):
    """Decides about requests in the order in which they come."""

    def ask(self, tokens: float, now_s: float) -> Outcome:
        """What becomes of a request."""
        ...

    def done(self, now_s: float) -> None:
        """An answer has left."""
        ...


@dataclass(slots=True)
class Latency:
    """Answers take ``typical_s``, give or take ``jitter`` of it; refusals ``refusal_s``."""

    typical_s: float
    chance: random.Random
    jitter: float = 0.4
    refusal_s: float | None = 0.03

    def answer(self) -> float:
        """Of one answer."""
        return self.typical_s * self.chance.uniform(1 - self.jitter, 1 + self.jitter)

    def refusal(self) -> float:
        """Of one refusal; like an answer's where ``refusal_s`` is None."""
        return self.answer() if self.refusal_s is None else self.refusal_s


class Quota(Protocol):
    """One unit's allowance."""

    def left(self, now_s: float) -> float: ...
    def take(self, amount: float, now_s: float) -> None: ...
    def whole_in_s(self, now_s: float) -> float: ...
    def enough_in_s(self, amount: float, now_s: float) -> float: ...
    def change(self, per_minute: float, now_s: float) -> None: ...


class Bucket:
    """A token bucket that begins full."""

    def __init__(self, per_minute: float, holds: float) -> None:
        self._per_s, self._share = per_minute / 60, holds / per_minute
        self._holds = self._left = holds
        self._seen_s = 0.0

    def left(self, now_s: float) -> float:
        """Units that may be taken now."""
        self._left = min(self._holds, self._left + (now_s - self._seen_s) * self._per_s)
        self._seen_s = now_s
        return self._left

    def take(self, amount: float, now_s: float) -> None:
        """Takes what is there."""
        self._left = self.left(now_s) - amount

    def whole_in_s(self, now_s: float) -> float:
        """Until it is full."""
        return (self._holds - self.left(now_s)) / self._per_s

    def enough_in_s(self, amount: float, now_s: float) -> float:
        """Until there is so much."""
        return max(0.0, (amount - self.left(now_s)) / self._per_s)

    def change(self, per_minute: float, now_s: float) -> None:
        """Another limit from now on."""
        self.left(now_s)
        self._per_s, self._holds = per_minute / 60, self._share * per_minute


class Window:
    """So many each minute; minutes begin ``offset_s`` before the run does."""

    def __init__(self, per_minute: float, offset_s: float = 0.0) -> None:
        self._per_minute, self._offset_s = per_minute, offset_s
        self._minute, self._taken = 0, 0.0

    def left(self, now_s: float) -> float:
        """Units that may be taken now."""
        minute = math.floor((now_s + self._offset_s) / 60)
        if minute != self._minute:
            self._minute, self._taken = minute, 0.0
        return self._per_minute - self._taken

    def take(self, amount: float, now_s: float) -> None:
        """Takes what is there."""
        self.left(now_s)
        self._taken += amount

    def whole_in_s(self, now_s: float) -> float:
        """Until the next minute."""
        return 60 - (now_s + self._offset_s) % 60

    def enough_in_s(self, amount: float, now_s: float) -> float:
        """The same: nothing comes back before."""
        return self.whole_in_s(now_s)

    def change(self, per_minute: float, now_s: float) -> None:
        """Another limit from now on."""
        self._per_minute = per_minute


@dataclass(slots=True)
class Limited:
    """A provider with an allowance for requests, tokens or both.

    Attributes:
        headers: answers say what is left.
        retry_after: refusals say when to come again, in whole seconds or exactly.
    """

    quotas: dict[Literal["requests", "tokens"], Quota]
    latency: Latency
    headers: bool = False
    retry_after: Literal["no", "seconds", "exact"] = "no"

    def ask(self, tokens: float, now_s: float) -> Outcome:
        """Takes from every allowance, or from none."""
        wanted = {"requests": 1.0, "tokens": tokens}
        short = [unit for unit, quota in self.quotas.items() if quota.left(now_s) < wanted[unit] - MARGIN]
        if short:
            wait_s = max(self.quotas[unit].enough_in_s(wanted[unit], now_s) for unit in short)
            asked_s = {"no": None, "seconds": math.ceil(wait_s), "exact": wait_s}[self.retry_after]
            return Outcome(429, self.latency.refusal(), asked_s)
        for unit, quota in self.quotas.items():
            quota.take(wanted[unit], now_s)
        told = tuple(
            Allowance(unit=unit, left=math.floor(quota.left(now_s)), reset_s=quota.whole_in_s(now_s))
            for unit, quota in self.quotas.items()
        )
        return Outcome(200, self.latency.answer(), allowances=told if self.headers else ())

    def done(self, now_s: float) -> None:
        """Nothing: the allowance is by the minute."""


@dataclass(slots=True)
class Capacity:
    """A provider without a limit that works on ``at_once`` requests: more in flight make answers slower.

    Attributes:
        busy: requests in flight, counted.
    """

    at_once: int
    latency: Latency
    busy: int = 0

    def ask(self, tokens: float, now_s: float) -> Outcome:
        """Answers always."""
        self.busy += 1
        return Outcome(200, self.latency.answer() * max(1.0, self.busy / self.at_once))

    def done(self, now_s: float) -> None:
        """One fewer."""
        self.busy -= 1


@dataclass(slots=True)
class Run:
    """What happened: a line for each request that came back."""

    sent: list[tuple[float, int, float]] = field(default_factory=list)
    windows: list[tuple[float, int]] = field(default_factory=list)

    def count(self, status: int | None, start_s: float = 0.0, end_s: float = math.inf) -> int:
        """Requests sent in that time with that outcome, or with any."""
        return sum(start_s <= at < end_s and status in (None, each) for at, each, _ in self.sent)

    def tokens(self, start_s: float, end_s: float) -> float:
        """Tokens of the answered requests that were sent in that time."""
        return sum(tokens for at, status, tokens in self.sent if start_s <= at < end_s and status == 200)

    def refused_share(self, start_s: float = 0.0, end_s: float = math.inf) -> float:
        """429s among all requests sent in that time."""
        return self.count(429, start_s, end_s) / max(1, self.count(None, start_s, end_s))


class _World:
    def __init__(self, provider: Provider, pace: Pace, tokens: Callable[[float], float], chance: random.Random) -> None:
        self.provider, self.pace, self.tokens, self.chance = provider, pace, tokens, chance
        self.events: list[tuple[float, int, Callable[[float], None]]] = []
        self.done = Run()
        self.counted = 0
        self.wake_s = math.inf

    def at(self, when_s: float, act: Callable[[float], None]) -> None:
        self.counted += 1
        heapq.heappush(self.events, (when_s, self.counted, act))

    def go(self, now_s: float) -> None:
        """Starts what may start, and comes again when the pace says so."""
        while True:
            wait_s = self.pace.wait_s(now_s)
            if wait_s > 0:
                break
            tokens = self.tokens(now_s)
            sent = self.pace.start(tokens * self.chance.uniform(0.9, 1.1), now_s)
            self.at(now_s + self.chance.uniform(*UPLINK_S), self._arrive(sent, tokens))
        self.done.windows.append((now_s, self.pace.window.in_flight))
        if math.isfinite(wait_s) and not now_s < self.wake_s <= now_s + wait_s:
            self.wake_s = now_s + wait_s + MARGIN
            self.at(self.wake_s, self._wake)

    def _wake(self, now_s: float) -> None:
        if now_s == self.wake_s:
            self.go(now_s)

    def _arrive(self, sent: Sent, tokens: float) -> Callable[[float], None]:
        def act(now_s: float) -> None:
            outcome = self.provider.ask(tokens, now_s)
            self.at(now_s + outcome.takes_s, lambda back_s: self._back(sent, tokens, outcome, back_s))

        return act

    def _back(self, sent: Sent, tokens: float, outcome: Outcome, now_s: float) -> None:
        self.provider.done(now_s)
        self.done.sent.append((sent.sent_s, outcome.status, tokens))
        if outcome.status == 200:
            self.pace.answered(sent, now_s, tokens=tokens, allowances=outcome.allowances)
        else:
            limited = outcome.status == 429
            self.pace.failed(sent, now_s, Unanswered("no", limited=limited, retry_after_s=outcome.retry_after_s))
        self.go(now_s)


def run(
    provider: Provider,
    *,
    seconds: float,
    tokens: Callable[[float], float] = lambda now_s: 1000.0,
    chance: random.Random,
    pace: Pace | None = None,
    turns: tuple[tuple[float, Callable[[float], None]], ...] = (),
) -> Run:
    """Endless work for so many seconds.

    Args:
        provider: who is asked.
        seconds: how long.
        tokens: of the next request, at a time.
        chance: for all that is drawn.
        pace: instead of a new one for 128 requests in flight.
        turns: what happens on the way, each at its time.
    """
    world = _World(provider, pace or Pace(128, chance=chance), tokens, chance)
    for when_s, act in turns:
        world.at(when_s, act)
    world.at(0.0, world.go)
    while world.events and world.events[0][0] < seconds:
        assert world.counted < MOST_EVENTS, "requests follow each other without any pace"
        now_s, _, act = heapq.heappop(world.events)
        act(now_s)
    return world.done
