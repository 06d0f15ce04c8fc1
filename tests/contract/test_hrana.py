"""What only a libSQL server can do to a connection: die, forget a transaction, refuse a token, send it elsewhere."""

from __future__ import annotations

import time
from typing import Any

import pytest

from limosa.errors import LimosaError, Refused, RowRefused, Transient
from limosa.stores.sqlite.engine import BUSY_S, Busy, Connection
from limosa.stores.sqlite.hrana import open_hrana
from tests.sqld.scripted import Scripted
from tests.sqld.server import Sqld

_TOKEN = "secret-token"
_DONE = {"type": "ok", "response": {"type": "close"}}


def _open(server: Sqld) -> Connection:
    connection = open_hrana(server.url, server.token).connect()
    connection.execute("CREATE TABLE IF NOT EXISTS t (a)")
    return connection


def _result(error: dict[str, str] | None = None) -> dict[str, Any]:
    steps = {"step_results": [{"rows": []}, {"rows": []}], "step_errors": [None, error]}
    return {"type": "ok", "response": {"type": "batch", "result": steps}}


def _answer(*results: dict[str, Any], baton: str | None = None, base_url: str | None = None) -> tuple[int, Any]:
    return 200, {"baton": baton, "base_url": base_url, "results": results}


_BEGUN = _answer(_result(), baton="one")


def test_a_server_that_is_killed_in_a_transaction(sqld: Sqld) -> None:
    connection = _open(sqld)
    connection.execute("INSERT INTO t VALUES (1)")
    for statement in ("INSERT INTO t VALUES (3)", "COMMIT"):
        connection.execute("BEGIN IMMEDIATE")
        connection.insert("INSERT INTO t", "(?)", "", [(2,)])
        sqld.kill()
        with pytest.raises(Transient, match="did not answer") as caught:
            connection.execute(statement)
        assert not isinstance(caught.value, Busy)
        with pytest.raises(Transient):
            connection.execute("BEGIN IMMEDIATE")
        sqld.start()
        assert connection.execute("SELECT a FROM t") == [(1,)]


@pytest.mark.parametrize("how", ["stop", "kill"])
def test_a_server_that_was_started_again_in_between(sqld: Sqld, how: str) -> None:
    connection = _open(sqld)
    connection.execute("BEGIN IMMEDIATE")
    connection.execute("INSERT INTO t VALUES (2)")
    getattr(sqld, how)()
    sqld.start()
    with pytest.raises(Transient):
        connection.execute("COMMIT")
    assert connection.execute("SELECT a FROM t") == []


def test_a_transaction_that_idled(sqld: Sqld) -> None:
    connection = _open(sqld)
    connection.execute("BEGIN IMMEDIATE")
    connection.execute("INSERT INTO t VALUES (1)")
    time.sleep(11.5)
    with pytest.raises(Transient, match="expired"):
        connection.execute("INSERT INTO t VALUES (2)")
    with pytest.raises(Refused, match="no transaction"):
        connection.execute("COMMIT")
    assert connection.execute("SELECT a FROM t") == []


def test_a_transaction_whose_lock_was_taken(sqld: Sqld) -> None:
    connection, other = _open(sqld), _open(sqld)
    connection.execute("BEGIN IMMEDIATE")
    connection.execute("INSERT INTO t VALUES (1)")
    began = time.monotonic()
    other.execute("INSERT INTO t VALUES (2)")
    assert time.monotonic() - began < BUSY_S + 3
    with pytest.raises(Transient, match="timed out"):
        connection.execute("INSERT INTO t VALUES (3)")
    # The server would commit at once what goes on in the same stream.
    with pytest.raises(Refused, match="no transaction"):
        connection.execute("COMMIT")
    assert connection.execute("SELECT a FROM t") == [(2,)]


