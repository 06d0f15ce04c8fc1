"""Vectors that came back, kept in a local file, so that none is paid for twice."""

from __future__ import annotations

import math
import os
import sqlite3
import threading
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from hashlib import blake2b
from pathlib import Path
from typing import TypeVar

import numpy as np

from limosa.lane.owners import Owner
from limosa.model.batch import Kind, Vectors
from limosa.model.space import Space

__all__ = ["Cache", "Kept", "default_path", "keys_of", "open_cache"]

VERSION = 2
"""Of the file's layout; a file of another one is begun anew."""

_PAGE_BYTES = 16_384
"""Two vectors of 1536 dimensions lie in a page; pages of 4 kB would need a chain for each."""

_LOOK_BYTES = 32 * 2**20
"""Written between two looks at the file's size."""

_SCHEMA = (
    "CREATE TABLE IF NOT EXISTS vector (id INTEGER PRIMARY KEY, key BLOB NOT NULL UNIQUE, vector BLOB NOT NULL)",
    # What was paid for and is in no ledger yet, and by which process.
    "CREATE TABLE IF NOT EXISTS owed (key BLOB, owner TEXT, tokens INTEGER NOT NULL, cost_usd REAL NOT NULL,"
    " PRIMARY KEY (key, owner)) WITHOUT ROWID",
    f"PRAGMA user_version = {VERSION}",
)


# Many rows a statement: Python's lock is given up at each, and has to be waited for again.
_KEEP = "INSERT INTO vector (key, vector) VALUES {} ON CONFLICT (key) DO UPDATE SET vector = excluded.vector"

_OWE = (
    "INSERT INTO owed (key, owner, tokens, cost_usd) VALUES {} ON CONFLICT (key, owner)"
    " DO UPDATE SET tokens = tokens + excluded.tokens, cost_usd = cost_usd + excluded.cost_usd"
)

_SETTLE = "DELETE FROM owed WHERE owner = ? AND key IN ({})"

_PARAMETERS = 900
"""Of one statement: SQLite's oldest limit is 999."""

T = TypeVar("T")

_Owed = tuple[bytes, str, int, float]
"""Key, owner, tokens and dollars."""


