"""Embedded: a real Postgres with pgvector from one pip install, started, found again and stopped."""

from __future__ import annotations

import atexit
import fcntl
import os
import signal
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from types import TracebackType
from typing import Literal, Self

from limosa.errors import Refused, Transient
from limosa.stores.postgres.cluster import VERSIONS, Cluster, programs, settled
from limosa.stores.postgres.identity import choose_identity
from limosa.stores.postgres.postmaster import read_postmaster, serves

__all__ = ["Server", "embedded_folder", "embedded_url", "find", "programs", "start"]

_SIGNALS = {"smart": signal.SIGTERM, "fast": signal.SIGINT, "immediate": signal.SIGQUIT}

# A fast stop writes one checkpoint of at most shared_buffers.
_STOP_S = 120

Mode = Literal["smart", "fast", "immediate"]


@dataclass
class Server:
    """A running server; as a context manager it is stopped at the end, at interpreter exit too.

    Attributes:
        folder: holds ``data``, ``password`` (mode 0600), ``port`` and ``server.log``.
        version: major version.
        port: TCP port on 127.0.0.1; kept over restarts while it is free.
        password: of the superuser ``postgres``.
        settings: what ``restart`` starts with; of an adopted server, only what ``start`` was given.
    """

    folder: Path
    version: int
    port: int
    password: str = field(repr=False)
    settings: Mapping[str, str] = field(default_factory=dict)
    host: str = "127.0.0.1"
    user: str = "postgres"

    @property
    def data(self) -> Path:
        """The cluster."""
        return self.folder / "data"

    @property
    def pid(self) -> int | None:
        """Process of the postmaster; None when it does not run."""
        found = read_postmaster(self.data)
        return found.pid if found else None

    @property
    def running(self) -> bool:
        """Whether it takes connections."""
        found = read_postmaster(self.data)
        return found is not None and found.status == "ready"

    def url(self, database: str = "postgres") -> str:
        """The address with the password in it: not for output. The packaged Postgres knows no SSL."""
        return f"postgresql://{self.user}:{self.password}@{self.host}:{self.port}/{database}?sslmode=disable"

    def stop(self, mode: Mode = "fast") -> None:
        """Stops it and waits until it is gone; a second call does nothing.

        Args:
            mode: ``smart`` waits for clients, ``fast`` disconnects them, ``immediate`` leaves recovery to
                the next start.

        Raises:
            Refused: it belongs to another user.
            Transient: it was still there after two minutes.
        """
        if not self.folder.exists():
            return
        with _alone(self.folder):
            found = read_postmaster(self.data)
            if found is None:
                return
            try:
                os.kill(found.pid, _SIGNALS[mode])
            except ProcessLookupError:
                return
            except PermissionError as exc:
                raise _foreign(self.folder) from exc
            if not _until_gone(found.pid, self.data):
                raise Transient(
                    f"The embedded Postgres in {self.folder} did not stop within {_STOP_S} s.",
                    do="Close its clients, or stop it in the mode 'immediate'.",
                )

    def restart(self, mode: Mode = "fast") -> None:
        """Stops it where it runs and starts it again, on the same port while that is free."""
        self.stop(mode)
        self.port = start(self.folder, version=self.version, settings=self.settings).port

    def __enter__(self) -> Self:
        atexit.register(self.stop)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stop()
        atexit.unregister(self.stop)


