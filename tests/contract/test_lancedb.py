"""The port of collections on LanceDB's engine, and on tables that applications have made with its own package."""

from __future__ import annotations

import contextlib
import datetime
import decimal
import json
import re
from dataclasses import replace
from pathlib import Path
from typing import Any

import lancedb
import numpy as np
import pyarrow as pa
import pytest
from lancedb.pydantic import LanceModel, Vector

from limosa.errors import Refused
from limosa.model.batch import Vectors
from limosa.model.point import Collected, Point, Scalar, VectorSpec
from limosa.stores.crossing.equality import same
from limosa.stores.lancedb.collection import LanceCollection
from limosa.stores.lancedb.open import open_collection
from limosa.stores.lancedb.table import MERGE_EVERY
from limosa.testing.collections import check_collection

NAME = "memories"
D = 4


class Memory(LanceModel):
    """A table as LanceDB's documentation has one made."""

    id: int
    vector: Vector(D)  # type: ignore[valid-type]
    text: str
    tags: list[str] | None = None
    score: float = 1.0


def _opened(folder: Path) -> contextlib.closing[LanceCollection]:
    return contextlib.closing(open_collection(f"lancedb://{folder}", NAME, patience_s=0.2))


def _own(folder: Path) -> Any:
    return lancedb.connect(str(folder))


def _vectors(n: int) -> Vectors:
    return np.random.default_rng(5).normal(size=(n, D)).astype(np.float32)


def _made(folder: Path, *names: str) -> LanceCollection:
    found = open_collection(f"lancedb://{folder}", NAME, patience_s=0.2)
    specs = {name: VectorSpec(name=name, dimensions=D, metric="cosine") for name in names or ("",)}
    found.make(Collected(points=0, ids="text", vectors=specs))
    return found


def test_a_folder_keeps_what_the_port_promises(tmp_path: Path) -> None:
    check_collection(lambda: open_collection(f"lancedb://{tmp_path}/folder", NAME, patience_s=1))


def test_a_table_of_a_pydantic_model_is_read_and_written(tmp_path: Path) -> None:
    vectors = _vectors(3)
    numbers = (7, -3, 2**62 + 1)
    table = _own(tmp_path).create_table(NAME, schema=Memory)
    table.add(
        [
            Memory(id=each, vector=vector.tolist(), text=f"t{each}", tags=["a", "b"] if each > 0 else None)
            for each, vector in zip(numbers, vectors, strict=True)
        ]
    )
    with _opened(tmp_path) as found:
        told = found.describe()
        assert (told.points, told.ids) == (3, "text")
        assert told.vectors == {"": VectorSpec(name="", dimensions=D, metric="l2")}
        points = found.read(None, 10)
        assert [each.key[0] for each in points] == ["-3", "7", str(2**62 + 1)]
        assert [each.key for each in points] == sorted((each.key for each in points), key=found.order)
        assert found.last() == (str(2**62 + 1),)
        assert points[0].payload == {"text": "t-3", "tags": None, "score": 1.0}
        assert points[1].payload == {"text": "t7", "tags": ["a", "b"], "score": 1.0}
        assert np.array_equal(points[1].vectors[""], vectors[0])  # type: ignore[arg-type]
        changed = [
            replace(points[1], payload={"text": "new", "tags": [], "score": 0.5}),
            replace(points[0], key=("8",)),
        ]
        wrong = [replace(points[0], key=("x",)), replace(points[0], payload={"text": "t", "other": 1})]
        assert [place for place, _ in found.write([*changed, *wrong])] == [2, 3]
        assert [place for place, _ in found.write([replace(points[0], payload={"text": 5})])] == [0]
        # The table has a column for every field, and each row has each.
        [kept] = found.fetch([("7",), ("x",), ("08",), ("",)])
        assert same(kept, changed[0]) == (True, True)
        found.erase([("7",), ("x",)])
    assert sorted(_own(tmp_path).open_table(NAME).to_arrow()["id"].to_pylist()) == [-3, 8, 2**62 + 1]


