"""Points over Qdrant's REST protocol: as the official client tells them, and what no client can make a vector of."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import closing, contextmanager
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path

import numpy as np
import psycopg
import pytest
import qdrant_edge as edge
from qdrant_client.models import (
    Distance,
    MultiVectorComparator,
    MultiVectorConfig,
    PointStruct,
    SparseVector,
    SparseVectorParams,
    VectorParams,
)

from limosa.app import open_app
from limosa.errors import Transient
from limosa.model.point import Point, Sparse
from limosa.stores.qdrant.open import open_collection
from tests.qdrant.server import QdrantServer
from tests.qdrant.worlds import NAME, client_of, point, served

D = 4


def test_every_kind_of_vector_comes_as_the_client_tells_it(tmp_path: Path) -> None:
    rng = np.random.default_rng(5)
    points = [
        PointStruct(
            id=point(number).id,
            vector={
                # The names that a sparse vector's parts have.
                "indices": rng.normal(size=D).tolist(),
                "many": rng.normal(size=(3, D)).tolist(),
                "words": SparseVector(indices=[number + 7, 2, number + 3], values=[0.1, 0.7, 1e-7]),
            },
            payload=point(number).payload,
        )
        for number in range(1, 40)
    ]
    points.append(PointStruct(id=99, vector={}, payload={"alone": [1.0, -0.0, 2**53 + 1, None, {"": "ü"}]}))
    each = VectorParams(size=D, distance=Distance.DOT)
    many = VectorParams(
        size=D,
        distance=Distance.DOT,
        multivector_config=MultiVectorConfig(comparator=MultiVectorComparator.MAX_SIM),
    )
    with closing(QdrantServer(tmp_path)) as server, closing(client_of(server)) as client:
        client.create_collection(
            NAME,
            vectors_config={"indices": each, "many": many},
            sparse_vectors_config={"words": SparseVectorParams()},
        )
        client.upsert(NAME, points)
        told = {str(record.id): record for record in client.scroll(NAME, limit=100, with_vectors=True)[0]}
        with closing(open_collection(server.url, NAME)) as found:
            read = found.read(None, 100)
            fetched = found.fetch([each.key for each in read])
    assert [each.key[0] for each in read] == list(told)
    for got in (*read, *fetched):
        record = told[got.key[0]]
        assert repr(got.payload) == repr(record.payload)
        assert _plain(got) == record.vector


def _plain(got: Point) -> dict[str, object]:
    """The vectors as the client has them; sparse ones in the order of their positions."""
    return {
        name: SparseVector(indices=each.positions.tolist(), values=_told(each.values))
        if isinstance(each, Sparse)
        else _told(each)
        for name, each in got.vectors.items()
    }


def _told(values: np.ndarray) -> list[object]:
    """Numbers as the server prints them: with as few digits as name a float32."""
    return [_told(each) if isinstance(each, np.ndarray) else float(str(each)) for each in values]


def test_a_vector_with_no_number_in_it_is_a_dead_letter(
    database: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    config = edge.EdgeConfig(vectors=edge.EdgeVectorParams(D, edge.Distance.Dot))
    shard = edge.EdgeShard.create(str(tmp_path / NAME), config)
    vectors = {1: [1.0, 2.0, 3.0, 4.0], 2: [1.0, float("nan"), 3.0, 4.0], 3: [1.0, 2.0, float("inf"), 4.0]}
    shard.update(edge.UpdateOperation.upsert_points([edge.Point(key, each, {}) for key, each in vectors.items()]))
    shard.close()
    monkeypatch.setenv("LIMOSA_TEST_URL", database)
    with closing(QdrantServer(tmp_path)) as server:
        source = {"store": server.url, "collection": NAME}
        target = {"store": "env:LIMOSA_TEST_URL", "table": "memories"}
        with closing(open_app({"name": "memories", "source": source, "target": target})) as app:
            app.run()
            dead = {letter.key[0]: letter.reason for letter in app.failed(kind="dead")}
            assert dead == dict.fromkeys(("2", "3"), "its vector holds a value that is not finite")
    with psycopg.connect(database) as connection:
        assert connection.execute("SELECT id::text, embedding::text FROM memories").fetchall() == [("1", "[1,2,3,4]")]


@contextmanager
def _answering(body: bytes) -> Iterator[str]:
    """The address of something else, which answers every request so."""

    class Handler(BaseHTTPRequestHandler):
        def log_message(self, *args: object) -> None:
            """Nothing is printed."""

        def do_POST(self) -> None:
            self.rfile.read(int(self.headers["content-length"]))
            self.send_response(200)
            self.send_header("content-length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

    with HTTPServer(("127.0.0.1", 0), Handler) as http:
        thread = threading.Thread(target=http.serve_forever, kwargs={"poll_interval": 0.02})
        thread.start()
        yield f"qdrant://127.0.0.1:{http.server_port}"
        http.shutdown()
        thread.join()


@pytest.mark.parametrize("body", [b"hello", b"[1]", b'{"result":{}}', b'{"result":{"points":[3]}}', b""])
def test_what_is_no_answer_of_qdrant_is_told(body: bytes) -> None:
    with (
        _answering(body) as url,
        closing(open_collection(url, NAME, patience_s=0)) as found,
        pytest.raises(Transient, match="does not answer as it should"),
    ):
        found.read(None, 5)


def test_whole_numbers_over_64_bits_are_read(tmp_path: Path) -> None:
    body = (
        b'{"result":{"points":[{"id":1,"payload":{"n":123456789012345678901},"vector":[0.5]}],"next_page_offset":null}}'
    )
    with _answering(body) as url, closing(open_collection(url, NAME)) as found:
        [read] = found.read(None, 5)
    assert read.payload == {"n": 123456789012345678901}
    assert np.array_equal(np.asarray(read.vectors[""]), [0.5])


@pytest.mark.parametrize(("d", "largest"), [(8, 400), (1536, 65)])
def test_long_vectors_come_in_small_pages_and_short_ones_in_large(tmp_path: Path, d: int, largest: int) -> None:
    with served(tmp_path, 450, d=d) as server, closing(open_collection(server.url, NAME)) as found:
        assert len(found.read(None, 1000)) == 450
        assert server.largest == largest
