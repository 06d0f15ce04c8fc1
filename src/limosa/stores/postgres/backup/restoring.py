"""Putting a backup back: in one transaction, in which the rows are compared with what was noted."""

from __future__ import annotations

import random
import time
from collections.abc import Callable
from pathlib import Path

import psycopg
from psycopg import errors as pg

from limosa.errors import ProofFailed, Refused, Transient
from limosa.model.backup import Backup, Restored, Way
from limosa.ports.tx import Begin
from limosa.stores.postgres.backup.archive import Archive, open_archive
from limosa.stores.postgres.backup.definition import create_table
from limosa.stores.postgres.backup.manifest import Manifest, complete, known
from limosa.stores.postgres.backup.replacing import replace_rows
from limosa.stores.postgres.backup.rows import count_and_digest, settle
from limosa.stores.postgres.database import Database, PostgresTx, translated
from limosa.stores.postgres.names import Relation, literal, parse_relation, quoted

__all__ = ["PostgresBackups", "open_backups"]

PATIENCE_S = 120
"""How long a lock is tried for, as in a migration."""


class PostgresBackups:
    """The backups on this machine, and one Postgres database."""

    def __init__(self, url: str) -> None:
        self.database = Database(url)

    @property
    def begin(self) -> Begin:
        """Opens transactions."""
        return self.database.begin

    def of(self, migration: str) -> list[Backup]:
        """The complete backups that a migration made, newest first."""
        return [manifest.told(path) for path, manifest in known() if manifest.migration == migration]

    def read(self, path: Path) -> Backup:
        """What a folder holds; its rows are compared with the SHA-256 that was noted.

        Raises:
            Refused: there is no backup, or it is damaged.
        """
        return complete(path).told(path)

    def stands(self, table: str) -> bool:
        """Whether a table of this name is there."""
        with self.database.autocommit() as tx:
            return bool(tx.raw("SELECT to_regclass($1) IS NOT NULL", _relation(table).sql)[0][0])

    def restore(self, backup: Backup, way: Way, *, into: str = "") -> Restored:
        """Puts it back in one transaction, in which the rows are compared with what was noted at the backup.

        Raises:
            Refused: it does not fit what is there; nothing was changed.
            ProofFailed: the rows are not those of the backup; nothing was changed.
            Transient: a lock was not to be had; nothing was changed.
        """
        archive = open_archive(backup.path, complete(backup.path))
        manifest = archive.manifest
        table = Relation(manifest.schema, manifest.table)
        place = table if way != "beside" else _relation(into, manifest.schema)
        missing: list[tuple[str, str]] = []

        def body(tx: PostgresTx) -> None:
            settle(tx)
            if way == "missing":
                _make_again(tx, archive, table)
            elif way == "beside":
                _beside(tx, archive, place)
            elif way == "replace":
                replace_rows(tx, archive, table)
            else:
                _whole(tx, archive)
            settle(tx)
            _prove(tx, manifest, place)
            if way == "missing":
                # Last, as it locks other tables.
                missing[:] = _hang_on(tx, manifest)

        self._attempt(body)
        title = self.database.title if way == "database" else str(place)
        return Restored(backup=backup, way=way, place=title, rows=manifest.rows, missing=tuple(missing))

    def close(self) -> None:
        """Gives every connection back; safe to call again."""
        self.database.close()

    def _attempt(self, body: Callable[[PostgresTx], None]) -> None:
        """One transaction, begun anew where a lock was not to be had, with growing pauses."""
        started, pause_s = time.monotonic(), 0.02
        while True:
            # A session of its own: pg_dump's script changes settings that must not come back into the pool.
            connection = self.database.connect()
            try:
                with connection.transaction():
                    body(PostgresTx(connection, self.database.title))
                return
            except (pg.LockNotAvailable, pg.DeadlockDetected) as error:
                if time.monotonic() - started > PATIENCE_S:
                    raise Transient(
                        f"The lock on the table was not to be had within {PATIENCE_S} s.",
                        needed="A moment without a long transaction on the table.",
                        do="Look for one in pg_stat_activity; then repeat the command.",
                    ) from error
            except psycopg.Error as error:
                raise translated(error) from error
            finally:
                connection.close()
            time.sleep(pause_s * random.uniform(0.5, 1.5))  # noqa: S311 - not a secret
            pause_s = min(1.0, pause_s * 1.5)


