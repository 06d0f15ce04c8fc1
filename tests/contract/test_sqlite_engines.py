"""Stock SQLite, libSQL in a file and a libSQL server keep the same promises."""

from __future__ import annotations

import struct
import threading
import time
from pathlib import Path

import pytest

from limosa.errors import Refused, RowRefused, Transient
from limosa.stores.sqlite.engine import BUSY_S, Busy, Connection, Engine, Value
from limosa.stores.sqlite.stock import open_stock


def test_statements_answer_their_rows(connection: Connection) -> None:
    assert connection.execute("INSERT INTO t VALUES (1, 2) RETURNING b, a") == [(2, 1)]
    assert connection.execute("UPDATE t SET b = 3") == []
    assert connection.execute("SELECT * FROM t WHERE a = 9") == []
    assert connection.execute("-- a word before\nSELECT b FROM t;") == [(3,)]


def test_a_transaction_is_committed_or_rolled_back_whole(connection: Connection, engine: Engine) -> None:
    other = engine.connect(write=False)
    for end, count in (("ROLLBACK", 0), ("COMMIT", 2), ("ROLLBACK", 2)):
        connection.execute("BEGIN IMMEDIATE")
        connection.execute("INSERT INTO t VALUES (?, 1)", (f"a {end} {count}",))
        connection.insert("INSERT INTO t", "(?, ?)", "", [(f"b {end} {count}", 1)])
        connection.execute(end)
        assert other.execute("SELECT count(*) FROM t") == [(count,)]
    other.close()


def test_a_savepoint_inside_a_transaction(connection: Connection) -> None:
    for statement in (
        *("BEGIN", "INSERT INTO t VALUES (1, 1)", "SAVEPOINT s", "INSERT INTO t VALUES (2, 2)", "ROLLBACK TO s"),
        *("INSERT INTO t VALUES (3, 3)", "RELEASE s", "COMMIT"),
    ):
        connection.execute(statement)
    assert connection.execute("SELECT a FROM t ORDER BY a") == [(1,), (3,)]


@pytest.mark.parametrize(
    "statement",
    [
        "INSERT INTO t VALUES (1, 1)",
        "INSERT INTO strict VALUES (NULL, 1)",
        "INSERT INTO strict VALUES ('x', 1)",
        "INSERT INTO strict VALUES (1, -1)",
        "INSERT INTO strict VALUES (1, 'x')",
        "INSERT INTO strict VALUES (1, 13)",
        "INSERT INTO keyed VALUES ('x')",
        "UPDATE t SET a = 1",
    ],
)
def test_a_row_that_breaks_a_constraint(connection: Connection, statement: str) -> None:
    connection.execute("INSERT INTO t VALUES (1, 0), (2, 0)")
    connection.execute("CREATE TABLE strict (a INTEGER NOT NULL, b INTEGER CHECK (b > 0)) STRICT")
    connection.execute("CREATE TABLE keyed (a INTEGER PRIMARY KEY)")
    connection.execute(
        "CREATE TRIGGER luck BEFORE INSERT ON strict WHEN new.b = 13 BEGIN SELECT RAISE(ABORT, 'it''s 13'); END"
    )
    connection.execute("BEGIN IMMEDIATE")
    connection.execute("INSERT INTO t VALUES (3, 0)")
    with pytest.raises(RowRefused):
        connection.execute(statement)
    connection.execute("COMMIT")
    assert connection.execute("SELECT a FROM t ORDER BY a") == [(1,), (2,), (3,)]