def test_a_wrong_token(sqld: Sqld) -> None:
    wrong = sqld.token[:-8] + "AAAAAAAA"
    for token in (wrong, "nonsense", ""):
        with pytest.raises(Refused, match=r"does not accept the token \(401\)") as caught:
            open_hrana(sqld.url, token).connect().execute("SELECT 1")
        assert not token or token not in str(caught.value)


def test_a_token_that_only_reads(sqld: Sqld) -> None:
    _open(sqld).execute("INSERT INTO t VALUES (1)")
    for write in (True, False):
        connection = open_hrana(sqld.url, sqld.reading).connect(write=write)
        assert connection.execute("SELECT a FROM t") == [(1,)]
    connection = open_hrana(sqld.url, sqld.reading).connect()
    for use in (
        lambda: connection.execute("DELETE FROM t"),
        lambda: connection.execute("BEGIN IMMEDIATE"),
        lambda: connection.insert("INSERT INTO t", "(?)", "", [(2,)]),
        lambda: connection.script("DELETE FROM t"),
    ):
        with pytest.raises(Refused, match="token that may write") as caught:
            use()
        assert sqld.reading not in str(caught.value)
    assert _open(sqld).execute("SELECT a FROM t") == [(1,)]


@pytest.mark.parametrize(
    ("answer", "kind", "said"),
    [
        (None, Transient, "did not answer"),
        ((503, "<html>busy</html>"), Transient, "503"),
        ((429, {"error": "slow down"}), Transient, "slow down"),
        ((500, {"message": "The stream has expired", "code": "STREAM_EXPIRED"}), Transient, "expired"),
        ((400, "Received an invalid baton"), Transient, "baton"),
        ((400, "number out of range"), Refused, "number out of range"),
        ((404, ""), Refused, "Hrana 3"),
        ((200, "<html>"), Refused, "does not answer as a libSQL server"),
        ((200, "[]"), Refused, "does not answer as a libSQL server"),
        (_answer(), Refused, "does not answer as a libSQL server"),
        ((403, {"error": f"{_TOKEN} may not"}), Refused, "token that may write"),
        (_answer(_result({"message": f"by {_TOKEN}", "code": "BLOCKED"}), _DONE), Refused, r"by \*\*\*"),
        (_answer(_result({"message": "no", "code": "SQLITE_AUTH"}), _DONE), Refused, "token that may write"),
        (_answer(_result({"message": "no", "code": "SQLITE_CONSTRAINT"}), _DONE), RowRefused, "no"),
        (_answer(_result({"message": "no", "code": "SQLITE_IOERR"}), _DONE), Transient, "no"),
        (_answer(_result({"message": "no", "code": "SQLITE_BUSY"}), _DONE), Busy, "locked"),
        (_answer(_result({"message": "no", "code": "SQLITE_CORRUPT"}), _DONE), Refused, "no"),
    ],
)
def test_answers_and_what_they_mean(answer: tuple[int, Any] | None, kind: type[LimosaError], said: str) -> None:
    with Scripted(answer) as server:
        with pytest.raises(LimosaError, match=said) as caught:
            open_hrana(server.url, _TOKEN).connect().execute("DELETE FROM t")
        assert type(caught.value) is kind
        assert _TOKEN not in str(caught.value)
        assert len(server.asked) == 1  # nothing is tried again


def test_a_commit_whose_answer_is_lost_is_sent_once() -> None:
    with Scripted(_BEGUN, None) as server:
        connection = open_hrana(server.url, _TOKEN).connect()
        connection.execute("BEGIN IMMEDIATE")
        with pytest.raises(Transient):
            connection.execute("COMMIT")
        connection.close()
        assert [asked["baton"] for asked in server.asked] == [None, "one"]


@pytest.mark.parametrize("code", ["SQLITE_FULL", "TRANSACTION_TIMEOUT"])
def test_after_a_lost_transaction_the_stream_is_left(code: str) -> None:
    with Scripted(_BEGUN, _answer(_result({"message": "", "code": code}), baton="two"), _answer(_DONE)) as server:
        connection = open_hrana(server.url, _TOKEN).connect()
        connection.execute("BEGIN IMMEDIATE")
        with pytest.raises(Transient):
            connection.execute("DELETE FROM t")
        with pytest.raises(Transient):
            connection.execute("DELETE FROM t")
        assert [asked["baton"] for asked in server.asked] == [None, "one", "two", None]
        assert server.asked[2]["requests"] == [{"type": "close"}]