TYPED = pa.schema(
    [
        pa.field("key", pa.string()),
        pa.field("title", pa.list_(pa.float32(), D)),
        pa.field("body", pa.list_(pa.float32(), 2)),
        pa.field("at", pa.timestamp("us", tz="UTC")),
        pa.field("day", pa.date32()),
        pa.field("price", pa.decimal128(12, 3)),
        pa.field("raw", pa.binary()),
        pa.field("meta", pa.struct([pa.field("lang", pa.string()), pa.field("n", pa.int32())])),
        pa.field("half", pa.list_(pa.float64(), 2)),
        pa.field("small", pa.float32()),
        pa.field("number", pa.int16()),
    ]
)


def test_typed_columns_come_and_go_as_they_are(tmp_path: Path) -> None:
    row = {
        "key": "it's",
        "title": [1.0, 2.0, 3.0, 4.0],
        "body": None,
        "at": datetime.datetime(2026, 5, 1, 12, 30, 1, 123456, tzinfo=datetime.UTC),
        "day": datetime.date(2026, 5, 1),
        "price": decimal.Decimal("12345.670"),
        "raw": b"\x00\xff",
        "meta": {"lang": "de", "n": None},
        "half": [0.1, 1e-300],
        "small": 0.5,
        "number": -3,
    }
    table = _own(tmp_path).create_table(NAME, data=pa.Table.from_pylist([row], schema=TYPED))
    before = table.to_arrow()
    with _opened(tmp_path) as found:
        assert {name: each.dimensions for name, each in found.describe().vectors.items()} == {"title": D, "body": 2}
        [point] = found.read(None, 5)
        assert list(point.vectors) == ["title"]
        assert json.loads(json.dumps(point.payload)) == {
            "at": "2026-05-01 12:30:01.123456Z",
            "day": "2026-05-01",
            "price": "12345.670",
            "raw": "AP8=",
            "meta": {"lang": "de", "n": None},
            "half": [0.1, 1e-300],
            "small": 0.5,
            "number": -3,
        }
        assert found.write([point]) == []
        for field, value in (("small", 0.1), ("number", 70_000), ("raw", "no base64"), ("day", "x"), ("number", True)):
            wrong = replace(point, key=("other",), payload={**point.payload, field: value})
            assert [place for place, _ in found.write([wrong, point])] == [0], field
    assert _own(tmp_path).open_table(NAME).to_arrow().equals(before)


@pytest.mark.parametrize(
    ("schema", "said"),
    [
        (pa.schema([("name", pa.string()), ("vector", pa.list_(pa.float32(), D))]), "it has name, vector"),
        (pa.schema([("id", pa.float64())]), "No column of the table can be the id"),
        (pa.schema([("id", pa.string()), ("took", pa.duration("s"))]), r"took \(duration\[s\]\)"),
    ],
)
def test_a_table_that_cannot_be_carried_is_refused_by_name(tmp_path: Path, schema: pa.Schema, said: str) -> None:
    _own(tmp_path).create_table(NAME, schema=schema)
    with _opened(tmp_path) as found:
        assert not found.holds.filters
        with pytest.raises(Refused, match=said):
            found.describe()


def test_two_rows_with_one_id_are_refused(tmp_path: Path) -> None:
    _own(tmp_path).create_table(NAME, data=pa.table({"id": ["a", "b", "a", None]}))
    with _opened(tmp_path) as found, pytest.raises(Refused, match="2 rows of the table have no id of their own, 1"):
        found.describe()


def test_of_two_points_with_one_id_the_last_is_written(tmp_path: Path) -> None:
    with contextlib.closing(_made(tmp_path)) as found:
        one = Point(key=("a",), vectors={"": _vectors(1)[0]}, payload={"n": 1})
        assert found.write([one, replace(one, payload={"n": 2})]) == []
        assert [each.payload for each in found.read(None, 5)] == [{"n": 2}]
        nan = replace(one, key=("b",), vectors={"": np.full(D, np.nan, np.float32)})
        assert [place for place, _ in found.write([nan])] == [0]


