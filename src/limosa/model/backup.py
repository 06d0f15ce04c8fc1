"""A backup: what was kept of a table or database before it was changed, and what became of it when it was put back."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Literal

__all__ = ["Backup", "BackupKind", "Restored", "Way"]

BackupKind = Literal["table", "database"]

Way = Literal["missing", "beside", "replace", "database"]
"""How a backup is put back: a table that is not there, a table under another name beside it, the rows of a table
that is there, or the whole database into an empty one."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Backup:
    """What is kept in one folder, as its manifest says.

    Attributes:
        method: ``pg_dump`` or ``copy``.
        migration: id of the migration that made it.
        table: schema and name.
        rows: of the table.
        made: date and time, ISO 8601, UTC.
    """

    path: Path
    kind: BackupKind
    method: str
    migration: str
    table: str
    rows: int
    size_bytes: int
    made: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Restored:
    """What a restore did; its rows were compared with what was noted at the backup.

    Attributes:
        place: table or database that holds the rows now.
        rows: of the table.
        missing: what hung on the table and could not be made again, each with the reason.
    """

    backup: Backup
    way: Way
    place: str
    rows: int
    missing: tuple[tuple[str, str], ...] = ()
