"""Laws of the pace, in virtual time: what a provider allows is used, and refusals are rare."""

from __future__ import annotations

import random
from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal

import pytest

from limosa.lane.pace import Pace
from limosa.model.batch import Allowance
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


@dataclass(slots=True)
class _Spell:
    """Another provider, and what it answers instead in a span of time."""

    inner: Provider
    start_s: float
    end_s: float
    instead: Callable[[float], Outcome]

    def ask(self, tokens: float, now_s: float) -> Outcome:
        return self.instead(now_s) if self.start_s <= now_s < self.end_s else self.inner.ask(tokens, now_s)

    def done(self, now_s: float) -> None:
        self.inner.done(now_s)


@pytest.mark.parametrize("seed", range(3))
def test_a_limit_by_tokens_is_used_by_texts_of_another_size_too(seed: int) -> None:
    chance = random.Random(f"minutes {seed}")
    limit = 600 * SIZES_MEAN
    provider = Limited({"tokens": Window(limit)}, Latency(0.5, chance))

    def sizes(now_s: float) -> float:
        return (2000 if now_s < 120 else 250) * chance.lognormvariate(0, 0.5)

    done = run(provider, seconds=362, tokens=sizes, chance=chance)
    assert done.tokens(240, 360) / (2 * limit) > 0.95
    assert done.refused_share(120) < 0.05


@pytest.mark.parametrize("seed", range(5))
def test_an_outage_is_waited_out_with_few_tries(seed: int) -> None:
    chance = random.Random(seed)
    quota = Limited({"requests": Bucket(6000, 6000)}, Latency(0.5, chance))
    down = _Spell(quota, 100, 220, lambda now_s: Outcome(503, 0.05))
    done = run(down, seconds=300, pace=Pace(64, chance=chance), chance=chance)
    in_flight = 64
    assert done.count(503) <= in_flight + 30
    assert done.count(503, 110) <= 30
    assert done.count(200, 220, 260) > 0, "no answer within 40 s"
    assert done.count(200, 260, 300) >= 0.9 * 40 * 64


@dataclass(slots=True)
class _Fragile(Capacity):
    """Works on ``at_once`` requests and loses what comes beyond them."""

    def ask(self, tokens: float, now_s: float) -> Outcome:
        self.busy += 1
        return Outcome(200 if self.busy <= self.at_once else 503, self.latency.answer())


def test_a_provider_that_loses_what_is_too_much_is_asked_for_less() -> None:
    chance = random.Random(4)
    done = run(_Fragile(8, Latency(0.5, chance)), seconds=240, chance=chance)
    assert done.count(503, 120) < 0.2 * done.count(None, 120)
    assert done.count(200, 120, 240) >= 0.7 * 120 * 8 / 0.5


@pytest.mark.parametrize("most", [1, 128])
def test_nothing_is_sent_before_the_time_that_was_asked_for(most: int) -> None:
    chance = random.Random(5)
    # In flight when the spell begins is what was sent before it, and what the uplink and a refusal take.
    spell = _Spell(Capacity(64, Latency(0.5, chance)), 60, 90, lambda now_s: Outcome(429, 0.03, 90 - now_s))
    done = run(spell, seconds=120, pace=Pace(most, chance=chance), chance=chance)
    assert done.count(429) > 0
    assert done.count(None, 60.2, 90) == 0
    assert done.count(200, 90, 92) > 0


def test_nothing_is_sent_while_nothing_is_left() -> None:
    chance = random.Random(6)
    pace = Pace(8, chance=chance)

    def answer(now_s: float, left: int, reset_s: float) -> None:
        sent = pace.start(100, now_s)
        pace.answered(
            sent, now_s + 0.1, tokens=100, allowances=[Allowance(unit="requests", left=left, reset_s=reset_s)]
        )

    answer(0.0, 600, 60.0)
    # Others who share the account have taken what was left, and this one has time to make up for.
    answer(10.0, 0, 30.0)
    assert pace.wait_s(10.2) == pytest.approx(29.9)
    assert pace.wait_s(40.2) == 0


def test_the_budgets_of_the_file_hold() -> None:
    chance = random.Random(1)
    pace = Pace(64, chance=chance)
    pace.limit(in_flight=3, tokens_per_minute=30_000, requests_per_minute=None)
    done = run(Capacity(100, Latency(0.1, chance)), seconds=120, pace=pace, chance=chance)
    assert 0.95 <= done.tokens(0, 120) / 60_000 <= 1.02
    assert max(in_flight for _, in_flight in done.windows) <= 3
