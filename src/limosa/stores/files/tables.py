"""Parts of Parquet and Arrow as points, and points as parts."""

from __future__ import annotations

import json
from bisect import bisect_left
from collections import OrderedDict
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, TypeVar

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from pyarrow import types

from limosa.errors import Refused
from limosa.model.point import Json, Point, PointVector, VectorSpec
from limosa.ports.memory import give_back
from limosa.stores.files.blocks import ARROW, PARQUET, ArrowPart, Opened, ParquetPart, groups_of
from limosa.stores.files.columns import column_of, type_of, valid_of, vectors_of
from limosa.stores.files.format import Scanned
from limosa.stores.files.shape import PAYLOAD, Shape, text_of
from limosa.stores.files.survey import METADATA, surveyed
from limosa.stores.files.texts import payload_text
from limosa.stores.files.values import told

__all__ = ["TableFormat"]

_T = TypeVar("_T")

GIVE_BACK = 4
"""Pages of a thousand points, mostly, after which freed memory is given back: of 1536 dimensions 25 MB of vectors."""

_OPEN = 4
"""Parts that are kept open, each with its blocks."""


class TableFormat:
    """Places are rows.

    Args:
        kind: ``parquet`` or ``arrow``.
    """

    def __init__(self, kind: str) -> None:
        self.suffixes: tuple[str, ...] = PARQUET if kind == "parquet" else ARROW
        self._parquet = kind == "parquet"
        self._opened: OrderedDict[Path, Opened] = OrderedDict()

    def survey(self, paths: Sequence[Path], specs: Mapping[str, VectorSpec] | None) -> Shape:
        """What is in these parts; columns are read only where their type does not tell."""
        return surveyed(paths, specs, self._open)

    def keys(self, path: Path, shape: Shape) -> Iterator[tuple[Sequence[str], Sequence[int]]]:
        """Ids and rows, from the column of ids alone."""
        start = 0
        for batch in self._open(path).batches([shape.id]):
            column = batch.column(0)
            if column.null_count:
                row = start + int(np.flatnonzero(~valid_of(column))[0])
                raise Refused(f"The {shape.id} of row {row} of {path.name} is NULL.", needed="An id for every row.")
            yield _texts(column), range(start, start + batch.num_rows)
            start += batch.num_rows

    def points(self, path: Path, places: Sequence[int], shape: Shape) -> list[Point]:
        """The points of these rows, block by block."""
        give_back(every=GIVE_BACK)
        part, found, at = self._open(path), list[Point](), 0
        while at < len(places):
            start, block = part.block(places[at])
            end = bisect_left(places, start + block.num_rows, at)
            found += _points(_picked(block, [place - start for place in places[at:end]]), shape, path)
            at = end
        return found

    def scan(self, path: Path, name: str, shape: Shape) -> Iterator[Scanned]:
        """Every row with this vector, from two columns."""
        part, column, start = self._open(path), shape.vectors[name], 0
        for batch in part.batches([shape.id, column]) if column in part.schema.names else ():
            found = vectors_of(batch.column(column), shape.specs[name], path.name)
            rows = np.flatnonzero([each is not None for each in found])
            ids = batch.column(shape.id)
            yield Scanned(
                [each for each in found if each is not None],
                rows + start,
                lambda i, ids=ids, rows=rows: _texts(ids.slice(rows[i], 1))[0],  # type: ignore[misc]
            )
            start += batch.num_rows

    def save(self, path: Path, points: Sequence[Point], shape: Shape) -> list[int]:
        """Makes a part of points."""
        return self._written(path, iter(_table(points, shape).to_batches()), shape)

    def change(self, path: Path, old: Sequence[Path], changed: Mapping[int, Point | None], shape: Shape) -> list[int]:
        """Makes one part of old ones, with some rows replaced or left out."""
        batches = (batch for each in old for batch in self._open(each).batches())
        return self._written(path, _changed(batches, changed, shape), shape)

    def forget(self) -> None:
        """Closes every part."""
        for each in self._opened.values():
            each.close()
        self._opened.clear()

    def _open(self, path: Path) -> Opened:
        found = self._opened.pop(path, None) or (ParquetPart(path) if self._parquet else ArrowPart(path))
        self._opened[path] = found
        if len(self._opened) > _OPEN:
            self._opened.popitem(last=False)[1].close()
        return found

    def _written(self, path: Path, batches: Iterator[Any], shape: Shape) -> list[int]:
        rows = 0
        with self._writer(path, _schema(shape)) as writer:
            for table in groups_of(batches):
                writer.write_table(table)
                rows += table.num_rows
        return list(range(rows))

    def _writer(self, path: Path, schema: Any) -> Any:
        if self._parquet:
            # A dictionary of vectors, or of payloads, which hardly repeat, only costs time.
            return pq.ParquetWriter(path, schema, compression="zstd", use_dictionary=False)
        return pa.ipc.new_file(str(path), schema)


