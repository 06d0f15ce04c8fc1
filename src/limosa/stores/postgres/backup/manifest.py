"""The manifest: what lies beside the rows of a backup, and how a folder is known to be complete and undamaged.

A backup is one folder: the archive, which pg_restore reads without limosa, and ``manifest.json``, which a person reads
without either. It appears under its name by one rename, when everything in it has been checked.
"""

from __future__ import annotations

import hashlib
import json
import os
import re
import shutil
from collections.abc import Iterable
from dataclasses import asdict, dataclass
from pathlib import Path

from limosa.errors import Refused
from limosa.model.backup import Backup, BackupKind
from limosa.stores.postgres.names import Relation

__all__ = ["FOLDER", "Kept", "Manifest", "complete", "half_made", "keep", "known", "kind_of", "read", "write_rows"]

FOLDER = Path(".limosa/backups")
"""Where backups lie, below the folder in which limosa runs."""

_FORMAT = 1
_NAME = "manifest.json"


@dataclass(frozen=True, slots=True, kw_only=True)
class Kept:
    """One column: its name and type, whether it is generated, and its clause in CREATE TABLE.

    Attributes:
        plain: the clause without default, identity and NOT NULL.
        rest: default, identity and NOT NULL.
    """

    name: str
    type: str
    generated: bool
    plain: str
    rest: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Manifest:
    """Everything about a backup but its rows.

    Attributes:
        file: the rows, or the archive, in the same folder.
        digest: of the table's rows, as ``rows.digest`` makes it.
        key: columns of the primary key; empty where there is none.
        sequences: name, last value, and whether it was given out already.
        before, after: statements that make the table, up to and from its rows.
        dependents: what a drop of the table takes along: kind and name, and the statements that make it again.
        lost: what a drop takes along that cannot be made again.
    """

    kind: BackupKind
    method: str
    file: str
    migration: str
    made: str
    server: int
    program: str
    schema: str
    table: str
    columns: tuple[Kept, ...]
    key: tuple[str, ...]
    rows: int
    digest: str
    size_bytes: int
    sha256: str
    sequences: tuple[tuple[str, int, bool], ...]
    before: tuple[str, ...]
    after: tuple[str, ...]
    dependents: tuple[tuple[str, tuple[str, ...]], ...]
    lost: tuple[str, ...]

    def told(self, path: Path) -> Backup:
        """What is told of it."""
        return Backup(
            path=path,
            kind=self.kind,
            method=self.method,
            migration=self.migration,
            table=_written(Relation(self.schema, self.table)),
            rows=self.rows,
            size_bytes=self.size_bytes,
            made=self.made,
        )


def _written(table: Relation) -> str:
    """As a person writes it in a file: in quotes only where it needs them."""
    plain = all(re.fullmatch(r"\w+", part) for part in (table.schema, table.name))
    return str(table) if plain else table.sql


def kind_of(folder: Path) -> BackupKind:
    """What a backup of this name holds: the name's end says so."""
    return "database" if folder.suffix == ".database" else "table"


def half_made(folder: Path) -> Path:
    """An empty folder in which the backup is made; what an attempt that died has left there is gone.

    Raises:
        Refused: it cannot be written.
    """
    partial = folder.with_name(folder.name + ".partial")
    try:
        shutil.rmtree(partial, ignore_errors=True)
        folder.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        # A backup is not for version control.
        (folder.parent / ".gitignore").write_text("*\n")
        partial.mkdir(mode=0o700)
    except OSError as error:
        raise Refused(
            f"{folder.parent} cannot be written: {error.strerror}.",
            needed="A folder for the backup below the one in which limosa runs.",
            do="Run limosa from a folder that you may write in.",
        ) from error
    return partial


def write_rows(path: Path, blocks: Iterable[bytes]) -> tuple[int, str]:
    """Writes a file for its owner's eyes only, down to the disk; its size in bytes and its SHA-256."""
    digest, size = hashlib.sha256(), 0
    with open(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "wb") as file:
        for block in blocks:
            file.write(block)
            digest.update(block)
            size += len(block)
        file.flush()
        os.fsync(file.fileno())
    return size, digest.hexdigest()


def keep(manifest: Manifest, partial: Path, folder: Path) -> None:
    """Writes the manifest and gives the folder its name."""
    text = json.dumps({"format": _FORMAT, **asdict(manifest)}, indent=1, ensure_ascii=False)
    write_rows(partial / _NAME, [text.encode()])
    _sync(partial)
    partial.rename(folder)
    _sync(folder.parent)


def _sync(folder: Path) -> None:
    handle = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


def read(folder: Path) -> Manifest:
    """The manifest of a backup, without a look at its rows.

    Raises:
        Refused: there is none, or it cannot be read.
    """
    try:
        found = json.loads((folder / _NAME).read_bytes())
        if found.pop("format") != _FORMAT:
            raise ValueError("it was made by another version of limosa")
        lists = {name: tuple(found[name]) for name in ("key", "before", "after", "lost")}
        return Manifest(
            **{
                **found,
                **lists,
                "columns": tuple(Kept(**each) for each in found["columns"]),
                "sequences": tuple((name, value, called) for name, value, called in found["sequences"]),
                "dependents": tuple((name, tuple(statements)) for name, statements in found["dependents"]),
            }
        )
    except FileNotFoundError as error:
        raise Refused(
            f"{folder} holds no backup.",
            needed="A folder that limosa made, with a manifest.json in it.",
            do="Name the folder with --from.",
        ) from error
    except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
        raise Refused(
            f"The manifest of {folder} cannot be read: {error}.",
            needed="The folder as it was made.",
            do="Take another copy of it.",
        ) from error


def complete(folder: Path) -> Manifest:
    """The manifest of a backup whose rows are what was noted when it was made.

    Raises:
        Refused: they are not.
    """
    manifest = read(folder)
    path = folder / manifest.file
    try:
        with path.open("rb") as file:
            found = hashlib.file_digest(file, "sha256").hexdigest()
    except OSError as error:
        raise _damaged(path, f"it cannot be read ({error.strerror})") from error
    if found != manifest.sha256:
        size = path.stat().st_size
        wrong = f"{size:,} bytes instead of {manifest.size_bytes:,}" if size != manifest.size_bytes else "other bytes"
        raise _damaged(path, f"it holds {wrong}")
    return manifest


def _damaged(path: Path, why: str) -> Refused:
    return Refused(
        f"The backup is damaged: {path.name} is not what was written, {why}.",
        needed="The file with the SHA-256 that its manifest notes.",
        do="Take another copy of the folder, and name it with --from.",
    )


def known(folder: Path = FOLDER) -> list[tuple[Path, Manifest]]:
    """The backups in a folder that have their name, newest first; those that cannot be read are left out."""
    found = []
    for path in folder.iterdir() if folder.is_dir() else ():
        if path.suffix == ".partial" or not path.is_dir():
            continue
        try:
            found.append((path, read(path)))
        except Refused:
            continue
    return sorted(found, key=lambda each: each[1].made, reverse=True)
