"""What an error of a libSQL server means: whose fault, and what to do."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import orjson

from limosa.errors import LimosaError, Refused, RowRefused, Transient
from limosa.stores.sqlite.engine import Busy

__all__ = ["TOO_LARGE", "fault", "lost", "refusal"]

TOO_LARGE = "RESPONSE_TOO_LARGE"
"""The code for an answer over the server's limit, which is 10 MB by default."""

_BUSY = {"SQLITE_BUSY", "SQLITE_LOCKED", "TRANSACTION_BUSY"}
_ROW = {"SQLITE_CONSTRAINT", "SQLITE_MISMATCH", "SQLITE_TOOBIG"}
_TRANSIENT = {
    "SQLITE_ABORT",
    "SQLITE_CANTOPEN",
    "SQLITE_FULL",
    "SQLITE_INTERRUPT",
    "SQLITE_IOERR",
    "SQLITE_NOMEM",
    "SQLITE_PROTOCOL",
    "SQLITE_SCHEMA",
    "STREAM_EXPIRED",
    "TRANSACTION_TIMEOUT",
}
_TOKEN = {"SQLITE_AUTH", "SQLITE_PERM", "SQLITE_READONLY"}
_WAIT = {408, 425, 429}
_AGAIN = "Nothing committed is lost; repeat the command."


def fault(error: dict[str, Any], title: str, said: str) -> LimosaError:
    """The error for a statement that the server answers with one.

    Args:
        error: ``code`` as libsql-server's hrana/stmt.rs and hrana/http/stream.rs name them.
        title: the server, for a person.
        said: the server's message, fit to be shown.
    """
    code = str(error.get("code") or "")
    found: LimosaError = Refused(f"{title} refuses: {said}", do="This is about the statement, not the moment.")
    if code in _BUSY:
        found = Busy(f"{title}: the database is locked by another connection ({said}).", do=_AGAIN)
    elif code in _TRANSIENT:
        found = lost(title, said)
    elif code in _ROW or (code == "ARGS_INVALID" and "too big" in said):
        found = RowRefused(f"{title} rejected the row: {said}")
    elif code in _TOKEN:
        found = _read_only(title)
    elif code == "BLOCKED":
        found = Refused(
            f"{title} blocks the statement: {said}",
            needed="A database that may be read and written.",
            do="Check the token's rights, and the limits of the plan with the provider.",
        )
    return found


def refusal(status: int, body: bytes, title: str, quiet: Callable[[str], str]) -> LimosaError:
    """The error for an answer whose status is not 200.

    Args:
        status: as RFC 9110 defines it.
        body: JSON or plain text.
        title: the server, for a person.
        quiet: makes the server's words fit to be shown.
    """
    error = _error(body)
    said = quiet(str(error.get("message") or ""))
    if error.get("code"):
        return fault(error, title, said)
    if status in {401, 403}:
        return _read_only(title) if status == 403 else _unknown(title)
    if status == 400 and "baton" in said:
        return lost(title, said)
    if "utf-8" in said:
        return Refused(f"{title}: a text is not UTF-8 ({said}).", do="Correct the row, or read it as a BLOB.")
    if status in _WAIT or status >= 500:
        return Transient(f"{title} answered {status}{': ' + said if said else '.'}", do=_AGAIN)
    return _request(status, title, said)


def lost(title: str, said: str) -> Transient:
    """The error for a statement that failed, and its transaction with it."""
    return Transient(f"{title} gave up: {said}", do=_AGAIN)


def _request(status: int, title: str, said: str) -> Refused:
    if 300 <= status < 400:
        return Refused(
            f"{title} sends the request on to another address ({status}).",
            needed="An address that answers itself: the token is sent nowhere else.",
            do="Give the final address.",
        )
    return Refused(
        f"{title} refuses the request ({status}){': ' + said if said else '.'}",
        needed="A libSQL server that speaks Hrana 3 over HTTP.",
        do="Check the address.",
    )


def _unknown(title: str) -> Refused:
    return Refused(
        f"{title} does not accept the token (401).",
        needed="A token of this database that has not expired.",
        do="Check the environment variable that holds it.",
    )


def _read_only(title: str) -> Refused:
    return Refused(
        f"The token of {title} does not allow this.",
        needed="A token that may write.",
        do="Give limosa a token with full access.",
    )


def _error(body: bytes) -> dict[str, Any]:
    """``{"message", "code"}``, ``{"error": "..."}`` or a plain text."""
    try:
        parsed = orjson.loads(body)
    except ValueError:
        return {"message": body[:400].decode(errors="replace")}
    if isinstance(parsed, dict) and isinstance(parsed.get("error"), str):
        return {"message": parsed["error"]}
    return parsed if isinstance(parsed, dict) else {}
