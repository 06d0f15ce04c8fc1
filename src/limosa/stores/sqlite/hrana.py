"""libSQL behind HTTP: a server of one's own (sqld) or a provider's."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any

import urllib3

from limosa.errors import LimosaError, Refused, Transient
from limosa.stores.sqlite.engine import Busy, Connection, Engine, Value
from limosa.stores.sqlite.hrana_errors import TOO_LARGE, fault, lost
from limosa.stores.sqlite.hrana_values import chained, packed, rows_of, statement
from limosa.stores.sqlite.hrana_wire import READ_S, Stream, Wire
from limosa.stores.sqlite.statements import statements, verb

__all__ = ["open_hrana"]

_READS = {"SELECT", "VALUES", "EXPLAIN"}
_ENDS = {"COMMIT", "END", "ROLLBACK"}
_CLOSE = {"type": "close"}
# On by default there. It must be off before a transaction begins: inside one it changes nothing.
_NO_CASCADES = statement("PRAGMA foreign_keys = OFF")
# 2,000 vectors of 1536 in an index took 89 s; an hour is over the patience of most proxies.
_BUILD_S = 3600.0


class _Hrana:
    """A connection that costs nothing between transactions, and a stream of the server's within one.

    A stream waits ten seconds for the next statement, and five while another connection wants to write
    (libsql-server 0.24): begin when everything is at hand.
    """

    def __init__(self, wire: Wire, *, write: bool) -> None:
        self._wire = wire
        self._write = write
        self._stream: Stream | None = None
        self._closed = False
        self._harmless: set[str] = set()

    def execute(self, sql: str, params: Sequence[Value] = ()) -> list[tuple[Value, ...]]:
        """The rows that one statement answers, however many: what the server holds too long comes by a cursor."""
        self._require_open()
        word = verb(sql)
        if not self._write:
            sql = self._reading(sql, word)
        wanted = statement(sql, params)
        begins, ends = word == "BEGIN", word in _ENDS and "TO" not in sql.upper().split()
        try:
            result = self._run(chained(self._prepared(word, [wanted])), keep=begins or (self._open and not ends))
        except _TooLarge:
            if word not in _READS:
                raise
            return self._by_cursor(wanted)
        return rows_of(result["step_results"][-1]["rows"])

    def insert(self, head: str, row: str, tail: str, rows: Iterable[Sequence[Value]]) -> None:
        """Many rows a statement and many statements a request; after an error some of the rows may stand.

        In a transaction too, until it is rolled back: a statement that fails takes its own rows along alone.
        """
        self._require_open()
        self._require_writing(head)
        for wanted in packed(head, row, tail, rows):
            self._run(chained(self._prepared("INSERT", wanted)), keep=self._open)

    def script(self, sql: str) -> None:
        """Statements outside a transaction, each by a ``sequence`` of its own.

        In one sequence the server passes over a statement that it cannot parse, without an error.
        """
        self._require_open()
        self._require_writing(sql)
        if self._open:
            raise Refused("A transaction is open.", needed="None: this statement ends it or fails in it.")
        self._run(chained([_NO_CASCADES]), keep=True)
        try:
            for each in statements(sql):
                self._run({"type": "sequence", "sql": each}, keep=True, read_s=_BUILD_S)
        finally:
            self._leave()

    def close(self) -> None:
        """Ends the connection."""
        self._leave()
        self._closed = True

    @property
    def _open(self) -> bool:
        return self._stream is not None

    def _require_open(self) -> None:
        if self._closed:
            raise Refused("The connection is closed.")

    def _require_writing(self, sql: str) -> None:
        if not self._write:
            raise Refused("The connection only reads.", needed=f"One that writes, for: {sql[:60]}")

    def _reading(self, sql: str, word: str) -> str:
        """The statement, once it is known to change nothing; the server has no connection that only reads."""
        if word == "BEGIN":
            return "BEGIN"
        if word not in _READS | _ENDS and sql not in self._harmless:
            if not self._run({"type": "describe", "sql": sql}, keep=self._open)["is_readonly"]:
                self._require_writing(sql)
            self._harmless.add(sql)
        return sql

    def _prepared(self, word: str, wanted: list[dict[str, Any]]) -> list[dict[str, Any]]:
        """What goes before a statement that opens a stream and may write."""
        return wanted if self._open or not self._write or word in _READS else [_NO_CASCADES, *wanted]

    def _run(self, request: dict[str, Any], *, keep: bool, read_s: float = READ_S) -> dict[str, Any]:
        """What one request answers; unless the stream is kept, its end is sent along."""
        before, self._stream = self._stream, None  # lost, unless an answer brings it back
        requests = [request] if keep else [request, _CLOSE]
        (first, *_), self._stream = self._wire.pipeline(requests, before, read_s=read_s)
        error = _error_of(first)
        if error is None:
            if keep and not self._open:
                raise lost(self._wire.title, "the stream was closed.")
            result: dict[str, Any] = first["response"].get("result", {})
            return result
        if error.get("code") == TOO_LARGE:
            found: LimosaError = _TooLarge(f"{self._wire.title}: the answer is over the server's limit.")
        else:
            found = fault(error, self._wire.title, self._wire.quiet(str(error.get("message") or "")))
        if isinstance(found, Busy):
            if before and not self._open:
                found = Transient(found.what, do=found.do)
        elif isinstance(found, Transient):
            self._leave()  # after it the server would commit each statement at once
        if not before:
            self._leave()
        raise found

    def _by_cursor(self, wanted: dict[str, Any]) -> list[tuple[Value, ...]]:
        before, self._stream = self._stream, None
        entries, self._stream = self._wire.cursor(chained([wanted])["batch"], before)
        if not before:
            self._leave()
        for each in entries:
            if each["type"] in {"step_error", "error"}:
                error = each["error"]
                raise fault(error, self._wire.title, self._wire.quiet(str(error.get("message") or "")))
        return rows_of([each["row"] for each in entries if each["type"] == "row"])

    def _leave(self) -> None:
        stream, self._stream = self._stream, None
        if stream:
            # What the server does not hear, it finds out after ten seconds.
            with suppress(LimosaError):
                self._wire.pipeline([_CLOSE], stream)


class _TooLarge(Refused):
    """The answer is over the server's limit."""


