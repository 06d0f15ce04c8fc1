"""Qdrant by its own client: a server over REST, or the client's local mode in a folder."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from functools import cached_property, partial
from pathlib import Path
from typing import Any, TypeVar

import httpx
from pydantic import ValidationError
from qdrant_client import QdrantClient
from qdrant_client.common.client_exceptions import ResourceExhaustedResponse
from qdrant_client.http.exceptions import ResponseHandlingException, UnexpectedResponse
from qdrant_client.models import (
    Distance,
    FieldCondition,
    Filter,
    HnswConfigDiff,
    MatchValue,
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
from limosa.stores.qdrant.engine import TimedOut, Unfit
from limosa.stores.qdrant.filters import path
from limosa.stores.qdrant.ids import Id, bare_id
from limosa.stores.qdrant.near import Near
from limosa.stores.qdrant.points import named, point_of

__all__ = ["ClientEngine", "TIMEOUT_S"]

TIMEOUT_S = 30
"""A page that takes longer is asked for in smaller ones."""

_ASIDE = frozenset({408, 425, 429})
_SLOW = frozenset({408, 504})
_BAD = frozenset({400, 422})

_T = TypeVar("_T")


class ClientEngine:
    """One collection of a client.

    Args:
        connect: makes the client when it is first asked.
        folder: of a client that reads a folder by itself, and asks no server; else None.
    """

    def __init__(self, connect: Callable[[], QdrantClient], collection: str, *, folder: Path | None = None) -> None:
        self._connect = connect
        self._collection = collection
        self._folder = folder
        self._near: dict[str, Near] = {}

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
        found = _asked(lambda: self._client.get_collection(self._collection))
        points = _asked(lambda: self._client.count(self._collection, exact=True)).count
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
        return _asked(lambda: self._client.collection_exists(self._collection))

    def make(self, wanted: Collected) -> None:
        """Makes it where it is not there, and every index of a payload field."""
        dense = {name: _params(each) for name, each in wanted.vectors.items() if each.kind != "sparse"}
        sparse = {name: SparseVectorParams() for name, each in wanted.vectors.items() if each.kind == "sparse"}
        if self._folder is not None:
            self._folder.mkdir(parents=True, exist_ok=True)
        if not self.stands():
            vectors = dense[""] if set(dense) == {""} else dense
            _asked(
                lambda: self._client.create_collection(
                    self._collection, vectors_config=vectors, sparse_vectors_config=sparse or None
                )
            )
        # In local mode there are none, and the client says so on every call.
        for field, kind in {} if self._folder is not None else wanted.indexed.items():
            made = partial(self._client.create_payload_index, self._collection, field, wait=True)
            _asked(partial(made, field_schema=PayloadSchemaType(kind)))

    def drop(self) -> None:
        """Takes it away where it is there."""
        if self.stands():
            _asked(lambda: self._client.delete_collection(self._collection))

    def scroll(self, start: Id | None, limit: int, *, bare: bool) -> tuple[list[Point], Id | None]:
        """Points from an id on, and where the next page begins."""
        found, following = _asked(
            lambda: self._client.scroll(
                self._collection, offset=start, limit=limit, with_payload=not bare, with_vectors=not bare
            )
        )
        return [point_of(each) for each in found], following if following is None else bare_id(following)

    def retrieve(self, ids: Sequence[Id], *, bare: bool) -> list[Point]:
        """These points."""
        found = _asked(
            lambda: self._client.retrieve(self._collection, ids=list(ids), with_payload=not bare, with_vectors=not bare)
        )
        return [point_of(each) for each in found]

    def upsert(self, points: Sequence[tuple[Id, Point]]) -> None:
        """Writes points whole, and waits until they can be read."""
        self._near.clear()
        made = [PointStruct(id=number, vector=_sent(each), payload=dict(each.payload)) for number, each in points]
        try:
            _asked(lambda: self._client.upsert(self._collection, points=made, wait=True))
        except (Refused, Transient) as error:
            why = _unfit(error.__cause__, local=self._folder is not None)
            if why:
                raise Unfit(why) from error
            raise

    def delete(self, ids: Sequence[Id]) -> None:
        """Takes points away, and waits."""
        self._near.clear()
        _asked(lambda: self._client.delete(self._collection, points_selector=list(ids), wait=True))

    def nearest(self, name: str, vector: Vectors, k: int, where: Mapping[str, Scalar]) -> list[tuple[Id, float]]:
        """At most k ids and their scores."""
        if self._folder is not None:
            return self._searched(name).nearest(vector, k, where)
        asked = partial(self._client.query_points, self._collection, query=vector.tolist(), using=name or None, limit=k)
        must = [FieldCondition(key=path(field), match=MatchValue(value=value)) for field, value in where.items()]
        found = _asked(lambda: asked(query_filter=Filter(must=must) if must else None, with_payload=False))
        return [(bare_id(each.id), each.score) for each in found.points]

    def _searched(self, name: str) -> Near:
        """Local mode's own search brings what it searches to the length 1 (seen with qdrant-client 1.20)."""
        if name not in self._near:
            found, _ = self.scroll(None, self.describe().points, bare=False)
            self._near[name] = Near.of(found, name, self.describe().vectors[name].metric)
        return self._near[name]

    def close(self) -> None:
        """Closes the client's connections."""
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


def _asked(call: Callable[[], _T]) -> _T:
    """What the client answers, with its errors in limosa's words."""
    try:
        return call()
    except UnexpectedResponse as error:
        raise _refused(error) from error
    except ResourceExhaustedResponse as error:
        raise Transient("Qdrant asks for fewer requests (429).", do="Repeat the command later.") from error
    except ResponseHandlingException as error:
        if isinstance(error.source, httpx.TimeoutException):
            raise TimedOut("no answer in time") from error
        raise _unanswered(error.source) from error
    except (httpx.HTTPError, ValidationError) as error:
        raise _unanswered(error) from error
    except ValueError as error:
        # In local mode the client says so itself; a body that breaks off is no JSON.
        if "not found" in str(error):
            raise Refused(
                f"Qdrant says: {str(error).splitlines()[0]}", do="Check store and collection in [source]."
            ) from error
        raise _unanswered(error) from error


def _refused(error: UnexpectedResponse) -> Exception:
    status = error.status_code or 0
    if status in _SLOW:
        return TimedOut(f"Qdrant answered {status}")
    if status >= 500 or status in _ASIDE:
        return Transient(f"Qdrant answered {status}.", do="Nothing committed is lost; repeat the command.")
    if status in {401, 403}:
        return Refused(
            f"Qdrant does not let limosa in ({status}).",
            needed="A key that may read the collection.",
            do="Set token in [source] to a reference such as env:QDRANT_API_KEY.",
        )
    if status == 404:
        return Refused("Qdrant has no such collection (404).", do="Check store and collection in [source].")
    return Refused(f"Qdrant refuses ({status}).", do="This is about the request, not the moment.")


def _unanswered(error: Exception) -> Transient:
    return Transient(
        f"Qdrant does not answer as it should: {type(error).__name__}.",
        do="Start the server or mend the way to it; then repeat the command.",
    )