def test_what_others_write_is_seen(tmp_path: Path) -> None:
    vectors = _vectors(3)
    points = [Point(key=(each,), vectors={"": vectors[i]}, payload={}) for i, each in enumerate("abc")]
    with contextlib.closing(_made(tmp_path)) as found, _opened(tmp_path) as other:
        assert found.write(points) == []
        assert [each.key[0] for each in other.read(None, 5)] == ["a", "b", "c"]
        found.erase([("b",)])
        assert [each.key[0] for each in other.read(("a",), 5)] == ["c"]
        assert other.describe().points == 2
        assert other.describe().vectors[""].metric == "cosine"


def test_small_files_are_merged_and_no_version_is_cleared_away(tmp_path: Path) -> None:
    with contextlib.closing(_made(tmp_path)) as found:
        for number in range(MERGE_EVERY):
            found.write([Point(key=(f"{number:03}",), vectors={"": _vectors(1)[0]}, payload={"n": number})])
        assert [each.payload for each in found.read(None, 100)] == [{"n": number} for number in range(MERGE_EVERY)]
    table = _own(tmp_path).open_table(NAME)
    assert table.stats()["fragment_stats"]["num_fragments"] == 1
    assert len(table.list_versions()) > MERGE_EVERY


def test_names_of_vectors_come_back(tmp_path: Path) -> None:
    names = ("", "id", "payload", "a b", "ü", "vector", "plain")
    vectors = _vectors(len(names))
    point = Point(key=("a",), vectors=dict(zip(names, vectors, strict=True)), payload={})
    with contextlib.closing(_made(tmp_path, *names)) as found:
        assert found.write([point]) == []
        assert set(found.describe().vectors) == set(names)
        assert same(found.fetch([("a",)])[0], point) == (True, True)
        assert found.nearest("a b", vectors[3], 1)[0][0] == ("a",)


def test_rows_are_filtered_by_the_columns_of_an_own_table(tmp_path: Path) -> None:
    with contextlib.closing(_made(tmp_path / "made")) as made:
        # The payload of a table of limosa's own is one JSON text.
        assert not made.holds.filters
    rows = [
        {
            "id": i,
            "vector": vector,
            "Kind": f"k'{i % 2}",
            "seen": i < 2,
            "at": {"page": i},
            "day": datetime.date(2026, 1, 1),
        }
        for i, vector in enumerate(_vectors(4))
    ]
    _own(tmp_path).create_table(NAME, rows)
    with _opened(tmp_path) as found:
        names = ["Kind", "seen", "at.page", "day", "at", "id", "nobody"]
        assert [bool(re.fullmatch(found.holds.filters, name)) for name in names] == [True] * 3 + [False] * 4
        asked: list[dict[str, Scalar]] = [
            {"Kind": "k'1"},
            {"seen": False},
            {"at.page": 3},
            {"Kind": "k'1", "seen": True},
        ]
        none: list[dict[str, Scalar]] = [{"Kind": 1}, {"seen": 1}, {"at.page": 2**70}, {"nobody": 1}]
        near = [{key for (key,), _ in found.nearest("", _vectors(1)[0], 4, where=where)} for where in [*asked, *none]]
        assert near == [{"1", "3"}, {"2", "3"}, {"3"}, {"1"}, *(set() for _ in none)]
        assert len(found.nearest("", _vectors(1)[0], 1, where={"at.page": 3})) == 1


def test_what_is_not_there_is_told(tmp_path: Path) -> None:
    with _opened(tmp_path / "nothing") as found:
        with pytest.raises(Refused, match="There is no table memories"):
            found.describe()
        assert not (tmp_path / "nothing").exists()
    with pytest.raises(Refused, match="no folder"):
        open_collection("lancedb://host", NAME)
