"""The scope of a split in SQLite: names and SQL fragments that hold from plan to finish."""

from __future__ import annotations

import json
from collections.abc import Iterable
from dataclasses import dataclass

from limosa.errors import Refused
from limosa.model.batch import Key
from limosa.model.migration import Migration, Split
from limosa.stores.sqlite.catalogue import Column, Table
from limosa.stores.sqlite.engine import Engine, Value
from limosa.stores.sqlite.names import quoted

__all__ = ["HAD_VECTOR", "Scope", "scope_of"]

HAD_VECTOR = "had_vector"
"""Column of the targets: 1 where the source itself held the blob, so that the view can answer what the table did.

NULL in a row that limosa did not carry: the table stood before, or somebody else writes to it.
"""


_OLD, _REST = "_limosa_old", "_limosa_rest"


@dataclass(frozen=True, slots=True, kw_only=True)
class Scope:
    """Names and fragments of one split.

    Attributes:
        columns: every column of the source, in its order.
        carried: those that stand in the targets too, verbatim.
        native: the engine knows ``F32_BLOB``.
        local: the database is a file.
    """

    id: str
    split: Split
    table: str
    key: Column
    columns: tuple[Column, ...]
    carried: tuple[Column, ...]
    where: str | None
    native: bool
    local: bool

    @property
    def old(self) -> str:
        """Name of the source after the switch."""
        return f"{self.table}{_OLD}"

    @property
    def both(self) -> str:
        """Name of the view over the old and the new layout, until the switch."""
        return f"{self.table}_limosa_both"

    @property
    def rest(self) -> str:
        """Name of the table that keeps, from finish on, what no target could take."""
        return f"{self.table}{_REST}"

    def source(self, epoch: int) -> str:
        """Name of the source in an epoch."""
        return self.old if epoch % 2 else self.table

    @property
    def targets(self) -> tuple[str, ...]:
        """The tables that the source becomes."""
        return tuple(name for name, _ in self.split.targets)

    @property
    def left_out(self) -> tuple[str, ...]:
        """Columns of the source that do not travel."""
        stand = {column.name for column in self.carried} | {self.split.vector}
        return tuple(column.name for column in self.columns if column.name not in stand)

    def ours(self, alias: str) -> str:
        """A condition on a row of a target: it was carried from the source."""
        return f"{alias}.{HAD_VECTOR} IS NOT NULL"

    def filter(self, alias: str, table: str) -> str:
        """The filter on a row of this table, or true; its columns are named as if the table had its first name."""
        if self.where is None:
            return "true"
        key, own = quoted(self.key.name), quoted(self.table)
        return f"EXISTS (SELECT 1 FROM {quoted(table)} AS {own} WHERE {own}.{key} = {alias}.{key} AND ({self.where}))"

    def key_json(self, alias: str) -> str:
        """The key as the ledger keeps it."""
        return f"json_array(CAST({alias}.{quoted(self.key.name)} AS TEXT))"

    def values(self, keys: Iterable[Key]) -> list[Value]:
        """``value`` of each."""
        if self.key.integer:
            return [int(name) for (name,) in keys]
        return [name for (name,) in keys]

    def listed(self, keys: Iterable[Key]) -> str:
        """Keys as a parameter for ``json_each``."""
        return json.dumps(self.values(keys), ensure_ascii=False)

    def value(self, key: Key) -> Value:
        """A key as a parameter with the column's own type, so that the column's index and order apply."""
        return int(key[0]) if self.key.integer else key[0]


def scope_of(migration: Migration, table: Table, engine: Engine) -> Scope:
    """The scope of a split of this table, which may have stepped aside already.

    Raises:
        Refused: a column is missing, or cannot be a key.
    """
    split, place = migration.split, migration.source.place
    assert split is not None  # noqa: S101 - the store was opened for a split
    key = table.require(place.key[0], "the key column")
    vectors = [table.require(name, "a vector column") for name in split.vectors]
    said = ((split.dimension, "the dimension column"), (split.model, "the model column"))
    named = [table.require(name, what) for name, what in said if name is not None]
    payload = (
        [column for column in table.columns if column not in vectors and column != key]
        if split.payload is None
        else [table.require(name, "a payload column") for name in split.payload]
    )
    wanted = [key, *named, *payload, *(vectors if split.keep else [])]
    carried = tuple(column for column in table.columns if column in wanted and column.name != split.vector)
    taken = {column.name.lower() for column in carried}
    for name in (split.vector, HAD_VECTOR):
        if name.lower() in taken:
            raise Refused(
                f"The targets' column {name} would stand twice.",
                needed="A name that no column of the source has that travels along.",
                do="Set vector in [target], or leave the column out of payload.",
            )
    return Scope(
        id=migration.id,
        split=split,
        table=table.name.removesuffix(_OLD).removesuffix(_REST),
        key=key,
        columns=table.columns,
        carried=carried,
        where=place.where,
        native=engine.native,
        local=engine.path is not None,
    )
