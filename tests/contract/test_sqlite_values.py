"""Values go into each engine of SQLite's family and come out the same, or are refused."""

from __future__ import annotations

import math
import struct

import pytest

from limosa.errors import Refused, RowRefused
from limosa.stores.sqlite.engine import Connection, Engine, Value

_VALUES: list[Value] = [
    *(0, 1, -1, 2**31 - 1, 2**31, -(2**31), -(2**31) - 1, 2**53 + 1, 2**63 - 1, -(2**63)),
    *(0.1, -0.0, 5e-324, 2.2250738585072011e-308, 1.7976931348623157e308, 1 / 3, 3.0),
    *(
        "",
        'it\'s "so" ?',
        "\U0001f600 é",
        "a" * 70_000,
        b"",
        b"\x00",
        b"\x00\x01",
        b"\x00\x01\x00",
        bytes(range(256)) * 300,
        None,
    ),
]


def _exact(value: Value) -> tuple[type, Value]:
    return type(value), struct.pack(">d", value) if isinstance(value, float) else value


def test_values_come_back_as_they_went(connection: Connection) -> None:
    for place, value in enumerate(_VALUES):
        connection.execute("INSERT INTO t VALUES (?, ?)", (place, value))
    connection.insert("INSERT INTO t", "(?, ?)", "", [(100 + place, value) for place, value in enumerate(_VALUES)])
    found = [row[0] for row in connection.execute("SELECT b FROM t ORDER BY a")]
    assert [_exact(value) for value in found] == [_exact(value) for value in _VALUES] * 2
    asked = ", ".join("?" for _ in _VALUES)
    assert [_exact(value) for value in connection.execute(f"SELECT {asked}", _VALUES)[0]] == [*map(_exact, _VALUES)]
    assert connection.execute("SELECT typeof(?), 5 -?, '?'", (2**40, -(2**40)))[0] == ("integer", 5 + 2**40, "?")


def test_a_text_with_a_nul(connection: Connection, engine: Engine) -> None:
    connection.execute("INSERT INTO t VALUES (1, ?)", ("a\0b",))
    text, blob = connection.execute("SELECT b, CAST(b AS BLOB) FROM t")[0]
    # The package libsql reads texts as C does; as a blob they are whole.
    assert (text, blob) == ("a" if engine.native and engine.path else "a\0b", b"a\0b")


def test_a_text_that_is_not_utf_8_is_refused_when_it_is_read(connection: Connection) -> None:
    connection.execute("INSERT INTO t VALUES (1, CAST(x'ff41' AS TEXT))")
    with pytest.raises(Refused):
        connection.execute("SELECT b FROM t")
    assert connection.execute("SELECT CAST(b AS BLOB) FROM t") == [(b"\xffA",)]


@pytest.mark.parametrize("value", [2**63, -(2**63) - 1, 10**400, "\ud800"])
def test_a_value_that_cannot_be_stored_is_the_rows_fault(connection: Connection, value: Value) -> None:
    with pytest.raises(RowRefused):
        connection.execute("INSERT INTO t VALUES (1, ?)", (value,))
    with pytest.raises(RowRefused):
        connection.insert("INSERT INTO t", "(?, ?)", "", [(1, value)])
    assert connection.execute("SELECT count(*) FROM t") == [(0,)]


def test_what_is_not_a_number_is_stored_as_null(connection: Connection) -> None:
    connection.execute("INSERT INTO t VALUES (1, ?)", (math.nan,))
    assert connection.execute("SELECT b FROM t") == [(None,)]


def test_infinity_is_exact_or_refused(connection: Connection, engine: Engine) -> None:
    if engine.path is not None:
        assert connection.execute("SELECT ?", (-math.inf,)) == [(-math.inf,)]
        return
    with pytest.raises(RowRefused, match="no word for it"):
        connection.execute("SELECT ?", (math.inf,))
    with pytest.raises(Refused, match="holds infinity"):
        connection.execute("SELECT 9e999")


def test_values_as_a_table_name_their_columns(connection: Connection) -> None:
    assert connection.execute("SELECT column2, column1 FROM (VALUES (1, 2), (3, 4)) AS v") == [(2, 1), (4, 3)]


def test_rows_that_are_large(connection: Connection) -> None:
    rows = [
        (number, bytes([number]) * size) for number, size in enumerate((3_000_000, 10, 900_000, 200_000, 2_500_000))
    ]
    connection.insert("INSERT INTO t", "(?, ?)", "", rows)
    connection.insert("INSERT INTO t", "(?, ?)", "", [])
    assert connection.execute("SELECT a, length(b), hex(substr(b, -1)) FROM t ORDER BY a") == [
        (number, len(blob), f"{number:02X}") for number, blob in rows
    ]


@pytest.mark.parametrize("inside", [False, True])
def test_many_large_rows_are_read(connection: Connection, inside: bool) -> None:
    connection.execute("BEGIN IMMEDIATE")
    connection.insert("INSERT INTO t", "(?, ?)", "", [(number, "x" * 20_000) for number in range(1000)])
    connection.execute("COMMIT")
    connection.execute("BEGIN IMMEDIATE")
    connection.execute("DELETE FROM t WHERE a = 0")
    if not inside:
        connection.execute("COMMIT")
    found = connection.execute("SELECT a, b FROM t ORDER BY a")
    assert [row[0] for row in found] == list(range(1, 1000))
    assert {row[1] for row in found} == {"x" * 20_000}
    if inside:
        connection.execute("ROLLBACK")
    assert connection.execute("SELECT count(*) FROM t") == [(1000 if inside else 999,)]
    connection.script("DELETE FROM t")  # only where no transaction is open
