"""The contract of a collection, for limosa's own adapters and for those of third parties.

A test that covers an adapter calls ``check_collection(open)`` with a function that opens a collection which is not
there yet; it is made, filled, changed and taken away. The first promise of the port that does not hold is raised as an
AssertionError that says which.
"""

from __future__ import annotations

import math
import re
import uuid
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace

import numpy as np

from limosa.errors import Refused
from limosa.model.batch import Key
from limosa.model.identity import taken
from limosa.model.point import Collected, Holds, Json, Point, PointVector, Scalar, Sparse, VectorSpec
from limosa.ports.collection import Collection
from limosa.stores.crossing.equality import same

__all__ = ["PAYLOADS", "POINTS", "check_collection", "points_for", "specs_for"]

POINTS = 60
"""Points that are written: enough for several pages."""

_D = 8

PAYLOADS: tuple[dict[str, Json], ...] = (
    {"content": "text ü 中 😀 '\"\\ \n\t", "empty": "", "stars": 5, "score": 1.25, "flag": True, "large": 2**53 + 1},
    {"content": None, "author": {"name": "a", "age": None, "tags": ["a", 1, None, {"deep": [1.5, False, [], {}]}]}},
    {},
    {"content": "", "list": [], "object": {}, "mixed": [1, "1", 1.5, True], "numbers": [1, 2], "texts": ["a", "b"]},
    {"content": 7, "stars": "five", "a key.with dots": 1, "$dollar": {"a.b": 1}, "ключ": "значение", " ": "space"},
    {
        "content": "negative",
        "stars": -(2**63),
        "score": -1e-300,
        "large": 2**63 - 1,
        "text": "null",
        "json": '{"a": 1}',
    },
)
"""Payloads whose fields are of every kind, here one and there another."""

_WHERE: tuple[dict[str, Scalar], ...] = (
    {"content": "negative"},
    {"stars": 5},
    {"stars": "five"},
    {"stars": -(2**63)},
    {"large": 2**53 + 1},
    {"flag": True},
    {"text": "null"},
    {"author.name": "a"},
    {"ключ": "значение"},
    {"stars": 5, "flag": True},
    {"stars": 5, "flag": False},
    {"nobody has it": 1},
)
"""Filters of which each finds the points of one of these payloads, or none."""


def check_collection(open_: Callable[[], Collection]) -> None:
    """Checks everything that the port promises and that can be seen from outside.

    Args:
        open_: opens one collection, which is not there when this begins, nor when it ends; called several times,
            each time after what it gave before was closed.

    Raises:
        AssertionError: a promise does not hold; the message says which.
    """
    found = open_()
    try:
        _check_absent(found)
        wanted = Collected(points=0, ids="text", vectors=specs_for(found.holds))
        _check_made(found, wanted)
        points = points_for(found.holds)
        _check_written(found, points, wanted)
        _check_pages(found, points)
        _check_near(found, points)
        _check_filtered(found, points)
    finally:
        found.close()
        found.close()
    found = open_()
    try:
        _check_kept(found, points, wanted)
        _check_changed(found, points, wanted)
        found.drop()
        _expect(not found.stands(), "what was dropped is gone")
        _check_absent(found)
    finally:
        found.close()


def specs_for(holds: Holds) -> dict[str, VectorSpec]:
    """Vectors that a store can hold: as many of every kind as it can."""
    metric = "cosine" if "cosine" in holds.metrics else sorted(holds.metrics)[0]
    if not holds.several:
        return {"": VectorSpec(name="", dimensions=_D, metric=metric, m=8, ef_construction=40)}
    dense = [VectorSpec(name=name, dimensions=_D + i, metric=metric) for i, name in enumerate(("title", "body"))]
    other = [VectorSpec(name=kind, kind=kind) for kind in sorted(holds.kinds - {"dense", "multi"})]
    multi = [VectorSpec(name="many", kind="multi", dimensions=4, metric=metric)] if "multi" in holds.kinds else []
    return {each.name: each for each in (*dense, *other, *multi)}


def points_for(holds: Holds, count: int = POINTS) -> list[Point]:
    """Points with ids, payloads and vectors of every kind that a store can hold; some lack a vector where they may."""
    rng = np.random.default_rng(11)
    specs = specs_for(holds)
    made = []
    for number, key in enumerate(_keys(holds, count)):
        vectors = {name: _vector(rng, each) for name, each in specs.items()}
        if holds.bare and number % 10 == 3:
            vectors.pop(next(iter(vectors)))
        made.append(Point(key=key, vectors=vectors, payload=PAYLOADS[number % len(PAYLOADS)]))
    return made