def open_backups(url: str) -> PostgresBackups:
    """The backups for the database at this URL; connects when the first question is asked."""
    return PostgresBackups(url)


def _relation(name: str, schema: str = "public") -> Relation:
    given, bare = parse_relation(name)
    return Relation(given or schema, bare)


def _make_again(tx: PostgresTx, archive: Archive, table: Relation) -> None:
    """The table with everything that was on it."""
    for statement in archive.before():
        tx.connection.execute(statement.encode())
    settle(tx)
    archive.fill(tx, table)
    for sequence, value, called in archive.manifest.sequences:
        tx.raw("SELECT setval($1::regclass, $2::bigint, $3)", sequence, value, called)
    for statement in archive.after():
        tx.connection.execute(statement.encode())


def _hang_on(tx: PostgresTx, manifest: Manifest) -> list[tuple[str, str]]:
    """What hung on the table, made again; what could not be, and why."""
    missing = []
    for name, statements in manifest.dependents:
        try:
            with tx.connection.transaction():
                for statement in statements:
                    tx.connection.execute(statement.encode())
        except psycopg.Error as error:
            missing.append((name, translated(error).what))
    return missing + [(name, "its definition is not in the backup") for name in manifest.lost]


def _beside(tx: PostgresTx, archive: Archive, place: Relation) -> None:
    """A plain table of the rows: columns and primary key, nothing that would act or let others in."""
    manifest = archive.manifest
    if tx.raw("SELECT to_regclass($1) IS NOT NULL", place.sql)[0][0]:
        raise Refused(
            f"There is a table {place} already.",
            needed="A name that is free.",
            do="Name another one with --into.",
        )
    key = [f"PRIMARY KEY ({', '.join(map(quoted, manifest.key))})"] if manifest.key else []
    tx.raw(create_table(place, [each.plain for each in manifest.columns], key))
    # Default privileges may have let others in, and the policies of the table are not here.
    tx.raw(
        "DO $limosa$ DECLARE each record; BEGIN FOR each IN SELECT DISTINCT e.grantee, c.relowner"
        " FROM pg_catalog.pg_class AS c, pg_catalog.aclexplode(c.relacl) AS e"
        f" WHERE c.oid = {literal(place.sql)}::regclass AND e.grantee <> c.relowner"
        f" LOOP EXECUTE pg_catalog.format('REVOKE ALL ON %s FROM %s', {literal(place.sql)}, CASE each.grantee WHEN 0"
        " THEN 'PUBLIC' ELSE pg_catalog.quote_ident(pg_catalog.pg_get_userbyid(each.grantee)) END);"
        " END LOOP; END $limosa$"
    )
    archive.fill(tx, place)


_EMPTY = """SELECT pg_describe_object('pg_class'::regclass, c.oid, 0) FROM pg_class AS c
JOIN pg_namespace AS n ON n.oid = c.relnamespace
WHERE n.nspname NOT IN ('pg_catalog', 'information_schema') AND n.nspname NOT LIKE 'pg\\_toast%'
  AND n.nspname NOT LIKE 'pg\\_temp%'
  AND NOT EXISTS (SELECT FROM pg_depend AS d WHERE d.objid = c.oid AND d.deptype = 'e') LIMIT 1"""


def _whole(tx: PostgresTx, archive: Archive) -> None:
    found = tx.raw(_EMPTY)
    if found:
        raise Refused(
            f"The database is not empty: it holds the {found[0][0]}.",
            needed="An empty database: a backup of a whole one is never laid over another.",
            do="CREATE DATABASE ...; and name that one with --database.",
        )
    archive.replay(tx)


def _prove(tx: PostgresTx, manifest: Manifest, place: Relation) -> None:
    rows, digest = count_and_digest(tx, place)
    if (rows, digest) != (manifest.rows, manifest.digest):
        other = f"{rows:,} rows instead of {manifest.rows:,}" if rows != manifest.rows else "another digest"
        raise ProofFailed(
            f"What was put back is not what was backed up: {place} has {other}. Nothing was changed.",
            needed="The count and the digest that were noted at the backup.",
            do="Look for a trigger, a rule or a type that writes other values than it is given.",
        )