@dataclass(slots=True, eq=False)
class _Wanted:
    """What a thread wants written."""

    work: Callable[[sqlite3.Connection], object]
    done: bool = False


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

    def and_owed(self, tokens: int, cost_usd: float) -> Kept:
        """The same with so much more owed."""
        return Kept(self.vector, self.tokens + tokens, self.cost_usd + cost_usd)


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

    What is owed stays; of the rest the oldest go when the file reaches its bound. A SIGKILL loses nothing that
    ``keep`` returned for. A failing disk ends the keeping, never the work.
    """

    def __init__(self, path: Path, *, limit_bytes: int, say: Callable[[str], None] = lambda line: None) -> None:
        self._limit_bytes = limit_bytes
        self._say = say
        self._guard = threading.Lock()
        self._wanted: deque[_Wanted] = deque()
        self._reading = threading.Lock()
        # What earlier processes wrote is looked at first.
        self._written_bytes = limit_bytes
        self._broken = False
        self._connection = _opened(path)
        try:
            # Of its own: looking up does not wait until others have written.
            self._reader = sqlite3.connect(path, isolation_level=None, timeout=30, check_same_thread=False)
            self._owner = Owner(path)
        except BaseException:
            self._connection.close()
            raise

    def find(self, keys: Sequence[bytes]) -> dict[bytes, Kept]:
        """Those of the keys that are kept; what another living process paid is for that one to tell."""
        found: dict[bytes, Kept] = {}
        orphans: list[_Owed] = []
        with self._reading, self._unbroken():
            self._look(keys, found, orphans)
        if orphans:
            self._write(lambda run: self._adopt(run, orphans, found))
        return found

    def keep(self, kept: Mapping[bytes, Kept]) -> None:
        """Keeps vectors; when this returns they outlive the process."""

        # As they are: what waits for its turn is not copied.
        vectors = [(key, np.ascontiguousarray(each.vector, dtype="<f4")) for key, each in kept.items()]
        # What cost nothing is owed to nobody, and may go.
        owed = [(key, self._owner.name, each.tokens, each.cost_usd) for key, each in kept.items() if each.owed]

        def insert(run: sqlite3.Connection) -> None:
            _insert(run, _KEEP, vectors)
            _insert(run, _OWE, owed)
            self._written_bytes += sum(vector.nbytes for _, vector in vectors)
            if self._written_bytes > min(_LOOK_BYTES, self._limit_bytes // 8):
                self._written_bytes = 0
                self._make_room(run)

        self._write(insert)

    def settle(self, keys: Iterable[bytes]) -> None:
        """Notes that the price of vectors is in a ledger."""

        mine = list(keys)
        self._write(lambda run: _settle(run, self._owner.name, mine))

    def close(self) -> None:
        """Closes the file; safe to call again."""
        with self._guard, self._reading:
            self._broken = True
            self._reader.close()
            self._connection.close()
            self._owner.close()

    def _look(self, keys: Sequence[bytes], found: dict[bytes, Kept], orphans: list[_Owed]) -> None:
        alive: dict[str, bool] = {}
        for part in _parts(keys):
            for key, vector, *owed in self._reader.execute(_finding(len(part)), part).fetchall():
                owner, tokens, cost_usd = owed
                found.setdefault(key, Kept(np.frombuffer(vector, dtype="<f4")))
                if owner == self._owner.name:
                    found[key] = found[key].and_owed(tokens, cost_usd)
                elif owner is not None:
                    if owner not in alive:
                        alive[owner] = self._owner.alive(owner)
                    if not alive[owner]:
                        orphans.append((key, owner, tokens, cost_usd))

    def _adopt(self, run: sqlite3.Connection, orphans: Sequence[_Owed], found: dict[bytes, Kept]) -> None:
        for key, owner, tokens, cost_usd in orphans:
            # Of two processes that find it one is quicker.
            if _settle(run, owner, [key]):
                _insert(run, _OWE, [(key, self._owner.name, tokens, cost_usd)])
                found[key] = found[key].and_owed(tokens, cost_usd)

    def _make_room(self, run: sqlite3.Connection) -> None:
        pages, free, size = (
            run.execute(f"PRAGMA {name}").fetchone()[0] for name in ("page_count", "freelist_count", "page_size")
        )
        used_bytes = (pages - free) * size
        if used_bytes <= self._limit_bytes:
            return
        count = run.execute("SELECT count(*) FROM vector").fetchone()[0]
        # A quarter below the bound, so that room is not made at every look.
        surplus = math.ceil(count * (1 - 0.75 * self._limit_bytes / used_bytes))
        run.execute(
            "DELETE FROM vector WHERE id IN (SELECT v.id FROM vector AS v WHERE NOT EXISTS"
            " (SELECT 1 FROM owed AS o WHERE o.key = v.key) ORDER BY v.id LIMIT ?)",
            (surplus,),
        )

    def _write(self, work: Callable[[sqlite3.Connection], object]) -> None:
        """Carried out when this returns: in one transaction with what other threads wanted while they waited."""
        if self._broken:
            return
        mine = _Wanted(work)
        self._wanted.append(mine)
        with self._guard, self._unbroken():
            if mine.done or self._broken:
                return
            # Taken out when it is done: who leads may be interrupted, and the next one leads then.
            wanted = list(self._wanted)
            with self._transaction() as run:
                for each in wanted:
                    each.work(run)
            for each in wanted:
                each.done = True
                self._wanted.remove(each)

    @contextmanager
    def _transaction(self) -> Iterator[sqlite3.Connection]:
        self._connection.execute("BEGIN IMMEDIATE")
        try:
            yield self._connection
            self._connection.execute("COMMIT")
        except BaseException:
            # A commit that failed would go on keeping every other process out.
            with suppress(sqlite3.Error):
                self._connection.execute("ROLLBACK")
            raise

    @contextmanager
    def _unbroken(self) -> Iterator[None]:
        try:
            yield
        except sqlite3.Error as error:
            if not self._broken:
                self._broken = True
                self._wanted.clear()
                self._say(f"Vectors are no longer kept on this machine: {error}.")


def _finding(n: int) -> str:
    # A row for each process that paid for it, or one without an owner.
    return (
        "SELECT v.key, v.vector, o.owner, o.tokens, o.cost_usd FROM vector AS v LEFT JOIN owed AS o USING (key)"
        f" WHERE v.key IN ({','.join('?' * n)})"
    )


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


def _insert(run: sqlite3.Connection, sql: str, rows: Sequence[tuple[object, ...]]) -> None:
    for part in _parts(rows, _PARAMETERS // len(rows[0])) if rows else ():
        values = ",".join(["(" + ",".join("?" * len(part[0])) + ")"] * len(part))
        run.execute(sql.format(values), [value for row in part for value in row])


def _settle(run: sqlite3.Connection, owner: str, keys: Sequence[bytes]) -> int:
    """How many of the keys the owner owed."""
    settled = 0
    for part in _parts(keys):
        settled += run.execute(_SETTLE.format(",".join("?" * len(part))), [owner, *part]).rowcount
    return settled


def _parts(rows: Sequence[T], most: int = _PARAMETERS) -> Iterator[Sequence[T]]:
    for start in range(0, len(rows), most):
        yield rows[start : start + most]