@pytest.mark.parametrize(
    ("statement", "params"),
    [
        ("SELEC 1", ()),
        ("SELECT * FROM absent", ()),
        ("SELECT absent FROM t", ()),
        ("INSERT INTO t VALUES (1)", ()),
        ("SELECT 1; SELECT 2", ()),
        ("SELECT ?, ?", (1,)),
        ("SELECT ?", (1, 2)),
        ("SELECT '?'", (1,)),
        ("COMMIT", ()),
        ("CREATE TABLE t (a)", ()),
    ],
)
def test_a_statement_that_is_wrong(connection: Connection, statement: str, params: tuple[Value, ...]) -> None:
    for inside in (False, True):
        if inside:
            connection.execute("BEGIN IMMEDIATE")
            connection.execute("INSERT INTO t VALUES (1, 1)")
        if statement != "COMMIT" or not inside:
            with pytest.raises(Refused) as caught:
                connection.execute(statement, params)
            assert not isinstance(caught.value, RowRefused)
    connection.execute("COMMIT")
    assert connection.execute("SELECT count(*) FROM t") == [(1,)]


def test_many_rows_through_a_table_of_values(connection: Connection) -> None:
    rows = [(f"k{number % 2990}", struct.pack("<3q", number, number, number)) for number in range(3000)]
    head = "INSERT INTO t (a, b) SELECT v.column1, v.column2 FROM ("
    tail = ") AS v WHERE true ON CONFLICT (a) DO UPDATE SET b = excluded.b"
    connection.execute("BEGIN IMMEDIATE")
    connection.insert(head, "(?, ?)", tail, rows)
    connection.execute("COMMIT")
    # Where a key came twice the later row stands: the order was kept.
    assert {row[0]: row[1] for row in connection.execute("SELECT a, b FROM t")} == dict(rows)


def test_an_insert_in_which_one_row_is_refused(connection: Connection) -> None:
    connection.execute("INSERT INTO t VALUES ('there', 0)")
    rows = [(f"k{number}", number) for number in range(300)]
    rows[170] = ("there", 1)
    connection.execute("BEGIN IMMEDIATE")
    with pytest.raises(RowRefused):
        connection.insert("INSERT INTO t", "(?, ?)", "", rows)
    # What came after the row was not tried.
    assert connection.execute("SELECT count(*) FROM t WHERE b > 200") == [(0,)]
    connection.execute("ROLLBACK")
    assert connection.execute("SELECT a FROM t") == [("there",)]


def test_a_writer_waits_while_other_threads_work(connection: Connection, engine: Engine) -> None:
    other = engine.connect()
    connection.execute("BEGIN IMMEDIATE")
    connection.execute("INSERT INTO t VALUES (1, 1)")
    commit = threading.Timer(0.4, lambda: connection.execute("COMMIT"))
    commit.start()
    began = time.monotonic()
    other.execute("BEGIN IMMEDIATE")
    # Held up inside the engine with Python's lock, the timer would never come to its commit.
    assert 0.2 < time.monotonic() - began < BUSY_S - 1
    assert other.execute("SELECT count(*) FROM t") == [(1,)]
    commit.join()
    other.close()


def test_a_lock_that_is_held_too_long(file_engine: Engine) -> None:
    holder, other = file_engine.connect(), file_engine.connect()
    holder.execute("CREATE TABLE t (a)")
    holder.execute("BEGIN IMMEDIATE")
    other.execute("BEGIN")
    if not file_engine.native:
        other.execute("PRAGMA busy_timeout = 100")
    with pytest.raises(Busy, match="locked"):
        other.execute("INSERT INTO t VALUES (1)")
    holder.execute("COMMIT")
    other.execute("INSERT INTO t VALUES (2)")
    other.execute("COMMIT")
    assert holder.execute("SELECT a FROM t") == [(2,)]
    holder.close()
    other.close()


