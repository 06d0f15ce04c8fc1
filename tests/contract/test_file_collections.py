"""The port of collections on folders of files: what limosa writes, and what a crash leaves of it."""

from __future__ import annotations

import contextlib
import fcntl
import json
import os
import tempfile
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow.parquet as pq
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from limosa.errors import Refused
from limosa.model.batch import Vectors
from limosa.model.point import Collected, Point, Sparse, VectorSpec
from limosa.stores.crossing.equality import same
from limosa.stores.files.collection import FileCollection
from limosa.stores.files.folder import Part
from limosa.stores.files.open import open_collection
from limosa.stores.files.parts import MERGED_BYTES, SMALL_PARTS, run_of
from limosa.testing.collections import check_collection, points_for, specs_for

KINDS = ("parquet", "arrow", "jsonl")
D = 4


@pytest.fixture(params=KINDS)
def kind(request: pytest.FixtureRequest) -> str:
    return str(request.param)


@contextlib.contextmanager
def opened(kind: str, folder: Path, name: str = "points") -> Iterator[FileCollection]:
    with contextlib.closing(open_collection(f"{kind}://{folder}", name)) as found:
        yield found


def made(found: FileCollection) -> FileCollection:
    found.make(Collected(points=0, ids="text", vectors={"": VectorSpec(name="", dimensions=D, metric="l2", m=9)}))
    return found


def point(key: int | str, number: float = 0, **payload: Any) -> Point:
    return Point(key=(str(key),), vectors={"": np.full(D, number, dtype=np.float32)}, payload=payload)


def number_of(found: Point) -> float:
    vector = found.vectors[""]
    assert isinstance(vector, np.ndarray)
    return float(vector[0])


def all_of(found: FileCollection) -> dict[str, float]:
    return {each.key[0]: number_of(each) for each in found.read(None, 100_000)}


def parts(folder: Path) -> list[str]:
    return sorted(each.name for each in (folder / "points").iterdir() if each.name[0] != "." and "part" in each.name)


def test_it_keeps_what_the_port_promises(kind: str, tmp_path: Path) -> None:
    check_collection(lambda: open_collection(f"{kind}://{tmp_path}", "points"))


def test_vectors_of_every_metric_say_what_they_were_made_for(kind: str, tmp_path: Path) -> None:
    for metric, wanted in (("cosine", "b"), ("l2", "a"), ("ip", "b"), ("l1", "a")):
        with opened(kind, tmp_path, metric) as found:
            spec = VectorSpec(name="x", dimensions=D, metric=metric, m=7, ef_construction=70)  # type: ignore[arg-type]
            found.make(Collected(points=0, ids="text", vectors={"x": spec}))
            near = np.asarray([1, 1, 1, 0.5], dtype=np.float32)
            rows = {"a": near + np.float32(0.25), "b": near * 9}
            assert not found.write([Point(key=(key,), vectors={"x": row}, payload={}) for key, row in rows.items()])
            best = found.nearest("x", near, 2)
            assert [key for (key,), _ in best] == sorted(rows, key=lambda key: key != wanted)
            assert best[0][1] >= best[1][1]
            assert found.describe().vectors == {"x": spec}


def test_a_point_that_is_written_again_keeps_its_place(kind: str, tmp_path: Path) -> None:
    with opened(kind, tmp_path) as found:
        made(found).write([point(i, i) for i in range(10)])
        found.write([point(i, i) for i in range(10, 20)])
        found.write([point(3, 33), point(15, 55), point(3, 333), point(20, 20)])
        wanted = {str(i): float(i) for i in range(21)} | {"3": 333.0, "15": 55.0}
        assert list(all_of(found).items()) == list(wanted.items())
    with opened(kind, tmp_path) as found:
        assert list(all_of(found).items()) == list(wanted.items())


def test_reading_goes_on_behind_an_id_that_was_taken_away(kind: str, tmp_path: Path) -> None:
    with opened(kind, tmp_path) as found:
        made(found).write([point(i) for i in range(10)])
        found.erase([("4",), ("9",)])
        assert [each.key[0] for each in found.read(("4",), 3)] == ["5", "6", "7"]
        assert found.read(("9",), 3) == []
        assert found.order(("3",)) < found.order(("4",)) < found.order(("5",)) < found.order(("never",))
        with pytest.raises(Refused, match="in no file"):
            found.read(("never",), 1)
        found.erase([(str(i),) for i in range(10)])
        assert parts(tmp_path) == []
        found.write([point("new")])
        assert found.order(("4",)) < found.order(("new",))


def test_many_small_parts_become_one(kind: str, tmp_path: Path) -> None:
    with opened(kind, tmp_path) as found:
        made(found)
        wanted: dict[str, float] = {}
        for i in range(2 * SMALL_PARTS + 10):
            assert not found.write([point(i, i), point(f"x{i}", -i)])
            wanted |= {str(i): float(i), f"x{i}": float(-i)}
            if i == 20:
                found.erase([("7",)])
                del wanted["7"]
        assert len(parts(tmp_path)) <= SMALL_PARTS
        assert list(all_of(found).items()) == list(wanted.items())
        assert found.read(("7",), 1)[0].key == ("x7",)
    (tmp_path / "points" / ".limosa-index.sqlite").unlink()
    with opened(kind, tmp_path) as found:
        assert list(all_of(found).items()) == list(wanted.items())
        assert found.describe().points == len(wanted)


