"""The split that is killed: a process that dies at a chosen commit, and what its file must hold in the end."""

from __future__ import annotations

import collections
import json
import multiprocessing
import os
import re
import signal
import sqlite3
import tempfile
import threading
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import closing, contextmanager
from dataclasses import dataclass, field, replace
from multiprocessing.context import ForkServerProcess
from pathlib import Path
from typing import TypeVar

from limosa.model.migration import Migration
from limosa.stores.sqlite import store
from limosa.stores.sqlite.engine import Connection, Engine, Value
from tests.crash import driver
from tests.crash.world import World
from tests.journey.split_world import job_of, make_table

__all__ = ["Kill", "contents", "file_of", "fresh", "left_over", "quick_folder", "reached", "rows_of", "start_split"]

_T = TypeVar("_T")

_WORDS = re.compile(r"\b(UPDATE|INSERT INTO|DELETE FROM|CREATE|ALTER|DROP|VACUUM)\b")


@dataclass(frozen=True)
class Kill:
    """A commit by what it commits, the how manieth of its like, and on which side of it the process dies.

    In ``company`` it dies there as soon as another process has begun to work on the same file. With SIGSTOP
    it only falls asleep.
    """

    label: str
    occurrence: int
    after: bool
    company: bool = False
    signal: int = signal.SIGKILL


@dataclass
class _Watch:
    """Writes down every commit of this process before it is sent, and ends the process at the chosen one."""

    log: Path
    kill: Kill | None
    seen: collections.Counter[str] = field(default_factory=collections.Counter)
    guard: threading.Lock = field(default_factory=threading.Lock)

    def meet(self, label: str) -> bool:
        """Whether this commit is the one; dies here where it is to happen before."""
        with self.guard:
            self.seen[label] += 1
            found = self.kill is not None and (label, self.seen[label]) == (self.kill.label, self.kill.occurrence)
            with self.log.open("a") as log:
                log.write(json.dumps([label, found]) + "\n")
            if found and self.kill is not None and not self.kill.after:
                self.die()
        return found

    def die(self) -> None:
        assert self.kill is not None
        alone_until = time.monotonic() + (30 if self.kill.company else 0)
        while time.monotonic() < alone_until and len(list(self.log.parent.glob("*-limosa-*"))) < 2:
            time.sleep(0.001)
        os.kill(os.getpid(), self.kill.signal)
        # The other threads stop a moment later: until then none of them gets the turn to write.
        time.sleep(0.1)

    def __call__(self, engine: Engine) -> Engine:
        """The same engine, with connections that are listened to."""

        def connect(*, write: bool = True) -> Connection:
            return _Watched(engine.connect(write=write), self)

        return replace(engine, connect=connect, beside=lambda path: self(engine.beside(path)))


class _Watched:
    """A connection that hands everything on unchanged and hears what is committed.

    A label is the transaction's statements, shortened: the same place in limosa's code has the same
    label in every run. What is done outside transactions has a label of its own.
    """

    def __init__(self, inner: Connection, watch: _Watch) -> None:
        self._inner = inner
        self._watch = watch
        self._statements: list[str] = []
        self._doomed = False

    def execute(self, sql: str, params: Sequence[Value] = ()) -> list[tuple[Value, ...]]:
        if sql.startswith("BEGIN") or sql == "ROLLBACK":
            self._statements.clear()
        if sql == "COMMIT":
            return self._reach(lambda: self._inner.execute(sql, params))
        if sql == "PRAGMA integrity_check":
            self._statements.append(sql)
            return self._reach(lambda: self._inner.execute(sql, params))
        self._note(sql)
        return self._inner.execute(sql, params)

    def insert(self, head: str, row: str, tail: str, rows: Iterable[Sequence[Value]]) -> None:
        self._note(head)
        self._inner.insert(head, row, tail, rows)

    def script(self, sql: str) -> None:
        self._note(sql)
        self._reach(lambda: self._inner.script(sql))

    def close(self) -> None:
        self._inner.close()

    def _note(self, sql: str) -> None:
        found = _WORDS.search(sql)
        if found is not None:
            self._statements.append(" ".join(sql[found.start() :].split()[:5]))

    def _reach(self, send: Callable[[], _T]) -> _T:
        # A commit that was held up and is sent again is no other commit; one of nothing is none.
        if self._statements:
            self._doomed = self._watch.meet(" | ".join(self._statements))
            self._statements.clear()
        answer = send()
        doomed, self._doomed = self._doomed, False
        if doomed:
            self._watch.die()
        return answer


def _main(world: World, verbs: str, kill: Kill | None, first: Callable[[], object] | None) -> None:
    plain = store.engine_of
    watch = _Watch(_log_of(world), kill)

    def listened(url: str, migration: Migration) -> Engine:
        return watch(plain(url, migration))

    store.engine_of = listened
    if first is not None:
        first()
    driver.main(str(world.job), verbs, world.url, str(world.output))


