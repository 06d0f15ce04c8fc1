"""Rate limits: what a bucket and a window let through, and what they say of it."""

from __future__ import annotations

from collections.abc import Callable

import pytest
import urllib3

from tests.providers.quota import Meter, Quota, duration
from tests.providers.server import ProviderServer

Start = Callable[..., ProviderServer]


class _Clock:
    def __init__(self) -> None:
        self.now = 1000.0

    def __call__(self) -> float:
        return self.now


def _passed(meter: Meter, *, times: int, tokens: int = 1) -> int:
    return sum(meter.take(requests=1, tokens=tokens).passed is None for _ in range(times))


def test_a_bucket_refills_evenly() -> None:
    clock = _Clock()
    meter = Meter(Quota(requests_per_minute=60), clock=clock)
    assert _passed(meter, times=100) == 60
    clock.now += 2.5
    assert _passed(meter, times=100) == 2
    clock.now += 0.5
    assert _passed(meter, times=100) == 1
    clock.now += 1000
    assert _passed(meter, times=100) == 60


def test_a_small_bucket_spreads_the_requests() -> None:
    clock = _Clock()
    meter = Meter(Quota(requests_per_minute=600, burst_s=1), clock=clock)
    assert _passed(meter, times=100) == 10
    reading = meter.take(requests=1, tokens=1)
    assert (reading.passed, reading.limit) == ("requests", 600)
    assert reading.wait_s == pytest.approx(0.1)
    clock.now += reading.wait_s
    assert _passed(meter, times=100) == 1


def test_a_window_begins_anew() -> None:
    clock = _Clock()
    meter = Meter(Quota(requests_per_minute=60, how="window", window_s=10), clock=clock)
    clock.now += 9
    assert _passed(meter, times=100) == 10
    assert meter.take(requests=1, tokens=1).wait_s == pytest.approx(1.0)
    clock.now += 1
    assert _passed(meter, times=100) == 10


def test_tokens_are_limited_too_and_nothing_is_taken_by_halves() -> None:
    clock = _Clock()
    meter = Meter(Quota(requests_per_minute=60, tokens_per_minute=600), clock=clock)
    assert _passed(meter, times=10, tokens=100) == 6
    reading = meter.take(requests=1, tokens=100)
    assert reading.passed == "tokens"
    assert reading.wait_s == pytest.approx(10.0)
    # Those that were refused took no request either.
    assert _passed(meter, times=100, tokens=0) == 54
    clock.now += 10
    assert _passed(meter, times=2, tokens=100) == 1


def test_refused_requests_may_count() -> None:
    clock = _Clock()
    meter = Meter(Quota(requests_per_minute=60, refused_count=True, burst_s=1), clock=clock)
    assert _passed(meter, times=1) == 1
    for _ in range(5):
        clock.now += 0.5
        assert _passed(meter, times=1) == 0
    clock.now += 1
    assert _passed(meter, times=1) == 1


def test_the_headers_tell_what_is_left() -> None:
    clock = _Clock()
    meter = Meter(Quota(requests_per_minute=60, tokens_per_minute=6000, headers=True), clock=clock)
    assert meter.take(requests=1, tokens=2000).headers == {
        "x-ratelimit-limit-requests": "60",
        "x-ratelimit-remaining-requests": "59",
        "x-ratelimit-reset-requests": "1s",
        "x-ratelimit-limit-tokens": "6000",
        "x-ratelimit-remaining-tokens": "4000",
        "x-ratelimit-reset-tokens": "20s",
    }


@pytest.mark.parametrize(
    ("seconds", "told"),
    [(0, "0ms"), (0.0199, "20ms"), (1, "1s"), (7.66, "7.66s"), (59.9996, "1m0s"), (360, "6m0s"), (3725.5, "1h2m5.5s")],
)
def test_durations_are_written_as_openai_does(seconds: float, told: str) -> None:
    assert duration(seconds) == told


def test_a_server_keeps_to_its_window(provider_server: Start) -> None:
    quota = Quota(requests_per_minute=2, how="window", window_s=3600 * 24, headers=True)
    # A day of two requests a minute, of which all but two are used up at once.
    server = provider_server(quota=quota)
    first = _ask(server, ["x"])
    assert first.status == 200
    assert first.headers["x-ratelimit-limit-requests"] == "2"
    assert first.headers["x-ratelimit-remaining-requests"] == str(2 * 60 * 24 - 1)


def test_over_the_limit_it_answers_429_with_the_pause(provider_server: Start) -> None:
    server = provider_server(quota=Quota(tokens_per_minute=6, how="window", window_s=60))
    answers = [_ask(server, ["four" * 4]) for _ in range(2)]
    assert [answer.status for answer in answers] == [200, 429]
    error = answers[1].json()["error"]
    assert (error["type"], error["code"]) == ("tokens", "rate_limit_exceeded")
    assert 0 < int(answers[1].headers["Retry-After"]) <= 60
    assert (server.limited, server.answered) == (1, 1)


def test_it_may_keep_silent_about_the_pause(provider_server: Start) -> None:
    server = provider_server(quota=Quota(requests_per_minute=1, how="window", retry_after=False))
    assert [_ask(server, ["x"]).status for _ in range(2)] == [200, 429]
    assert "Retry-After" not in _ask(server, ["x"]).headers


def test_every_text_of_a_batch_may_count(provider_server: Start) -> None:
    server = provider_server(quota=Quota(requests_per_minute=3, how="window", counts="text"))
    assert [_ask(server, ["x", "y"]).status for _ in range(2)] == [200, 429]
    assert _ask(server, ["x"]).status == 200


def _ask(server: ProviderServer, texts: list[str]) -> urllib3.BaseHTTPResponse:
    return urllib3.request("POST", f"{server.base_url}/embeddings", json={"model": "m", "input": texts}, retries=False)
