"""Vectors that came back, kept in a local file, so that none is paid for twice."""

from __future__ import annotations

import os
import sqlite3
import threading
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from hashlib import blake2b
from pathlib import Path

import numpy as np

from limosa.model.batch import Kind, Vectors
from limosa.model.space import Space

__all__ = ["Cache", "Kept", "default_path", "keys_of", "open_cache"]

VERSION = 1
"""Of the file's layout; a file of another one is begun anew."""

_PAGE_BYTES = 16_384
"""Two vectors of 1536 dimensions lie in a page; pages of 4 kB would need a chain for each."""

_LOOK_BYTES = 32 * 2**20
"""Written between two looks at the file's size."""

_SCHEMA = (
    "CREATE TABLE IF NOT EXISTS vector (id INTEGER PRIMARY KEY, key BLOB NOT NULL UNIQUE, vector BLOB NOT NULL)",
    # What was paid for and is in no ledger yet.
    "CREATE TABLE IF NOT EXISTS owed (key BLOB PRIMARY KEY, tokens INTEGER NOT NULL, cost_usd REAL NOT NULL)"
    " WITHOUT ROWID",
    f"PRAGMA user_version = {VERSION}",
)


@dataclass(frozen=True, slots=True)
class Kept:
    """One vector of shape (d,), and what was paid for it and is in no ledger yet."""

    vector: Vectors
    tokens: int = 0
    cost_usd: float = 0.0

    @property
    def owed(self) -> bool:
        """Whether something was paid that is in no ledger yet."""
        return bool(self.tokens or self.cost_usd)


def keys_of(space: Space, destination: str, kind: Kind, texts: Sequence[str]) -> list[bytes]:
    """Sixteen bytes for each text, over everything that decides its vector: the space, who answers, kind and text."""
    begun = blake2b("\x1f".join((space.fingerprint, destination, kind, "")).encode(), digest_size=16)
    keys: list[bytes] = []
    for text in texts:
        digest = begun.copy()
        digest.update(text.encode(errors="surrogatepass"))
        keys.append(digest.digest())
    return keys


def default_path() -> Path:
    """``limosa/vectors.db`` in the user's cache folder."""
    home = os.environ.get("XDG_CACHE_HOME") or Path("~/.cache").expanduser()
    return Path(home) / "limosa" / "vectors.db"


def open_cache(path: Path, *, limit_bytes: int, say: Callable[[str], None]) -> Cache | None:
    """The cache, or None where the file cannot be used; then that is said once and the work goes on without."""
    try:
        path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
        return Cache(path, limit_bytes=limit_bytes, say=say)
    except (OSError, sqlite3.Error) as error:
        say(f"Vectors are not kept on this machine: {error}.")
        return None