def test_a_busy_statement_can_be_repeated_in_its_transaction() -> None:
    busy = _result({"message": "", "code": "SQLITE_BUSY"})
    with Scripted(
        _BEGUN, _answer(busy, baton="two"), _answer(_result(), baton="three"), _answer(busy, _DONE)
    ) as server:
        connection = open_hrana(server.url, _TOKEN).connect()
        connection.execute("BEGIN")
        with pytest.raises(Busy):
            connection.execute("DELETE FROM t")
        connection.execute("DELETE FROM t")
        # The stream's end went along with the commit: there is nothing left to repeat.
        with pytest.raises(Transient) as caught:
            connection.execute("COMMIT")
        assert type(caught.value) is Transient
        assert [asked["baton"] for asked in server.asked] == [None, "one", "two", "three"]


def test_a_transaction_that_does_not_begin_leaves_no_stream() -> None:
    busy = _result({"message": "", "code": "SQLITE_BUSY"})
    with Scripted(_answer(busy, baton="one"), _answer(_DONE), _BEGUN) as server:
        connection = open_hrana(server.url, _TOKEN).connect()
        with pytest.raises(Busy):
            connection.execute("BEGIN")
        connection.execute("BEGIN")
        assert [asked["baton"] for asked in server.asked] == [None, "one", None]
        assert server.asked[1]["requests"] == [{"type": "close"}]


def test_a_server_that_closes_the_stream_unasked() -> None:
    with Scripted(_BEGUN, _answer(_result())) as server:
        connection = open_hrana(server.url, _TOKEN).connect()
        connection.execute("BEGIN")
        with pytest.raises(Transient, match="closed"):
            connection.execute("DELETE FROM t")


def test_a_redirect_is_not_followed() -> None:
    with Scripted() as other, Scripted((307, other.url)) as server:
        with pytest.raises(Refused, match="sends the request on"):
            open_hrana(server.url, _TOKEN).connect().execute("SELECT 1")
        assert other.asked == []
        assert server.headers[0]["Authorization"] == f"Bearer {_TOKEN}"


def test_a_stream_that_lives_elsewhere() -> None:
    with Scripted(_answer(_result())) as other:
        with Scripted(_answer(_result(), baton="one", base_url=f"{other.url}/in/")) as server:
            connection = open_hrana(server.url, _TOKEN).connect()
            connection.execute("BEGIN")
            connection.close()
        assert [asked["baton"] for asked in other.asked] == ["one"]


def test_a_stream_that_would_live_elsewhere_in_the_clear() -> None:
    with Scripted(_answer(_result(), baton="one", base_url="http://elsewhere.example")) as server:
        connection = open_hrana(server.url, _TOKEN).connect()
        with pytest.raises(Refused, match=r"elsewhere\.example without encryption"):
            connection.execute("BEGIN")


@pytest.mark.parametrize(
    "url",
    [
        *("", "host", "ftp://host", "file:x.db", "libsql://", "https://[", "libsql://me:secret-token@host"),
        *("libsql://host?authToken=secret-token", "libsql://host?tls=0"),
    ],
)
def test_an_address_that_is_none(url: str) -> None:
    with pytest.raises(Refused) as caught:
        open_hrana(url, "")
    assert _TOKEN not in str(caught.value)


def test_what_an_engine_says_of_itself() -> None:
    engine = open_hrana("libsql://db-team.example.io", _TOKEN)
    assert (engine.title, engine.path, engine.native) == ("db-team.example.io", None, True)
    assert open_hrana("http://127.0.0.1:8080", "").title == "127.0.0.1:8080"
    assert _TOKEN not in repr(engine)
