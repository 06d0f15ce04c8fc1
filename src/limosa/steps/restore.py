"""Restore: puts back what was kept before a migration; no part of the way, and no proof but its own is asked."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from limosa.control.records import Records
from limosa.control.reports import Reports
from limosa.errors import ProofFailed, Refused
from limosa.model.backup import Backup, Restored, Way
from limosa.model.migration import Migration
from limosa.ports.backups import Backups

__all__ = ["RestoreWish", "find_backup", "restore", "way_of"]


@dataclass(frozen=True, slots=True, kw_only=True)
class RestoreWish:
    """What somebody wants to be put back, and where.

    Attributes:
        path: the backup's folder; None for the newest one of the migration.
        into: another name for the table; empty for its own.
        elsewhere: into another database than the migration's.
        replace: the rows of the table that is there are replaced.
    """

    path: Path | None = None
    into: str = ""
    elsewhere: bool = False
    replace: bool = False


def find_backup(backups: Backups, migration: Migration, wish: RestoreWish) -> Backup:
    """The backup that is wanted, complete and undamaged.

    Raises:
        Refused: there is none, or it is damaged.
    """
    if wish.path is not None:
        return _of_this_table(backups.read(wish.path), migration)
    found = backups.of(migration.id)
    if not found:
        raise Refused(
            f"There is no backup of the migration {migration.name!r} here.",
            needed="A folder in .limosa/backups, below the one in which limosa ran.",
            do="Name the folder with --from PATH, or repeat the command where limosa ran.",
        )
    return backups.read(found[0].path)


def _of_this_table(backup: Backup, migration: Migration) -> Backup:
    """The backup of another file's migration will do, of another table not."""
    theirs, ours = (name.replace('"', "") for name in (backup.table, migration.target.place.table))
    if theirs == ours or theirs.endswith("." + ours):
        return backup
    raise Refused(
        f"{backup.path} holds {backup.table}.",
        needed=f"A backup of {migration.target.place.table}, the table of the file.",
        do="Name another folder with --from, or give the file of that table.",
    )


def way_of(backups: Backups, backup: Backup, wish: RestoreWish) -> Way:
    """How the backup is put back.

    Raises:
        Refused: the wish contradicts itself, or the table is there and nothing was said about that.
    """
    if sum((bool(wish.into), wish.elsewhere and backup.kind == "database", wish.replace)) > 1:
        raise Refused("More than one place is named.", needed="One of --into, --replace and --database.")
    if wish.elsewhere and backup.kind == "database":
        return "database"
    if wish.into:
        return "beside"
    stands = backups.stands(backup.table)
    if wish.replace and not stands:
        raise Refused(
            f"There is no table {backup.table} whose rows could be replaced.",
            do="limosa restore FILE without --replace makes it again.",
        )
    if stands and not wish.replace:
        raise Refused(
            f"The table {backup.table} is there.",
            needed="A place for the rows of the backup.",
            do="limosa restore FILE --into NAME puts them beside it; --replace puts them in place of its own.",
        )
    return "replace" if stands else "missing"


def restore(
    backups: Backups,
    migration: Migration,
    wish: RestoreWish,
    *,
    agree: Callable[[Backup, Way], None] = lambda backup, way: None,
) -> Restored:
    """Puts a backup back, in one transaction, and proves the rows in it.

    Args:
        agree: is told what will be put back, and how, before anything is changed; raises to prevent it.

    Raises:
        Refused: there is none that could be put back there; the migration is under way on this table; or the backup
            does not fit what is there.
        ProofFailed: the rows are not those of the backup, and nothing was changed; or they are, and something that
            hung on the table could not be made again.
    """
    backup = find_backup(backups, migration, wish)
    way = way_of(backups, backup, wish)
    agree(backup, way)
    if way in {"missing", "replace"} and not wish.elsewhere:
        _require_rest(backups, migration, backup, way)
    done = backups.restore(backup, way, into=wish.into)
    if done.missing:
        raise ProofFailed(
            f"{done.place} is there with its {done.rows:,} rows, but not everything that hung on it:\n"
            + "\n".join(f"{name}: {why}" for name, why in done.missing),
            needed="The objects that these name.",
            do=f"Make them by hand; their definitions stand in {backup.path / 'manifest.json'}.",
        )
    return done


def _require_rest(backups: Backups, migration: Migration, backup: Backup, way: Way) -> None:
    """A table that is gone is made again all the same, before the switch: without it there is no rollback either."""
    place = f"{backup.table}.{migration.target.place.vector}"
    rival = Reports(backups.begin, migration.id).rival(place)
    record = Records(backups.begin, migration.id).get()
    if rival is None and (record is None or not record.active or (way == "missing" and not record.switched)):
        return
    name, step = (rival, "") if rival or record is None else (repr(record.name), f", after {record.step}")
    raise Refused(
        f"The migration {name} is under way on {backup.table}{step}: its own way back loses nothing.",
        needed="A migration that is finished or rolled back.",
        do="limosa rollback FILE; or limosa restore FILE --into NAME puts the backup beside the table.",
    )
