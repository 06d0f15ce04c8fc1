"""A collection of Chroma, read in the order of its ids and replaced point by point."""

from __future__ import annotations

import threading
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from typing import TYPE_CHECKING, Any, TypeVar

import numpy as np

from limosa.model.batch import Key, Vectors
from limosa.model.ids import KINDS
from limosa.model.point import Collected, Holds, Metric, Point, Scalar, VectorSpec
from limosa.ports.asking import PATIENCE_S, ask_again, put_apart
from limosa.ports.listed import Listed, order_of
from limosa.stores.chroma.listing import from_the_end
from limosa.stores.chroma.points import FILTERS, Kept, condition_of, kept_of, payload_of

if TYPE_CHECKING:
    from limosa.stores.chroma.client import ChromaClient

__all__ = ["ChromaCollection"]

MOST = 500
"""Points of one request: of 1536 dimensions some 10 MB of JSON."""

HOLDS = Holds(
    ids=KINDS,
    kinds=frozenset({"dense"}),
    metrics=frozenset({"cosine", "l2", "ip"}),
    several=False,
    bare=False,
    filters=FILTERS,
)
"""As chromadb 1.5.9 was seen to take them; no largest size of a vector was looked for."""

SIZE = "limosa:dimensions"
"""A field of the collection's own metadata: Chroma knows the size of its vectors from the first of them on only."""

_EVERYTHING = ["embeddings", "metadatas", "documents", "uris"]
_KEPT = ["metadatas", "documents", "uris"]

_T = TypeVar("_T")


