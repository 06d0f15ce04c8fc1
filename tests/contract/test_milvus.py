"""The port of collections on milvus-lite's engine, and what applications have made there with Milvus's own client."""

from __future__ import annotations

import contextlib
import signal
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from milvus_lite.server_manager import server_manager_instance
from pymilvus import DataType, MilvusClient

from limosa.errors import Refused, Transient
from limosa.model.batch import Vectors
from limosa.model.point import Collected, Json, Point, Scalar, VectorSpec
from limosa.stores.crossing.equality import same
from limosa.stores.milvus.collection import MilvusCollection
from limosa.stores.milvus.open import open_collection
from limosa.testing.collections import check_collection
from tests.contract.chroma_server import free_port

NAME = "memories"
D = 4


def _opened(folder: Path) -> contextlib.closing[MilvusCollection]:
    return contextlib.closing(open_collection(f"milvus+local://{folder}/a.db", NAME, patience_s=0.2))


@contextlib.contextmanager
def _own(folder: Path) -> Iterator[Any]:
    """The vendor's own client on a file, as an application has it."""
    client = MilvusClient(str(folder / "a.db"))
    try:
        yield client
    finally:
        client.close()
        server_manager_instance.release_server(str(folder / "a.db"))


def _vectors(n: int) -> Vectors:
    return np.random.default_rng(5).normal(size=(n, D)).astype(np.float32)


def _make(found: MilvusCollection, *names: str) -> None:
    specs = {name: VectorSpec(name=name, dimensions=D, metric="l2") for name in names or ("",)}
    found.make(Collected(points=0, ids="text", vectors=specs))


def test_a_file_keeps_what_the_port_promises(tmp_path: Path) -> None:
    check_collection(lambda: open_collection(f"milvus+local://{tmp_path}/folder/a.db", NAME, patience_s=1))


def test_a_collection_of_the_quick_way_is_read_and_written(tmp_path: Path) -> None:
    numbers = (700, -3, 2**62 + 1, 5)
    vectors = _vectors(len(numbers))
    with _own(tmp_path) as client:
        client.create_collection(NAME, dimension=D)
        rows = [
            {"id": each, "vector": vector, "color": "red", "deep": {"a": [each]}, "none": None, "large": 2**53 + 1}
            for each, vector in zip(numbers, vectors, strict=True)
        ]
        client.insert(NAME, rows)
    with _opened(tmp_path) as found:
        told = found.describe()
        assert (told.points, told.ids) == (4, "text")
        assert told.vectors == {"": VectorSpec(name="", dimensions=D, metric="cosine")}
        points = found.read(None, 10)
        assert [int(each.key[0]) for each in points] == sorted(numbers)
        assert [each.key[0] for each in found.read(("5",), 1)] == ["700"]
        assert found.order(("5",)) < found.order(("700",))
        assert points[0].payload == {"color": "red", "deep": {"a": [-3]}, "none": None, "large": 2**53 + 1}
        assert np.array_equal(points[0].vectors[""], vectors[1])  # type: ignore[arg-type]
        # Nothing of the point before stays, though an upsert of milvus-lite's would keep it.
        changed = replace(points[0], payload={"size": 1})
        assert [place for place, _ in found.write([changed, replace(changed, key=("x",))])] == [1]
        assert same(found.fetch([("-3",), ("x",)])[0], changed) == (True, True)
        found.erase([("5",), ("x",)])
    with _own(tmp_path) as client:
        client.load_collection(NAME)
        kept = client.query(NAME, filter="id > -10", output_fields=["size"])
        assert sorted(each["id"] for each in kept) == [-3, 700, 2**62 + 1]


def test_more_ids_than_one_page_holds_are_all_listed(tmp_path: Path) -> None:
    count = 16_500
    with _own(tmp_path) as client:
        client.create_collection(NAME, dimension=2)
        # The largest are written first: Milvus tells them first where it is not asked to go by ids.
        for start in range(count, 0, -5500):
            client.insert(NAME, [{"id": start - i, "vector": [1.0, 2.0]} for i in range(5500)])
    with _opened(tmp_path) as found:
        assert found.describe().points == count
        assert [each.key[0] for each in found.read(("16498",), 5)] == ["16499", "16500"]
        assert [each.key[0] for each in found.read(None, 600, bare=True)] == [str(each) for each in range(1, 601)]


def _typed(client: Any, *, auto_id: bool = False) -> None:
    schema = client.create_schema(auto_id=auto_id, enable_dynamic_field=False)
    schema.add_field("pk", DataType.INT64 if auto_id else DataType.VARCHAR, is_primary=True, max_length=20)
    schema.add_field("title", DataType.FLOAT_VECTOR, dim=D)
    schema.add_field("words", DataType.SPARSE_FLOAT_VECTOR)
    schema.add_field("tags", DataType.ARRAY, element_type=DataType.VARCHAR, max_capacity=5, max_length=10)
    schema.add_field("seen", DataType.BOOL)
    schema.add_field("small", DataType.FLOAT)
    schema.add_field("price", DataType.DOUBLE)
    schema.add_field("text", DataType.VARCHAR, max_length=20, nullable=True)
    indexes = client.prepare_index_params()
    indexes.add_index("title", index_type="FLAT", metric_type="IP")
    indexes.add_index("words", index_type="SPARSE_INVERTED_INDEX", metric_type="IP")
    client.create_collection(NAME, schema=schema, index_params=indexes)


ROW: dict[str, Any] = {
    "title": [1.0, 2.0, 3.0, 4.0],
    "words": {29_999: 1.5, 5: 0.5},
    "tags": ["a"],
    "seen": True,
    "small": 0.5,
    "price": 0.1,
    "text": None,
}


