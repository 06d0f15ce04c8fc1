"""The backup: a copy of the whole file by SQLite's own means, or of the table, checked before anything is changed."""

from __future__ import annotations

import os
from collections.abc import Callable, Set
from pathlib import Path

from limosa.errors import Refused
from limosa.model.operation import Operation
from limosa.stores.sqlite.database import Database
from limosa.stores.sqlite.names import literal, quoted
from limosa.stores.sqlite.scope import Scope

__all__ = ["backup_operation", "take_backup"]


def backup_operation(scope: Scope, database: Database, wanted: str, *, standing: Set[str]) -> Operation | None:
    """How a backup is made; empty ``wanted`` stands for the file where there is one, else the table.

    Args:
        standing: names in lower case that are there already, among them perhaps that of an older backup.

    Raises:
        Refused: the whole database is wanted and is no file.
    """
    path = database.engine.path
    kind = wanted or ("database" if path is not None else "table")
    if kind == "none":
        return None
    if kind == "table":
        copy = _free(f"{scope.table}_backup", lambda name: name.lower() in standing)
        # No probe: a table that came under this name since plan is somebody else's, and the copy then fails.
        return Operation(
            id="backup",
            step="expand",
            title=f"Copy {scope.table} to {copy}",
            do=(
                f"CREATE TABLE {quoted(copy)} AS SELECT * FROM {quoted(scope.table)}",
                _require_equal_counts(scope.table, copy),
            ),
            undo=(f"DROP TABLE IF EXISTS {quoted(copy)}",),
        )
    if path is None:
        raise Refused(
            "A server's database cannot be copied as a file.",
            needed='backup = "table" or "none".',
            do="The host's own snapshots are another way.",
        )
    target = _free(f"{path}.limosa-{scope.id}", lambda name: Path(name).exists())
    return Operation(
        id="backup",
        step="expand",
        title=f"Copy {path.name} to {Path(target).name}",
        do=(),
        transactional=False,
        file=target,
    )


def _require_equal_counts(table: str, copy: str) -> str:
    """A statement that fails, and its transaction with it, unless both hold as many rows."""
    counts = f"(SELECT count(*) FROM {quoted(table)}) = (SELECT count(*) FROM {quoted(copy)})"
    return f"SELECT json(CASE WHEN {counts} THEN '1' ELSE 'the copy has not as many rows as the table' END)"


def _free(name: str, taken: Callable[[str], bool]) -> str:
    """A name that no earlier backup has: what was kept once is never written over."""
    number, found = 1, name
    while taken(found):
        number += 1
        found = f"{name}-{number}"
    return found


def take_backup(database: Database, file: str) -> None:
    """A copy of one instant, without stopping anybody; it appears under its name only when it was checked.

    Raises:
        Refused: the copy is not what it was made of.
    """
    partial = Path(f"{file}.partial")
    partial.unlink(missing_ok=True)
    with database.session(write=True) as connection:
        before = connection.execute("SELECT count(*) FROM sqlite_master")
        connection.script(f"VACUUM INTO {literal(str(partial))}")
    copy = database.engine.beside(partial).connect(write=False)
    try:
        said = [str(row[0]) for row in copy.execute("PRAGMA integrity_check")]
        # libSQL writes this table of its own in another order than it declares; so it says of every copy.
        said = [line for line in said if "libsql_vector_meta_shadow" not in line] or ["ok"]
        after = copy.execute("SELECT count(*) FROM sqlite_master")
    finally:
        copy.close()
    if said != ["ok"] or after != before:
        partial.unlink(missing_ok=True)
        raise Refused(
            f"The backup is not what it was made of: {said[0]}.",
            needed="A database that passes its own integrity_check.",
            do="PRAGMA integrity_check on the database itself shows whether it is damaged.",
        )
    with partial.open("rb") as written:
        os.fsync(written.fileno())
    partial.replace(file)
