"""Collections with ids, payloads and vectors of every kind, by each way to Qdrant."""

from __future__ import annotations

import contextlib
import uuid
from collections.abc import Iterator, Sequence
from functools import cache
from pathlib import Path

import numpy as np
import qdrant_edge as edge
from numpy.typing import NDArray
from qdrant_client import QdrantClient
from qdrant_client.models import Distance, PointStruct, VectorParams

from limosa.stores.qdrant.collection import QdrantCollection
from limosa.stores.qdrant.open import open_collection
from tests.qdrant.server import QdrantServer

__all__ = ["D", "INDEXED", "NAME", "WAYS", "addressed", "client_of", "fill", "point", "served", "world"]

NAME, D = "memories", 8

WAYS = ("edge", "local", "server")

INDEXED = "edge, indexed"
"""An edge as one in use is: an index stands, and later points are in a segment of their own."""


def point(number: int, d: int = D) -> PointStruct:
    """The same point for the same number: ids and payloads of every kind, by turns."""
    rng = np.random.default_rng(number)
    key: int | str = number if number % 3 else str(uuid.UUID(int=number * 0x9E3779B97F4A7C15F39CC0605CEDC835 % 2**128))
    if number % 11 == 0:
        key = 2**63 + number
    payload: dict[str, object] = {
        "content": f"text {number} ü 中 '\"\\",
        "author": {"name": f"author {number % 5}", "age": None, "tags": ["a", number, {"deep": [1.5, True]}]},
        "created_at": f"2026-01-{number % 28 + 1:02}T10:00:00Z",
        "stars": number,
        "score": number / 4,
        "large": 2**53 + number,
    }
    if number % 7 == 0:
        payload = {"content": None, "author": {}}
    if number % 13 == 0:
        payload = {}
    vector = rng.normal(size=D) @ _basis(d) if d > D else rng.normal(size=d)
    return PointStruct(id=key, vector=vector.astype(np.float32).tolist(), payload=payload)


@cache
def _basis(d: int) -> NDArray[np.float64]:
    """Long vectors lie in a few directions, as those of texts do; of others no graph finds the nearest."""
    return np.random.default_rng(d).normal(size=(D, d))


def client_of(server: QdrantServer) -> QdrantClient:
    """The official client of a server."""
    return QdrantClient(url=f"http://127.0.0.1:{server.port}", check_compatibility=False)


def fill(client: QdrantClient, points: int, d: int = D) -> None:
    """A collection of so many points."""
    client.create_collection(NAME, vectors_config=VectorParams(size=d, distance=Distance.COSINE))
    for some in _pages(points, d):
        client.upsert(NAME, points=some)


def _pages(points: int, d: int) -> Iterator[list[PointStruct]]:
    for start in range(1, points + 1, 500):
        yield [point(number, d) for number in range(start, min(start + 500, points + 1))]


@contextlib.contextmanager
def served(folder: Path, points: int, *, d: int = D, **options: object) -> Iterator[QdrantServer]:
    """A server with a collection, filled by the official client."""
    server = QdrantServer(folder, **options)  # type: ignore[arg-type]
    try:
        with contextlib.closing(client_of(server)) as client:
            fill(client, points, d)
        yield server
    finally:
        server.close()


@contextlib.contextmanager
def addressed(way: str, folder: Path, points: int, *, d: int = D) -> Iterator[str]:
    """The address of the same collection by one of the ways; nobody has it open but a server its own."""
    if way == "server":
        with served(folder, points, d=d) as server:
            yield server.url
        return
    if way == "local":
        with contextlib.closing(QdrantClient(path=str(folder))) as client:
            fill(client, points, d)
    else:
        vectors = edge.EdgeVectorParams(d, edge.Distance.Cosine)
        early = edge.EdgeOptimizersConfig(indexing_threshold=1) if way == INDEXED else None
        shard = edge.EdgeShard.create(str(folder / NAME), edge.EdgeConfig(vectors=vectors, optimizers=early))
        for some in _pages(points, d):
            _upsert(shard, some)
        if way == INDEXED:
            assert shard.optimize()
            _upsert(shard, [point(number, d) for number in range(1, points + 1, 10)])
            assert shard.info().indexed_vectors_count
            assert shard.info().segments_count > 1
        shard.close()
    yield f"qdrant+{'edge' if way == INDEXED else way}://{folder}"


def _upsert(shard: edge.EdgeShard, points: Sequence[PointStruct]) -> None:
    made = [edge.Point(each.id, each.vector, each.payload) for each in points]  # type: ignore[arg-type]
    shard.update(edge.UpdateOperation.upsert_points(made))


@contextlib.contextmanager
def world(way: str, folder: Path, points: int) -> Iterator[QdrantCollection]:
    """The same, as limosa opens it."""
    with addressed(way, folder, points) as url, contextlib.closing(open_collection(url, NAME)) as found:
        yield found