def open_hrana(url: str, token: str) -> Engine:
    """The database behind an address; opens nothing.

    Args:
        url: ``libsql://host``, which is ``https://host``, or ``http://host:port`` for a server without TLS.
        token: empty where the server asks for none.

    Raises:
        Refused: it is not such an address, or it holds a name, a password or a token.
    """
    wire = Wire(_address(url), token)

    def connect(*, write: bool = True) -> Connection:
        return _Hrana(wire, write=write)

    def beside(_: Path) -> Engine:
        raise Refused(f"{wire.title} is a server; there is no file beside it.")

    return Engine(title=wire.title, path=None, native=True, connect=connect, beside=beside)


def _error_of(result: dict[str, Any]) -> dict[str, Any] | None:
    """The error of a request, or of the first statement in it that failed."""
    if result["type"] == "error":
        error: dict[str, Any] = result["error"]
        return error
    errors = result["response"].get("result", {}).get("step_errors", ())
    return next((each for each in errors if each), None)


def _address(url: str) -> urllib3.util.Url:
    try:
        parsed = urllib3.util.parse_url(url)
    except urllib3.exceptions.LocationParseError as exc:
        # The value is not shown here or below: it may hold a token.
        raise Refused("The database's URL is not an address.", needed="For example libsql://host.") from exc
    if parsed.scheme not in {"libsql", "https", "http"} or not parsed.host:
        raise Refused(
            "The database's URL is not a libSQL server's.",
            needed="One that begins with libsql://, https:// or http://.",
            do="Correct the URL of the store.",
        )
    if parsed.auth or parsed.query:
        raise Refused(
            f"The URL of {parsed.host} holds more than an address.",
            needed="An address alone; without TLS it begins with http://.",
            do="Take the rest out, and give the token by reference.",
        )
    return parsed._replace(scheme="http" if parsed.scheme == "http" else "https")
