"""Copies whose application filters: both sides are asked as it asks them, and an answer that lacks rows is seen."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import psycopg
import pytest
import qdrant_edge as edge

from limosa.app import App, open_app
from limosa.model.point import Collected, Point, VectorSpec
from limosa.model.proof import Proof
from limosa.stores.postgres.search import BY_INDEX
from tests.journey.collection_world import Stand, stand

ROWS, D = 1500, 16

INDEXED = {"author.name": "keyword", "content": "text", "genre": "keyword", "hot": "bool", "tags": "keyword"}
"""Of the points below; ``content`` holds words, ``tags`` lists."""


@pytest.fixture(autouse=True)
def _here(database: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("LIMOSA_TEST_URL", database)
    monkeypatch.chdir(tmp_path)


@pytest.fixture
def near(tmp_path: Path) -> Iterator[Stand]:
    """Points in Qdrant of which every thirtieth has the same genre."""
    with stand("qdrant-edge", tmp_path, "") as near:
        spec = VectorSpec(name="", dimensions=D, metric="cosine")
        near.fill("went", Collected(points=0, ids="uint63", vectors={"": spec}, indexed=INDEXED), _points())
        yield near


def _points() -> list[Point]:
    vectors = np.random.default_rng(5).normal(size=(ROWS, D)).astype(np.float32)
    return [
        Point(
            key=(str(number),),
            vectors={"": vector},
            payload={
                "genre": f"genre {number % 30} 'ü",
                "author": {"name": f"author {number % 3}", "age": number},
                "hot": number % 2 == 0,
                "content": f"text {number}",
                "tags": ["a", "b"],
            },
        )
        for number, vector in enumerate(vectors)
    ]


def _app(source: Mapping[str, Any], **target: Any) -> App:
    return open_app({"name": "there", "source": dict(source), "target": target})


def _table(**more: Any) -> dict[str, Any]:
    return {"store": "env:LIMOSA_TEST_URL", "table": "books", "columns": {"genre": "genre", "hot": "hot"}, **more}


def _set(url: str, settings: Mapping[str, str]) -> None:
    """What every later session of the database has."""
    with psycopg.connect(url, autocommit=True) as connection:
        for name, value in settings.items():
            connection.execute(f"ALTER DATABASE {connection.info.dbname} SET {name} = '{value}'")


def _proofs(source: Mapping[str, Any], **target: Any) -> dict[str, Proof]:
    """Of a session that begins now."""
    with contextlib.closing(_app(source, **target)) as app:
        return {each.name: each for each in app.verify()}


def test_both_sides_are_asked_with_the_filters_of_the_application(near: Stand, database: str) -> None:
    with contextlib.closing(_app(near.section("went"), **_table())) as app:
        ending = app.run()
    proofs = {each.name: each for each in ending.proofs}
    assert ending.verdict == "proved", ending.proofs
    filters = proofs["filters"]
    assert "with a filter by author.name, genre, hot; not asked by content (its index is one of words), tags" in (
        filters.said
    )
    fields: dict[str, dict[str, object]] = filters.evidence["fields"]  # type: ignore[assignment]
    # The server may ask its graph, which misses some where few rows pass.
    assert all(each["wanted"] == 500 and int(str(each["found"])) >= 475 for each in fields.values()), fields
    assert (filters.evidence["short"], proofs["latency"].evidence["filtered_queries"]) == (0, 150)
    assert "filter" not in proofs["overlap"].said


def test_a_filter_after_the_index_is_seen_and_mended_as_it_is_told(
    near: Stand, database: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    with contextlib.closing(_app(near.section("went"), **_table())) as app:
        assert app.run().verdict == "proved"
    # As with a table so large that every search goes through its index.
    _set(database, BY_INDEX)
    proofs = _proofs(near.section("went"), **_table())
    assert (proofs["overlap"].verdict, proofs["filters"].verdict) == ("proved", "different"), proofs
    said = proofs["filters"].said
    assert "by genre it is 0." in said
    assert "by hot it is" not in said
    assert "short, one of them with " in said
    assert "ALTER DATABASE ... SET hnsw.iterative_scan = strict_order" in said
    # The application's own setting can be said of limosa's sessions, or of all.
    with monkeypatch.context() as patched:
        patched.setenv("LIMOSA_TEST_URL", f"{database}&options=-c%20hnsw.iterative_scan%3Dstrict_order")
        assert _proofs(near.section("went"), **_table())["filters"].verdict == "proved"
    assert _proofs(near.section("went"), **_table())["filters"].verdict == "different"
    _set(database, {"hnsw.iterative_scan": "strict_order"})
    proofs = _proofs(near.section("went"), **_table())
    assert (proofs["filters"].verdict, proofs["filters"].evidence["short"]) == ("proved", 0), proofs["filters"]


def test_an_index_that_misses_what_is_near_is_seen(near: Stand, database: str) -> None:
    _set(database, {**BY_INDEX, "hnsw.ef_search": "10"})
    with contextlib.closing(_app(near.section("went"), **_table(index={"m": 2, "ef_construction": 4}))) as app:
        proofs = {each.name: each for each in app.run().proofs}
    assert proofs["overlap"].verdict == "different", proofs["overlap"]
    assert "its index is what misses them: ALTER DATABASE ... SET hnsw.ef_search" in proofs["overlap"].said


def test_an_old_store_whose_index_misses_what_is_near_is_told_and_no_fault(tmp_path: Path) -> None:
    coarse = edge.HnswIndexConfig(m=2, ef_construct=4, full_scan_threshold=1)
    vectors = edge.EdgeVectorParams(D, edge.Distance.Cosine, hnsw_config=coarse)
    early = edge.EdgeOptimizersConfig(indexing_threshold=1)
    shard = edge.EdgeShard.create(str(tmp_path / "went"), edge.EdgeConfig(vectors=vectors, optimizers=early))
    points = [edge.Point(int(each.key[0]), each.vectors[""].tolist(), each.payload) for each in _points()]  # type: ignore[union-attr, arg-type]
    shard.update(edge.UpdateOperation.upsert_points(points))
    assert shard.optimize()
    shard.close()
    source, fine = {"store": f"qdrant+edge://{tmp_path}", "collection": "went"}, {"m": 16, "ef_construction": 64}
    with contextlib.closing(_app(source, **_table(index=fine))) as app:
        ending = app.run()
    said = {each.name: each.said for each in ending.proofs}
    assert ending.verdict == "proved", said
    assert "the old store is what misses them" in said["overlap"]


def test_a_new_store_that_answers_badly_is_no_reason_to_stay(near: Stand, database: str) -> None:
    with contextlib.closing(_app(near.section("went"), **_table())) as app:
        app.run()
        app.cutover()
    _set(database, {**BY_INDEX, "hnsw.ef_search": "1"})
    with contextlib.closing(_app(near.section("went"), **_table())) as app:
        assert "overlap" in {proof.name for proof in app.verify() if proof.verdict == "different"}
        app.rollback()
    with psycopg.connect(database) as connection:
        assert connection.execute("SELECT to_regclass('books')").fetchone() == (None,)


def test_columns_with_an_index_are_filtered_by_where_the_new_store_can(database: str, tmp_path: Path) -> None:
    with psycopg.connect(database, autocommit=True) as connection:
        connection.execute(
            "CREATE TABLE went (id bigint PRIMARY KEY, genre text, made timestamptz, n int, embedding vector(4))"
        )
        connection.execute(
            """INSERT INTO went SELECT n, 'genre ' || n % 7, '2026-01-01'::timestamptz + n % 3 * interval '1 h', n,
            ARRAY[n, 1, -n % 11, n % 5]::real[]::vector FROM generate_series(1, 300) AS n"""
        )
        connection.execute("CREATE INDEX ON went (genre); CREATE INDEX ON went (made)")
    source = {"store": "env:LIMOSA_TEST_URL", "table": "went"}
    said = {}
    for kind in ("chroma", "lancedb"):
        with stand(kind, tmp_path, "") as far, contextlib.closing(_app(source, **far.section("away"))) as app:
            ending = app.run()
            assert ending.verdict == "proved", ending.proofs
            said[kind] = {each.name: each.said for each in ending.proofs}
            app.rollback()
    assert "over 100 queries with a filter by genre, made" in said["chroma"]["filters"]
    assert "filters" not in said["lancedb"]
    cannot = "the new store cannot filter by it"
    assert f"asked without filters, not by genre ({cannot}), made ({cannot})" in said["lancedb"]["overlap"]


def test_without_an_index_at_the_source_nothing_more_is_asked(tmp_path: Path) -> None:
    spec = VectorSpec(name="", dimensions=D, metric="cosine")
    with stand("chroma", tmp_path, "") as near:
        near.fill("went", Collected(points=0, ids="text", vectors={"": spec}), _points()[:200])
        with contextlib.closing(_app(near.section("went"), **_table())) as app:
            proofs = {each.name: each for each in app.run().proofs}
    assert "filters" not in proofs
    assert "no payload index at the source: asked without filters" in proofs["overlap"].said


def test_the_new_side_is_asked_by_its_own_metric(near: Stand) -> None:
    with contextlib.closing(_app(near.section("went"), **_table(), index={"metric": "l2"})) as app:
        proofs = {each.name: each for each in app.run().proofs}
        assert (proofs["overlap"].verdict, proofs["latency"].verdict) == ("unchecked", "proved")
        assert proofs["overlap"].said == "the old store compares by cosine, the new one by l2"
        vector = _points()[7].vectors[""]
        assert isinstance(vector, np.ndarray)
        carried = app.voyage.store.witness(0).carried()
        assert carried is not None
        # By l2 a vector is nearer to itself than to its double.
        far = carried.nearest(2 * vector, 1, exact=True).rows[0]
        assert far.distance > 0.1
