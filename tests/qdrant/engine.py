"""Collections of Qdrant's own engine, addressed as its REST protocol addresses them."""

from __future__ import annotations

import json
import shutil
import threading
from pathlib import Path
from typing import Any

import numpy as np
import qdrant_edge as edge

__all__ = ["Collections", "Unknown", "Wrong"]

Body = dict[str, Any]

_DISTANCES = {
    "Cosine": edge.Distance.Cosine,
    "Dot": edge.Distance.Dot,
    "Euclid": edge.Distance.Euclid,
    "Manhattan": edge.Distance.Manhattan,
}


class Unknown(Exception):
    """There is no such collection."""


class Wrong(Exception):
    """The engine does not take what it was sent."""


class Collections:
    """What a server keeps in a folder; each collection is a shard of the engine."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._open: dict[str, edge.EdgeShard] = {}
        self._guard = threading.RLock()

    def create(self, name: str, body: Body) -> None:
        """Makes a collection by the body of ``PUT /collections/NAME``."""
        with self._guard:
            given = body.get("vectors") or {}
            vectors: Any = _params(given) if "size" in given else {each: _params(one) for each, one in given.items()}
            sparse = {each: edge.EdgeSparseVectorParams() for each in body.get("sparse_vectors") or {}}
            config = edge.EdgeConfig(vectors=vectors or None, sparse_vectors=sparse or None)
            self._open[name] = edge.EdgeShard.create(str(self._folder / name), config)

    def names(self) -> list[str]:
        """The collections."""
        return sorted(self._open)

    def describe(self, name: str) -> Body:
        """The answer to ``GET /collections/NAME``."""
        shard = self._shard(name)
        config = json.loads((self._folder / name / "edge_config.json").read_bytes())
        params = {"vectors": config.get("vectors") or {}, "shard_number": 1, "replication_factor": 1}
        params |= {"write_consistency_factor": 1, "on_disk_payload": True}
        if config.get("sparse_vectors"):
            params["sparse_vectors"] = config["sparse_vectors"]
        hnsw = {"m": 16, "ef_construct": 100, "full_scan_threshold": 10000} | (config.get("hnsw_config") or {})
        return {
            "status": "green",
            "optimizer_status": "ok",
            "points_count": shard.info().points_count,
            "segments_count": 1,
            "config": {"params": params, "hnsw_config": hnsw, "optimizer_config": _OPTIMIZERS, "wal_config": _WAL},
            "payload_schema": {
                field: {"data_type": str(kind.data_type).rpartition(".")[2].lower(), "points": 0}
                for field, kind in shard.info().payload_schema.items()
            },
        }

    def upsert(self, name: str, body: Body) -> None:
        """The points of ``PUT /collections/NAME/points``."""
        shard = self._shard(name)
        try:
            points = [edge.Point(each["id"], _vectors(each["vector"]), each.get("payload")) for each in body["points"]]
            with self._guard:
                shard.update(edge.UpdateOperation.upsert_points(points))
        except Exception as error:
            raise Wrong(str(error).splitlines()[0]) from error

    def drop(self, name: str) -> None:
        """Takes a collection away."""
        with self._guard:
            self._shard(name).close()
            del self._open[name]
            shutil.rmtree(self._folder / name)

    def index(self, name: str, body: Body) -> None:
        """The index of ``PUT /collections/NAME/index``."""
        kind = getattr(edge.PayloadSchemaType, str(body["field_schema"]).capitalize())
        with self._guard:
            self._shard(name).update(edge.UpdateOperation.create_field_index(body["field_name"], kind))

    def remove(self, name: str, body: Body) -> None:
        """The points of ``POST /collections/NAME/points/delete``."""
        with self._guard:
            self._shard(name).update(edge.UpdateOperation.delete_points(body["points"]))

    def overwrite(self, name: str, body: Body) -> None:
        """The payload of ``PUT /collections/NAME/points/payload``."""
        with self._guard:
            self._shard(name).update(edge.UpdateOperation.overwrite_payload(body["points"], body["payload"]))

    def scroll(self, name: str, body: Body) -> Body:
        """A page of ``POST /collections/NAME/points/scroll``."""
        request = edge.ScrollRequest(
            offset=body.get("offset"),
            limit=body.get("limit", 10),
            with_payload=body.get("with_payload", True),
            with_vector=body.get("with_vector", False),
        )
        found, following = self._shard(name).scroll(request)
        return {"points": [_told(each) for each in found], "next_page_offset": _id(following)}

    def retrieve(self, name: str, body: Body) -> list[Body]:
        """The points of ``POST /collections/NAME/points``."""
        found = self._shard(name).retrieve(
            body["ids"], with_payload=body.get("with_payload", True), with_vector=body.get("with_vector", False)
        )
        return [_told(each) for each in found]

    def count(self, name: str) -> int:
        """How many points there are."""
        return self._shard(name).count(edge.CountRequest(exact=True))

    def query(self, name: str, body: Body) -> list[Body]:
        """What is nearest, as ``POST /collections/NAME/points/query`` asks for it.

        The engine's package takes a truth value for a number; these conditions are looked at here.
        """
        query = edge.Query.Nearest(body["query"]["nearest"], using=body.get("using"))
        must = [(each["key"], each["match"]["value"]) for each in (body.get("filter") or {}).get("must", ())]
        kept: list[Any] = [
            edge.FieldCondition(key, edge.MatchValue(value)) for key, value in must if not isinstance(value, bool)
        ]
        truths = {key.strip('"'): value for key, value in must if isinstance(value, bool)}
        limit = body.get("limit", 10)
        most = self.count(name) if truths else limit
        request = edge.SearchRequest(query, most, filter=edge.Filter(must=kept), with_payload=True)
        found = [
            each
            for each in self._shard(name).search(request)
            if all((each.payload or {}).get(field) is value for field, value in truths.items())
        ]
        return [{"id": _id(each.id), "version": 0, "score": each.score} for each in found[:limit]]

    def close(self) -> None:
        """Closes every shard; what is in the folder stays."""
        with self._guard:
            for shard in self._open.values():
                shard.close()
            self._open.clear()

    def reopen(self) -> None:
        """Opens what is in the folder, as a server does that starts."""
        with self._guard:
            for path in self._folder.iterdir():
                self._open[path.name] = edge.EdgeShard.load(str(path))

    def _shard(self, name: str) -> edge.EdgeShard:
        try:
            return self._open[name]
        except KeyError:
            raise Unknown(name) from None


_OPTIMIZERS = {"deleted_threshold": 0.2, "vacuum_min_vector_number": 1000, "default_segment_number": 0}
_OPTIMIZERS |= {"flush_interval_sec": 5}
_WAL = {"wal_capacity_mb": 32, "wal_segments_ahead": 0}


def _params(given: Body) -> edge.EdgeVectorParams:
    multi = edge.MultiVectorConfig(edge.MultiVectorComparator.MaxSim) if given.get("multivector_config") else None
    graph = given.get("hnsw_config") or {}
    hnsw = edge.HnswIndexConfig(graph.get("m") or 16, graph.get("ef_construct") or 100, 10_000)
    return edge.EdgeVectorParams(
        given["size"], _DISTANCES[given["distance"]], multivector_config=multi, hnsw_config=hnsw
    )


def _vectors(given: Any) -> Any:
    if not isinstance(given, dict):
        return given
    return {
        name: edge.SparseVector(each["indices"], each["values"]) if isinstance(each, dict) else each
        for name, each in given.items()
    }


def _id(found: Any) -> Any:
    return found if found is None or isinstance(found, int) else str(found)


def _told(found: Any) -> Body:
    vector = found.vector
    if isinstance(vector, dict):
        vector = {name: _numbers(each) for name, each in vector.items()}
    elif vector is not None:
        vector = _numbers(vector)
    return {"id": _id(found.id), "payload": found.payload, "vector": vector}


def _numbers(vector: Any) -> Any:
    """A vector so that it is printed as a server does: as few digits as name a float32."""
    if isinstance(vector, edge.SparseVector):
        return {"indices": vector.indices, "values": np.array(vector.values, dtype=np.float32)}
    return np.array(vector, dtype=np.float32)
