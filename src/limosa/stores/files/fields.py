"""Looks through JSON lines that others wrote: which field is the id, which are vectors, and what cannot be carried."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import orjson

from limosa.errors import Refused
from limosa.model.point import VectorSpec
from limosa.stores.files.ids import ID_NAMES
from limosa.stores.files.shape import SHORTEST, Shape, lengths_refused

__all__ = ["surveyed"]

_Lines = Iterable[tuple[Path, int, dict[str, Any]]]


@dataclass(slots=True)
class _Field:
    """What is known of a field that may be a vector."""

    lengths: set[int] = field(default_factory=set)
    numbers: bool = True
    floats: bool = False
    inexact: str = ""

    def look(self, value: Any, where: str) -> None:
        """Takes one value in; null says nothing."""
        if value is None or not self.numbers:
            return
        kinds = set(map(type, value)) if isinstance(value, list) and value else {type(None)}
        self.numbers = kinds <= {int, float}
        if not self.numbers or len(self.lengths) > 2:
            return
        self.lengths.add(len(value))
        self.floats |= float in kinds
        if not self.inexact and len(value) >= SHORTEST and not _exact(value):
            self.inexact = where

    @property
    def dimensions(self) -> int:
        """Of the vector that it is; 0 where it is none."""
        [length] = self.lengths if len(self.lengths) == 1 else [0]
        return length if self.numbers and self.floats and length >= SHORTEST else 0


def surveyed(lines: _Lines) -> Shape:
    """The shape of all lines.

    Raises:
        Refused: there is no id, or a vector that float32 does not hold.
    """
    fields: dict[str, _Field] = {}
    id_ = ""
    where = "the folder"
    for path, number, found in lines:
        id_ = id_ or _id(found, path, number)
        where = path.name
        for name, value in found.items():
            if isinstance(value, list) or name in fields:
                fields.setdefault(name, _Field()).look(value, f"{path.name}, line {number}")
    vectors = {name: each.dimensions for name, each in fields.items() if each.dimensions and name != id_}
    _check(fields, vectors, where)
    named = {("" if len(vectors) == 1 else name): name for name in vectors}
    specs = {name: VectorSpec(name=name, dimensions=vectors[of]) for name, of in named.items()}
    return Shape(ours=False, id=id_ or ID_NAMES[0], vectors=named, specs=specs)


def _id(found: Mapping[str, Any], path: Path, number: int) -> str:
    for name in ID_NAMES:
        if name in found:
            return name
    raise Refused(
        f"Line {number} of {path.name} has no id; it has {', '.join(found) or 'nothing'}.",
        needed=f"A field with the name {' or '.join(ID_NAMES)} in every line.",
        do="Give the field that tells the lines apart one of these names.",
    )


def _check(fields: Mapping[str, _Field], vectors: Mapping[str, int], where: str) -> None:
    for name in vectors:
        if fields[name].inexact:
            raise Refused(
                f"The vectors of {name} have more digits than float32 holds ({fields[name].inexact}).",
                needed="float32, which is what limosa carries bit for bit.",
                do="Write numpy.float32 of them to the file, if rounding is what you want.",
            )
    several = {
        name: sorted(each.lengths)
        for name, each in fields.items()
        if each.numbers and each.floats and len(each.lengths) > 1 and max(each.lengths) >= SHORTEST
    }
    if several and not vectors:
        raise lengths_refused(where, several)


def _exact(value: list[float]) -> bool:
    """Whether the numbers are float32: all their digits, or the shortest that tell them from their neighbours."""
    try:
        wide = np.asarray(value, dtype=np.float64)
    except OverflowError:
        return False
    with np.errstate(over="ignore"):
        narrow = wide.astype(np.float32)
    if (narrow == wide).all() or not np.isfinite(narrow).all():
        return bool((narrow == wide).all())
    short = np.asarray(orjson.loads(orjson.dumps(narrow, option=orjson.OPT_SERIALIZE_NUMPY)))
    return bool(((narrow == wide) | (short == wide)).all())
