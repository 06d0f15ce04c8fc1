"""Points on their way into the table: what it does not take stands alone in the end, with its reason."""

from __future__ import annotations

import struct
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass

import psycopg
from psycopg import errors as pg

from limosa.model.batch import Written
from limosa.model.point import Point
from limosa.stores.postgres.database import Binary, PostgresTx
from limosa.stores.postgres.landing.cells import Unfit
from limosa.stores.postgres.landing.columns import Arrived
from limosa.stores.postgres.landing.listing import Listing
from limosa.stores.postgres.landing.made import MadeIds
from limosa.stores.postgres.landing.rows import blocks
from limosa.stores.postgres.landing.standing import standing_indexes
from limosa.stores.postgres.names import quoted

__all__ = ["IMMEDIATE", "Batch", "KeptOut", "cells_of", "put_apart"]

IMMEDIATE = "SET CONSTRAINTS ALL IMMEDIATE"
"""A constraint that waited for the commit would refuse the whole batch."""

TAKEN = "a row of the application's has this id already"
"""Why a point is dead that would overwrite one."""

_SAVE, _BACK, _KEEP = "SAVEPOINT limosa_rows", "ROLLBACK TO SAVEPOINT limosa_rows", "RELEASE SAVEPOINT limosa_rows"

_OF_ROWS = (psycopg.DataError, psycopg.IntegrityError, pg.RaiseException, pg.ProgramLimitExceeded)
"""What one row may be the reason of; the last is a value that is too long for an index."""

_NOT_OF_ROWS = (
    psycopg.OperationalError,
    psycopg.ProgrammingError,
    psycopg.InternalError,
    psycopg.NotSupportedError,
    psycopg.InterfaceError,
)


class KeptOut(Exception):
    """Fewer rows stand than were written, and no error was raised."""


def put_apart(
    places: Sequence[int], put: Callable[[Sequence[int]], None], tx: PostgresTx, *, keys: Callable[[], frozenset[str]]
) -> Written:
    """Puts rows, and where one is refused each half of them by itself, until what is refused stands alone.

    Args:
        places: the rows' positions in their batch.
        put: writes the rows at these positions; its errors undo what it has done.
        keys: the unique indexes of the keys alone. A row that they refuse was just written by somebody else, and is to
            be read again.

    Raises:
        psycopg.Error: the server, or the statement, is at fault, and no row.
    """
    if not places:
        return Written(())
    tx.send_raw(_SAVE)
    try:
        put(places)
    except (psycopg.Error, KeptOut) as error:
        if not _of_rows(error):
            raise
        tx.send_raw(_BACK, _KEEP)
        return _apart(places, put, tx, keys, error)
    tx.send_raw(_KEEP)
    return Written(places)


def _apart(
    places: Sequence[int],
    put: Callable[[Sequence[int]], None],
    tx: PostgresTx,
    keys: Callable[[], frozenset[str]],
    error: psycopg.Error | KeptOut,
) -> Written:
    if len(places) > 1:
        half = len(places) // 2
        one, other = (put_apart(part, put, tx, keys=keys) for part in (places[:half], places[half:]))
        return Written(
            [*one.landed, *other.landed],
            moved=[*one.moved, *other.moved],
            rejected=[*one.rejected, *other.rejected],
        )
    if isinstance(error, pg.UniqueViolation) and error.diag.constraint_name in keys():
        return Written((), moved=places)
    return Written((), rejected=[(places[0], _reason(error))])


def _of_rows(error: psycopg.Error | KeptOut) -> bool:
    """Whether a row may be the reason; a trigger may raise errors of a class that nobody knows."""
    return isinstance(error, (*_OF_ROWS, KeptOut)) or not isinstance(error, _NOT_OF_ROWS)


def _reason(error: psycopg.Error | KeptOut) -> str:
    if isinstance(error, KeptOut):
        return "a trigger of the table keeps it out, or gives it another key"
    said = (error.diag.message_primary or type(error).__name__).splitlines()[0]
    return f"Postgres says: {said}"


