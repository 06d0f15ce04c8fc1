"""Points on their way into the table: what it does not take stands alone in the end, with its reason."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass

import psycopg
from psycopg import errors as pg

from limosa.model.batch import Written
from limosa.model.identity import MadeIds
from limosa.model.point import Point
from limosa.stores.postgres.database import Binary, PostgresTx
from limosa.stores.postgres.landing.columns import Arrived
from limosa.stores.postgres.landing.listing import Listing
from limosa.stores.postgres.landing.rows import Cells, Packed, blocks, packed_parts
from limosa.stores.postgres.landing.standing import standing_indexes
from limosa.stores.postgres.landing.vectors import NULL
from limosa.stores.postgres.names import quoted

__all__ = ["IMMEDIATE", "UNHURRIED", "Batch", "KeptOut", "put_apart"]

IMMEDIATE = "SET CONSTRAINTS ALL IMMEDIATE"
"""A constraint that waited for the commit would refuse the whole batch."""

UNHURRIED = "SET LOCAL synchronous_commit = off"
"""A server that crashes may lose the last half second of batches, each whole, with its outcome and cursor: nobody has
to wait for its disk."""

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
    places: Sequence[int],
    put: Callable[[Sequence[int]], Written],
    tx: PostgresTx,
    *,
    keys: Callable[[], frozenset[str]],
) -> Written:
    """Puts rows, and where one is refused each half of them by itself, until what is refused stands alone.

    Args:
        places: the rows' positions in their batch.
        put: writes the rows at these positions, and says which cannot be rows; its errors undo what it has done.
        keys: the unique indexes of the keys alone. A row that they refuse was just written by somebody else, and is to
            be read again.

    Raises:
        psycopg.Error: the server, or the statement, is at fault, and no row.
    """
    if not places:
        return Written(())
    tx.send_raw(_SAVE)
    try:
        written = put(places)
    except (psycopg.Error, KeptOut) as error:
        if not _of_rows(error):
            raise
        tx.send_raw(_BACK, _KEEP)
        return _apart(places, put, tx, keys, error)
    tx.send_raw(_KEEP)
    return written


def _apart(
    places: Sequence[int],
    put: Callable[[Sequence[int]], Written],
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
    """Points that are written together."""

    points: Sequence[Point]
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
        for place, point in enumerate(self.points):
            key = point.key[0]
            if key not in standing:
                new.append(place)
            elif not standing[key]:
                rejected.append((place, TAKEN))
            elif key not in held:
                moved.append(place)
            else:
                (over if self._stays(place, held[key]) else new).append(place)
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

    def _copy(self, places: Sequence[int]) -> Written:
        names = ", ".join(quoted(each.name) for each in self.arrived.fields)
        table = self.listing.site.relation.sql
        landed: list[int] = []
        rejected: list[tuple[int, str]] = []

        def parts() -> Iterator[Packed]:
            for part in packed_parts(self.points, places, self.arrived, self.made):
                landed.extend(part.places)
                rejected.extend(part.unfit.items())
                yield part

        self.tx.copy(f"COPY {table} ({names}) FROM STDIN (FORMAT binary)", blocks(parts()))
        if self.listing.add(self._keys(landed), self.tx) != len(landed):
            raise KeptOut
        return Written(landed, rejected=rejected)

    def _update(self, places: Sequence[int]) -> Written:
        schema = quoted(self.listing.site.schema)
        sets = [
            f"{quoted(each.name)} = ${number}::{f'{schema}.' if each.part == 'vector' else ''}{each.type}"
            for number, each in enumerate(self.arrived.fields, 1)
        ]
        sql = f"UPDATE {self.listing.site.relation.sql} SET {', '.join(sets[1:])} WHERE {sets[0]}"
        landed: list[int] = []
        rejected: list[tuple[int, str]] = []
        for part in packed_parts(self.points, places, self.arrived, self.made):
            if part.rows and self.tx.many(sql, [_cells(row) for row in part.rows]) != len(part.rows):
                raise KeptOut
            landed.extend(part.places)
            rejected.extend(part.unfit.items())
        return Written(landed, rejected=rejected)

    def _delete(self, keys: Sequence[str]) -> None:
        if keys:
            self.listing.delete(keys, self.tx)

    def _keys(self, places: Iterable[int]) -> list[str]:
        return [self.points[place].key[0] for place in places]

    def _stays(self, place: int, id_: str | None) -> bool:
        """Whether a point keeps the id that was made for it."""
        made = self.made.ids.get(place)
        return place not in self.made.without and id_ == (None if made is None else str(made))

    def _indexes(self) -> frozenset[str]:
        """The unique indexes of the keys alone."""
        columns = [each.name for each in (*self.arrived.of("key"), *self.arrived.of("made"))]
        found = standing_indexes(self.listing.site.relation, self.tx)
        return frozenset(each.name for each in found if each.unique and each.column in columns)


def _cells(row: Cells) -> list[Binary | None]:
    """The cells of a row, each without its size."""
    return [None if cell == NULL else Binary(bytes(cell[4:])) for cell in row[1:]]
