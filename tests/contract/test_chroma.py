"""The port of collections on Chroma: its engine on a folder, and its server; and what its own client has made there."""

from __future__ import annotations

import contextlib
import uuid
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import chromadb
import numpy as np
import pytest
from chromadb.config import Settings

from limosa.errors import Refused, Transient
from limosa.model.batch import Vectors
from limosa.model.point import Collected, Json, Point, VectorSpec
from limosa.stores.chroma.collection import ChromaCollection
from limosa.stores.chroma.listing import PAGE, from_the_end
from limosa.stores.chroma.open import open_collection
from limosa.stores.crossing.equality import UNIT_ERROR, same
from limosa.testing.collections import check_collection
from tests.contract.chroma_server import chroma_server, free_port

NAME = "memories"
D = 4


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[int]:
    with chroma_server(tmp_path_factory.mktemp("chroma")) as port:
        yield port


@contextlib.contextmanager
def _own(folder: Path) -> Iterator[Any]:
    """The vendor's own client on a folder, as an application has it."""
    with chromadb.PersistentClient(str(folder), settings=Settings(anonymized_telemetry=False)) as client:  # type: ignore[attr-defined]
        yield client


def _opened(folder: Path) -> contextlib.closing[ChromaCollection]:
    return contextlib.closing(open_collection(f"chroma+local://{folder}", NAME, patience_s=0.2))


def _vectors(n: int) -> Vectors:
    return np.random.default_rng(5).normal(size=(n, D)).astype(np.float32)


def test_a_folder_keeps_what_the_port_promises(tmp_path: Path) -> None:
    check_collection(lambda: open_collection(f"chroma+local://{tmp_path}/folder", NAME, patience_s=1))


def test_a_server_keeps_what_the_port_promises(server: int) -> None:
    check_collection(lambda: open_collection(f"chroma://127.0.0.1:{server}", NAME, patience_s=1))


def test_a_collection_of_an_application_is_read_as_it_is(tmp_path: Path) -> None:
    vectors = _vectors(4)
    ids = [str(uuid.UUID(int=number)) for number in range(4)]
    with _own(tmp_path) as client:
        made = client.create_collection(
            NAME,
            embedding_function=None,
            configuration={"hnsw": {"space": "l2", "max_neighbors": 24, "ef_construction": 60}},
        )
        made.add(
            ids=ids,
            embeddings=vectors,
            documents=["a text ü", None, "", "another"],
            metadatas=[
                {"source": "web", "stars": 5, "score": 0.5, "seen": True, "tags": ["a", "b"]},
                None,
                {"document": "its own", "metadata.document": "and this", "limosa": "a user's own word"},
                {"limosa": "[1]", "large": 2**62 + 1},
            ],
            uris=[None, "file:///a.png", None, None],
        )
    with _opened(tmp_path) as found:
        told = found.describe()
        assert (told.points, told.ids) == (4, "uuid")
        assert told.vectors[""] == VectorSpec(name="", dimensions=D, metric="l2", m=24, ef_construction=60)
        points = found.read(None, 10)
        assert [each.key[0] for each in points] == ids
        assert all(np.array_equal(each.vectors[""], vectors[i]) for i, each in enumerate(points))  # type: ignore[arg-type]
        assert [each.payload for each in points] == [
            {"document": "a text ü", "source": "web", "stars": 5, "score": 0.5, "seen": True, "tags": ["a", "b"]},
            {"chroma:uri": "file:///a.png"},
            {
                "document": "",
                "metadata.document": "its own",
                "metadata.metadata.document": "and this",
                "limosa": "a user's own word",
            },
            {"document": "another", "limosa": "[1]", "large": 2**62 + 1},
        ]
        # What flows back stands where it stood.
        assert found.write([points[2]]) == []
    with _own(tmp_path) as client:
        kept = client.get_collection(NAME, embedding_function=None).get(ids=ids[2:3])
        assert kept["documents"] == [""]
        assert kept["metadatas"][0]["document"] == "its own"


def _made(folder: Path, metric: str = "cosine") -> ChromaCollection:
    found = open_collection(f"chroma+local://{folder}", NAME, patience_s=0.2)
    spec = VectorSpec(name="", dimensions=D, metric=metric)  # type: ignore[arg-type]
    found.make(Collected(points=0, ids="text", vectors={"": spec}))
    return found


STRANGE: list[dict[str, Json]] = [
    {"document": None, "limosa": 1, "#a": 1, "$b": "x", "chroma:c": True, "": 0, "large": 2**63, "small": -(2**70)},
    {"document": {"a": 1}, "chroma:uri": 5, "metadata.document": [1], "metadata.metadata.document": "x"},
    {"document": "text", "metadata.document": "other", "chroma:uri": "http://a", "limosa": '{"a": 1}'},
    {"document": "\ud800", "half \udfff": 1, "text": "\udfff", "zero": "a\0b"},
    {"metadata.document": "without one", "limosa": {"limosa": {}}},
]


def test_fields_that_chroma_reserves_come_back(tmp_path: Path) -> None:
    vectors = _vectors(len(STRANGE))
    points = [Point(key=(f"k{i}",), vectors={"": vectors[i]}, payload=each) for i, each in enumerate(STRANGE)]
    with contextlib.closing(_made(tmp_path, "ip")) as found:
        assert found.write(points) == []
        for each, kept in zip(points, found.read(None, 10), strict=True):
            assert same(each, kept) == (True, True), kept.payload


PLAIN: list[dict[str, Json]] = [
    {"a": 1, "b": 2},
    {"b": None},
    {"document": "d"},
    {},
    {"chroma:uri": "u"},
    {"c": 1},
]