@dataclass(frozen=True, slots=True)
class Batch:
    """Points that are written together.

    Attributes:
        rows: each as COPY sends it, or why it cannot stand in the table.
    """

    points: Sequence[Point]
    rows: Sequence[bytes | Unfit]
    arrived: Arrived
    listing: Listing
    made: MadeIds
    tx: PostgresTx

    def write(self, fitting: Sequence[str]) -> Written:
        """Writes them: over the rows that are these points already, and beside all others.

        Args:
            fitting: those of the keys that the key's type can be.
        """
        standing = self.listing.standing(fitting, self.tx)
        ours = [key for key, point in standing.items() if point]
        held = self.listing.lock(ours, self.tx) if ours else {}
        new, over, moved = list[int](), list[int](), list[int]()
        rejected: list[tuple[int, str]] = []
        for place, row in enumerate(self.rows):
            key = self.points[place].key[0]
            if isinstance(row, Unfit):
                rejected.append((place, str(row)))
            elif not standing.get(key, True):
                rejected.append((place, TAKEN))
            elif key in standing and key not in held:
                moved.append(place)
            elif held.get(key) == self._made(place) and key in held:
                over.append(place)
            else:
                new.append(place)
        # A row whose id is made anew goes first: another may be about to have the one that it had.
        self._delete([key for key in self._keys(new) if key in held])
        found = [put_apart(over, self._update, self.tx, keys=self._indexes)]
        found.append(put_apart(new, self._copy, self.tx, keys=self._indexes))
        rejected += [each for part in found for each in part.rejected]
        self._delete([key for key in self._keys([place for place, _ in rejected]) if key in held])
        return Written(
            sorted(place for part in found for place in part.landed),
            moved=[*moved, *(place for part in found for place in part.moved)],
            rejected=rejected,
        )

    def _copy(self, places: Sequence[int]) -> None:
        names = ", ".join(quoted(each.name) for each in self.arrived.fields)
        table = self.listing.site.relation.sql
        self.tx.copy(f"COPY {table} ({names}) FROM STDIN (FORMAT binary)", blocks(self._row(each) for each in places))
        if self.listing.add(self._keys(places), self.tx) != len(places):
            raise KeptOut

    def _update(self, places: Sequence[int]) -> None:
        schema = quoted(self.listing.site.schema)
        sets = [
            f"{quoted(each.name)} = ${number}::{f'{schema}.' if each.part == 'vector' else ''}{each.type}"
            for number, each in enumerate(self.arrived.fields, 1)
        ]
        sql = f"UPDATE {self.listing.site.relation.sql} SET {', '.join(sets[1:])} WHERE {sets[0]}"
        rows = [[None if cell is None else Binary(cell) for cell in cells_of(self._row(each))] for each in places]
        if self.tx.many(sql, rows) != len(places):
            raise KeptOut

    def _delete(self, keys: Sequence[str]) -> None:
        if keys:
            self.listing.delete(keys, self.tx)

    def _row(self, place: int) -> bytes:
        row = self.rows[place]
        assert isinstance(row, bytes)  # noqa: S101 - the others were sorted out
        return row

    def _keys(self, places: Iterable[int]) -> list[str]:
        return [self.points[place].key[0] for place in places]

    def _made(self, place: int) -> str | None:
        made = self.made.of(place)
        return None if made is None else str(made)

    def _indexes(self) -> frozenset[str]:
        """The unique indexes of the keys alone."""
        columns = [each.name for each in (*self.arrived.of("key"), *self.arrived.of("made"))]
        found = standing_indexes(self.listing.site.relation, self.tx)
        return frozenset(each.name for each in found if each.unique and each.column in columns)


def cells_of(row: bytes) -> list[bytes | None]:
    """The cells of a row as COPY sends it in its binary format."""
    found: list[bytes | None] = []
    at = 2
    while at < len(row):
        (size,) = struct.unpack_from(">i", row, at)
        at += 4
        found.append(row[at : at + size] if size >= 0 else None)
        at += max(0, size)
    return found
