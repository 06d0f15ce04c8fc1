"""Vectors longer than an index over vector takes: carried bit for bit, searched by an index over halfvec, and back."""

from __future__ import annotations

import contextlib
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import psycopg
import pytest

from limosa.app import App, open_app
from limosa.errors import Refused
from limosa.model.batch import Vectors
from limosa.model.migration import Form
from limosa.model.point import Collected, Metric, Point, VectorSpec
from limosa.stores.crossing.equality import same
from limosa.stores.postgres.codec import text_of_vector
from limosa.stores.postgres.landing.source import open_table
from tests.crash.world import dump, until
from tests.journey.collection_world import Stand, stand

WIDE, ROWS = 3072, 150

CLASSES = {"cosine": "cosine_ops", "l2": "l2_ops", "ip": "ip_ops", "l1": "l1_ops"}


@pytest.fixture(autouse=True)
def _here(database: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    # Vectors lie in TOAST, and a test's table is so small that the planner would read it whole, index or no index.
    asked(database, f"ALTER DATABASE {database.rpartition('/')[2].partition('?')[0]} SET enable_seqscan = off")
    monkeypatch.setenv("LIMOSA_TEST_URL", database)
    monkeypatch.chdir(tmp_path)


def wide_points(rows: int, d: int) -> list[Point]:
    """Points in groups of which each row is nearest to its own, as texts of one topic are."""
    rng = np.random.default_rng(5)
    topics = rng.normal(size=(12, d))
    return [
        Point(
            key=(str(number),),
            vectors={"": (topics[number % 12] + 0.4 * rng.normal(size=d)).astype(np.float32)},
            payload={"number": number},
        )
        for number in range(1, rows + 1)
    ]


def filled(near: Stand, points: list[Point], metric: Metric = "cosine") -> None:
    spec = VectorSpec(name="", dimensions=len(points[0].vectors[""]), metric=metric)  # type: ignore[arg-type]
    near.fill("went", Collected(points=0, ids="uint63", vectors={"": spec}), points)


def wide_app(near: Stand, **target: Any) -> App:
    """The copy of the place ``went`` to the table ``wide``."""
    section = {"store": "env:LIMOSA_TEST_URL", "table": "wide", **target}
    return open_app({"name": "wide", "source": near.section("went"), "target": section})


def asked(url: str, sql: str, *values: object) -> list[tuple[Any, ...]]:
    with psycopg.connect(url, autocommit=True) as connection:
        found = connection.execute(sql, values)
        return found.fetchall() if found.description is not None else []


def scans(url: str) -> int:
    """How often the index on the vectors was asked."""
    return int(asked(url, "SELECT idx_scan FROM pg_stat_user_indexes WHERE indexrelname = 'wide_embedding_idx'")[0][0])


def exact(points: list[Point], query: Vectors, k: int) -> list[str]:
    """Keys by the cosine in double precision."""
    block = np.stack([np.asarray(each.vectors[""], dtype=np.float64) for each in points])
    cosines = block @ query / np.linalg.norm(block, axis=1)
    return [points[place].key[0] for place in np.argsort(-cosines, kind="stable")[:k]]


def test_wide_vectors_go_there_with_an_index_and_back(database: str, tmp_path: Path) -> None:
    points = wide_points(ROWS, WIDE)
    before = dump(database)
    match = {"function": "match_wide", "returns": ["id"]}
    with stand("parquet", tmp_path, database) as near:
        filled(near, points)
        with contextlib.closing(wide_app(near, match=match)) as app:
            plan = app.plan()
            [said] = [check.said for check in plan.checks if check.name == "index"]
            assert "halfvec(3072), as one over vector takes 2,000 dimensions; the column itself keeps every bit" in said
            assert app.run().verdict == "proved"
            app.rollback()
            assert dump(database) == before
            assert app.run().verdict == "proved"
            _assert_found(app, database, points)
            app.cutover()
            app.finish(now=True)
    [(type_,)] = asked(
        database,
        "SELECT format_type(atttypid, atttypmod) FROM pg_attribute WHERE attrelid = 'wide'::regclass"
        " AND attname = 'embedding'",
    )
    assert type_ == f"vector({WIDE})"
    form = Form(key="id", vectors=(("", "embedding"),), columns=(), rest="metadata")
    with contextlib.closing(open_table(database, "wide", form)) as table:
        # Another migration finds out from the index by what the vectors are compared.
        assert table.describe().vectors[""] == VectorSpec(name="", dimensions=WIDE, m=16, ef_construction=64)
        kept = {each.key: each for each in table.read(None, 2 * ROWS)}
    assert all(all(same(each, kept[each.key], unit=frozenset())) for each in points)


def _assert_found(app: App, database: str, points: list[Point]) -> None:
    """The index is asked, by limosa and by the match function alike, and answers what every row compared does."""
    for number in (7, 100, 140):
        query = np.asarray(points[number].vectors[""])
        wanted = exact(points, query, 10)
        used = scans(database)
        [found] = app.search([float(value) for value in query])
        assert [hit.key[0] for hit in found.hits] == wanted
        [all_rows] = app.search([float(value) for value in query], exact=True)
        assert [hit.key[0] for hit in all_rows.hits] == wanted
        assert [hit.similarity for hit in all_rows.hits] == [hit.similarity for hit in found.hits]
        called = "SELECT id::text FROM match_wide(%s::vector, -1, 10)"
        assert [key for (key,) in asked(database, called, text_of_vector(query))] == wanted
        # What a session counts is told when it ends.
        until(lambda: scans(database) > used)  # noqa: B023 - asked at once
    assert_planned(database, "SELECT id::text FROM match_wide(%s::vector, -1, 10)", query)


def assert_planned(database: str, sql: str, query: Vectors) -> None:
    """The planner can take the index for it, whose expression is the same."""
    lines = [line for (line,) in asked(database, f"EXPLAIN {sql}", text_of_vector(query))]
    assert any("Index Scan using wide_embedding_idx" in line for line in lines), lines


@pytest.mark.parametrize("metric", CLASSES)
def test_every_distance_has_its_index(metric: Metric, database: str, tmp_path: Path) -> None:
    points = wide_points(80, 2001)
    match = {"function": "match_wide", "returns": ["id"]}
    with stand("qdrant-edge", tmp_path, database) as near:
        filled(near, points, metric)
        with contextlib.closing(wide_app(near, match=match)) as app:
            ending = app.run()
            assert ending.verdict == "proved", ending.proofs
            said = {proof.name: proof.said for proof in ending.proofs}
            assert "overlap@10 of both stores is 1.0" in said["overlap"]
            query = np.asarray(points[3].vectors[""])
            [found] = app.search([float(value) for value in query])
            [all_rows] = app.search([float(value) for value in query], exact=True)
            assert [hit.key for hit in found.hits] == [hit.key for hit in all_rows.hits]
            [built] = [each for each in app.voyage.record().operations if each.id == "build-index"]
        # A run that is killed right after the build knows it again.
        assert asked(database, built.probe) == [(True,)]
        assert asked(database, str(built.broken)) == [(False,)]
        # The queries of verify and this one, each once; those that compare every row ask no index.
        until(lambda: scans(database) == 51)
    [(stood,)] = asked(database, "SELECT indexdef FROM pg_indexes WHERE indexname = 'wide_embedding_idx'")
    assert f"USING hnsw (((embedding)::halfvec(2001)) halfvec_{CLASSES[metric]})" in stood
    called = "SELECT id::text FROM match_wide(%s::vector, '-infinity', 10)"
    assert [(key,) for (key,) in asked(database, called, text_of_vector(query))] == [hit.key for hit in all_rows.hits]
    assert_planned(database, called, query)


def test_halfvec_may_be_asked_for_at_any_size_and_the_order_is_exact(database: str, tmp_path: Path) -> None:
    rng = np.random.default_rng(6)
    # So near to each other that half precision mistakes their order.
    block = (rng.normal(size=64) + 0.003 * rng.normal(size=(100, 64))).astype(np.float32)
    points = [Point(key=(str(number),), vectors={"": row}, payload={}) for number, row in enumerate(block, 1)]
    before = dump(database)
    index = {"kind": "ivfflat", "type": "halfvec", "lists": 1, "metric": "l2"}
    with stand("qdrant-edge", tmp_path, database) as near:
        filled(near, points, "l2")
        with contextlib.closing(wide_app(near, index=index)) as app:
            [said] = [check.said for check in app.plan().checks if check.name == "index"]
            assert "as halfvec(64); the column" in said
            assert app.run().verdict == "proved"
            for number in range(0, 100, 10):
                [found] = app.search([float(value) for value in block[number]])
                apart = np.linalg.norm(block.astype(np.float64) - block[number], axis=1)
                assert [hit.key[0] for hit in found.hits] == [str(place + 1) for place in np.argsort(apart)[:10]]
        until(lambda: scans(database) == 60)
        [(stood,)] = asked(database, "SELECT indexdef FROM pg_indexes WHERE indexname = 'wide_embedding_idx'")
        assert "USING ivfflat (((embedding)::halfvec(64)) halfvec_l2_ops)" in stood
        with contextlib.closing(wide_app(near, index=index)) as app:
            app.rollback()
    assert dump(database) == before


def test_what_no_index_takes_is_refused_before_anything_is_touched(database: str, tmp_path: Path) -> None:
    before = dump(database)
    with stand("parquet", tmp_path, database) as near:
        filled(near, wide_points(20, 4001))
        with contextlib.closing(wide_app(near)) as app, pytest.raises(Refused, match="4,001 dimensions"):
            app.run()
        assert dump(database) == before
        with contextlib.closing(wide_app(near, index=False)) as app:
            assert app.plan().estimates["index_bytes"] == 0
            assert app.run().verdict == "proved"
            app.rollback()
    with stand("arrow", tmp_path, database) as near:
        large, *rest = wide_points(20, 2048)
        vector = np.asarray(large.vectors[""]).copy()
        vector[5] = 65520.0
        tiny = np.full(2048, 1e-9, dtype=np.float32)
        small = replace(rest[0], vectors={"": tiny})
        filled(near, [replace(large, vectors={"": vector}), small, *rest[1:]])
        with contextlib.closing(wide_app(near)) as app, pytest.raises(Refused, match="2 sampled vectors of embedding"):
            app.run()
    assert dump(database) == before
