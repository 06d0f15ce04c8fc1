"""What a provider's answer headers say about waiting, and about what it still allows."""

from __future__ import annotations

import math
import re
import time
from collections.abc import Iterator, Mapping
from datetime import datetime
from email.utils import parsedate_to_datetime
from typing import Literal

from limosa.model.batch import Allowance

__all__ = ["allowances", "seconds_until", "wait_s"]

Unit = Literal["requests", "tokens"]

_NAME = re.compile(
    r"(?:[a-z]+-)*ratelimit"
    r"(?:-(?P<before>requests|req|tokens|input-tokens))?"
    r"-(?P<what>remaining|reset)"
    r"(?:-(?P<after>requests|tokens))?"
)
_PART = re.compile(r"(?P<n>\d+(?:\.\d+)?)(?P<unit>ms|us|ns|[dhms])")
_SECONDS = {"d": 86_400.0, "h": 3_600.0, "m": 60.0, "s": 1.0, "ms": 1e-3, "us": 1e-6, "ns": 1e-9}
_STAMP_S = 1e9
"""From here on a plain number is a time since 1970 and not a span: 31 years are no rate limit."""


def wait_s(headers: Mapping[str, str]) -> float | None:
    """Seconds that a provider asks to wait; None where it does not say.

    In this order: ``retry-after-ms``, ``Retry-After`` as seconds or a date (RFC 9110), and the longest
    reset among the allowances of which nothing is left.
    """
    exact, plain = headers.get("retry-after-ms"), headers.get("Retry-After")
    if exact is not None:
        return seconds_until(exact + "ms") if exact.strip() else None
    if plain is not None:
        return seconds_until(plain)
    spent = [each.reset_s for each in allowances(headers) if each.left <= 0]
    return max(spent, default=None)


def allowances(headers: Mapping[str, str]) -> tuple[Allowance, ...]:
    """What is still allowed, one for each limit that says both how much and until when; else nothing.

    Understood are ``x-ratelimit-remaining-tokens`` with ``x-ratelimit-reset-tokens`` (OpenAI and those that
    follow it), ``anthropic-ratelimit-requests-remaining``, ``X-RateLimit-Remaining``, ``RateLimit-Remaining`` and
    the one field ``RateLimit`` (draft-ietf-httpapi-ratelimit-headers, versions 02 to 10). A name without a unit
    counts requests. Cohere sends only ``x-trial-endpoint-call-remaining``, which names no reset, and Voyage's
    pages name no such header (seen 2026-11-21).
    """
    said: dict[str, dict[str, str]] = {}
    for name, value in headers.items():
        found = _NAME.fullmatch(name.lower())
        if found is not None:
            family = name.lower().replace(found["what"], "", 1)
            said.setdefault(family, {})[found["what"]] = value
        elif name.lower() == "ratelimit":
            said.update(_fields(value))
    return tuple(each for family, pair in said.items() for each in _allowance(family, pair))


def seconds_until(text: str) -> float | None:
    """Seconds from now: ``7``, ``1s``, ``6m0s``, ``20ms``, a time since 1970 or a date; None where it is none."""
    text = text.strip()
    parts = [*_PART.finditer(text)]
    if parts and "".join(part[0] for part in parts) == text:
        return sum(float(part["n"]) * _SECONDS[part["unit"]] for part in parts)
    try:
        span = float(text)
    except ValueError:
        return _until_date(text)
    if not math.isfinite(span):
        return None
    if span >= _STAMP_S:
        span = (span / 1000 if span >= _STAMP_S * 1000 else span) - time.time()
    return max(0.0, span)


def _until_date(text: str) -> float | None:
    for read in (datetime.fromisoformat, parsedate_to_datetime):
        try:
            then = read(text)
        except ValueError:
            continue
        # A date without a zone would be read in this machine's.
        return max(0.0, then.timestamp() - time.time()) if then.tzinfo is not None else None
    return None


def _allowance(family: str, said: Mapping[str, str]) -> Iterator[Allowance]:
    if "remaining" not in said or "reset" not in said:
        return
    try:
        left = float(said["remaining"])
    except ValueError:
        return
    reset_s = seconds_until(said["reset"])
    # Azure sends -1 where it sets no limit.
    if reset_s is None or not math.isfinite(left) or left < 0:
        return
    unit: Unit = "tokens" if "token" in family else "requests"
    yield Allowance(unit=unit, left=left, reset_s=reset_s)


def _fields(value: str) -> dict[str, dict[str, str]]:
    """The field ``RateLimit``: ``"default";r=50;t=30``, one item a policy, or the older ``remaining=50, reset=30``."""
    if re.search(r"\bremaining\s*=", value):
        return {"ratelimit": dict(re.findall(r"\b(remaining|reset)\s*=\s*(\d+)", value))}
    items: dict[str, dict[str, str]] = {}
    for item in value.split(","):
        policy = item.partition(";")[0].strip()
        named = dict(re.findall(r";\s*([rt])\s*=\s*(\d+)", item))
        items[f"ratelimit {policy}"] = {
            long: named[short] for long, short in (("remaining", "r"), ("reset", "t")) if short in named
        }
    return items
