"""Qdrant by its own client: a server over REST, or the client's local mode in a folder."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from functools import cached_property, partial
from pathlib import Path
from typing import Any

from qdrant_client import QdrantClient
from qdrant_client.http.exceptions import UnexpectedResponse
from qdrant_client.models import (
    Distance,
    HnswConfigDiff,
    MultiVectorComparator,
    MultiVectorConfig,
    PayloadSchemaType,
    PointStruct,
    SparseVector,
    SparseVectorParams,
    VectorParams,
)

from limosa.errors import Refused, Transient
from limosa.model.batch import Vectors
from limosa.model.point import Collected, Point, Scalar, VectorSpec
from limosa.stores.qdrant.described import DISTANCES, spec
from limosa.stores.qdrant.engine import TOLD, Unfit
from limosa.stores.qdrant.faults import asked
from limosa.stores.qdrant.ids import Id, bare_id
from limosa.stores.qdrant.near import Near
from limosa.stores.qdrant.points import named, point_of
from limosa.stores.qdrant.reading import Reading

__all__ = ["ClientEngine", "TIMEOUT_S"]

TIMEOUT_S = 30
"""A page that takes longer is asked for in smaller ones."""

LOCAL = 1_000_000_000
"""Numbers that local mode tells at once: it has all of them in memory, and sorts all ids for each page."""

_BAD = frozenset({400, 422})


class ClientEngine:
    """One collection of a client.

    Args:
        connect: makes the client when it is first asked.
        folder: of a client that reads a folder by itself, and asks no server; else None.
        reading: reads points instead of the client; None where it reads a folder.
    """

    def __init__(
        self,
        connect: Callable[[], QdrantClient],
        collection: str,
        *,
        folder: Path | None = None,
        reading: Reading | None = None,
    ) -> None:
        self._connect = connect
        self._collection = collection
        self._folder = folder
        self._reading = reading
        self._near: dict[str, Near] = {}
        self.told = TOLD if folder is None else LOCAL

    @cached_property
    def _client(self) -> QdrantClient:
        if self._folder is not None and not self._folder.is_dir():
            raise Refused(f"There is no folder {self._folder.name}.", needed="The folder that is named in the file.")
        try:
            return self._connect()
        except RuntimeError as error:
            # So the client says that another process has the folder.
            raise Refused(
                f"The folder {self._folder.name if self._folder is not None else ''} cannot be opened: another has it.",
                needed="A folder that no other process has open.",
                do="Close it there, or copy the folder; then repeat the command.",
            ) from error

    def describe(self) -> Collected:
        """What the collection says of itself."""
        found = asked(lambda: self._client.get_collection(self._collection))
        points = asked(lambda: self._client.count(self._collection, exact=True)).count
        params = found.config.params.model_dump(mode="json")
        graph = found.config.hnsw_config.model_dump(mode="json") if found.config.hnsw_config is not None else {}
        given = params.get("vectors") or {}
        plain: Mapping[str, Any] = {"": given} if "size" in given else given
        vectors = {name: spec(name, each, graph) for name, each in plain.items()}
        vectors |= {name: spec(name, None, graph) for name in params.get("sparse_vectors") or {}}
        schema = found.payload_schema or {}
        return Collected(
            points=points,
            ids="text",
            vectors=vectors,
            indexed={name: str(getattr(each.data_type, "value", each.data_type)) for name, each in schema.items()},
        )

    def stands(self) -> bool:
        """Whether the collection is there."""
        if self._folder is not None and not self._folder.is_dir():
            return False
        return asked(lambda: self._client.collection_exists(self._collection))

    def make(self, wanted: Collected) -> None:
        """Makes it where it is not there, and every index of a payload field."""
        dense = {name: _params(each) for name, each in wanted.vectors.items() if each.kind != "sparse"}
        sparse = {name: SparseVectorParams() for name, each in wanted.vectors.items() if each.kind == "sparse"}
        if self._folder is not None:
            self._folder.mkdir(parents=True, exist_ok=True)
        if not self.stands():
            vectors = dense[""] if set(dense) == {""} else dense
            asked(
                lambda: self._client.create_collection(
                    self._collection, vectors_config=vectors, sparse_vectors_config=sparse or None
                )
            )
        # In local mode there are none, and the client says so on every call.
        for field, kind in {} if self._folder is not None else wanted.indexed.items():
            made = partial(self._client.create_payload_index, self._collection, field, wait=True)
            asked(partial(made, field_schema=PayloadSchemaType(kind)))

    def drop(self) -> None:
        """Takes it away where it is there."""
        if self.stands():
            asked(lambda: self._client.delete_collection(self._collection))

    def scroll(self, start: Id | None, limit: int, *, bare: bool) -> tuple[list[Point], Id | None]:
        """Points from an id on, and where the next page begins."""
        if self._reading is not None:
            return self._reading.scroll(start, limit, bare=bare)
        found, following = asked(
            lambda: self._client.scroll(
                self._collection, offset=start, limit=limit, with_payload=not bare, with_vectors=not bare
            )
        )
        return [point_of(each) for each in found], following if following is None else bare_id(following)

    def retrieve(self, ids: Sequence[Id], *, bare: bool) -> list[Point]:
        """These points."""
        if self._reading is not None:
            return self._reading.retrieve(ids, bare=bare)
        found = asked(
            lambda: self._client.retrieve(self._collection, ids=list(ids), with_payload=not bare, with_vectors=not bare)
        )
        return [point_of(each) for each in found]

    def upsert(self, points: Sequence[tuple[Id, Point]]) -> None:
        """Writes points whole, and waits until they can be read."""
        self._near.clear()
        made = [PointStruct(id=number, vector=_sent(each), payload=dict(each.payload)) for number, each in points]
        try:
            asked(lambda: self._client.upsert(self._collection, points=made, wait=True))
        except (Refused, Transient) as error:
            why = _unfit(error.__cause__, local=self._folder is not None)
            if why:
                raise Unfit(why) from error
            raise

    def delete(self, ids: Sequence[Id]) -> None:
        """Takes points away, and waits."""
        self._near.clear()
        asked(lambda: self._client.delete(self._collection, points_selector=list(ids), wait=True))

    def nearest(self, name: str, vector: Vectors, k: int, where: Mapping[str, Scalar]) -> list[tuple[Id, float]]:
        """At most k ids and their scores."""
        if self._reading is not None:
            return self._reading.nearest(name, vector, k, where)
        return self._searched(name).nearest(vector, k, where)

    def _searched(self, name: str) -> Near:
        """Local mode's own search brings what it searches to the length 1 (seen with qdrant-client 1.20)."""
        if name not in self._near:
            found, _ = self.scroll(None, self.describe().points, bare=False)
            self._near[name] = Near.of(found, name, self.describe().vectors[name].metric)
        return self._near[name]

    def close(self) -> None:
        """Closes the client's connections."""
        if self._reading is not None:
            self._reading.close()
        if "_client" in self.__dict__:
            self._client.close()


def _unfit(error: BaseException | None, *, local: bool) -> str:
    """What is said of a point that is not taken; empty where something else went wrong."""
    if isinstance(error, UnexpectedResponse) and error.status_code in _BAD:
        try:
            said = str(json.loads(error.content)["status"]["error"])
        except (ValueError, LookupError, TypeError):
            said = f"Qdrant answered {error.status_code}"
    else:
        # In local mode the client itself says what a server would.
        said = str(error) if local and isinstance(error, ValueError) else ""
    return said.partition("\n")[0][:200]


def _params(each: VectorSpec) -> VectorParams:
    assert each.dimensions is not None  # noqa: S101 - only a sparse vector has none
    return VectorParams(
        size=each.dimensions,
        distance=Distance(DISTANCES[each.metric]),
        hnsw_config=HnswConfigDiff(m=each.m, ef_construct=each.ef_construction),
        multivector_config=MultiVectorConfig(comparator=MultiVectorComparator.MAX_SIM)
        if each.kind == "multi"
        else None,
    )


def _sent(point: Point) -> Any:
    return named(point, lambda indices, values: SparseVector(indices=indices, values=values))
