"""The backup as plan tells it: the operation, what it will take, and what stands in its way."""

from __future__ import annotations

import shutil
from dataclasses import dataclass, field
from pathlib import Path

from limosa.model.migration import Migration
from limosa.model.operation import Operation
from limosa.model.plan import Check
from limosa.stores.postgres.backup.dependents import taken_along
from limosa.stores.postgres.backup.making import no_program
from limosa.stores.postgres.backup.manifest import FOLDER
from limosa.stores.postgres.backup.programs import BIN, Programs, find_programs
from limosa.stores.postgres.backup.rows import settle
from limosa.stores.postgres.catalogue import Table
from limosa.stores.postgres.database import Database, PostgresTx
from limosa.stores.postgres.names import quoted

__all__ = ["BackupPlan", "plan_backup"]

_TABLE = "SELECT pg_table_size($1::oid)"
_DATABASE = """SELECT coalesce(sum(pg_table_size(c.oid)), 0)::bigint FROM pg_class AS c
JOIN pg_namespace AS n ON n.oid = c.relnamespace
WHERE c.relkind IN ('r', 'm') AND n.nspname NOT IN ('pg_catalog', 'information_schema')"""

_HIDDEN = """SELECT format('%I.%I', n.nspname, c.relname), has_table_privilege(c.oid, 'SELECT') AND
    has_schema_privilege(n.oid, 'USAGE') FROM pg_class AS c
JOIN pg_namespace AS n ON n.oid = c.relnamespace JOIN pg_roles AS r ON r.rolname = current_user
WHERE c.relkind IN ('r', 'p', 'S') AND n.nspname NOT IN ('pg_catalog', 'information_schema')
  AND n.nspname NOT LIKE 'pg\\_temp%' AND NOT r.rolsuper
  AND NOT EXISTS (SELECT FROM pg_depend AS d WHERE d.objid = c.oid AND d.deptype = 'e')
  AND (NOT has_table_privilege(c.oid, 'SELECT') OR NOT has_schema_privilege(n.oid, 'USAGE')
    OR c.relrowsecurity AND NOT r.rolbypassrls AND (c.relforcerowsecurity OR NOT pg_has_role(c.relowner, 'USAGE')))
  AND ($1 OR c.oid IN (SELECT d.objid FROM pg_depend AS d WHERE d.refobjid = $2::oid AND d.deptype IN ('a', 'i')))
ORDER BY 1"""
"""Tables and sequences that pg_dump would have to read and this role may not: all of them, or those of one table."""


@dataclass(frozen=True, slots=True, kw_only=True)
class BackupPlan:
    """The operation, checks, and figures whose units ride in their names; nothing where no backup is wanted."""

    operations: tuple[Operation, ...] = ()
    checks: tuple[Check, ...] = ()
    sizes: dict[str, object] = field(default_factory=dict)


def plan_backup(database: Database, migration: Migration, table: Table) -> BackupPlan:
    """How a backup is made before anything is changed; looks, and makes nothing."""
    kind = migration.backup or "none"
    if kind == "none":
        return BackupPlan()
    folder = _free(table.relation.name if kind == "table" else table.server.database, migration.id, kind)
    what = str(table.relation) if kind == "table" else f"the database {table.server.database}"
    operation = Operation(
        id="backup",
        step="expand",
        title=f"Back up {what} to {folder}",
        do=(),
        transactional=False,
        file=str(folder),
    )
    programs = find_programs(table.server.version)
    whole = kind == "database"
    with database.begin(snapshot=True) as tx:
        size = int(tx.raw(_DATABASE if whole else _TABLE, *(() if whole else (table.oid,)))[0][0])
        hidden = tx.raw(_HIDDEN, whole, table.oid)
        lost = _lost(tx, table)
    free = _free_bytes(folder)
    checks = [*_way(programs, table, whole), *_hidden(hidden, table), *_room(folder, size, free)]
    if not checks:
        checks.append(_fine(programs, what, folder, size, free))
    if lost and not whole:
        checks.append(_left_out(table, lost))
    return BackupPlan(
        operations=(operation,),
        checks=tuple(checks),
        sizes={"backup_bytes": size, "backup_disk_free_bytes": free},
    )


def _free(name: str, migration: str, kind: str) -> Path:
    """A folder that no earlier backup has: what was kept once is never written over."""
    plain = "".join(sign if sign.isalnum() or sign in "-_." else "_" for sign in name)
    number, found = 1, FOLDER / f"{plain}-{migration}.{kind}"
    while found.exists():
        number += 1
        found = FOLDER / f"{plain}-{migration}-{number}.{kind}"
    return found


def _free_bytes(folder: Path) -> int:
    here = folder.absolute()
    while not here.exists():
        here = here.parent
    return shutil.disk_usage(here).free


def _lost(tx: PostgresTx, table: Table) -> tuple[str, ...]:
    settle(tx)
    return taken_along(tx, table.oid).lost


def _way(programs: Programs | None, table: Table, whole: bool) -> list[Check]:
    if programs is not None or not whole:
        return []
    refused = no_program(table.server.version)
    return [Check(name="backup", verdict="refused", said=refused.what, needed=refused.needed, do=refused.do)]


def _hidden(rows: list[tuple[object, ...]], table: Table) -> list[Check]:
    if not rows:
        return []
    role = quoted(table.server.user)
    unread = [str(name) for name, readable in rows if not readable]
    rest = [str(name) for name, readable in rows if readable]
    do = [f"GRANT SELECT ON {', '.join(unread)} TO {role};"] if unread else []
    do += [f"ALTER ROLE {role} BYPASSRLS;"] if rest else []
    listed = ", ".join([*unread, *(f"{name} (row security)" for name in rest)])
    return [
        Check(
            name="backup",
            verdict="refused",
            said=f"{table.server.user} may not read every row of {listed}: the backup would not hold them.",
            needed="A role that sees every row of what is backed up.",
            do=" ".join(do) + ' Or set backup = "table" in [backfill].',
        )
    ]


def _room(folder: Path, size: int, free: int) -> list[Check]:
    if size <= free:
        return []
    return [
        Check(
            name="backup",
            verdict="refused",
            said=f"The backup takes about {size:,} bytes, and {free:,} are free where {folder.parent} lies.",
            needed="A disk that it fits on.",
            do="Free space, or run limosa from a folder on a larger disk.",
        )
    ]


def _fine(programs: Programs | None, what: str, folder: Path, size: int, free: int) -> Check:
    how = f"by {programs.title}" if programs is not None else "by COPY"
    why = (
        "" if programs is not None else f" No pg_dump as new as the server was found on PATH; {BIN} may name a folder."
    )
    return Check(
        name="backup",
        verdict="note",
        said=f"First {what} is backed up to {folder}, {how}: about {size:,} bytes, {free:,} are free.{why}"
        " Meanwhile dead rows cannot be cleaned up, and statements that want the table for themselves wait.",
        do="limosa restore FILE puts it back.",
    )


def _left_out(table: Table, lost: tuple[str, ...]) -> Check:
    return Check(
        name="backup-leaves-out",
        verdict="note",
        said=f"A drop of {table.relation} would take along what a restore does not make again: {', '.join(lost)}.",
        do="Keep their definitions yourself.",
    )