def _keys(holds: Holds, count: int) -> list[Key]:
    if "text" in holds.ids:
        texts = ["a", "B", "1", "10", "9", "ä ö/ü", "with space", "quote'\"", "x" * 200, str(uuid.UUID(int=5)), "中"]
        texts += [f"id-{number}" for number in range(count - len(texts))]
        return [(text,) for text in texts]
    numbers = [str(7 * number + 1) for number in range(count)]
    if "uint64" in holds.ids:
        numbers[3], numbers[4] = str(2**64 - 1), str(2**63)
    if "mixed" in holds.ids:
        numbers[10:30] = [str(uuid.uuid5(uuid.NAMESPACE_URL, number)) for number in numbers[10:30]]
    return [(number,) for number in numbers]


def _vector(rng: np.random.Generator, spec: VectorSpec) -> PointVector:
    if spec.kind == "sparse":
        positions = np.sort(rng.choice(30_000, size=5, replace=False)).astype(np.uint32)
        # Weights of sparse models are positive, and not every store takes others.
        return Sparse(positions, np.abs(rng.normal(size=5)).astype(np.float32))
    shape = (_D if spec.dimensions is None else spec.dimensions,)
    return rng.normal(size=(3, *shape) if spec.kind == "multi" else shape).astype(np.float32)


def _check_absent(found: Collection) -> None:
    _expect(not found.stands(), "a collection that is not there does not stand")
    found.drop()
    try:
        found.describe()
    except Refused:
        return
    raise AssertionError("a collection that is not there refuses to describe itself")


def _check_made(found: Collection, wanted: Collected) -> None:
    for _ in range(2):
        found.make(wanted)
        _expect(found.stands(), "what was made stands")
    told = found.describe()
    _expect(told.points == 0 and found.read(None, 5) == [], "what was made is empty")
    _expect(told.ids in found.holds.ids, "an empty collection tells a kind of id that it can hold")
    _expect(told.vectors.keys() == wanted.vectors.keys(), "it has the vectors that were wanted, by name")
    for name, spec in wanted.vectors.items():
        of = told.vectors[name]
        _expect(of.kind == spec.kind and of.dimensions == spec.dimensions, f"{name!r} is of the kind and size wanted")
        _expect(spec.kind == "sparse" or of.metric == spec.metric, f"{name!r} has the metric that was wanted")


def _check_written(found: Collection, points: Sequence[Point], wanted: Collected) -> None:
    for _ in range(2):
        _expect(found.write(points) == [], "every point that it can hold is written")
        _expect(found.describe().points == len(points), "a point that is written again is there once")
    _check_equal(found, points)
    _expect(found.write([]) == [] and found.fetch([]) == [], "nothing is written, and nothing is asked for")
    found.erase([])
    strange = "no id of any kind " + "x" * 20
    if "text" not in found.holds.ids:
        bad = replace(points[0], key=(strange,))
        told = found.write([bad, points[1]])
        _expect(
            [place for place, why in told if why] == [0], "an id that it cannot hold is told by position and reason"
        )
    _expect(found.fetch([(strange,)]) == [], "an id that is not there, or could not be, is left out")
    if not found.holds.bare:
        told = found.write([replace(points[0], key=("without",), vectors={}), points[1]])
        _expect([place for place, why in told if why] == [0], "a point that lacks its vector is told")
    _expect(found.describe().points == len(points), "what was refused is not there")
    name, spec = next((name, spec) for name, spec in wanted.vectors.items() if spec.kind == "dense")
    long = replace(points[0], vectors={**points[0].vectors, name: np.ones((spec.dimensions or 0) + 1, np.float32)})
    told = found.write([long, points[1]])
    _expect([place for place, why in told if why] == [0], "a vector of another size is told by position and reason")
    _check_equal(found, points)


def _check_equal(found: Collection, points: Sequence[Point]) -> None:
    unit = frozenset(name for name, spec in found.describe().vectors.items() if spec.unit)
    kept = {each.key: each for each in found.fetch([each.key for each in points])}
    _expect(len(kept) == len(points), "every point is fetched once")
    for each in points:
        vectors, payload = same(each, kept[each.key], unit=unit)
        _expect(vectors, f"the vectors of {each.key[0]!r} come back as they went")
        _expect(payload, f"the payload of {each.key[0]!r} comes back as it went: {kept[each.key].payload}")


