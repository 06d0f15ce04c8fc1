"""Parts of JSON lines as points, and points as parts: one object a line, found by the byte at which it begins."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from itertools import islice
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np
import orjson

from limosa.errors import Refused
from limosa.model.batch import Vectors
from limosa.model.point import Point, PointVector, Sparse, VectorSpec
from limosa.stores.files.fields import surveyed
from limosa.stores.files.format import Scanned
from limosa.stores.files.shape import ID, PAYLOAD, Shape
from limosa.stores.files.texts import payload_text

__all__ = ["LinesFormat"]

_PIECE = 1000
"""Lines that are told together."""

_LARGE = 1 << 63
"""From here on the fast reader may have made a rounded number of a whole one."""

_VECTORS = "vectors"


class LinesFormat:
    """Places are bytes."""

    suffixes: tuple[str, ...] = (".jsonl", ".ndjson")

    def survey(self, paths: Sequence[Path], specs: Mapping[str, VectorSpec] | None) -> Shape:
        """What is in these parts; where limosa did not write them, every line is read."""
        if specs is None:
            return surveyed(((path, number, found) for path in paths for number, _, found in _objects(path)))
        # All vectors of a point are in one field; each under its own name.
        return Shape(ours=True, id=ID, vectors={name: name for name in specs}, specs=specs)

    def keys(self, path: Path, shape: Shape) -> Iterator[tuple[Sequence[str], Sequence[int]]]:
        """Ids, and where their lines begin."""
        keys: list[str] = []
        places: list[int] = []
        for number, place, found in _objects(path):
            keys.append(_key(found, path, number, shape))
            places.append(place)
            if len(keys) == _PIECE:
                yield keys, places
                keys, places = [], []
        yield keys, places

    def points(self, path: Path, places: Sequence[int], shape: Shape) -> list[Point]:
        """The points of these lines."""
        with path.open("rb") as file:
            return [_told(_line(file, place), shape) for place in places]

    def scan(self, path: Path, name: str, shape: Shape) -> Iterator[Scanned]:
        """Every line with this vector."""
        told = ((place, _point(found, shape)) for _, place, found in _objects(path))
        while found := list(islice(told, _PIECE)):
            rows = [(place, point) for place, point in found if name in point.vectors]
            yield Scanned(
                [point.vectors[name] for _, point in rows],
                np.asarray([place for place, _ in rows], dtype=np.int64),
                lambda i, rows=rows: rows[i][1].key[0],  # type: ignore[misc]
            )

    def save(self, path: Path, points: Sequence[Point], shape: Shape) -> list[int]:
        """Makes a part of points."""
        return _saved(path, (_text(each) for each in points))

    def change(self, path: Path, old: Sequence[Path], changed: Mapping[int, Point | None], shape: Shape) -> list[int]:
        """Makes one part of old ones, with some lines replaced or left out."""
        return _saved(path, (line for each in old for line in _changed(each, changed)))

    def forget(self) -> None:
        """Nothing is kept open."""


def _changed(old: Path, changed: Mapping[int, Point | None]) -> Iterator[bytes]:
    for place, line in _lines(old):
        point = changed.get(place)
        if point is not None:
            yield _text(point)
        elif place not in changed:
            yield line


def _saved(path: Path, lines: Iterator[bytes]) -> list[int]:
    places, at = [], 0
    with path.open("wb") as file:
        for line in lines:
            places.append(at)
            at += file.write(line)
    return places


def _lines(path: Path) -> Iterator[tuple[int, bytes]]:
    """Lines that are not blank, and the bytes at which they begin; each ends in a line feed."""
    at = 0
    with path.open("rb") as file:
        for line in file:
            if line.strip():
                yield at, line if line.endswith(b"\n") else line + b"\n"
            at += len(line)


def _line(file: BinaryIO, place: int) -> bytes:
    if file.tell() != place:
        file.seek(place)
    return file.readline()


def _objects(path: Path) -> Iterator[tuple[int, int, dict[str, Any]]]:
    """Every object: the number of its line, counted from 1, the byte where it begins, and what it is.

    Raises:
        Refused: a line is none; with its file and number.
    """
    at = 0
    with path.open("rb") as file:
        for number, line in enumerate(file, 1):
            if line.strip():
                try:
                    found = _loaded(line)
                except ValueError as error:
                    raise _broken(path, number, "is no JSON") from error
                if not isinstance(found, dict):
                    raise _broken(path, number, "is no object")
                yield number, at, found
            at += len(line)


def _loaded(line: bytes) -> Any:
    try:
        return orjson.loads(line)
    except orjson.JSONDecodeError:
        # NaN, and half of a surrogate pair: others write them, and Python reads them. Some begin a file with a mark.
        return json.loads(line.removeprefix(b"\xef\xbb\xbf"))


def _told(line: bytes, shape: Shape) -> Point:
    point = _point(_loaded(line), shape)
    return _point(json.loads(line), shape) if _large(point.payload) else point


def _large(value: Any) -> bool:
    if isinstance(value, dict):
        return any(map(_large, value.values()))
    return any(map(_large, value)) if isinstance(value, list) else isinstance(value, float) and abs(value) >= _LARGE


def _broken(path: Path, number: int, what: str) -> Refused:
    return Refused(
        f"Line {number} of {path.name} {what}.",
        needed="One object of JSON in each line.",
        do="Mend the line, or take it out; nothing was read past it.",
    )


def _key(found: Mapping[str, Any], path: Path, number: int, shape: Shape) -> str:
    key = found.get(shape.id)
    if isinstance(key, bool) or not isinstance(key, str | int):
        raise _broken(path, number, f"has no {shape.id} that is a text or a whole number")
    if shape.ours and not (isinstance(found.get(_VECTORS), dict) and isinstance(found.get(PAYLOAD), dict)):
        raise _broken(path, number, "is not as limosa writes it")
    return str(key)


def _point(found: dict[str, Any], shape: Shape) -> Point:
    key = (str(found[shape.id]),)
    if shape.ours:
        vectors = {name: _vector(each, shape.specs[name]) for name, each in found[_VECTORS].items()}
        return Point(key=key, vectors=vectors, payload=found[PAYLOAD])
    columns = {field: name for name, field in shape.vectors.items()}
    return Point(
        key=key,
        vectors={
            name: _vector(found[field], shape.specs[name])
            for field, name in columns.items()
            if found.get(field) is not None
        },
        payload={field: each for field, each in found.items() if field != shape.id and field not in columns},
    )


def _vector(found: Any, spec: VectorSpec) -> PointVector:
    if spec.kind == "sparse":
        return Sparse(np.asarray(found["positions"], dtype=np.uint32), np.asarray(found["values"], dtype=np.float32))
    made = np.asarray(found, dtype=np.float32)
    return made.reshape(-1, spec.dimensions or 1) if spec.kind == "multi" else made


def _text(point: Point) -> bytes:
    key = json.dumps(point.key[0], ensure_ascii=False).encode()
    vectors = b",".join(
        json.dumps(name, ensure_ascii=False).encode() + b":" + _numbers(each) for name, each in point.vectors.items()
    )
    payload = payload_text(point.payload).encode()
    return b'{"id":%b,"vectors":{%b},"payload":%b}\n' % (key, vectors, payload)


def _numbers(found: PointVector) -> bytes:
    if isinstance(found, Sparse):
        positions = orjson.dumps(found.positions.tolist())
        return b'{"positions":%b,"values":%b}' % (positions, _exact(found.values))
    return _exact(found)


def _exact(found: Vectors) -> bytes:
    """The shortest digits that are read as the same float32; those of float64 where a reader of float64 would err."""
    text = orjson.dumps(np.ascontiguousarray(found), option=orjson.OPT_SERIALIZE_NUMPY)
    read = np.asarray(orjson.loads(text), dtype=np.float32).reshape(found.shape)
    return text if read.tobytes() == found.tobytes() else orjson.dumps(found.tolist())