def test_fields_of_a_schema_come_and_go_as_they_are(tmp_path: Path) -> None:
    with _own(tmp_path) as client:
        _typed(client)
        client.insert(NAME, [{"pk": "a", **ROW}, {"pk": 'it\'s "b"\\', **ROW}])
    with _opened(tmp_path) as found:
        told = found.describe().vectors
        assert told["title"].metric == "ip"
        assert told["words"] == VectorSpec(name="words", kind="sparse", metric="ip")
        point, other = found.read(None, 5)
        assert other.key == ('it\'s "b"\\',)
        assert point.payload == {"tags": ["a"], "seen": True, "small": 0.5, "price": 0.1, "text": None}
        assert point.vectors["words"].positions.tolist() == [5, 29_999]  # type: ignore[union-attr]
        assert found.write([point]) == []
        for field, value in (("small", 0.1), ("strange", 1), ("text", "x" * 40), ("seen", None)):
            wrong = replace(other, payload={**other.payload, field: value})
            assert [place for place, _ in found.write([wrong, point])] == [0], field
        assert [same(kept, each) for kept, each in zip(found.read(None, 5), (point, other), strict=True)] == [
            (True, True),
            (True, True),
        ]


def test_ids_that_milvus_makes_are_not_written(tmp_path: Path) -> None:
    with _own(tmp_path) as client:
        _typed(client, auto_id=True)
        client.insert(NAME, [ROW, ROW])
    with _opened(tmp_path) as found:
        points = found.read(None, 5)
        assert len(points) == 2
        with pytest.raises(Refused, match="makes the ids"):
            found.write(points)


def test_fields_of_a_schema_are_filtered_by_their_types(tmp_path: Path) -> None:
    with _own(tmp_path) as client:
        _typed(client)
        client.insert(NAME, [{"pk": "a", **ROW, "text": "x'\""}, {"pk": "b", **ROW, "seen": False}])
    with _opened(tmp_path) as found:
        asked: list[dict[str, Scalar]] = [{"text": "x'\""}, {"seen": False}, {"seen": True, "text": "x'\""}]
        none: list[dict[str, Scalar]] = [{"text": 5}, {"seen": 1}, {"tags": "a"}, {"text.a": "x"}, {"nobody": 1}]
        near = [found.nearest("title", _vectors(1)[0], 5, where=where) for where in [*asked, *none]]
        assert [[key for (key,), _ in each] for each in near] == [["a"], ["b"], ["a"], *([] for _ in none)]


STRANGE: list[dict[str, Json]] = [
    {"large": 2**64, "small": -(2**63)},
    {"limosa": '{"a": 1}'},
    {"limosa": {"limosa": 1}, "": 1, "$meta": 2, "limosa_payload": 3, "id": 4, "vector": [1]},
    {"half \ud800": 1},
    {"text": "y" * 20_000, "deep": [[{"a": "\udfff"}]]},
    {},
]


def test_payloads_and_names_of_any_kind_come_back(tmp_path: Path) -> None:
    names = ("", "id", "a b", "ü", "vector", "limosa_payload")
    vectors = _vectors(len(names))
    with _opened(tmp_path) as found:
        _make(found, *names)
        points = [
            Point(key=(f"k{i}",), vectors=dict(zip(names, vectors, strict=True)), payload=payload)
            for i, payload in enumerate(STRANGE)
        ]
        assert found.write([*points, replace(points[0], payload={"n": 1}), points[0]]) == []
        assert set(found.describe().vectors) == set(names)
        for each, kept in zip(points, found.read(None, 10), strict=True):
            assert same(each, kept) == (True, True), kept.payload
        assert found.nearest("a b", vectors[2], 3)[0][1] == 0
        without = replace(points[0], vectors={"": vectors[0]})
        nan = replace(points[1], vectors={**points[1].vectors, "ü": vectors[0] * np.nan})
        assert [place for place, _ in found.write([without, nan, points[2]])] == [0, 1]


WRITER = """
import os, signal, sys
import numpy as np
from limosa.model.point import Point
from limosa.stores.milvus.open import open_collection

found = open_collection(sys.argv[1], sys.argv[2])
vector = {"": np.ones(int(sys.argv[3]), np.float32)}
assert found.write([Point(key=(str(i),), vectors=vector, payload={"n": i}) for i in range(50)]) == []
os.kill(os.getpid(), signal.SIGKILL)
"""


def test_what_was_written_outlives_a_kill(tmp_path: Path) -> None:
    with _opened(tmp_path) as found:
        _make(found)
    url = f"milvus+local://{tmp_path}/a.db"
    done = subprocess.run([sys.executable, "-c", WRITER, url, NAME, str(D)], check=False, timeout=60)
    assert done.returncode == -signal.SIGKILL
    with _opened(tmp_path) as found:
        assert {each.key[0]: each.payload for each in found.read(None, 100)} == {str(i): {"n": i} for i in range(50)}
        assert found.describe().ids == "uint63"


def test_what_is_not_there_is_told(tmp_path: Path) -> None:
    with _opened(tmp_path) as found:
        with pytest.raises(Refused, match=r"There is no file a\.db"):
            found.describe()
        assert not list(tmp_path.iterdir())
    with _own(tmp_path) as client:
        client.create_collection("other", dimension=D)
    with _opened(tmp_path) as found, pytest.raises(Refused, match="no collection 'memories'"):
        found.describe()
    with (
        contextlib.closing(open_collection(f"milvus://127.0.0.1:{free_port()}", NAME, patience_s=0.2)) as found,
        pytest.raises(Transient),
    ):
        found.describe()