class ChromaCollection:
    """One collection; threads may share it.

    Args:
        patience_s: how long a call is repeated before it raises Transient.
    """

    def __init__(self, client: ChromaClient, title: str, *, patience_s: float = PATIENCE_S) -> None:
        self.client = client
        self.title = title
        self._patience_s = patience_s
        self._listing = threading.Lock()
        self._ids: Listed | None = None

    @property
    def holds(self) -> Holds:
        """One dense vector for each point, and any text as its id."""
        return HOLDS

    def describe(self) -> Collected:
        """What it says of itself; ids are of the kind that they were when they were listed last."""
        graph, size, points = self._asked(self._described)
        spec = VectorSpec(
            name="",
            dimensions=size,
            metric=_metric(graph),
            # The direction is kept, to the last places of each number; the length comes back as it was.
            unit=_metric(graph) == "cosine",
            m=graph.get("max_neighbors"),
            ef_construction=graph.get("ef_construction"),
        )
        return Collected(points=points, ids=self._listed().kind() if points else "text", vectors={"": spec})

    def _described(self) -> tuple[dict[str, Any], int | None, int]:
        with self.client.asked(afresh=True) as found:
            told = found.configuration_json
            size = found.get_model().dimension or (found.metadata or {}).get(SIZE)
            return told.get("hnsw") or told.get("spann") or {}, size, found.count()

    def last(self) -> Key | None:
        """The last of the ids that are there now."""
        return self._listed(afresh=True).last()

    def order(self, key: Key) -> tuple[int, ...]:
        """Ids are in the order of their UTF-8."""
        return order_of(key)

    def read(self, after: Key | None, limit: int, *, bare: bool = False) -> list[Point]:
        """The points behind an id, in order; the ids are listed again where it begins at the beginning."""
        listed = self._listed(afresh=after is None)
        return listed.points(after, limit, lambda ids: self._got(ids, bare=bare), most=MOST)

    def fetch(self, keys: Sequence[Key], *, bare: bool = False) -> list[Point]:
        """These points, in any order; those that are not there, or could not be, are left out."""
        ids = [key[0] for key in dict.fromkeys(keys) if _id_is_taken(key)]
        return [each for start in range(0, len(ids), MOST) for each in self._got(ids[start : start + MOST], bare=bare)]

    def nearest(
        self, name: str, vector: Vectors, k: int, *, where: Mapping[str, Scalar] | None = None
    ) -> list[tuple[Key, float]]:
        """At most k ids with Chroma's distance, the smallest first."""
        condition = condition_of(where or {})

        def call() -> Any:
            with self.client.asked() as found:
                return found.query(query_embeddings=[vector], n_results=k, where=condition, include=["distances"])

        answer = self._asked(call)
        return [((found,), float(far)) for found, far in zip(answer["ids"][0], answer["distances"][0], strict=True)]

    def stands(self) -> bool:
        """Whether it is there."""
        return self._asked(self.client.stands)

    def make(self, wanted: Collected) -> None:
        """Makes it, without a point; Chroma has an index for every field anyway."""
        if self.stands():
            return
        [spec] = wanted.vectors.values()
        graph = {"space": spec.metric, "max_neighbors": spec.m, "ef_construction": spec.ef_construction}
        settings: Any = {name: value for name, value in graph.items() if value is not None}
        size = {SIZE: spec.dimensions} if spec.dimensions is not None else {}
        self._asked(lambda: self.client.make(graph=settings, metadata=size))

    def drop(self) -> None:
        """Takes it away with all that is in it."""
        self._forget()
        if self.stands():
            self._asked(self.client.drop)

    def write(self, points: Sequence[Point]) -> list[tuple[int, str]]:
        """Puts points in the place of what stood under their ids; of those with one id the last."""
        if not points:
            return []
        size = self._asked(self._described)[1]
        rejected = [(place, why) for place, each in enumerate(points) if (why := _unfit(each, size))]
        bad = {place for place, _ in rejected}
        fitting = list({each.key: place for place, each in enumerate(points) if place not in bad}.values())
        most = min(MOST, self._asked(self.client.batch))
        for start in range(0, len(fitting), most):
            rejected += put_apart(lambda places: self._put([points[i] for i in places]), fitting[start : start + most])
        if self._ids is not None:
            refused = {place for place, _ in rejected}
            self._ids.add(points[i].key[0] for i in fitting if i not in refused)
        return sorted(rejected)

    def erase(self, keys: Sequence[Key]) -> None:
        """Takes points away."""
        ids = [key[0] for key in dict.fromkeys(keys) if _id_is_taken(key)]
        for start in range(0, len(ids), MOST):
            self._asked(partial(self._deleted, ids[start : start + MOST]))
        if self._ids is not None:
            self._ids.remove(ids)

    def close(self) -> None:
        """Gives every connection back, and the list of ids."""
        self._forget()
        self.client.close()

    def _listed(self, *, afresh: bool = False) -> Listed:
        """The ids; where they are listed afresh, those who read the list before keep reading it."""
        with self._listing:
            if self._ids is None or afresh:
                self._ids = self._asked(self._gathered)
            return self._ids

    def _gathered(self) -> Listed:
        with self.client.asked() as found:
            return Listed(
                from_the_end(found.count(), lambda at, most: found.get(limit=most, offset=at, include=[])["ids"])
            )

    def _forget(self) -> None:
        with self._listing:
            self._ids = None

    def _got(self, ids: Sequence[str], *, bare: bool) -> list[Point]:
        def call() -> Any:
            with self.client.asked() as found:
                return found.get(ids=list(ids), include=[] if bare else _EVERYTHING)

        answer = self._asked(call)
        if bare:
            return [Point((found,)) for found in answer["ids"]]
        return [
            Point(key=(found,), vectors={"": np.asarray(vector, np.float32)}, payload=payload_of(kept))
            for found, vector, kept in zip(answer["ids"], answer["embeddings"], _kept(answer), strict=True)
        ]

    def _put(self, points: Sequence[Point]) -> None:
        self._asked(lambda: self._upserted(points))

    def _upserted(self, points: Sequence[Point]) -> None:
        """Writes points whole.

        An upsert of Chroma's merges: fields that it does not name stay, and so do document and URI. Fields are
        therefore named as None, and records whose document or URI goes are deleted first, for there is no such way
        for these (seen with chromadb 1.5.9).
        """
        ids = [each.key[0] for each in points]
        made = [kept_of(each.payload) for each in points]
        with self.client.asked() as found:
            answer = found.get(ids=ids, include=_KEPT)
            before = dict(zip(answer["ids"], _kept(answer), strict=True))
            gone = [each for each, now in zip(ids, made, strict=True) if each in before and _loses(before[each], now)]
            if gone:
                found.delete(ids=gone)
            names = [before[each].metadata if each in before and each not in set(gone) else () for each in ids]
            found.upsert(
                ids=ids,
                embeddings=np.stack([np.asarray(each.vectors[""], np.float32) for each in points]),
                metadatas=[
                    {**dict.fromkeys(old), **now.metadata} or None for old, now in zip(names, made, strict=True)
                ],
                documents=[each.document for each in made],
                uris=[each.uri for each in made],
            )

    def _deleted(self, ids: list[str]) -> None:
        with self.client.asked() as found:
            found.delete(ids=ids)

    def _asked(self, call: Callable[[], _T]) -> _T:
        return ask_again(call, patience_s=self._patience_s)


def _metric(graph: dict[str, Any]) -> Metric:
    found: Metric = graph.get("space", "l2")
    return found


def _kept(answer: Any) -> list[Kept]:
    parts = zip(answer["documents"], answer["uris"], answer["metadatas"], strict=True)
    return [Kept(document, uri, metadata or {}) for document, uri, metadata in parts]


def _loses(before: Kept, now: Kept) -> bool:
    return (before.document is not None and now.document is None) or (before.uri is not None and now.uri is None)


def _id_is_taken(key: Key) -> bool:
    try:
        return bool(key[0].encode())
    except UnicodeEncodeError:
        return False


def _unfit(point: Point, size: int | None) -> str:
    """Why a point is not taken; one such would have Chroma refuse its whole batch."""
    if not _id_is_taken(point.key):
        return "its id is empty, or no text that UTF-8 can hold"
    vector = point.vectors.get("")
    if set(point.vectors) != {""} or not isinstance(vector, np.ndarray) or vector.ndim != 1:
        return "Chroma keeps exactly one dense vector for each point"
    if size is not None and len(vector) != size:
        return f"its vector has {len(vector)} dimensions, and the collection's have {size}"
    return "" if np.isfinite(vector).all() else "its vector holds a value that is no number"
