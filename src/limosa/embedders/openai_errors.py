"""What an answer of the OpenAI protocol that is not a success means: whose fault, and what to do."""

from __future__ import annotations

from typing import Any

import orjson

from limosa.embedders.http import Reply, Wire, retry_after_s
from limosa.errors import LimosaError, Refused, RowRefused, Unanswered
from limosa.model.space import Space

__all__ = ["refusal"]

_WAIT = {408, 409, 425, 429}
_ROWS = {400, 413, 422}
_OURS = {"model", "dimensions", "encoding_format"}
_LENGTH = ("maximum context length", "context_length_exceeded", "too many tokens", "max_tokens", "input length exceeds")


def refusal(reply: Reply, wire: Wire, space: Space) -> LimosaError:
    """The error for an answer whose status is not 200.

    Source: https://developers.openai.com/api/docs/guides/error-codes (401, 403, 429, 500, 503);
    the other statuses as RFC 9110 defines them.
    """
    error = _error(reply.body)
    code = f"{error.get('code') or ''} {error.get('type') or ''}"
    said = wire.quiet(str(error.get("message") or ""))
    if reply.status == 402 or (reply.status == 429 and "insufficient_quota" in code):
        return Refused(
            f"{wire.destination}: the account's quota is used up.",
            do="Add credit or raise the limit with the provider, then repeat the command.",
        )
    if reply.status in _WAIT or reply.status >= 500:
        return Unanswered(
            f"{wire.destination} answered {reply.status}{': ' + said if said else '.'}",
            do="Repeating is safe.",
            retry_after_s=retry_after_s(reply.headers),
            limited=reply.status == 429,
        )
    if reply.status in {401, 403} or (reply.status in _ROWS and "API key" in said):
        # The provider's own words are left out: they often quote a part of the key.
        return Refused(
            f"{wire.destination} does not accept the key ({reply.status}).",
            needed=f"A key that may use {space.model}.",
            do='Check the environment variable that key = "env:NAME" names.',
        )
    if reply.status in _ROWS and error.get("param") not in _OURS and "model_not_found" not in code:
        return _row(reply.status, said, code, space)
    return _request(reply, wire, space, said)


def _row(status: int, said: str, code: str, space: Space) -> RowRefused:
    long = any(word in f"{said} {code}".lower() for word in _LENGTH)
    skip = "skipped: " if long and space.oversize == "skip" else ""
    return RowRefused(
        f"{skip}The provider refuses the text ({status}){': ' + said if said else '.'}",
        do="Shorten or correct the text, then retry." if long else "Correct the text, then retry.",
    )


def _request(reply: Reply, wire: Wire, space: Space, said: str) -> Refused:
    if 300 <= reply.status < 400:
        return Refused(
            f"{wire.destination} sends the request on to another address ({reply.status}).",
            needed="An address that answers itself: texts and key are not sent to a place the file does not name.",
            do="Set base_url to the final address.",
        )
    return Refused(
        f"{wire.destination} refuses {space.title} ({reply.status}){': ' + said if said else '.'}",
        needed="A model that answers there, with a size that it offers.",
        do="Check model, dimensions and base_url in the space; the model may be retired.",
    )


def _error(body: bytes) -> dict[str, Any]:
    """The protocol's error object, which Google wraps in a list; a bare text becomes its message."""
    try:
        parsed = orjson.loads(body)
    except ValueError:
        return {}
    if isinstance(parsed, list) and parsed:
        parsed = parsed[0]
    error = parsed.get("error", parsed) if isinstance(parsed, dict) else None
    return error if isinstance(error, dict) else {"message": error} if isinstance(error, str) else {}