def test_a_connection_that_only_reads(connection: Connection, engine: Engine) -> None:
    connection.execute("INSERT INTO t VALUES (1, 1)")
    reader = engine.connect(write=False)
    assert [row[1] for row in reader.execute("PRAGMA table_info(t)")] == ["a", "b"]
    assert reader.execute("WITH q (a) AS (SELECT 5) SELECT a FROM q") == [(5,)]
    for statement in (
        *("INSERT INTO t VALUES (2, 2)", "DROP TABLE t", "WITH q (a) AS (SELECT 5) INSERT INTO t SELECT a, a FROM q"),
        *("PRAGMA user_version = 5", "DELETE FROM t"),
    ):
        with pytest.raises(Refused):
            reader.execute(statement)
        with pytest.raises(Refused):
            reader.script(statement)
    with pytest.raises(Refused):
        reader.insert("INSERT INTO t", "(?, ?)", "", [(3, 3)])
    reader.execute("BEGIN IMMEDIATE")
    assert reader.execute("SELECT count(*) FROM t") == [(1,)]
    with pytest.raises(Refused):
        reader.execute("UPDATE t SET b = 2")
    reader.execute("ROLLBACK")
    reader.close()
    assert connection.execute("SELECT * FROM t") == [(1, 1)]


def test_a_closed_connection(connection: Connection, engine: Engine) -> None:
    other = engine.connect()
    other.execute("BEGIN IMMEDIATE")
    other.execute("INSERT INTO t VALUES (1, 1)")
    other.close()
    other.close()
    for use in (
        lambda: other.execute("SELECT 1"),
        lambda: other.insert("INSERT INTO t", "(?, ?)", "", [(1, 1)]),
        lambda: other.script("SELECT 1"),
    ):
        with pytest.raises(Refused, match="closed"):
            use()
    connection.execute("BEGIN IMMEDIATE")
    assert connection.execute("SELECT count(*) FROM t") == [(0,)]


def test_threads_one_after_the_other(connection: Connection) -> None:
    connection.execute("BEGIN IMMEDIATE")
    for number in range(3):
        thread = threading.Thread(target=connection.execute, args=("INSERT INTO t VALUES (?, 0)", (number,)))
        thread.start()
        thread.join()
    connection.execute("COMMIT")
    assert connection.execute("SELECT count(*) FROM t") == [(3,)]


def test_no_cascade_is_set_off(connection: Connection) -> None:
    connection.execute("CREATE TABLE child (a REFERENCES t (a) ON DELETE CASCADE)")
    connection.execute("INSERT INTO t VALUES (1, 1), (2, 2), (3, 3)")
    connection.insert("INSERT INTO child", "(?)", "", [(1,), (2,), (3,), (99,)])
    connection.execute("DELETE FROM t WHERE a = 1")
    connection.execute("BEGIN IMMEDIATE")
    connection.execute("DELETE FROM t WHERE a = 2")
    connection.execute("COMMIT")
    connection.script("DROP TABLE t")
    assert connection.execute("SELECT a FROM child") == [(1,), (2,), (3,), (99,)]


def test_a_script(connection: Connection) -> None:
    connection.script(
        "-- first\nCREATE TABLE s (a); CREATE TRIGGER g AFTER INSERT ON s BEGIN UPDATE s SET a = ';'; SELECT 1; END;"
        "INSERT INTO s VALUES ('x''; y') ; /* last */"
    )
    assert connection.execute("SELECT a FROM s") == [(";",)]


def test_a_script_ends_at_its_first_error(connection: Connection) -> None:
    for wrong in ("SELEC", "INSERT INTO absent VALUES (1)"):
        connection.execute("DELETE FROM t")
        with pytest.raises(Refused):
            connection.script(f"INSERT INTO t VALUES (1, 1); {wrong}; INSERT INTO t VALUES (2, 2)")
        assert connection.execute("SELECT a FROM t") == [(1,)]


def test_a_script_does_not_end_a_transaction(connection: Connection) -> None:
    connection.execute("BEGIN IMMEDIATE")
    connection.execute("INSERT INTO t VALUES (1, 1)")
    with pytest.raises(Refused, match="transaction is open"):
        connection.script("INSERT INTO t VALUES (2, 2)")
    connection.execute("ROLLBACK")
    assert connection.execute("SELECT count(*) FROM t") == [(0,)]


