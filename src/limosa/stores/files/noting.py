"""What is noted in the index when parts are looked through, made, changed, merged and removed."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterable, Mapping, Sequence
from contextlib import closing
from pathlib import Path

from limosa.stores.files.folder import Part, put
from limosa.stores.files.ids import kind_of
from limosa.stores.files.index import MANY, SHIFT, VERSION, Index, marks, range_of

__all__ = ["Rows", "added", "built", "cleaned", "merged", "rewritten"]

_SCHEMA = """
CREATE TABLE parts (number INTEGER PRIMARY KEY, name TEXT UNIQUE, size INTEGER, changed_ns INTEGER, inode INTEGER);
CREATE TABLE rows (position INTEGER PRIMARY KEY, key TEXT NOT NULL, place INTEGER, kind INTEGER NOT NULL);
CREATE TABLE facts (name TEXT PRIMARY KEY, value TEXT);
"""
"""``place`` is the row of a table, the byte of a line, or NULL where a row was, so that reading goes on behind it."""

Rows = Iterable[tuple[Sequence[str], Sequence[int]]]
"""Ids and places, in order, piece by piece."""


def built(path: Path, parts: Iterable[tuple[Part, Rows]], facts: Mapping[str, str]) -> Index:
    """An index of these parts in the place of whatever is there; it counts when it is whole.

    Of an id that stands in several rows the last counts; how many there are, and three of them, are facts.
    """
    # A journal of the one that stood here would be taken for this one's.
    path.with_name(path.name + "-journal").unlink(missing_ok=True)
    put(path, lambda aside: _build(aside, parts, facts))
    return Index(path)


def _build(path: Path, parts: Iterable[tuple[Part, Rows]], facts: Mapping[str, str]) -> None:
    path.unlink(missing_ok=True)
    with closing(sqlite3.connect(path, isolation_level=None)) as sql:
        # Nothing has to be taken back in a file that counts when it is whole.
        sql.executescript(f"PRAGMA journal_mode = OFF; PRAGMA synchronous = OFF; {_SCHEMA} BEGIN")
        for part, rows in parts:
            _load(sql, part, rows)
        sql.execute("CREATE INDEX rows_key ON rows (key)")
        noted = {**facts, **_settle(sql), "version": VERSION}
        sql.executemany("INSERT INTO facts VALUES (?, ?)", noted.items())
        sql.execute("COMMIT")


def _settle(sql: sqlite3.Connection) -> dict[str, str]:
    """Leaves the last row of every id, and says which had more."""
    twice = "SELECT key FROM rows GROUP BY key HAVING count(*) > 1"
    [count] = sql.execute(f"SELECT count(*) FROM ({twice})").fetchone()
    examples = [str(key) for (key,) in sql.execute(f"{twice} ORDER BY min(position) LIMIT 3")] if count else []
    if count:
        sql.execute(
            f"CREATE TEMP TABLE twice AS SELECT key, max(position) AS last FROM rows WHERE key IN ({twice})"
            " GROUP BY key"
        )
        sql.execute("CREATE INDEX temp.twice_key ON twice (key)")
        sql.execute(
            "DELETE FROM rows WHERE EXISTS (SELECT 1 FROM twice WHERE twice.key = rows.key AND last > position)"
        )
    return {"twice": str(count), "examples": "\n".join(examples)}


def cleaned(index: Index) -> None:
    """Notes that no id stands twice any more."""
    index.sql.execute("UPDATE facts SET value = '0' WHERE name = 'twice'")


def added(index: Index, part: Part, keys: Sequence[str], places: Sequence[int]) -> None:
    """Notes a new part, whose ids stand nowhere else."""
    sql = index.sql
    with sql:
        sql.execute("BEGIN")
        _forget(sql, keys)
        _load(sql, part, [(keys, places)])


def rewritten(index: Index, part: Part | None, name: str, gone: Sequence[str], places: Sequence[int]) -> None:
    """Notes that a part is another now.

    Args:
        part: as it is; None where it was removed.
        gone: ids that are no longer in it.
        places: of those that are, in order.
    """
    sql = index.sql
    low, high = range_of(sql, name)
    with sql:
        sql.execute("BEGIN")
        for start in range(0, len(gone), MANY):
            some = gone[start : start + MANY]
            sql.execute(f"UPDATE rows SET place = NULL WHERE key IN ({marks(some)})", some)
        found = sql.execute(
            "SELECT position FROM rows WHERE place IS NOT NULL AND position BETWEEN ? AND ? ORDER BY position",
            (low, high),
        ).fetchall()
        moved = zip(places, (position for (position,) in found), strict=True)
        sql.executemany("UPDATE rows SET place = ? WHERE position = ?", moved)
        _see(sql, part, name)


def merged(index: Index, names: Sequence[str], part: Part, places: Sequence[int]) -> None:
    """Notes that neighbours became one part, which has the name of the last of them."""
    sql = index.sql
    low, high = range_of(sql, names[0])[0], range_of(sql, names[-1])[1]
    with sql:
        sql.execute("BEGIN")
        rows = sql.execute(
            "SELECT key, place, kind FROM rows WHERE position BETWEEN ? AND ? ORDER BY position", (low, high)
        ).fetchall()
        sql.execute("DELETE FROM rows WHERE position BETWEEN ? AND ?", (low, high))
        first, following = high - (1 << SHIFT) + 1, iter(places)
        sql.executemany(
            "INSERT INTO rows VALUES (?, ?, ?, ?)",
            (
                (first + i, key, None if place is None else next(following), kind)
                for i, (key, place, kind) in enumerate(rows)
            ),
        )
        for name in names[:-1]:
            _see(sql, None, name)
        _see(sql, part, part.name)


def _load(sql: sqlite3.Connection, part: Part, rows: Iterable[tuple[Sequence[str], Sequence[int]]]) -> None:
    """Notes a part behind all others: ids and places of its rows, in order, piece by piece."""
    number = _number(sql)
    sql.execute("INSERT INTO parts VALUES (?, ?, ?, ?, ?)", (number, part.name, part.size, part.changed_ns, part.inode))
    at = number << SHIFT
    for keys, places in rows:
        sql.executemany(
            "INSERT INTO rows VALUES (?, ?, ?, ?)",
            zip(range(at, at + len(keys)), keys, places, map(kind_of, keys), strict=False),
        )
        at += len(keys)


def _number(sql: sqlite3.Connection) -> int:
    [part] = sql.execute("SELECT coalesce(max(number), 0) FROM parts").fetchone()
    [row] = sql.execute("SELECT coalesce(max(position), 0) FROM rows").fetchone()
    return int(max(part, row >> SHIFT)) + 1


def _forget(sql: sqlite3.Connection, keys: Sequence[str]) -> None:
    for start in range(0, len(keys), MANY):
        some = keys[start : start + MANY]
        sql.execute(f"DELETE FROM rows WHERE key IN ({marks(some)})", some)


def _see(sql: sqlite3.Connection, part: Part | None, name: str) -> None:
    if part is None:
        sql.execute("DELETE FROM parts WHERE name = ?", (name,))
        return
    sql.execute(
        "UPDATE parts SET size = ?, changed_ns = ?, inode = ? WHERE name = ?",
        (part.size, part.changed_ns, part.inode, name),
    )