def test_parts_are_merged_to_bounded_ones_and_each_row_a_few_times() -> None:
    def after(size: int, writes: int) -> tuple[list[int], int]:
        sizes: list[int] = []
        written = 0
        for _ in range(writes):
            sizes.append(size)
            run = run_of([Part(f"{i:08d}", each, 0, 0) for i, each in enumerate(sizes)])
            if run:
                first = int(run[0].name)
                written += sum(each.size for each in run)
                sizes[first : first + len(run)] = [sum(each.size for each in run)]
        return sizes, written

    for size, times in ((6_000, 6), (1_500_000, 1), (40_000_000, 0)):
        sizes, written = after(size, 3000)
        assert max(sizes) <= MERGED_BYTES
        assert written <= times * 3000 * size
        assert len([each for each in sizes if each <= MERGED_BYTES // 2]) <= 3 * SMALL_PARTS
    assert not run_of([])


def test_of_two_parts_that_a_crash_left_the_later_counts_until_the_next_write_removes_the_rest(
    kind: str, tmp_path: Path
) -> None:
    with opened(kind, tmp_path) as found:
        made(found).write([point(i, i) for i in range(6)])
    with opened(kind, tmp_path, "other") as other:
        made(other).write([point(i, 10 + i) for i in range(4, 8)])
    [first] = parts(tmp_path)
    [second] = [each for each in (tmp_path / "other").iterdir() if each.name.startswith("part")]
    second.rename(tmp_path / "points" / first.replace("1.", "2."))
    (tmp_path / "points" / ".limosa-new-part-00000003").write_bytes(b"half of a part")
    wanted = {str(i): float(i) for i in range(4)} | {str(i): 10.0 + i for i in range(4, 8)}
    with opened(kind, tmp_path) as found:
        assert found.describe().points == 8
        assert all_of(found) == wanted
        assert [key for key, _ in found.nearest("", np.full(D, 4, dtype=np.float32), 3)] == [("3",), ("2",), ("1",)]
        # Without its last row the part that hid the earlier one must not show it again.
        found.erase([("5",)])
        assert not list((tmp_path / "points").glob(".limosa-new*"))
    (tmp_path / "points" / ".limosa-index.sqlite").unlink()
    with opened(kind, tmp_path) as found:
        del wanted["5"]
        assert all_of(found) == wanted


def test_an_index_of_other_files_is_made_anew(kind: str, tmp_path: Path) -> None:
    with opened(kind, tmp_path) as found, opened(kind, tmp_path) as beside:
        made(found).write([point(i) for i in range(5)])
        assert len(all_of(beside)) == 5
        beside.write([point(i, 1) for i in range(3, 8)])
        assert all_of(found) == all_of(beside)
        assert found.describe().points == 8
    index = tmp_path / "points" / ".limosa-index.sqlite"
    index.write_bytes(b"no database" * 1000)
    with opened(kind, tmp_path) as found:
        assert found.describe().points == 8
        (tmp_path / "points" / parts(tmp_path)[1]).unlink()
        assert list(all_of(found)) == ["0", "1", "2", "3", "4"]


def test_a_writer_waits_for_another_process(kind: str, tmp_path: Path) -> None:
    with opened(kind, tmp_path) as found:
        made(found).write([point(1)])
        handle = os.open(tmp_path / "points" / ".limosa-lock", os.O_RDWR)
        fcntl.flock(handle, fcntl.LOCK_EX)
        writing = threading.Thread(target=found.write, args=([point(2)],))
        writing.start()
        writing.join(0.2)
        assert writing.is_alive()
        assert len(parts(tmp_path)) == 1
        os.close(handle)
        writing.join(30)
        assert len(all_of(found)) == 2


def test_dropping_leaves_what_is_not_the_collections(kind: str, tmp_path: Path) -> None:
    with opened(kind, tmp_path) as found:
        made(found).write([point(1)])
        (tmp_path / "points" / "README.md").write_text("mine")
        found.drop()
        assert [each.name for each in (tmp_path / "points").iterdir()] == ["README.md"]
        assert not found.stands()
        with pytest.raises(Refused, match="no collection"):
            found.describe()


def test_what_does_not_fit_is_told_and_the_rest_is_written(kind: str, tmp_path: Path) -> None:
    bad: Any = object()
    points = [
        point(1),
        Point(key=("2",), vectors={"other": np.zeros(D, dtype=np.float32)}, payload={}),
        Point(key=("3",), vectors={"": Sparse(np.zeros(1, np.uint32), np.zeros(1, np.float32))}, payload={}),
        point(4, what=bad),
        point("\ud800"),
        point(5, nan=[float("nan")]),
        Point(key=("6",), vectors={}, payload={"half": "\ud800", "large": 2**70 + 1, "none": None}),
        Point(key=("7",), vectors={"": np.full(D, np.nan, dtype=np.float32)}, payload={}),
    ]
    with opened(kind, tmp_path) as found:
        told = dict(made(found).write(points))
        assert sorted(told) == ([1, 2, 3, 4, 5, 7] if kind == "jsonl" else [1, 2, 3, 4, 5])
        assert all(told.values())
        [kept] = found.fetch([("6",)])
        assert kept.payload == points[6].payload


_NUMBERS = st.floats(width=32, allow_nan=False, allow_infinity=False)
_JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
    max_leaves=8,
)


def _array(width: int) -> st.SearchStrategy[Vectors]:
    return st.lists(_NUMBERS, min_size=width, max_size=width).map(lambda found: np.asarray(found, dtype=np.float32))


_SPARSE = st.dictionaries(st.integers(0, 2**32 - 1), _NUMBERS, max_size=4).map(
    lambda found: Sparse(
        np.asarray(sorted(found), dtype=np.uint32), np.asarray([found[i] for i in sorted(found)], dtype=np.float32)
    )
)
_MANY = st.lists(_array(3), max_size=3).map(lambda found: np.asarray(found, dtype=np.float32).reshape(-1, 3))
_VECTORS = st.fixed_dictionaries(
    {}, optional={"": _array(2), "id": _array(5), "s": _SPARSE, "m": _MANY, "ü": _array(1)}
)
_POINTS = st.dictionaries(
    st.text(st.characters(codec="utf-8"), max_size=40),
    st.tuples(_VECTORS, st.dictionaries(st.text(max_size=5), _JSON, max_size=4)),
    max_size=6,
)
_SPECS = {
    "": VectorSpec(name="", dimensions=2),
    "id": VectorSpec(name="id", dimensions=5),
    "s": VectorSpec(name="s", kind="sparse", metric="ip"),
    "m": VectorSpec(name="m", kind="multi", dimensions=3),
    "ü": VectorSpec(name="ü"),
}


@settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(first=_POINTS, second=_POINTS)
def test_any_point_comes_back_as_it_went(kind: str, first: dict[str, Any], second: dict[str, Any]) -> None:
    with tempfile.TemporaryDirectory() as folder, opened(kind, Path(folder)) as found:
        found.make(Collected(points=0, ids="text", vectors=_SPECS))
        for batch in (first, second):
            points = [Point(key=(key,), vectors=each[0], payload=each[1]) for key, each in batch.items()]
            assert found.write(points) == []
        wanted = first | second
        kept = found.read(None, 100)
        assert [each.key[0] for each in kept] == list(wanted)
        for each in kept:
            vectors, payload = wanted[each.key[0]]
            assert same(Point(key=each.key, vectors=vectors, payload=payload), each) == (True, True)


def test_every_float32_comes_back_bit_for_bit(kind: str, tmp_path: Path) -> None:
    bits = np.random.default_rng(3).integers(0, 2**32, 200_000, dtype=np.uint64).astype(np.uint32)
    edges = np.asarray([0, 2**31, 1, 2**31 + 1, 0x7F7FFFFF, 0x00800000, 0x007FFFFF], dtype=np.uint32)
    numbers = np.concatenate([edges, bits]).view(np.float32)
    numbers = numbers[np.isfinite(numbers)] if kind == "jsonl" else numbers
    with opened(kind, tmp_path) as found:
        found.make(Collected(points=0, ids="text", vectors={"": VectorSpec(name="", dimensions=len(numbers))}))
        assert not found.write([Point(key=("1",), vectors={"": numbers}, payload={})])
        [kept] = found.fetch([("1",)])
        vector = kept.vectors[""]
        assert isinstance(vector, np.ndarray)
        assert vector.tobytes() == numbers.tobytes()


def test_what_limosa_writes_can_be_read_by_others(tmp_path: Path) -> None:
    with opened("parquet", tmp_path) as found, opened("jsonl", tmp_path, "lines") as lines:
        points = points_for(found.holds)
        for one in (found, lines):
            one.make(Collected(points=0, ids="text", vectors=specs_for(found.holds)))
            one.write(points)
    table = pq.read_table(tmp_path / "points" / "part-00000001.parquet")
    rows = {row["id"]: row for row in table.to_pylist()}
    objects = [json.loads(line) for line in (tmp_path / "lines" / "part-00000001.jsonl").read_text().splitlines()]
    for each, read in zip(points, objects, strict=True):
        row = rows[each.key[0]]
        assert json.loads(row["payload"]) == each.payload == read["payload"]
        vector = each.vectors["body"]
        assert isinstance(vector, np.ndarray)
        assert row["vector_body"] == vector.tolist()
        assert np.asarray(read["vectors"]["body"], dtype=np.float32).tobytes() == vector.tobytes()
    assert json.loads(table.schema.metadata[b"limosa"])["format"] == 1
    # The parts alone are the collection too.
    (tmp_path / "points" / "limosa.json").unlink()
    with opened("parquet", tmp_path) as found:
        assert found.describe().vectors == specs_for(found.holds)
        assert found.describe().points == len(points)
