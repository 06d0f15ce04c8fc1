"""The ids of a store that does not tell its points in an order: listed once, sorted, and read through in pages."""

from __future__ import annotations

import sqlite3
import threading
import weakref
from collections.abc import Callable, Iterable, Sequence

from limosa.model.batch import Key
from limosa.model.ids import common_kind, kind_of
from limosa.model.point import IdKind, Point

__all__ = ["Listed", "order_of"]

_KINDS: tuple[IdKind, ...] = ("uint63", "uint64", "uuid", "text")

_LOWEST = 1 << 63
"""What is added to a number of 64 bits with a sign, so that its bytes are in the order of numbers."""


def order_of(key: Key, *, numbers: bool = False) -> tuple[int, ...]:
    """Where an id stands: texts in the order of their UTF-8, numbers in their own."""
    return (int(key[0]),) if numbers else tuple(key[0].encode(errors="surrogatepass"))


class Listed:
    """A sorted list of ids in a temporary file of SQLite, which goes with it; threads may share it.

    A million UUIDs take some 120 MB of disk, and 2 MB of memory, which is SQLite's own cache.

    Args:
        numbers: ids are whole numbers of 64 bits, with a sign; else texts.
    """

    def __init__(self, pages: Iterable[Sequence[str]] = (), *, numbers: bool = False) -> None:
        self._numbers = numbers
        self._turn = threading.Lock()
        # No name: a file of its own, which nobody sees and which is deleted as it is closed.
        self._db = sqlite3.connect("", check_same_thread=False, isolation_level=None)
        weakref.finalize(self, self._db.close)
        self._db.execute("PRAGMA journal_mode = OFF")
        self._db.execute("CREATE TABLE id (id BLOB PRIMARY KEY, kind TEXT NOT NULL) WITHOUT ROWID")
        self._db.execute("CREATE INDEX by_kind ON id (kind)")
        for page in pages:
            self.add(page)

    def add(self, ids: Iterable[str]) -> None:
        """These are there."""
        rows = [(self._bytes(each), kind_of(each)) for each in ids]
        with self._turn:
            self._db.execute("BEGIN")
            self._db.executemany("INSERT OR IGNORE INTO id VALUES (?, ?)", rows)
            self._db.execute("COMMIT")

    def remove(self, ids: Iterable[str]) -> None:
        """These are not."""
        with self._turn:
            self._db.executemany("DELETE FROM id WHERE id = ?", [(self._bytes(each),) for each in ids])

    def points(
        self, after: Key | None, limit: int, get: Callable[[list[str]], Iterable[Point]], *, most: int
    ) -> list[Point]:
        """The points behind an id, in order; those that are not there any more are left out, and others follow.

        Args:
            get: points of these ids, in any order.
            most: how many ids are asked for at a time.
        """
        found: list[Point] = []
        while len(found) < limit and (ids := self.behind(after, min(most, limit - len(found)))):
            found += sorted(get(ids), key=lambda each: self._bytes(each.key[0]))
            after = (ids[-1],)
        return found

    def behind(self, after: Key | None, limit: int) -> list[str]:
        """Ids behind one, in order."""
        edge = b"" if after is None else self._bytes(after[0])
        found = self._rows("SELECT id FROM id WHERE id > ? ORDER BY id LIMIT ?", edge, limit)
        return [self._text(each) for (each,) in found]

    def last(self) -> Key | None:
        """The one behind which no other is."""
        found = self._rows("SELECT id FROM id ORDER BY id DESC LIMIT 1")
        return (self._text(found[0][0]),) if found else None

    def count(self) -> int:
        """How many there are; an id that was told twice counts once."""
        with self._turn:
            found: int = self._db.execute("SELECT count(*) FROM id").fetchone()[0]
            return found

    def kind(self) -> IdKind:
        """What all of them are; ``text`` where there are none."""
        query = "SELECT id FROM id WHERE kind = ? LIMIT 1"
        return common_kind({kind for kind in _KINDS if self._rows(query, kind)})

    def _bytes(self, text: str) -> bytes:
        return (int(text) + _LOWEST).to_bytes(8) if self._numbers else text.encode(errors="surrogatepass")

    def _text(self, found: bytes) -> str:
        return str(int.from_bytes(found) - _LOWEST) if self._numbers else found.decode()

    def _rows(self, query: str, *given: object) -> list[tuple[bytes]]:
        with self._turn:
            found: list[tuple[bytes]] = self._db.execute(query, given).fetchall()
            return found
