"""What an answer that is not a success means: whose fault it is, and what to do."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Literal

import orjson

from limosa.embedders.headers import wait_s
from limosa.embedders.http import Reply, Wire
from limosa.embedders.prices import retired_on
from limosa.errors import LimosaError, Refused, RowRefused, Unanswered
from limosa.model.space import Space

__all__ = ["Fault", "Said", "json_of", "refusal"]

Fault = Literal["key", "quota", "busy", "ill", "long", "row", "request"]
"""Whose fault: the account's key or quota, the hour's (``busy`` wants fewer requests, ``ill`` is broken), one text's
(``long`` is over the limit), or the request's as a whole: its model, its size, its address."""

_BY_STATUS: dict[int, Fault] = {
    400: "row",
    401: "key",
    402: "quota",
    403: "key",
    408: "ill",
    409: "ill",
    413: "row",
    422: "row",
    425: "ill",
    429: "busy",
}

_LENGTH = re.compile(
    r"context.?(?:length|window)|\btokens?\b.*(?:exceed|limit|max|long|fit|less than|at most|fewer)"
    r"|(?:exceed|limit|max|long|less than|at most|too many).*\btokens?\b|input length",
    re.IGNORECASE | re.DOTALL,
)
"""How providers and servers say that a text is too long; none of them has a code of its own but OpenAI."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Said:
    """What a provider's error body says, read by the adapter that knows its form.

    Attributes:
        message: its own words; shown without the key, cut, and not at all where the key is at fault.
        fault: whose fault it is; None where the status alone tells.
        wait_s: how long it asks to wait; None where it does not say.
    """

    message: str = ""
    fault: Fault | None = None
    wait_s: float | None = None


def refusal(reply: Reply, wire: Wire, space: Space, read: Callable[[Reply], Said]) -> LimosaError:
    """The error for an answer whose status is not 200.

    Source: https://developers.openai.com/api/docs/guides/error-codes (401, 403, 429, 500, 503), seen 2026-05-01;
    the other statuses as RFC 9110 defines them. Where a provider means something else, ``read`` says so.
    """
    said = read(reply)
    message = wire.quiet(said.message)
    fault = said.fault or _by_status(reply.status)
    if fault == "quota":
        return Refused(
            f"{wire.destination}: the account's quota is used up{': ' + message if message else '.'}",
            do="Add credit, raise the limit with the provider or wait until it is renewed, then repeat the command.",
        )
    if fault in {"busy", "ill"}:
        asked_s = wait_s(reply.headers)
        return Unanswered(
            f"{wire.destination} answered {reply.status}{': ' + message if message else '.'}",
            do="Repeating is safe.",
            retry_after_s=said.wait_s if asked_s is None else asked_s,
            limited=fault == "busy",
        )
    if fault == "key":
        # The provider's own words are left out: they often quote a part of the key.
        return Refused(
            f"{wire.destination} does not accept the key ({reply.status}).",
            needed=f"A key that may use {space.model}.",
            do='Check the environment variable that key = "env:NAME" names.',
        )
    if fault in {"row", "long"}:
        return _row(reply.status, message, space, long=fault == "long" or bool(_LENGTH.search(said.message)))
    return _request(reply, wire, space, message)


def json_of(reply: Reply) -> dict[str, Any]:
    """The body as an object, the first one where they come in a list; empty where it is no such thing."""
    try:
        parsed = orjson.loads(reply.body)
    except ValueError:
        return {}
    if isinstance(parsed, list) and parsed:
        parsed = parsed[0]
    return parsed if isinstance(parsed, dict) else {}


def _by_status(status: int) -> Fault:
    if status >= 500:
        return "ill"
    return _BY_STATUS.get(status, "request")


def _row(status: int, message: str, space: Space, *, long: bool) -> RowRefused:
    skip = "skipped: " if long and space.oversize == "skip" else ""
    return RowRefused(
        f"{skip}The provider refuses the text ({status}){': ' + message if message else '.'}",
        do="Shorten or correct the text, then retry." if long else "Correct the text, then retry.",
    )


def _request(reply: Reply, wire: Wire, space: Space, message: str) -> Refused:
    if 300 <= reply.status < 400:
        return Refused(
            f"{wire.destination} sends the request on to another address ({reply.status}).",
            needed="An address that answers itself: texts and key are not sent to a place the file does not name.",
            do="Set base_url to the final address.",
        )
    day = retired_on(space.model)
    if day is not None:
        return Refused(
            f"{space.model} was shut down on {day.isoformat()} and no longer answers ({reply.status}).",
            needed="A model that answers: neither queries nor changed rows can be embedded with this one.",
            do="Set provider and model in [target.space] to one that is in service.",
        )
    return Refused(
        f"{wire.destination} refuses {space.title} ({reply.status}){': ' + message if message else '.'}",
        needed="A model that answers there, with a size that it offers.",
        do="Check model, dimensions, task and base_url in the space; the model may be retired.",
    )