def _check_pages(found: Collection, points: Sequence[Point]) -> None:
    whole = found.read(None, len(points) + 1)
    keys = [each.key for each in whole]
    _expect(sorted(keys) == sorted(each.key for each in points), "reading finds every point once")
    _expect(keys == sorted(keys, key=found.order), "reading goes in the order that the store tells")
    for limit in (1, 7, len(points)):
        seen: list[Key] = []
        after: Key | None = None
        while page := found.read(after, limit, bare=limit == 7):
            _expect(len(page) == limit or not found.read(page[-1].key, 1), "only the last page is short")
            seen += [each.key for each in page]
            after = page[-1].key
        _expect(seen == keys, f"pages of {limit} tell the same")
    bare = found.read(None, 5, bare=True) + found.fetch(keys[:5], bare=True)
    _expect(all(not each.vectors and not each.payload for each in bare), "what is bare is without payload and vectors")
    last = found.last()
    _expect(last is not None and found.order(last) >= found.order(keys[-1]), "nothing is behind the last id")
    with ThreadPoolExecutor(4) as pool:
        read = list(pool.map(lambda key: [each.key for each in found.read(key, 3, bare=True)], keys))
    _expect(all(read[i] == keys[i + 1 : i + 4] for i in range(len(keys))), "threads read it together")


def _check_near(found: Collection, points: Sequence[Point]) -> None:
    name = next(name for name, spec in found.describe().vectors.items() if spec.kind == "dense")
    mine = next(each for each in points if name in each.vectors)
    vector = mine.vectors[name]
    assert isinstance(vector, np.ndarray)  # noqa: S101 - it is a dense one
    near = found.nearest(name, vector, 5)
    _expect(len(near) == 5 and all(math.isfinite(score) for _, score in near), "k neighbours are found, with a score")
    if found.describe().vectors[name].metric != "ip":
        _expect(near[0][0] == mine.key, "a vector's nearest is its own point")


def _check_filtered(found: Collection, points: Sequence[Point]) -> None:
    name = next(name for name, spec in found.describe().vectors.items() if spec.kind == "dense")
    vector = next(each.vectors[name] for each in points if name in each.vectors)
    assert isinstance(vector, np.ndarray)  # noqa: S101 - it is a dense one
    whole = [key for key, _ in found.nearest(name, vector, len(points))]
    for where in _WHERE:
        if not all(re.fullmatch(found.holds.filters, field) for field in where):
            continue
        meant = {each.key for each in points if all(_equal(each, *part) for part in where.items())}
        wanted = [key for key in whole if key in meant]
        near = [key for key, _ in found.nearest(name, vector, len(points), where=where)]
        _expect(near == wanted, f"a search filtered by {where} gives the nearest of these points, and no other: {near}")
        few = [key for key, _ in found.nearest(name, vector, 3, where=where)]
        _expect(few == wanted[:3], f"a search filtered by {where} gives k of them where there are so many")


def _equal(point: Point, field: str, value: Scalar) -> bool:
    found = taken(point.payload, field)[1]
    return type(found) is type(value) and found == value


def _check_kept(found: Collection, points: Sequence[Point], wanted: Collected) -> None:
    _expect(
        found.stands() and found.describe().points == len(points), "what was written is there when it is opened again"
    )
    _expect(found.describe().vectors.keys() == wanted.vectors.keys(), "so are its vectors' names")
    _check_equal(found, points)


def _check_changed(found: Collection, points: Sequence[Point], wanted: Collected) -> None:
    other = {each.key: points[-1 - i] for i, each in enumerate(points[:5])}
    changed = [Point(key=key, vectors=each.vectors, payload=each.payload) for key, each in other.items()]
    _expect(found.write(changed) == [], "points are written in the place of others")
    gone = [each.key for each in points[5:9]]
    for _ in range(2):
        found.erase([*gone, ("404",)])
    now = [*changed, *points[9:]]
    _expect(found.describe().points == len(now), "what was erased is gone")
    _expect(not found.fetch(gone), "what was erased is not fetched")
    _check_equal(found, now)
    _check_pages(found, now)
    found.erase([each.key for each in now])
    _expect(found.describe().points == 0 and found.read(None, 3) == [], "all can be erased")


def _expect(holds: bool, promise: str) -> None:
    if not holds:
        raise AssertionError(f"broken promise: {promise}")