def start(folder: Path, *, version: int = 18, settings: Mapping[str, str] | None = None) -> Server:
    """Starts the server of this folder, or adopts the one that runs; safe to call from several processes.

    A new folder gets a new cluster. The server listens on 127.0.0.1 only, asks for a random password
    (scram-sha-256) and outlives this process.

    Args:
        folder: is created, for its owner's eyes only.
        version: 16 or 18.
        settings: server parameters; without effect on a server that runs already. With ``fsync = off``
            the new cluster is not synced either.

    Raises:
        Refused: not installed, another version's cluster, another user's folder, root without a way out.
        Transient: it did not start; the message ends with what the server said.
    """
    chosen, folder = dict(settings or {}), folder.resolve()
    bin_folder = programs(version)
    try:
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        with _alone(folder):
            _check_version(folder, version)
            found = settled(folder / "data")
            if found is None:
                identity = choose_identity(folder, programs=bin_folder)
                cluster = Cluster(folder, version, identity, chosen)
                cluster.create()
                _password(folder)  # a server nobody can log in to is not worth starting
                found = cluster.launch()
            return Server(folder, version, found.port, _password(folder), chosen)
    except PermissionError as exc:
        raise _foreign(folder) from exc


def find(folder: Path) -> Server | None:
    """The server that runs in this folder; None when none does. Starts nothing.

    Raises:
        Refused: it is another user's folder.
    """
    folder = folder.resolve()
    try:
        found = settled(folder / "data")
        if found is None:
            return None
        version = int((folder / "data" / "PG_VERSION").read_text())
        return Server(folder, version, found.port, _password(folder))
    except PermissionError as exc:
        raise _foreign(folder) from exc


def embedded_folder(store: str, base: Path) -> tuple[Path, int]:
    """Folder and version that ``embedded``, ``embedded:16`` and ``embedded:18`` stand for.

    Raises:
        Refused: anything else.
    """
    versions = {"embedded": 18} | {f"embedded:{version}": version for version in VERSIONS}
    if store not in versions:
        raise Refused(f"There is no store {store!r}.", needed="embedded, embedded:16 or embedded:18.")
    return base / ".limosa" / "postgres" / str(versions[store]), versions[store]


def embedded_url(store: str, base: Path) -> str:
    """Address of the database ``limosa`` of the embedded server, with the extension ``vector``.

    Starts or adopts the server of ``.limosa/postgres/<version>`` under ``base``; it stays up. The
    address holds the password: not for output.

    Raises:
        Refused: as ``start``, or an unknown name.
        Transient: it did not start or does not answer.
    """
    import psycopg

    folder, version = embedded_folder(store, base)
    server = start(folder, version=version)
    try:
        with _alone(server.folder):
            with psycopg.connect(server.url(), autocommit=True) as connection:
                query = "SELECT FROM pg_database WHERE datname = 'limosa'"
                if connection.execute(query).fetchone() is None:
                    connection.execute("CREATE DATABASE limosa")
            with psycopg.connect(server.url("limosa"), autocommit=True) as connection:
                connection.execute("CREATE EXTENSION IF NOT EXISTS vector")
    except psycopg.Error as exc:
        raise Transient(f"The embedded Postgres in {folder} does not answer: {exc}") from exc
    return server.url("limosa")


def _until_gone(pid: int, data: Path) -> bool:
    deadline = time.monotonic() + _STOP_S
    while serves(pid, data):
        if time.monotonic() > deadline:
            return False
        time.sleep(0.02)
    return True


def _check_version(folder: Path, version: int) -> None:
    path = folder / "data" / "PG_VERSION"
    if path.exists() and (there := path.read_text().strip()) != str(version):
        raise Refused(
            f"The cluster in {folder} is one of Postgres {there}.",
            needed=f"A cluster of Postgres {version}.",
            do=f"Ask for version {there}, or take another folder.",
        )


def _password(folder: Path) -> str:
    try:
        return (folder / "password").read_text()
    except FileNotFoundError as exc:
        raise Refused(
            f"The cluster in {folder} has lost its password file.",
            needed=f"{folder / 'password'}, as it was written when the cluster was created.",
            do="Put it back, or take another folder.",
        ) from exc


def _foreign(folder: Path) -> Refused:
    return Refused(
        f"{folder} belongs to another user, or lies where you may not write.",
        do="Run limosa as its owner, or from another folder.",
    )


@contextmanager
def _alone(folder: Path) -> Iterator[None]:
    with (folder / "lock").open("a") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield
