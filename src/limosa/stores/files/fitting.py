"""What of a point a folder cannot take, said of each by its place in the batch."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np

from limosa.model.point import Point, PointVector, Sparse, VectorSpec
from limosa.stores.files.texts import payload_text, writable

__all__ = ["unfit"]


def unfit(points: Sequence[Point], specs: Mapping[str, VectorSpec], *, finite: bool) -> dict[int, str]:
    """Why points are not taken, by position.

    Args:
        finite: the format has no NaN and no infinity.
    """
    said = ((place, _why(each, specs, finite=finite)) for place, each in enumerate(points))
    return {place: why for place, why in said if why}


def _why(point: Point, specs: Mapping[str, VectorSpec], *, finite: bool) -> str:
    if len(point.key) != 1 or not writable(point.key[0]):
        return "its id is no text of UTF-8"
    try:
        payload_text(point.payload)
    except (TypeError, ValueError, RecursionError) as error:
        return f"its payload is no JSON: {error}"
    said = (_why_not(name, each, specs, finite=finite) for name, each in point.vectors.items())
    return next((why for why in said if why), "")


def _why_not(name: str, found: PointVector, specs: Mapping[str, VectorSpec], *, finite: bool) -> str:
    spec = specs.get(name)
    shown = f"its vector {name}" if name else "its vector"
    if spec is None:
        return f"{shown} is none of the collection's"
    numbers = found.values if isinstance(found, Sparse) else found
    if finite and not np.isfinite(numbers).all():
        return f"{shown} has numbers that JSON has not (NaN or infinite)"
    if isinstance(found, Sparse):
        fits = found.positions.shape == found.values.shape and found.values.ndim == 1
        return "" if spec.kind == "sparse" and fits else f"{shown} is sparse, or has more positions than values"
    axes = {"dense": 1, "multi": 2}.get(spec.kind)
    if axes != found.ndim or (spec.dimensions is not None and found.shape[-1] != spec.dimensions):
        return f"{shown} has the shape {found.shape}, and should be {spec.kind} of {spec.dimensions} dimensions"
    return ""
