"""Looks through tables that others wrote: which column is the id, which are vectors, and what cannot be carried."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
from pyarrow import types

from limosa.errors import Refused
from limosa.model.point import VectorSpec
from limosa.stores.files.blocks import Opened
from limosa.stores.files.columns import is_list, numbers_of, valid_of
from limosa.stores.files.ids import ID_NAMES
from limosa.stores.files.shape import SHORTEST, Shape, lengths_refused, own, specs_of
from limosa.stores.files.values import told

__all__ = ["METADATA", "surveyed"]

METADATA = b"limosa"
"""The name in the metadata of a part under which limosa says what it wrote."""


@dataclass(slots=True)
class _Column:
    """What is known of a column that may be a vector."""

    lengths: set[int] = field(default_factory=set)
    fixed: bool = True
    inexact: str = ""


def surveyed(paths: Sequence[Path], specs: Mapping[str, VectorSpec] | None, open_: Callable[[Path], Opened]) -> Shape:
    """The shape of these parts.

    Raises:
        Refused: they differ in what matters, or something in them cannot be carried.
    """
    texts = {path: (open_(path).schema.metadata or {}).get(METADATA) for path in paths}
    if specs is None and not any(texts.values()):
        return _foreign(paths, open_)
    alien = next((path for path, text in texts.items() if text is None), None)
    if alien is not None:
        raise Refused(
            f"{alien.name} lies among parts that limosa wrote, and is none of them.",
            needed="A folder with parts of one origin.",
            do="Move it to a folder of its own.",
        )
    found = [specs_of(text, path.name) for path, text in texts.items() if text is not None]
    if any(each != found[0] for each in found) or (specs is not None and specs != found[0]):
        raise Refused("The parts of the folder are of several collections: their vectors differ.")
    return own(found[0])


def _foreign(paths: Sequence[Path], open_: Callable[[Path], Opened]) -> Shape:
    names = [each.name for each in open_(paths[0]).schema]
    id_ = next((name for name in ID_NAMES if name in names), None)
    if id_ is None:
        raise Refused(
            f"{paths[0].name} has no column of ids; it has {', '.join(names)}.",
            needed=f"A column with the name {' or '.join(ID_NAMES)}.",
            do="Give the column that tells the rows apart one of these names.",
        )
    columns: dict[str, _Column] = {}
    for path in paths:
        part = open_(path)
        _check_id(part.schema, id_, path)
        for each in part.schema:
            if is_list(each.type):
                _look(part, each, columns.setdefault(each.name, _Column()), path)
    vectors = _vectors(columns, paths[0].parent.name)
    for path in paths:
        _check_payload(open_(path).schema, {id_, *vectors}, path)
    # One vector needs no name; several have those of their columns.
    named = {("" if len(vectors) == 1 else column): column for column in vectors}
    specs = {name: VectorSpec(name=name, dimensions=vectors[column]) for name, column in named.items()}
    return Shape(ours=False, id=id_, vectors=named, specs=specs)


def _check_id(schema: Any, name: str, path: Path) -> None:
    index = schema.get_field_index(name)
    type_: Any = schema.field(index).type if index >= 0 else None
    if type_ is not None and types.is_dictionary(type_):
        type_ = type_.value_type
    texts = (types.is_integer, types.is_string, types.is_large_string, types.is_string_view)
    if type_ is None or not (any(of(type_) for of in texts) or str(type_) == "extension<arrow.uuid>"):
        raise Refused(
            f"The column {name} of {path.name} is {'not there' if type_ is None else f'of the type {type_}'}.",
            needed="Ids that are whole numbers, texts or UUIDs, in every part.",
        )


def _look(part: Opened, field_: Any, column: _Column, path: Path) -> None:
    """Reads a column only where its type does not say what has to be known."""
    fixed = types.is_fixed_size_list(field_.type)
    column.fixed &= fixed
    if fixed:
        column.lengths.add(field_.type.list_size)
        if not types.is_float64(field_.type.value_type):
            return
    row = 0
    for batch in part.batches([field_.name]):
        array = batch.column(0)
        valid = valid_of(array)
        if not fixed and len(column.lengths) < 3:
            lengths = array.value_lengths().drop_null().unique().to_pylist()
            column.lengths.update(lengths)
        if not column.inexact and types.is_float64(field_.type.value_type):
            bad = _inexact(array.filter(array.is_valid()))
            if bad is not None:
                column.inexact = f"{path.name}, row {row + int(np.flatnonzero(valid)[bad])}"
        row += batch.num_rows


def _inexact(array: Any) -> int | None:
    """The first row with a number that float32 does not hold; rows are without NULL."""
    numbers = numbers_of(array.flatten())
    with np.errstate(over="ignore"):
        bad = np.flatnonzero((numbers.astype(np.float32) != numbers) & ~np.isnan(numbers))
    if not len(bad):
        return None
    lengths = numbers_of(array.value_lengths())
    return int(np.searchsorted(np.cumsum(lengths), bad[0], side="right"))


def _vectors(columns: Mapping[str, _Column], where: str) -> dict[str, int]:
    """The columns that are vectors, with their dimensions."""
    found = {}
    for name, each in columns.items():
        length = next(iter(each.lengths)) if len(each.lengths) == 1 else 0
        if length and (each.fixed or length >= SHORTEST):
            found[name] = length
            if each.inexact:
                raise Refused(
                    f"The vectors of {name} are float64, and not all are float32 as well ({each.inexact}).",
                    needed="float32, which is what limosa carries bit for bit.",
                    do=f"Cast the column to float32 in the file, if rounding is what you want: "
                    f"table.set_column(i, '{name}', table['{name}'].cast(pa.list_(pa.float32()))).",
                )
    several = {
        name: sorted(each.lengths)[:3] for name, each in columns.items() if max(each.lengths, default=0) >= SHORTEST
    }
    if several and not found:
        raise lengths_refused(where, several)
    return found


def _check_payload(schema: Any, others: set[str], path: Path) -> None:
    if len(set(schema.names)) < len(schema.names):
        raise Refused(f"{path.name} has several columns of one name.", needed="A name for each column.")
    for each in schema:
        if each.name not in others:
            told(pa.nulls(0, each.type), each.name)
