"""The programs pg_dump and pg_restore: where they are, and every call of them."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import IO

from limosa.errors import LimosaError, Refused, Transient
from limosa.stores.postgres.cluster import VERSIONS, programs

__all__ = ["BIN", "Programs", "find_programs"]

BIN = "LIMOSA_PG_BIN"
"""The environment variable that names the folder of the programs; then no other is looked at."""

_BLOCK = 1 << 20
"""A pipe holds 64 kB; blocks of a megabyte keep the calls few and the memory small."""

# What will be said again at every try.
_LASTING = ("permission denied", "row-level security", "server version", "no matching tables", "must be owner")


@dataclass(frozen=True, slots=True)
class Programs:
    """pg_dump and pg_restore of one installation; ``version`` as they print it, ``18.4``."""

    folder: Path
    version: str

    @property
    def major(self) -> int:
        """The version's first number."""
        return int(self.version.partition(".")[0])

    @property
    def title(self) -> str:
        """For a person."""
        return f"pg_dump {self.version}"

    def dump(self, environment: Mapping[str, str], snapshot: str, table: str = "") -> Iterator[bytes]:
        """The archive of a table, or of the whole database, in pg_dump's custom format.

        It comes through a pipe: when this process dies, so does pg_dump, which would otherwise hold its snapshot.

        Args:
            environment: libpq's variables, with the password; nothing of it stands on the command line.
            snapshot: as pg_export_snapshot gave it.
            table: qualified and quoted; empty for the whole database.
        """
        # Vectors hardly compress: level 1 was measured to be 5 times as fast as the usual 6, for 14 % more bytes
        # (2,000 x 1,536 dimensions, pg_dump 18.4).
        chosen = [f"--table={table}"] if table else []
        argv = ["pg_dump", "--format=custom", "--compress=1", "--no-password", f"--snapshot={snapshot}", *chosen]
        with self._running(argv, environment) as output:
            while block := os.read(output.fileno(), _BLOCK):
                yield block

    def script(self, archive: Path, options: Sequence[str]) -> Iterator[bytes]:
        """The lines of the SQL in an archive, or of a part of it; connects to nothing."""
        with self._running(["pg_restore", "--file=-", *options, str(archive)], {}) as output:
            yield from output

    def entries(self, archive: Path) -> int:
        """How many entries the archive's list of contents has."""
        with self._running(["pg_restore", "--list", str(archive)], {}) as output:
            return sum(1 for line in output if line.strip() and not line.startswith(b";"))

    @contextmanager
    def _running(self, argv: Sequence[str], environment: Mapping[str, str]) -> Iterator[IO[bytes]]:
        command = [str(self.folder / argv[0]), *argv[1:]]
        surroundings = {**os.environ, **environment}
        with tempfile.TemporaryFile() as errors:
            with subprocess.Popen(
                command, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=errors, env=surroundings
            ) as child:
                assert child.stdout is not None  # noqa: S101 - asked for above
                try:
                    yield child.stdout
                except BaseException:
                    child.kill()
                    raise
            if child.returncode != 0:
                errors.seek(0)
                raise _failed(argv[0], errors.read().decode(errors="replace"))


def _failed(program: str, said: str) -> LimosaError:
    lines = [line for line in said.splitlines() if "error:" in line] or said.splitlines() or ["it was ended"]
    what = f"{program} failed: {lines[0].partition('error: ')[2] or lines[0]}"
    if any(word in said for word in _LASTING):
        return Refused(what, needed="A role that may read all that is backed up.", do="Mend it, then repeat.")
    return Transient(what, do="Repeat the command; what was half made is made anew.")


def find_programs(server: int) -> Programs | None:
    """The programs whose version comes nearest to the server's without being older; None where none do.

    Looked for in the folder that LIMOSA_PG_BIN names; else on PATH and in the embedded package.

    Args:
        server: as ``server_version_num``.
    """
    found = [each for folder in _folders() if (each := _installed(folder)) is not None]
    fit = [each for each in found if each.major >= server // 10000]
    return min(fit, key=lambda each: each.major, default=None)


def _folders() -> list[Path]:
    if named := os.environ.get(BIN):
        return [Path(named)]
    folders = []
    if on_path := shutil.which("pg_dump"):
        folders.append(Path(on_path).parent)
    for version in VERSIONS:
        try:
            folders.append(programs(version))
        except Refused:
            continue
    return folders


def _installed(folder: Path) -> Programs | None:
    """The programs of a folder; None unless both are there and say who they are."""
    if not (folder / "pg_restore").exists():
        return None
    try:
        done = subprocess.run(
            [str(folder / "pg_dump"), "--version"], capture_output=True, text=True, check=False, timeout=30
        )
    except (OSError, subprocess.TimeoutExpired):
        return None
    said = re.search(r"\) (\d+(?:\.\d+)?)", done.stdout)
    return Programs(folder, said[1]) if done.returncode == 0 and said else None
