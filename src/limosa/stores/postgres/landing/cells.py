"""Values of JSON as cells of a column: what each type takes, how it is sent, and what comes back."""

from __future__ import annotations

import json
import struct
import uuid
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import UTC, date, datetime
from typing import Any, Literal

import numpy as np
import orjson

from limosa.model.point import Json

__all__ = ["CELLS", "READ", "Cell", "Kind", "Unfit", "cell_of", "json_bytes", "kind_of", "text_bytes"]

Kind = Literal["null", "boolean", "whole number", "large whole number", "number", "text", "list", "object"]

INT8 = 1 << 63
"""A bigint reaches from -INT8 to INT8 - 1."""

EXACT = 1 << 53
"""Up to here a double holds every whole number (IEEE 754, binary64)."""

_EPOCH = datetime(2000, 1, 1, tzinfo=UTC)


class Unfit(Exception):
    """A value, or a point, cannot stand in the table; the message says why, and shows nothing of it."""


@dataclass(frozen=True, slots=True)
class Cell:
    """A type of column.

    Attributes:
        takes: in words, what values of JSON may go there.
        pack: a value as COPY sends it in its binary format; None where it is only read.
        told: what a SELECT answered as a value of JSON; the same for every value that Postgres holds to be equal.
        select: how the column is asked for.
    """

    takes: str
    pack: Callable[[Any], bytes] | None
    told: Callable[[Any], Json] = lambda found: found
    select: str = "{}"

    @property
    def changes(self) -> bool:
        """Whether values may come back written in another way."""
        return self.select != "{}"

    def canonical(self, value: Json) -> Json:
        """A value as it is told once it has come back; one that does not fit, as it is."""
        try:
            return None if value is None else self.told(value)
        except (Unfit, ValueError):
            return value


def kind_of(value: Json) -> Kind:
    """What a value of JSON is, in words."""
    if value is None:
        return "null"
    if isinstance(value, bool):
        return "boolean"
    if isinstance(value, int):
        return "whole number" if -INT8 <= value < INT8 else "large whole number"
    if isinstance(value, float):
        return "number"
    return "text" if isinstance(value, str) else "list" if isinstance(value, list) else "object"


# Made once: a call of json.dumps with separators makes an encoder each time.
_ENCODE = json.JSONEncoder(ensure_ascii=False, allow_nan=False, separators=(",", ":")).encode


def _written(value: Json) -> str:
    """A value as JSON; what the fast way does not know, or would write otherwise, goes the exact one."""
    try:
        text = orjson.dumps(value)
    except (orjson.JSONEncodeError, RecursionError):
        return _ENCODE(value)
    # What is no number is written as null.
    return _ENCODE(value) if b"null" in text else text.decode()


def text_bytes(value: str) -> bytes:
    """A text as Postgres keeps it.

    Raises:
        Unfit: it holds the NUL character, or half a character.
    """
    if "\0" in value:
        raise Unfit("holds the NUL character, which Postgres does not take")
    try:
        return value.encode()
    except UnicodeEncodeError as error:
        raise Unfit("is no valid Unicode") from error


def json_bytes(value: Json) -> bytes:
    """A value as jsonb.

    Raises:
        Unfit: a text in it holds what Postgres does not take, or a number in it is none.
    """
    try:
        text = _written(value)
    except (ValueError, RecursionError) as error:
        raise Unfit("holds what JSON cannot say: a number that is not finite, or levels without end") from error
    # The escape is what a NUL is written as; a backslash of the text's own is written twice.
    if "\\u0000" in text and "\\u0000" in text.replace("\\\\", ""):
        raise Unfit("holds the NUL character, which Postgres does not take")
    return b"\x01" + text_bytes(text)


def _whole(code: str, bits: int) -> Callable[[Any], bytes]:
    bound = 1 << bits - 1

    def pack(value: Any) -> bytes:
        if type(value) is not int or not -bound <= value < bound:
            raise Unfit("")
        return struct.pack(code, value)

    return pack


def _double(value: Any) -> bytes:
    whole = isinstance(value, int) and not isinstance(value, bool) and -EXACT <= value <= EXACT
    if not whole and not isinstance(value, float):
        raise Unfit("")
    return struct.pack(">d", value)


def _single(value: Any) -> bytes:
    packed = _double(value)
    if float(np.float32(value)) != float(value):
        raise Unfit("is no number of 32 bits")
    return struct.pack(">f", struct.unpack(">d", packed)[0])


def _boolean(value: Any) -> bytes:
    if not isinstance(value, bool):
        raise Unfit("")
    return struct.pack(">?", value)


def _text(value: Any) -> bytes:
    if not isinstance(value, str):
        raise Unfit("")
    return text_bytes(value)


def _uuid(value: Any) -> bytes:
    try:
        return uuid.UUID(value).bytes
    except (ValueError, AttributeError, TypeError) as error:
        raise Unfit("") from error


def _moment(value: Any) -> datetime:
    try:
        found = datetime.fromisoformat(value)
    except (ValueError, TypeError) as error:
        raise Unfit("") from error
    return found if found.tzinfo is not None else found.replace(tzinfo=UTC)


def _instant(value: Any) -> bytes:
    since = _moment(value) - _EPOCH
    return struct.pack(">q", (since.days * 86_400 + since.seconds) * 1_000_000 + since.microseconds)


def _day(value: Any) -> bytes:
    try:
        return struct.pack(">i", (date.fromisoformat(value) - _EPOCH.date()).days)
    except (ValueError, TypeError) as error:
        raise Unfit("") from error


def _texts(value: Any) -> bytes:
    if not isinstance(value, list) or not all(isinstance(each, str) for each in value):
        raise Unfit("")
    if not value:
        return struct.pack(">iii", 0, 0, _TEXT_OID)
    parts = [text_bytes(each) for each in value]
    head = struct.pack(">iiiii", 1, 0, _TEXT_OID, len(parts), 1)
    return head + b"".join(struct.pack(">i", len(part)) + part for part in parts)


_TEXT_OID = 25


def _json(value: Any) -> bytes:
    return json_bytes(value)


def _plain_json(value: Any) -> bytes:
    return json_bytes(value)[1:]


def _as_uuid(found: Any) -> Json:
    return str(uuid.UUID(found)) if isinstance(found, str) else found


def _as_instant(found: Any) -> Json:
    """In UTC; what Python knows no moment for, such as infinity, stays as Postgres writes it."""
    try:
        return _moment(found).astimezone(UTC).isoformat()
    except (Unfit, OverflowError):
        return str(found)


def _as_clock(found: Any) -> Json:
    try:
        return _moment(found).replace(tzinfo=None).isoformat()
    except Unfit:
        return str(found)


_ISO = "to_jsonb({}) #>> '{{}}'"

CELLS: Mapping[str, Cell] = {
    "text": Cell("text", _text),
    "character varying": Cell("text", _text),
    "boolean": Cell("true or false", _boolean),
    "smallint": Cell("whole numbers of 16 bits", _whole(">h", 16)),
    "integer": Cell("whole numbers of 32 bits", _whole(">i", 32)),
    "bigint": Cell("whole numbers of 64 bits", _whole(">q", 64)),
    "real": Cell("numbers that 32 bits hold exactly", _single),
    "double precision": Cell("numbers that a double holds exactly", _double),
    "uuid": Cell("UUIDs", _uuid, _as_uuid, "{}::text"),
    "timestamp with time zone": Cell("ISO 8601 times", _instant, _as_instant, _ISO),
    "timestamp without time zone": Cell(
        "ISO 8601 times", lambda value: _instant(_moment(value).replace(tzinfo=UTC).isoformat()), _as_clock, _ISO
    ),
    "date": Cell("ISO 8601 dates", _day, str, "{}::text"),
    "text[]": Cell("lists of texts", _texts),
    "jsonb": Cell("anything", _json),
    "json": Cell("anything", _plain_json),
}
"""By the type's name as ``format_type`` writes it. Source: the send and receive functions of Postgres 18."""

READ = Cell("nothing", None, str, "{}::text")
"""Every other type: told as Postgres writes it, and not written."""


def cell_of(type_: str) -> Cell:
    """The cell of a column's type."""
    return CELLS.get(type_, READ)