def _schema(shape: Shape) -> Any:
    vectors = [pa.field(shape.vectors[name], type_of(spec)) for name, spec in shape.specs.items()]
    fields = [pa.field(shape.id, pa.string(), nullable=False), *vectors, pa.field(PAYLOAD, pa.string(), nullable=False)]
    return pa.schema(fields, metadata={METADATA: text_of(shape.specs).encode()})


def _table(points: Sequence[Point], shape: Shape) -> Any:
    vectors = [column_of(points, spec) for spec in shape.specs.values()]
    keys = pa.array([each.key[0] for each in points], type=pa.string())
    payloads = pa.array([payload_text(each.payload) for each in points], type=pa.string())
    return pa.Table.from_arrays([keys, *vectors, payloads], schema=_schema(shape))


def _changed(batches: Iterator[Any], changed: Mapping[int, Point | None], shape: Shape) -> Iterator[Any]:
    fresh = {place: point for place, point in changed.items() if point is not None}
    table, at = _table(list(fresh.values()), shape), {place: i for i, place in enumerate(fresh)}
    start = 0
    for batch in batches:
        rows = range(start, start + batch.num_rows)
        start += batch.num_rows
        if not changed.keys() & set(rows):
            yield batch
            continue
        # Rows of the batch, and behind them those that are new.
        order = [
            batch.num_rows + at[row] if row in at else row - rows[0] for row in rows if row not in changed or row in at
        ]
        both = pa.concat_tables([pa.Table.from_batches([batch]).cast(table.schema), table]).combine_chunks()
        yield from both.take(pa.array(order, type=pa.int64())).to_batches()


def _picked(block: Any, rows: Sequence[int]) -> Any:
    if rows[-1] - rows[0] + 1 == len(rows):
        return block.slice(rows[0], len(rows))
    return block.take(pa.array(rows))


def _texts(column: Any) -> list[str]:
    found: list[Any] = column.to_pylist()
    return found if types.is_string(column.type) else [str(each) for each in found]


def _points(batch: Any, shape: Shape, path: Path) -> list[Point]:
    keys = [(key,) for key in _texts(batch.column(shape.id))]
    return list(map(Point, keys, _vectors(batch, shape, path), _payloads(batch, shape)))


def _vectors(batch: Any, shape: Shape, path: Path) -> list[dict[str, PointVector]]:
    """Each point's vectors by name."""
    columns = {
        name: vectors_of(batch.column(column), shape.specs[name], path.name)
        for name, column in shape.vectors.items()
        if column in batch.schema.names
    }
    return _named(columns, batch.num_rows)


def _payloads(batch: Any, shape: Shape) -> list[dict[str, Json]]:
    if shape.ours:
        return [json.loads(each) for each in batch.column(PAYLOAD).to_pylist()]
    others = {shape.id, *shape.vectors.values()}
    return _named(
        {name: told(batch.column(name), name) for name in batch.schema.names if name not in others}, batch.num_rows
    )


def _named(columns: Mapping[str, Sequence[_T | None]], rows: int) -> list[dict[str, _T]]:
    """Columns as rows by name; what is None is left out."""
    if not columns:
        return [{} for _ in range(rows)]
    names = list(columns)
    return [
        {name: value for name, value in zip(names, row, strict=True) if value is not None}
        for row in zip(*columns.values(), strict=True)
    ]
