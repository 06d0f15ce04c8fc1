"""The index of a folder: at which place of which part each id stands, in SQLite, so that no memory grows with rows."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterable, Sequence
from pathlib import Path

from limosa.stores.files.folder import Part

__all__ = ["MANY", "SHIFT", "VERSION", "Index", "Place", "marks", "range_of"]

VERSION = "1"
"""Of the tables of an index; another one is made anew."""

SHIFT = 32
"""A position is the number of a part and, in the low bits, of a row of it: parts have fewer than 2^32 rows."""

MANY = 500
"""Ids of one statement; SQLite takes 999 and more."""

Place = tuple[int, str, str, int]
"""Position, key, name of the part, and place in it."""


class Index:
    """One file of SQLite; calls come one at a time, from any thread."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.sql = sqlite3.connect(path, check_same_thread=False, isolation_level=None, timeout=60)

    def parts(self) -> list[Part] | None:
        """The parts as they were seen, by name; None where this is no index of this version."""
        try:
            if self.fact("version") != VERSION:
                return None
            return sorted(Part(*row) for row in self.sql.execute("SELECT name, size, changed_ns, inode FROM parts"))
        except sqlite3.DatabaseError:
            return None

    def fact(self, name: str) -> str | None:
        """Something that was noted of the folder."""
        found = self.sql.execute("SELECT value FROM facts WHERE name = ?", (name,)).fetchone()
        return None if found is None else str(found[0])

    def counted(self) -> tuple[int, frozenset[int]]:
        """How many points there are, and of which kinds their ids."""
        found = self.sql.execute("SELECT kind, count(*) FROM rows WHERE place IS NOT NULL GROUP BY kind").fetchall()
        return sum(count for _, count in found), frozenset(kind for kind, _ in found)

    def position(self, key: str) -> int | None:
        """Where an id stands, or stood."""
        found = self.sql.execute("SELECT position FROM rows WHERE key = ?", (key,)).fetchone()
        return None if found is None else int(found[0])

    def last(self) -> str | None:
        """The id behind which no other is."""
        found = self.sql.execute("SELECT key FROM rows ORDER BY position DESC LIMIT 1").fetchone()
        return None if found is None else str(found[0])

    def behind(self, position: int, limit: int) -> list[Place]:
        """The next points behind a position, in order."""
        found = self.sql.execute(
            "SELECT position, key, place FROM rows WHERE position > ? AND place IS NOT NULL ORDER BY position LIMIT ?",
            (position, limit),
        )
        return self._named(found)

    def find(self, keys: Sequence[str]) -> list[Place]:
        """Points of these ids, in order; those that are not there are left out."""
        found: list[tuple[int, str, int]] = []
        for start in range(0, len(keys), MANY):
            some = keys[start : start + MANY]
            found += self.sql.execute(
                f"SELECT position, key, place FROM rows WHERE place IS NOT NULL AND key IN ({marks(some)})", some
            )
        return self._named(sorted(set(found)))

    def places(self, name: str) -> list[int]:
        """The places of a part at which points are, in order."""
        found = self.sql.execute(
            "SELECT place FROM rows WHERE place IS NOT NULL AND position BETWEEN ? AND ? ORDER BY position",
            range_of(self.sql, name),
        )
        return [place for (place,) in found]

    def close(self) -> None:
        """Gives the file back."""
        self.sql.close()

    def _named(self, found: Iterable[tuple[int, str, int]]) -> list[Place]:
        names: dict[int, str] = dict(self.sql.execute("SELECT number, name FROM parts"))
        return [(position, key, names[position >> SHIFT], place) for position, key, place in found]


def range_of(sql: sqlite3.Connection, name: str) -> tuple[int, int]:
    """The first and the last position that rows of a part can have."""
    [number] = sql.execute("SELECT number FROM parts WHERE name = ?", (name,)).fetchone()
    return number << SHIFT, ((number + 1) << SHIFT) - 1


def marks(keys: Sequence[str]) -> str:
    """As many parameters of SQL."""
    return ", ".join("?" * len(keys))
