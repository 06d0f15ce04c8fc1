"""Laws of the pace, in virtual time: what a provider allows is used, and refusals are rare."""

from __future__ import annotations

import random
from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal

import pytest

from limosa.lane.pace import Pace
from tests.law.pace_world import Bucket, Capacity, Latency, Limited, Outcome, Provider, Quota, Run, Window, run

LATENCIES_S = (0.1, 0.5, 1.5)

RetryAfter = Literal["no", "seconds", "exact"]

RETRY_AFTER: tuple[RetryAfter, ...] = ("no", "seconds", "exact")

QUOTAS: dict[str, Callable[[float, float], Quota]] = {
    "a minute's burst": lambda limit, biggest: Bucket(limit, limit),
    "a second's burst": lambda limit, biggest: Bucket(limit, max(limit / 60, biggest)),
    "minutes": lambda limit, biggest: Window(limit),
    "minutes that began before": lambda limit, biggest: Window(limit, 40.0),
}


@dataclass(frozen=True, slots=True)
class Case:
    """A provider's limit, four minutes of work under it, and what came of them."""

    quota: str
    per_minute: int
    headers: bool
    retry_after: RetryAfter
    unit: Literal["requests", "tokens"] = "requests"

    def run(self, latency_s: float, seed: int) -> tuple[float, Run]:
        """Share of the limit used in minutes 3 and 4, and all that happened."""
        chance = random.Random(f"{self} {latency_s} {seed}")
        size, limit = 1.0, float(self.per_minute)
        if self.unit == "tokens":
            size = SIZES_MEAN
            limit *= size
        quota = QUOTAS[self.quota](limit, 1.0 if self.unit == "requests" else BIGGEST)
        provider = Limited(
            {self.unit: quota}, Latency(latency_s, chance), headers=self.headers, retry_after=self.retry_after
        )
        done = run(provider, seconds=242, tokens=self._sizes(chance), chance=chance)
        used = done.count(200, 120, 240) if self.unit == "requests" else done.tokens(120, 240)
        return used / (2 * limit), done

    def _sizes(self, chance: random.Random) -> Callable[[float], float]:
        if self.unit == "requests":
            return lambda now_s: 1000.0
        return lambda now_s: min(BIGGEST, chance.lognormvariate(6.5, 0.8))


BIGGEST = 20_000.0
SIZES_MEAN = 916.0
"""Mean of the log-normal sizes: exp(6.5 + 0.8^2 / 2)."""

CASES = [
    Case(quota, per_minute, headers, retry_after)
    for quota in QUOTAS
    for per_minute in (600, 3000)
    for headers in (False, True)
    for retry_after in RETRY_AFTER
]
BY_TOKENS = [
    Case(quota, per_minute, headers, "no", "tokens")
    for quota in QUOTAS
    for per_minute in (600, 3000)
    for headers in (False, True)
]


def _name(case: Case) -> str:
    headers = "headers" if case.headers else "no headers"
    return f"{case.per_minute} {case.unit}, {case.quota}, {headers}" + f", retry after: {case.retry_after}"


@pytest.mark.parametrize("case", CASES + BY_TOKENS, ids=_name)
def test_a_limit_is_used_and_hardly_ever_met(case: Case) -> None:
    # Each case with one of the latencies, so that all of them meet all kinds of limits.
    latency_s = LATENCIES_S[((CASES + BY_TOKENS).index(case) * 5 // 3) % 3]
    used, done = case.run(latency_s, seed=0)
    # Headers that reach less than ten seconds ahead are left aside.
    refusals = 0.02 if case.headers and "second" not in case.quota else 0.05
    assert used >= 0.9, f"{latency_s} s: {used:.3f} of the limit"
    assert done.refused_share() < refusals, f"{latency_s} s: {done.refused_share():.4f} refused"
    assert done.refused_share(120, 240) < refusals, f"{latency_s} s: {done.refused_share(120, 240):.4f} refused late"


@pytest.mark.parametrize("latency_s", LATENCIES_S)
@pytest.mark.parametrize("at_once", [2, 8, 24, 64])
def test_without_a_limit_the_window_settles_near_what_the_provider_works_on_at_once(
    at_once: int, latency_s: float
) -> None:
    chance = random.Random(f"{at_once} {latency_s}")
    done = run(Capacity(at_once, Latency(latency_s, chance)), seconds=240, chance=chance)
    late = [in_flight for at_s, in_flight in done.windows if at_s > 120]
    assert done.count(200, 120, 235) / 115 >= 0.9 * at_once / latency_s
    assert at_once <= sum(late) / len(late) <= max(12, 2 * at_once)


@pytest.mark.parametrize("headers", [False, True])
@pytest.mark.parametrize("quota", QUOTAS)
def test_a_limit_that_halves_is_followed_within_a_minute(quota: str, headers: bool) -> None:
    _, done = _changed(quota, headers, 300)
    # An allowance of a minute may have been saved up.
    assert 0.9 <= done.count(200, 310, 430) / 600 < 1.15
    assert done.refused_share(250, 430) < 0.05


@pytest.mark.parametrize("headers", [False, True])
@pytest.mark.parametrize("quota", QUOTAS)
def test_a_limit_that_doubles_is_found(quota: str, headers: bool) -> None:
    limit, done = _changed(quota, headers, 1200)
    assert done.count(200, 430, 550) / (2 * limit) > 0.7
    assert done.refused_share(250, 550) < 0.05


def _changed(quota: str, headers: bool, per_minute: float) -> tuple[float, Run]:
    """Ten minutes with a limit of 600 that becomes another one after four."""
    chance = random.Random(f"{quota} {headers} {per_minute}")
    allowance = QUOTAS[quota](600, 1.0)
    provider = Limited({"requests": allowance}, Latency(0.5, chance), headers=headers)
    turn = (245.0, lambda now_s: allowance.change(per_minute, now_s))
    return per_minute, run(provider, seconds=600, chance=chance, turns=(turn,))


class _Down:
    """Another provider, out of order for two minutes."""

    def __init__(self, inner: Provider) -> None:
        self._inner = inner

    def ask(self, tokens: float, now_s: float) -> Outcome:
        return Outcome(503, 0.05) if 100 <= now_s < 220 else self._inner.ask(tokens, now_s)

    def done(self, now_s: float) -> None:
        self._inner.done(now_s)


@pytest.mark.parametrize("seed", range(5))
def test_an_outage_is_waited_out_with_few_tries(seed: int) -> None:
    chance = random.Random(seed)
    quota = Limited({"requests": Bucket(6000, 6000)}, Latency(0.5, chance))
    done = run(_Down(quota), seconds=300, pace=Pace(64, chance=chance), chance=chance)
    in_flight = 64
    assert done.count(503) <= in_flight + 30
    assert done.count(503, 110) <= 30
    assert done.count(200, 220, 260) > 0, "no answer within 40 s"
    assert done.count(200, 260, 300) >= 0.9 * 40 * 64


def test_the_budgets_of_the_file_hold() -> None:
    chance = random.Random(1)
    pace = Pace(64, chance=chance)
    pace.limit(in_flight=3, tokens_per_minute=30_000, requests_per_minute=None)
    done = run(Capacity(100, Latency(0.1, chance)), seconds=120, pace=pace, chance=chance)
    assert 0.95 <= done.tokens(0, 120) / 60_000 <= 1.02
    assert max(in_flight for _, in_flight in done.windows) <= 3