def test_vectors_where_the_engine_knows_them(connection: Connection, engine: Engine) -> None:
    if not engine.native:
        with pytest.raises(Refused, match="vector32"):
            connection.execute("SELECT vector32('[1]')")
        return
    connection.execute("CREATE TABLE v (id INTEGER PRIMARY KEY, e F32_BLOB(3))")
    vectors = [(number, struct.pack("<3f", number, 1.0, 0.1)) for number in range(200)]
    connection.insert("INSERT INTO v", "(?, vector32(?))", "", vectors)
    assert connection.execute("SELECT id, e FROM v ORDER BY id") == vectors
    assert connection.execute("SELECT vector32('[1, 2]')") == [(struct.pack("<2f", 1, 2),)]
    connection.script("CREATE INDEX i ON v (libsql_vector_idx(e))")
    assert connection.execute("SELECT count(*) FROM i_shadow") == [(200,)]
    near = connection.execute("SELECT id FROM vector_top_k('i', vector32('[7, 1, 0.1]'), 1)")
    assert near == [(7,)]


def test_a_file_that_is_full(file_engine: Engine) -> None:
    connection = file_engine.connect()
    connection.execute("CREATE TABLE t (a UNIQUE)")
    connection.execute("INSERT INTO t VALUES (0)")
    connection.execute("PRAGMA max_page_count = 20")
    rows = [(bytes([number]) * 9000,) for number in range(20)]
    numbers = "WITH n AS (SELECT 1 AS i UNION ALL SELECT i + 1 FROM n WHERE i < 20)"
    for use in (
        lambda: connection.insert("INSERT INTO t", "(?)", "", rows),
        # SQLite itself takes back this statement alone, not its transaction.
        lambda: connection.execute(f"{numbers} INSERT INTO t SELECT randomblob(9000) FROM n"),
    ):
        connection.execute("BEGIN IMMEDIATE")
        connection.execute("INSERT INTO t VALUES (1)")
        with pytest.raises(Transient, match="full") as caught:
            use()
        assert not isinstance(caught.value, Busy)
        connection.execute("BEGIN IMMEDIATE")
        assert connection.execute("SELECT a FROM t") == [(0,)]
        connection.execute("ROLLBACK")
    connection.close()


def test_a_snapshot_that_was_overtaken(tmp_path: Path) -> None:
    (tmp_path / "a.db").touch()
    connection, other = (open_stock(tmp_path / "a.db").connect() for _ in range(2))
    other.script("PRAGMA journal_mode = WAL; CREATE TABLE t (a)")
    connection.execute("BEGIN")
    assert connection.execute("SELECT count(*) FROM t") == [(0,)]
    other.execute("INSERT INTO t VALUES (1)")
    # Waiting does not mend it: the transaction has to begin again.
    with pytest.raises(Transient, match="wrote since") as caught:
        connection.execute("INSERT INTO t VALUES (2)")
    assert not isinstance(caught.value, Busy)
    connection.execute("BEGIN IMMEDIATE")
    connection.close()
    other.close()


def test_a_file_that_is_not_there_is_not_made(file_engine: Engine) -> None:
    assert file_engine.path is not None
    file_engine.path.unlink()
    for write in (True, False):
        with pytest.raises(Refused, match="cannot be opened"):
            file_engine.connect(write=write)
    assert not file_engine.path.exists()


def test_a_file_that_is_no_database(file_engine: Engine) -> None:
    assert file_engine.path is not None
    file_engine.path.write_bytes(b"no database " * 1000)
    with pytest.raises(Refused, match="not a database"):
        file_engine.connect().execute("SELECT * FROM t")


def test_a_copy_is_opened_by_the_same_engine(file_engine: Engine) -> None:
    assert file_engine.path is not None
    copy = file_engine.path.with_name("copy.db")
    connection = file_engine.connect()
    connection.execute("CREATE TABLE t (a)")
    connection.script(f"VACUUM INTO '{copy}'")
    connection.close()
    other = file_engine.beside(copy)
    assert (other.path, other.native, other.title) == (copy, file_engine.native, "copy.db")
    assert other.connect(write=False).execute("SELECT count(*) FROM t") == [(0,)]