class Cache:
    """A SQLite file that several threads and processes share.

    What is not committed yet stays; of the rest the oldest go when the file reaches its bound. A SIGKILL
    loses nothing that ``keep`` returned for. A failing disk ends the keeping, never the work.
    """

    def __init__(self, path: Path, *, limit_bytes: int, say: Callable[[str], None] = lambda line: None) -> None:
        self._limit_bytes = limit_bytes
        self._say = say
        self._guard = threading.Lock()
        self._written_bytes = 0
        self._broken = False
        self._connection = _opened(path)

    def find(self, keys: Sequence[bytes]) -> dict[bytes, Kept]:
        """Those of the keys that are kept."""
        found: dict[bytes, Kept] = {}
        with self._working():
            for part in _parts(keys):
                marks = ",".join("?" * len(part))
                rows = self._connection.execute(
                    "SELECT v.key, v.vector, coalesce(o.tokens, 0), coalesce(o.cost_usd, 0)"
                    " FROM vector AS v LEFT JOIN owed AS o USING (key)"
                    f" WHERE v.key IN ({marks})",
                    part,
                )
                found |= {key: Kept(np.frombuffer(vector, dtype="<f4"), *owed) for key, vector, *owed in rows}
        return found

    def keep(self, kept: Mapping[bytes, Kept]) -> None:
        """Keeps vectors; when this returns they outlive the process."""
        with self._working(), self._transaction() as run:
            run.executemany(
                "INSERT INTO vector (key, vector) VALUES (?, ?)"
                " ON CONFLICT (key) DO UPDATE SET vector = excluded.vector",
                [(key, each.vector.astype("<f4", copy=False).tobytes()) for key, each in kept.items()],
            )
            run.executemany(
                "INSERT INTO owed (key, tokens, cost_usd) VALUES (?, ?, ?)"
                " ON CONFLICT (key) DO UPDATE SET tokens = excluded.tokens, cost_usd = excluded.cost_usd",
                [(key, each.tokens, each.cost_usd) for key, each in kept.items()],
            )
            self._written_bytes += sum(each.vector.nbytes for each in kept.values())
            if self._written_bytes > min(_LOOK_BYTES, self._limit_bytes // 8):
                self._written_bytes = 0
                self._make_room(run)

    def settle(self, keys: Iterable[bytes]) -> None:
        """Notes that vectors are where they belong, and their price is in a ledger."""
        with self._working(), self._transaction() as run:
            run.executemany("DELETE FROM owed WHERE key = ?", [(key,) for key in keys])

    def close(self) -> None:
        """Closes the file; safe to call again."""
        with self._guard:
            self._connection.close()

    def _make_room(self, run: sqlite3.Connection) -> None:
        pages, free = (run.execute(f"PRAGMA {name}").fetchone()[0] for name in ("page_count", "freelist_count"))
        used_bytes = (pages - free) * _PAGE_BYTES
        if used_bytes <= self._limit_bytes:
            return
        count = run.execute("SELECT count(*) FROM vector").fetchone()[0]
        # A quarter below the bound, so that room is not made at every look.
        surplus = int(count * (1 - 0.75 * self._limit_bytes / used_bytes))
        run.execute(
            "DELETE FROM vector WHERE id IN (SELECT v.id FROM vector AS v WHERE NOT EXISTS"
            " (SELECT 1 FROM owed AS o WHERE o.key = v.key) ORDER BY v.id LIMIT ?)",
            (surplus,),
        )

    @contextmanager
    def _transaction(self) -> Iterator[sqlite3.Connection]:
        self._connection.execute("BEGIN IMMEDIATE")
        try:
            yield self._connection
        except BaseException:
            with suppress(sqlite3.Error):
                self._connection.execute("ROLLBACK")
            raise
        self._connection.execute("COMMIT")

    @contextmanager
    def _working(self) -> Iterator[None]:
        with self._guard:
            if self._broken:
                return
            try:
                yield
            except sqlite3.Error as error:
                self._broken = True
                self._say(f"Vectors are no longer kept on this machine: {error}.")


def _opened(path: Path) -> sqlite3.Connection:
    try:
        return _prepared(path)
    except sqlite3.DatabaseError as error:
        if isinstance(error, sqlite3.OperationalError):
            raise
        # Not a database any more: everything in it can be made again.
        for name in (path, Path(f"{path}-wal"), Path(f"{path}-shm")):
            name.unlink(missing_ok=True)
        return _prepared(path)


def _prepared(path: Path) -> sqlite3.Connection:
    path.touch(mode=0o600)
    connection = sqlite3.connect(path, isolation_level=None, timeout=30, check_same_thread=False)
    try:
        connection.execute(f"PRAGMA page_size = {_PAGE_BYTES}")
        connection.execute("PRAGMA journal_mode = WAL")
        # A power cut may take the last seconds, which are then paid again; a killed process takes nothing.
        connection.execute("PRAGMA synchronous = NORMAL")
        connection.execute("PRAGMA wal_autocheckpoint = 4000")
        connection.execute("BEGIN IMMEDIATE")
        if connection.execute("PRAGMA user_version").fetchone()[0] not in {0, VERSION}:
            connection.execute("DROP TABLE IF EXISTS vector")
            connection.execute("DROP TABLE IF EXISTS owed")
        for statement in _SCHEMA:
            connection.execute(statement)
        connection.execute("COMMIT")
    except BaseException:
        connection.close()
        raise
    return connection


def _parts(keys: Sequence[bytes], most: int = 500) -> Iterator[list[bytes]]:
    """SQLite's oldest limit for parameters is 999."""
    for start in range(0, len(keys), most):
        yield list(keys[start : start + most])