def test_nothing_of_the_point_before_stays(tmp_path: Path) -> None:
    vectors = _vectors(1)
    one = Point(key=("a",), vectors={"": vectors[0]}, payload={})
    with contextlib.closing(_made(tmp_path, "l2")) as found:
        for payload in [*STRANGE, *PLAIN]:
            assert found.write([replace(one, payload=payload)]) == []
            [kept] = found.fetch([("a",)])
            assert same(kept, replace(one, payload=payload)) == (True, True), kept.payload
        # Of two points with one id the last is written.
        both: list[Point] = [replace(one, payload={"n": 1}), replace(one, payload={"n": 2})]
        assert found.write(both) == []
        assert [each.payload for each in found.read(None, 5)] == [{"n": 2}]


def test_chroma_s_own_filters_find_what_was_written(tmp_path: Path) -> None:
    payload: dict[str, Json] = {"document": "red balloons", "stars": 5, "flag": True, "deep": {"a": [1]}}
    with contextlib.closing(_made(tmp_path)) as found:
        found.write([Point(key=("a",), vectors={"": _vectors(1)[0]}, payload=payload)])
    with _own(tmp_path) as client:
        own = client.get_collection(NAME, embedding_function=None)
        assert own.get(where={"$and": [{"stars": {"$gte": 5}}, {"flag": True}]})["ids"] == ["a"]
        assert own.get(where_document={"$contains": "balloon"})["ids"] == ["a"]
        assert own.get(where={"stars": {"$gt": 5}})["ids"] == []


def test_under_cosine_direction_and_length_are_kept(tmp_path: Path) -> None:
    vectors = _vectors(50) * 7
    vectors[3] = 0
    with contextlib.closing(_made(tmp_path)) as found:
        assert found.describe().vectors[""].unit
        found.write([Point(key=(f"{i:02}",), vectors={"": each}, payload={}) for i, each in enumerate(vectors)])
        kept = np.stack([np.asarray(each.vectors[""]) for each in found.read(None, 50)])
        assert np.abs(kept - vectors).max() <= UNIT_ERROR * np.abs(vectors).max()
        assert not np.array_equal(kept, vectors)


def test_one_bad_vector_does_not_fail_the_others(tmp_path: Path) -> None:
    vectors = _vectors(3)
    vectors[1, 2] = np.nan
    points = [Point(key=(f"k{i}",), vectors={"": each}, payload={}) for i, each in enumerate(vectors)]
    with contextlib.closing(_made(tmp_path)) as found:
        assert [place for place, _ in found.write([*points, replace(points[0], key=("",))])] == [1, 3]
        assert [each.key for each in found.read(None, 5)] == [("k0",), ("k2",)]


def test_deletes_while_ids_are_listed_hide_no_point(tmp_path: Path) -> None:
    count = PAGE + 200
    with _own(tmp_path) as client:
        made = client.create_collection(NAME, embedding_function=None)
        for start in range(0, count, PAGE):
            ids = [f"{number:05}" for number in range(start, min(count, start + PAGE))]
            made.add(ids=ids, embeddings=np.ones((len(ids), 2), np.float32))

        def page(at: int, most: int) -> list[str]:
            found: list[str] = made.get(limit=most, offset=at, include=[])["ids"]
            # Somebody deletes what was written first, and writes again and anew.
            first: list[str] = made.get(limit=50, include=[])["ids"]
            made.delete(ids=first)
            made.upsert(ids=["00100", *first[:5]], embeddings=np.ones((6, 2), np.float32))
            return found

        keys = {each for found in from_the_end(count, page) for each in found}
        assert {f"{number:05}" for number in range(100, count)} <= keys


def test_what_is_not_there_is_told(tmp_path: Path, server: int) -> None:
    with _opened(tmp_path / "nothing") as found:
        with pytest.raises(Refused, match="no Chroma in the folder"):
            found.describe()
        assert not found.stands()
        assert not (tmp_path / "nothing").exists()
    with (
        contextlib.closing(open_collection(f"chroma://127.0.0.1:{server}", "absent", patience_s=0.2)) as found,
        pytest.raises(Refused, match="no collection 'absent'"),
    ):
        found.describe()
    with (
        contextlib.closing(open_collection(f"chroma://127.0.0.1:{free_port()}", NAME, patience_s=0.2)) as found,
        pytest.raises(Transient),
    ):
        found.describe()
    with (
        contextlib.closing(open_collection(f"chroma://127.0.0.1:{server}", "a b", patience_s=0.2)) as found,
        pytest.raises(Refused, match="Expected a name"),
    ):
        found.make(Collected(points=0, ids="text", vectors={"": VectorSpec(name="", dimensions=D)}))


def test_a_restart_of_the_server_is_waited_for(tmp_path: Path) -> None:
    port = free_port()
    url = f"chroma://127.0.0.1:{port}"
    with contextlib.closing(open_collection(url, NAME, patience_s=0.2)) as found:
        with chroma_server(tmp_path, port):
            found.make(Collected(points=0, ids="text", vectors={"": VectorSpec(name="", dimensions=D)}))
            assert found.write([Point(key=("7",), vectors={"": _vectors(1)[0]}, payload={"a": [1]})]) == []
        with pytest.raises(Transient):
            found.read(None, 5)
        with chroma_server(tmp_path, port):
            assert [(each.key, each.payload) for each in found.read(None, 5)] == [(("7",), {"a": [1]})]
            assert found.describe().ids == "uint63"
