"""Headers about waiting and about what is left: every form that providers use."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from email.utils import format_datetime

import pytest

from limosa.embedders.headers import allowances, seconds_until, wait_s
from limosa.model.batch import Allowance


@pytest.mark.parametrize(
    ("text", "span_s"),
    [
        ("7", 7.0),
        ("0.5", 0.5),
        ("1s", 1.0),
        ("6m0s", 360.0),
        ("20ms", 0.02),
        ("1h2m3.5s", 3723.5),
        ("8.64s", 8.64),
        ("1d", 86_400.0),
        ("34s", 34.0),
        ("0.000001s", 1e-6),
        (" 12 ", 12.0),
        ("-3", 0.0),
        ("Wed, 21 Oct 2015 07:28:00 GMT", 0.0),
        ("2015-10-21T07:28:00Z", 0.0),
        ("1445412480", 0.0),
        ("", None),
        ("soon", None),
        ("nan", None),
        ("inf", None),
        ("1s2", None),
        ("2015-10-21T07:28:00", None),
    ],
)
def test_spans_and_days(text: str, span_s: float | None) -> None:
    assert seconds_until(text) == span_s


@pytest.mark.parametrize("form", ["http", "rfc3339", "stamp", "milliseconds"])
def test_a_time_to_come(form: str) -> None:
    then = datetime.now(UTC) + timedelta(hours=1)
    text = {
        "http": format_datetime(then, usegmt=True),
        "rfc3339": then.isoformat().replace("+00:00", "Z"),
        "stamp": str(int(then.timestamp())),
        "milliseconds": str(int(then.timestamp() * 1000)),
    }[form]
    span_s = seconds_until(text)
    assert span_s is not None
    assert 3500 < span_s <= 3600


@pytest.mark.parametrize(
    ("headers", "expected"),
    [
        ({}, None),
        ({"Retry-After": "7"}, 7.0),
        ({"Retry-After": "soon"}, None),
        ({"Retry-After": "7", "retry-after-ms": "250"}, 0.25),
        ({"retry-after-ms": "soon"}, None),
        ({"retry-after-ms": "nan"}, None),
        ({"retry-after-ms": ""}, None),
        ({"x-ratelimit-remaining-requests": "0", "x-ratelimit-reset-requests": "1s"}, 1.0),
        ({"x-ratelimit-remaining-requests": "1", "x-ratelimit-reset-requests": "1s"}, None),
        ({"RateLimit": '"day";r=0;t=9, "minute";r=0;t=30, "hour";r=5;t=99'}, 30.0),
        ({"Retry-After": "2", "x-ratelimit-remaining-requests": "0", "x-ratelimit-reset-requests": "9s"}, 2.0),
    ],
    ids=str,
)
def test_how_long_to_wait(headers: dict[str, str], expected: float | None) -> None:
    assert wait_s(headers) == expected


def _requests(left: float, reset_s: float) -> Allowance:
    return Allowance(unit="requests", left=left, reset_s=reset_s)


def _tokens(left: float, reset_s: float) -> Allowance:
    return Allowance(unit="tokens", left=left, reset_s=reset_s)


@pytest.mark.parametrize(
    ("headers", "expected"),
    [
        (
            {
                "x-ratelimit-limit-requests": "3000",
                "x-ratelimit-remaining-requests": "2999",
                "x-ratelimit-reset-requests": "20ms",
                "x-ratelimit-remaining-tokens": "149984",
                "x-ratelimit-reset-tokens": "6m0s",
            },
            [_requests(2999, 0.02), _tokens(149_984, 360)],
        ),
        (
            {"X-RateLimit-Remaining-Tokens": "5", "X-RateLimit-Reset-Tokens": "12"},
            [_tokens(5, 12)],
        ),
        (
            {
                "anthropic-ratelimit-requests-remaining": "4",
                "anthropic-ratelimit-requests-reset": "2015-10-21T07:28:00Z",
                "anthropic-ratelimit-input-tokens-remaining": "70",
                "anthropic-ratelimit-input-tokens-reset": "2015-10-21T07:28:00Z",
            },
            [_requests(4, 0), _tokens(70, 0)],
        ),
        ({"RateLimit-Limit": "10", "RateLimit-Remaining": "3", "RateLimit-Reset": "50"}, [_requests(3, 50)]),
        ({"X-RateLimit-Remaining": "3", "X-RateLimit-Reset": "50"}, [_requests(3, 50)]),
        ({"RateLimit": "limit=100, remaining=50, reset=5"}, [_requests(50, 5)]),
        ({"RateLimit": '"default";r=50;t=30'}, [_requests(50, 30)]),
        ({"ratelimit": '"peruser-tokens";r=900;t=60, "burst";r=9;t=1'}, [_tokens(900, 60), _requests(9, 1)]),
        ({"RateLimit": '"default";r=50'}, []),
        ({"x-ratelimit-remaining-requests": "2999"}, []),
        ({"x-ratelimit-remaining-tokens": "-1", "x-ratelimit-reset-tokens": "0"}, []),
        ({"x-ratelimit-remaining-tokens": "many", "x-ratelimit-reset-tokens": "1s"}, []),
        ({"x-ratelimit-remaining-tokens": "7", "x-ratelimit-reset-tokens": "later"}, []),
        ({"x-trial-endpoint-call-remaining": "19", "x-trial-endpoint-call-limit": "20"}, []),
        ({"Content-Type": "application/json", "Retry-After": "3"}, []),
    ],
    ids=str,
)
def test_what_is_still_allowed(headers: dict[str, str], expected: list[Allowance]) -> None:
    assert list(allowances(headers)) == expected
