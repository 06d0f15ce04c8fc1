"""Format: what the collection asks of a kind of file; parts of a folder are all of one."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from limosa.model.point import Point, PointVector, VectorSpec
from limosa.stores.files.shape import Shape

__all__ = ["Format", "Scanned"]


@dataclass(frozen=True, slots=True)
class Scanned:
    """Some rows of a part, for a search.

    Attributes:
        vectors: those of one name; rows without it are left out.
        places: of their rows.
        key: the id of the row at an index of ``vectors``.
    """

    vectors: Sequence[PointVector]
    places: NDArray[np.int64]
    key: Callable[[int], str]


class Format(Protocol):
    """Reads and makes parts; calls come one at a time. A place is what the format finds a row by."""

    suffixes: tuple[str, ...]

    def survey(self, paths: Sequence[Path], specs: Mapping[str, VectorSpec] | None) -> Shape:
        """What is in these parts, of which there is one at least; reads only what it must to know.

        Args:
            specs: what the marker of the folder says; None where it has none.

        Raises:
            Refused: something in them cannot be carried as it is; says what, and where.
        """
        ...

    def keys(self, path: Path, shape: Shape) -> Iterator[tuple[Sequence[str], Sequence[int]]]:
        """Ids and places of every row, in order, piece by piece."""
        ...

    def points(self, path: Path, places: Sequence[int], shape: Shape) -> list[Point]:
        """The points at these places, which ascend."""
        ...

    def scan(self, path: Path, name: str, shape: Shape) -> Iterator[Scanned]:
        """Every row with the vector of this name, piece by piece."""
        ...

    def save(self, path: Path, points: Sequence[Point], shape: Shape) -> list[int]:
        """Makes a part of points; answers their places."""
        ...

    def change(self, path: Path, old: Sequence[Path], changed: Mapping[int, Point | None], shape: Shape) -> list[int]:
        """Makes one part of old ones; answers all places.

        Args:
            changed: places of the old one, where it is one only, that get another point or none.
        """
        ...

    def forget(self) -> None:
        """Closes what is open: parts may be others now."""
        ...