_FORKS = multiprocessing.get_context("forkserver")
# What tests.crash.world asks for stays asked for: both kinds of process may be forked from one server.
_FORKS.set_forkserver_preload(
    ["tests.crash.split", "limosa.config.build", "limosa.embedders.openai", "limosa.stores.postgres.store"]
)


def start_split(
    world: World, verbs: str, kill: Kill | None = None, *, first: Callable[[], object] | None = None
) -> ForkServerProcess:
    """The driver in a process of its own, which calls ``first`` before all else; its output is in ``world.output``."""
    _log_of(world).unlink(missing_ok=True)
    process = _FORKS.Process(target=_main, args=(world, verbs, kill, first))
    process.start()
    return process


def reached(world: World) -> tuple[list[str], bool]:
    """The commits of the last process, in order, and whether it met the one at which it was to die."""
    written = _log_of(world).read_text() if _log_of(world).exists() else ""
    # The last line may not be complete while the process lives.
    lines = [json.loads(line) for line in written.split("\n")[:-1]]
    return [label for label, _ in lines], any(found for _, found in lines)


def fresh(folder: Path, *, rows: int = 60, wal: bool = True) -> World:
    """The table in a file of its own, always under the same name; nothing else is left in the folder."""
    for file in folder.iterdir():
        file.unlink()
    path, job = folder / "app.db", folder / "job.json"
    make_table(path, rows=rows, wal=wal)
    job.write_text(json.dumps(job_of("env:LIMOSA_CRASH_URL")))
    return World(job, f"sqlite://{path}")


def file_of(world: World) -> Path:
    """The database's file."""
    return Path(world.url.removeprefix("sqlite://"))


def contents(path: Path) -> str:
    """Everything that is the application's: tables, targets, indexes, triggers, views, and what each answers.

    SQLite writes a name that was changed and changed back in quotes: the same name.
    """
    with closing(sqlite3.connect(path)) as connection:
        own = "substr(name, 1, 7) <> 'limosa_' AND substr(tbl_name, 1, 7) <> 'limosa_' AND name <> 'sqlite_sequence'"
        triggers = f"type = 'trigger' OR ({own})"
        made = connection.execute(f"SELECT type, name, tbl_name, sql FROM sqlite_master WHERE {triggers}").fetchall()
        lines = sorted(repr(each).replace('"embeddings"', "embeddings") for each in made)
        for kind, name, _, _ in sorted(made, key=lambda each: str(each[1])):
            if kind in {"table", "view"}:
                try:
                    rows = connection.execute(f'SELECT * FROM "{name}"').fetchall()
                except sqlite3.OperationalError as error:
                    lines.append(f"{name} does not answer: {error}")
                    continue
                lines += [f"{name} holds {len(rows)}", *sorted(map(repr, rows))]
    return "\n".join(lines)


def rows_of(path: Path, table: str = "embeddings") -> list[tuple[object, ...]]:
    """What a table or view answers, in the order of its first column."""
    with closing(sqlite3.connect(path)) as connection:
        return connection.execute(f"SELECT * FROM {table} ORDER BY 1").fetchall()


def left_over(world: World) -> list[str]:
    """What should be gone once a migration is over: work in the ledger, turns, files beside the database."""
    path = file_of(world)
    found = [file.name for file in path.parent.glob("*-limosa-*")]
    with closing(sqlite3.connect(path)) as connection:
        names = {str(name) for (name,) in connection.execute("SELECT name FROM sqlite_master")}
        for table in ("chunk", "change", "exception", "touched", "operation"):
            if f"limosa_{table}" in names:
                (count,) = connection.execute(f"SELECT count(*) FROM limosa_{table}").fetchone()
                found += [f"{count} of limosa_{table}"] if count else []
        if "limosa_turn" in names:
            found += map(repr, connection.execute("SELECT * FROM limosa_turn WHERE owner IS NOT NULL"))
            found += map(repr, connection.execute("SELECT id, step FROM limosa_migration WHERE active = 1"))
        found += [str(said) for (said,) in connection.execute("PRAGMA integrity_check") if said != "ok"]
    return found


@contextmanager
def quick_folder() -> Iterator[Path]:
    """A folder in memory where there is one: a killed process loses nothing that the system took from it."""
    shared = Path("/dev/shm")  # noqa: S108 - its name is made below
    with tempfile.TemporaryDirectory(dir=shared if os.access(shared, os.W_OK) else None) as name:
        yield Path(name)


def _log_of(world: World) -> Path:
    return world.job.with_suffix(".commits")
