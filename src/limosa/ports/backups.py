"""Backups: what was kept before a migration, looked at and put back; the table itself may be gone."""

from __future__ import annotations

from pathlib import Path
from typing import Protocol

from limosa.model.backup import Backup, Restored, Way
from limosa.ports.tx import Begin

__all__ = ["Backups", "OpenBackups"]


class Backups(Protocol):
    """The backups on this machine, and a database to put them back into."""

    @property
    def begin(self) -> Begin:
        """Opens transactions."""
        ...

    def of(self, migration: str) -> list[Backup]:
        """The complete backups that a migration made, newest first."""
        ...

    def read(self, path: Path) -> Backup:
        """What a folder holds.

        Raises:
            Refused: there is no backup, or it is not what was noted when it was made.
        """
        ...

    def stands(self, table: str) -> bool:
        """Whether a table of this name is there."""
        ...

    def restore(self, backup: Backup, way: Way, *, into: str = "") -> Restored:
        """Puts it back in one transaction, in which the rows are compared with what was noted at the backup.

        Args:
            into: the name of the table, for the way ``beside``.

        Raises:
            Refused: it does not fit what is there; nothing was changed.
            ProofFailed: the rows are not those of the backup; nothing was changed.
        """
        ...

    def close(self) -> None:
        """Gives every connection back; safe to call again."""
        ...


class OpenBackups(Protocol):
    """What an entry point of the group ``limosa.backups`` points at."""

    def __call__(self, url: str) -> Backups:
        """The backups for the database at this URL; connects when the first question is asked."""
        ...
