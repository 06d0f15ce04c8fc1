"""Every store that points can be taken from and to, each with a place of its own for a test."""

from __future__ import annotations

import contextlib
import uuid
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import psycopg

from limosa.model.migration import Form
from limosa.model.point import Collected, Point, VectorSpec
from limosa.ports.collection import Collection, OpenCollection
from limosa.stores.chroma.open import open_collection as open_chroma
from limosa.stores.files.open import open_collection as open_files
from limosa.stores.lancedb.open import open_collection as open_lance
from limosa.stores.milvus.open import open_collection as open_milvus
from limosa.stores.postgres.landing.source import open_table
from limosa.stores.qdrant.open import open_collection as open_qdrant
from limosa.testing.collections import PAYLOADS
from tests.qdrant.server import QdrantServer

__all__ = ["KINDS", "Stand", "some_points", "specs", "stand"]

D = 24

FORM = Form(key="id", vectors=(("", "embedding"),), columns=(), rest="metadata")


@dataclass(frozen=True, slots=True)
class Stand:
    """One store.

    Attributes:
        section: of a file that names a place in it, as source or as target.
        open: the place of a name as a collection.
    """

    section: Callable[[str], dict[str, Any]]
    open: Callable[[str], Collection]

    def fill(self, name: str, wanted: Collected, points: list[Point]) -> None:
        """Makes a place and puts points into it."""
        with contextlib.closing(self.open(name)) as found:
            found.make(wanted)
            assert found.write(points) == []

    def points(self, name: str) -> dict[tuple[str, ...], Point]:
        """Everything that stands there, by key."""
        with contextlib.closing(self.open(name)) as found:
            return {each.key: each for each in found.read(None, 100_000)}


@dataclass(frozen=True, slots=True)
class _Tables(Stand):
    url: str

    def fill(self, name: str, wanted: Collected, points: list[Point]) -> None:
        size = wanted.vectors[""].dimensions
        with psycopg.connect(self.url, autocommit=True) as connection:
            connection.execute(
                f"CREATE TABLE {name} (id uuid PRIMARY KEY, metadata jsonb NOT NULL, embedding vector({size}))"
            )
        with contextlib.closing(self.open(name)) as found:
            assert found.write(points) == []


@contextlib.contextmanager
def _qdrant(way: str, folder: Path, database: str) -> Iterator[Stand]:
    server = QdrantServer(folder) if way == "server" else None
    store = server.url if server is not None else f"qdrant+{way}://{folder}"
    try:
        yield Stand(lambda name: {"store": store, "collection": name}, lambda name: open_qdrant(store, name))
    finally:
        if server is not None:
            server.close()


@contextlib.contextmanager
def _of(opener: OpenCollection, store: str) -> Iterator[Stand]:
    yield Stand(lambda name: {"store": store, "collection": name}, lambda name: opener(store, name, None))


@contextlib.contextmanager
def _postgres(folder: Path, database: str) -> Iterator[Stand]:
    yield _Tables(
        lambda name: {"store": "env:LIMOSA_TEST_URL", "table": name, "columns": {}, "rest": "metadata"},
        lambda name: open_table(database, name, FORM),
        database,
    )


KINDS: dict[str, Callable[[Path, str], contextlib.AbstractContextManager[Stand]]] = {
    "postgres": _postgres,
    "parquet": lambda folder, database: _of(open_files, f"parquet://{folder}"),
    "arrow": lambda folder, database: _of(open_files, f"arrow://{folder}"),
    "jsonl": lambda folder, database: _of(open_files, f"jsonl://{folder}"),
    "chroma": lambda folder, database: _of(open_chroma, f"chroma+local://{folder}"),
    "lancedb": lambda folder, database: _of(open_lance, f"lancedb://{folder}"),
    "milvus": lambda folder, database: _of(open_milvus, f"milvus+local://{folder}/file.db"),
    "qdrant-edge": lambda folder, database: _qdrant("edge", folder, database),
    "qdrant-local": lambda folder, database: _qdrant("local", folder, database),
    "qdrant-server": lambda folder, database: _qdrant("server", folder, database),
}


def stand(kind: str, folder: Path, database: str) -> contextlib.AbstractContextManager[Stand]:
    """The store of a kind, with a folder of its own."""
    (folder / kind).mkdir()
    return KINDS[kind](folder / kind, database)


def specs() -> dict[str, VectorSpec]:
    """One vector without a name, which every store can hold."""
    return {"": VectorSpec(name="", dimensions=D, metric="cosine", m=8, ef_construction=40)}


def some_points(rows: int) -> list[Point]:
    """Points that every store can hold, with payloads of every kind."""
    rng = np.random.default_rng(3)
    return [
        Point(
            key=(str(uuid.uuid5(uuid.NAMESPACE_OID, str(number))),),
            vectors={"": rng.normal(size=D).astype(np.float32)},
            payload={**PAYLOADS[number % len(PAYLOADS)], "number": number},
        )
        for number in range(rows)
    ]
