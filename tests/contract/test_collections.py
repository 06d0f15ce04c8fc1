"""The port of collections on Qdrant's real engine: in this process, in the client's local mode, and over REST."""

from __future__ import annotations

import contextlib
import json
import uuid
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest

from limosa.errors import Refused, Transient
from limosa.model.batch import Key, Vectors
from limosa.model.point import Point
from limosa.model.vectors import normalised
from limosa.stores.qdrant.collection import QdrantCollection
from limosa.stores.qdrant.open import open_collection
from limosa.testing.collections import check_collection
from tests.qdrant.server import Fault, QdrantServer
from tests.qdrant.worlds import INDEXED, NAME, WAYS, D, client_of, point, served, world

POINTS = 120


@pytest.fixture(scope="module", params=(*WAYS, INDEXED))
def collection(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[QdrantCollection]:
    with world(str(request.param), tmp_path_factory.mktemp("qdrant"), POINTS) as found:
        yield found


def _wanted() -> dict[Key, int]:
    return {(str(point(number).id),): number for number in range(1, POINTS + 1)}


def test_every_point_is_read_once_in_order_whatever_the_page(collection: QdrantCollection) -> None:
    wanted = sorted(_wanted(), key=collection.order)
    for limit in (1, 7, POINTS, POINTS + 1):
        after: Key | None = None
        found: list[Key] = []
        while page := collection.read(after, limit):
            found += [each.key for each in page]
            after = page[-1].key
        assert found == wanted
    assert [each.key for each in collection.read(None, 500, bare=True)] == wanted
    # An edge need not be there any more.
    assert collection.read((str(uuid.UUID(int=0)),), 1)[0].key == next(key for key in wanted if "-" in key[0])
    assert collection.read(collection.last(), 5) == []


def test_a_point_comes_as_it_is(collection: QdrantCollection) -> None:
    for each in collection.fetch(list(_wanted())):
        made = point(_wanted()[each.key])
        assert json.dumps(each.payload, sort_keys=True) == json.dumps(made.payload, sort_keys=True)
        given = np.asarray([made.vector], dtype=np.float32)
        # The engine keeps vectors of this distance at length 1.
        assert np.allclose(normalised(_vector(each)[None]), normalised(given), atol=1e-6)
    found = collection.fetch([("999999",), *list(_wanted())[:3]], bare=True)
    assert sorted(each.key for each in found) == sorted(list(_wanted())[:3])
    assert not found[0].vectors


def _vector(found: Point) -> Vectors:
    vector = found.vectors[""]
    assert isinstance(vector, np.ndarray)
    return vector


def test_a_collection_describes_itself(collection: QdrantCollection) -> None:
    found = collection.describe()
    assert (found.points, found.ids) == (POINTS, "mixed")
    [spec] = found.vectors.values()
    assert (spec.name, spec.kind, spec.dimensions, spec.metric, spec.m) == ("", "dense", D, "cosine", 16)
    assert spec.unit


def test_the_nearest_are_found_best_first(collection: QdrantCollection) -> None:
    [mine] = collection.fetch([("1",)])
    found = collection.nearest("", _vector(mine), 5)
    assert (len(found), found[0][0]) == (5, ("1",))
    assert [score for _, score in found] == sorted((score for _, score in found), reverse=True)


@pytest.fixture
def server(tmp_path: Path) -> Iterator[QdrantServer]:
    with served(tmp_path, POINTS) as server:
        yield server


@pytest.mark.parametrize("kind", ["500", "429", "cut", "reset"])
def test_what_fails_in_passing_is_asked_again(server: QdrantServer, kind: str) -> None:
    with contextlib.closing(open_collection(server.url, NAME)) as found:
        server.faults = [Fault(kind)] * 3  # type: ignore[arg-type]
        assert len(found.read(None, 500)) == POINTS
        server.faults = [Fault(kind)] * 2  # type: ignore[arg-type]
        assert len(found.fetch(list(_wanted()))) == POINTS
        assert not server.faults


def test_a_short_page_is_not_the_end(server: QdrantServer) -> None:
    with contextlib.closing(open_collection(server.url, NAME)) as found:
        server.always = Fault("short")
        assert len(found.read(None, 500)) == POINTS
        assert len(found.read(None, 100)) == 100
        assert server.requests > 4


def test_a_server_that_is_slow_with_large_pages_is_asked_for_small_ones(
    server: QdrantServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("limosa.stores.qdrant.client.TIMEOUT_S", 1)
    server.always = Fault("slow", seconds=1.5, over=40)
    with contextlib.closing(open_collection(server.url, NAME)) as found:
        assert len(found.read(None, 100)) == 100
        assert server.largest <= 100
        server.largest = 0
        assert len(found.fetch(list(_wanted())[:100])) == 100
        assert len(found.read(None, 100)) == 100
        assert server.largest <= 40


def test_a_restart_of_the_server_is_waited_for(tmp_path: Path) -> None:
    with served(tmp_path, POINTS) as server:
        port = server.port
    with contextlib.closing(open_collection(f"qdrant://127.0.0.1:{port}", NAME, patience_s=0.2)) as found:
        with pytest.raises(Transient):
            found.read(None, 10)
        again = QdrantServer(tmp_path, port=port)
        try:
            assert len(found.read(None, 500)) == POINTS
        finally:
            again.close()


def test_who_is_not_let_in_or_finds_nothing_is_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("LIMOSA_TEST_QDRANT_KEY", "right")
    monkeypatch.setenv("LIMOSA_TEST_WRONG_KEY", "wrong")
    server = QdrantServer(tmp_path, key="right")
    try:
        for key, said in (("env:LIMOSA_TEST_WRONG_KEY", "does not let limosa in"), (None, "does not let limosa in")):
            with (
                contextlib.closing(open_collection(server.url, NAME, key)) as found,
                pytest.raises(Refused, match=said),
            ):
                found.describe()
        with (
            contextlib.closing(open_collection(server.url, NAME, "env:LIMOSA_TEST_QDRANT_KEY")) as found,
            pytest.raises(Refused, match="no such collection"),
        ):
            found.describe()
    finally:
        server.close()
    with pytest.raises(Refused, match="There is no collection in the folder"):
        open_collection(f"qdrant+edge://{tmp_path}", "nothing").describe()
    with (
        contextlib.closing(open_collection(f"qdrant+local://{tmp_path}", "nothing")) as found,
        pytest.raises(Refused, match="not found"),
    ):
        found.describe()


def test_a_folder_that_another_process_has_is_told(tmp_path: Path) -> None:
    with world("edge", tmp_path, 5) as found:
        assert found.describe().points == 5
        other = open_collection(f"qdrant+edge://{tmp_path}", NAME)
        with pytest.raises(Refused, match="no other process"):
            other.describe()


def test_the_official_client_finds_what_the_server_has(server: QdrantServer) -> None:
    with contextlib.closing(client_of(server)) as client:
        assert client.count(NAME).count == POINTS
        client.delete(NAME, points_selector=[1])
        client.overwrite_payload(NAME, payload={"content": "new"}, points=[2])
        [record] = client.retrieve(NAME, ids=[1, 2], with_vectors=True)
        assert (record.id, record.payload) == (2, {"content": "new"})
        assert client.get_collection(NAME).points_count == POINTS - 1


@pytest.mark.parametrize("way", WAYS)
def test_it_keeps_what_the_port_promises(way: str, tmp_path: Path) -> None:
    with contextlib.ExitStack() as stack:
        url = f"qdrant+{way}://{tmp_path}"
        if way == "server":
            server = QdrantServer(tmp_path)
            stack.callback(server.close)
            url = server.url
        check_collection(lambda: open_collection(url, NAME, patience_s=1))
