"""Qdrant's engine in this process: a folder that ``qdrant-edge-py`` opens."""

from __future__ import annotations

import json
import shutil
import threading
from collections.abc import Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any

from qdrant_edge import (
    Distance,
    EdgeConfig,
    EdgeShard,
    EdgeSparseVectorParams,
    EdgeVectorParams,
    FieldCondition,
    Filter,
    HnswIndexConfig,
    MatchValue,
    MultiVectorComparator,
    MultiVectorConfig,
    PayloadSchemaType,
    Query,
    ScrollRequest,
    SearchRequest,
    SparseVector,
    UpdateOperation,
)
from qdrant_edge import Point as Raw

from limosa.errors import Refused
from limosa.model.batch import Vectors
from limosa.model.point import Collected, Point, Scalar, VectorSpec
from limosa.ports.memory import give_back
from limosa.stores.qdrant.described import DISTANCES, EF_CONSTRUCT, M, spec
from limosa.stores.qdrant.engine import TOLD, Unfit
from limosa.stores.qdrant.filters import held, path
from limosa.stores.qdrant.ids import Id, bare_id
from limosa.stores.qdrant.points import named, point_of

__all__ = ["EdgeEngine"]

CONFIG = "edge_config.json"
"""The file that makes a folder a collection."""

FULL_SCAN = 10_000
"""Below so many kilobytes no graph is asked. Source: Qdrant's documentation, "Configuration", hnsw_index."""


class EdgeEngine:
    """One shard; it is one process's own, from the first call that asks it on."""

    told = TOLD

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._opening = threading.Lock()
        self._opened: EdgeShard | None = None

    @property
    def _shard(self) -> EdgeShard:
        with self._opening:
            if self._opened is None:
                self._opened = self._load()
            return self._opened

    def _load(self) -> EdgeShard:
        if not self.stands():
            raise Refused(
                f"There is no collection in the folder {self._folder.name}.",
                needed="A folder that qdrant-edge-py made, with edge_config.json in it.",
                do="Check store and collection in the file.",
            )
        try:
            loaded = EdgeShard.load(str(self._folder))
        except Exception as error:
            raise Refused(
                f"The collection in {self._folder.name} cannot be opened: {str(error).splitlines()[0]}.",
                needed="A collection that no other process has open.",
                do="Close it there, or copy the folder; then repeat the command.",
            ) from error
        # The engine takes 25 MB for the moment of loading.
        give_back(every=1)
        return loaded

    def _config(self) -> dict[str, Any]:
        found: dict[str, Any] = json.loads((self._folder / CONFIG).read_bytes())
        return found

    def stands(self) -> bool:
        """Whether the collection is there."""
        return (self._folder / CONFIG).is_file()

    def make(self, wanted: Collected) -> None:
        """Makes it where it is not there, and every index of a payload field."""
        with self._opening:
            if self._opened is None and not self.stands():
                # What an attempt that died has left is no collection.
                shutil.rmtree(self._folder, ignore_errors=True)
                self._folder.mkdir(parents=True)
                self._opened = EdgeShard.create(str(self._folder), _made(wanted))
        for field, kind in wanted.indexed.items():
            schema = getattr(PayloadSchemaType, kind.capitalize())
            self._shard.update(UpdateOperation.create_field_index(field, schema))
        self._shard.flush()

    def drop(self) -> None:
        """Takes it away where it is there."""
        self.close()
        with suppress(FileNotFoundError):
            # Without it nobody takes the rest for a collection, should this die on the way.
            (self._folder / CONFIG).unlink()
        shutil.rmtree(self._folder, ignore_errors=True)

    def describe(self) -> Collected:
        """What the collection says of itself, and its config file."""
        shard, config = self._shard, self._config()
        given = config.get("vectors") or {}
        plain = {"": given} if "size" in given else given
        graph = config.get("hnsw_config") or {}
        vectors = {name: spec(name, each, graph) for name, each in plain.items()}
        vectors |= {name: spec(name, None, graph) for name in config.get("sparse_vectors") or {}}
        told = shard.info()
        return Collected(
            # Its exact count gathers every id, and takes some 60 bytes of each point for that moment.
            points=told.points_count,
            ids="text",
            vectors=vectors,
            indexed={name: _kind(value) for name, value in told.payload_schema.items()},
        )

    def scroll(self, start: Id | None, limit: int, *, bare: bool) -> tuple[list[Point], Id | None]:
        """Points from an id on, and where the next page begins."""
        request = ScrollRequest(offset=start, limit=limit, with_payload=not bare, with_vector=not bare)
        found, following = self._shard.scroll(request)
        return [point_of(each) for each in found], None if following is None else bare_id(following)

    def retrieve(self, ids: Sequence[Id], *, bare: bool) -> list[Point]:
        """These points."""
        found = self._shard.retrieve(list(ids), with_payload=not bare, with_vector=not bare)
        return [point_of(each) for each in found]

    def upsert(self, points: Sequence[tuple[Id, Point]]) -> None:
        """Writes points whole, down to the disk."""
        shard = self._shard
        made = [Raw(number, _sent(each), dict(each.payload)) for number, each in points]
        try:
            shard.update(UpdateOperation.upsert_points(made))
        except Exception as error:
            # The engine has one class of errors for all of them.
            raise Unfit(str(error).splitlines()[0][:200]) from error
        self._shard.flush()

    def delete(self, ids: Sequence[Id]) -> None:
        """Takes points away."""
        self._shard.update(UpdateOperation.delete_points(list(ids)))
        self._shard.flush()

    def nearest(self, name: str, vector: Vectors, k: int, where: Mapping[str, Scalar]) -> list[tuple[Id, float]]:
        """At most k ids and their scores.

        The package sends a truth value as a whole number, which no truth value equals (seen with qdrant-edge-py 0.9):
        so more points are asked for, until k of them are left.
        """
        truths = {field: value for field, value in where.items() if isinstance(value, bool)}
        must: list[Any] = [FieldCondition(path(field), MatchValue(where[field])) for field in where.keys() - truths]
        query, limit = Query.Nearest(vector.tolist(), using=name or None), k
        while True:
            request = SearchRequest(query, limit, filter=Filter(must=must) if must else None, with_payload=bool(truths))
            found = self._shard.search(request)
            kept = [(bare_id(each.id), each.score) for each in found if held(each.payload or {}, truths)]
            if len(kept) >= k or len(found) < limit:
                return kept[:k]
            limit *= 4

    def close(self) -> None:
        """Closes the shard; safe to call again."""
        with self._opening:
            if self._opened is not None:
                self._opened.close()
                self._opened = None


def _made(wanted: Collected) -> EdgeConfig:
    return EdgeConfig(
        vectors={name: _params(each) for name, each in wanted.vectors.items() if each.kind != "sparse"},
        sparse_vectors={
            name: EdgeSparseVectorParams() for name, each in wanted.vectors.items() if each.kind == "sparse"
        },
    )


def _params(each: VectorSpec) -> EdgeVectorParams:
    assert each.dimensions is not None  # noqa: S101 - only a sparse vector has none
    return EdgeVectorParams(
        each.dimensions,
        getattr(Distance, DISTANCES[each.metric]),
        multivector_config=MultiVectorConfig(MultiVectorComparator.MaxSim) if each.kind == "multi" else None,
        hnsw_config=HnswIndexConfig(each.m or M, each.ef_construction or EF_CONSTRUCT, FULL_SCAN),
    )


def _sent(point: Point) -> Any:
    return named(point, SparseVector)


def _kind(value: Any) -> str:
    return str(getattr(value, "data_type", value)).rpartition(".")[2].lower()
