"""The ports search and evidence on a real Postgres: odd names, composite keys, filters, half precision."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import psycopg
import pytest

from limosa.app import open_app
from limosa.errors import Refused
from limosa.model.batch import Key, Vectors
from limosa.ports.search import Search
from limosa.ports.store import Store

ROWS, D = 240, 6
TABLE = '"My S"."Que%stions"'


@dataclass(frozen=True)
class World:
    """A table with a composite key; every tenth row is outside the filter, every seventh has no vector."""

    url: str
    store: Store
    vectors: dict[Key, Vectors]

    def search(self) -> Search:
        found = self.store.witness(0).search("old")
        assert found is not None
        return found

    def run(self, sql: str) -> None:
        with psycopg.connect(self.url, autocommit=True) as connection:
            connection.execute(sql.encode())


@pytest.fixture(params=["vector", "halfvec"])
def world(request: pytest.FixtureRequest, database: str, monkeypatch: pytest.MonkeyPatch) -> Iterator[World]:
    monkeypatch.setenv("LIMOSA_SEARCH_DB", database)
    drawn = np.random.default_rng(3).normal(size=(ROWS, D)).astype(np.float16).astype(np.float32)
    held: dict[Key, Vectors] = {}
    with psycopg.connect(database, autocommit=True) as connection:
        connection.execute('CREATE SCHEMA "My S"')
        connection.execute(
            f'CREATE TABLE {TABLE} ("ten%ant" text, id int, "bo""dy" text, gone boolean NOT NULL,'
            f' embedding {request.param}({D}), PRIMARY KEY ("ten%ant", id))'
        )
        for i, vector in enumerate(drawn):
            tenant, gone, empty = "äbc"[i % 3], i % 10 == 0, i % 7 == 0
            text = "[" + ",".join(str(value) for value in vector) + "]"
            connection.execute(
                f"INSERT INTO {TABLE} VALUES (%s, %s, %s, %s, %s::{request.param})".replace("Que%s", "Que%%s"),
                (tenant, i, f"text {i}", gone, None if empty else text),
            )
            if not gone and not empty:
                held[(tenant, str(i))] = vector
        connection.execute(f"CREATE INDEX near ON {TABLE} USING hnsw (embedding {request.param}_cosine_ops)")
    app = open_app(
        {
            "name": "search",
            "source": {
                "store": "env:LIMOSA_SEARCH_DB",
                "table": TABLE,
                "key": ["ten%ant", "id"],
                "text": 'bo"dy',
                "vector": "embedding",
                "where": "NOT gone",
                "space": {"provider": "hashing", "model": "words-1", "dimensions": D},
            },
            "target": {"space": {"provider": "hashing", "model": "words-2", "dimensions": 8}},
        }
    )
    yield World(database, app.voyage.store, held)
    app.close()


def cosine_order(world: World, query: Vectors) -> list[Key]:
    similar = {key: float(v @ query / np.linalg.norm(v) / np.linalg.norm(query)) for key, v in world.vectors.items()}
    return sorted(similar, key=lambda key: -similar[key])


@pytest.mark.parametrize("exact", [True, False])
def test_the_nearest_rows_of_the_filter_come_first(world: World, exact: bool) -> None:
    search = world.search()
    for seed in range(5):
        query = np.random.default_rng(seed).normal(size=D).astype(np.float16).astype(np.float32)
        found = search.nearest(query, 5, exact=exact)
        assert [each.key for each in found] == cosine_order(world, query)[:5]
        assert [each.distance for each in found] == sorted(each.distance for each in found)
        assert all(each.similarity == 1 - each.distance for each in found)


def test_a_filter_that_few_rows_satisfy_still_gives_k_rows(world: World) -> None:
    world.run(f"UPDATE {TABLE} SET gone = id NOT IN (1, 2, 3, 4, 5)")
    world.run("ALTER DATABASE " + world.url.rsplit("/", 1)[1].split("?")[0] + " SET enable_seqscan = off")
    world.store.close()  # the next session starts with that setting
    found = world.search().nearest(np.ones(D, dtype=np.float32), 5)
    assert sorted(int(each.key[1]) for each in found) == [1, 2, 3, 4, 5]


def test_exact_is_exact_where_the_database_forbids_reading_whole_tables(world: World) -> None:
    name = world.url.rsplit("/", 1)[1].split("?")[0]
    world.run(f"ALTER DATABASE {name} SET enable_seqscan = off; ALTER DATABASE {name} SET hnsw.ef_search = 1")
    world.store.close()  # the next session starts with these settings
    found = world.search().nearest(np.ones(D, dtype=np.float32), 200, exact=True)
    assert len(found) == len(world.vectors)


def test_zero_vectors_are_never_near(world: World) -> None:
    world.run(f"UPDATE {TABLE} SET embedding = '[{','.join('0' * D)}]' WHERE id < 100")
    found = world.search().nearest(np.ones(D, dtype=np.float32), ROWS, exact=True)
    assert found
    assert all(int(each.key[1]) >= 100 for each in found)


@pytest.mark.parametrize("limit", [1, 37, 1000])
def test_reading_in_key_order_gives_every_vector_once(world: World, limit: int) -> None:
    search = world.search()
    assert search.count() == len(world.vectors)
    read: dict[Key, Vectors] = {}
    after: Key | None = None
    while True:
        keys, vectors = search.vectors(after, limit)
        assert vectors.shape == (len(keys), D)
        assert vectors.dtype == np.float32
        if not keys:
            break
        after = keys[-1]
        assert not read.keys() & set(keys)
        read.update(zip(keys, vectors, strict=True))
    assert read.keys() == world.vectors.keys()
    assert all(np.array_equal(read[key], vector) for key, vector in world.vectors.items())


def test_rows_come_back_as_they_are_now(world: World) -> None:
    search = world.search()
    keys: list[Key] = [("ä", "3"), ("ä", "21"), ("b", "10"), ("b", "999")]
    found = {row.key: row for row in search.rows(keys)}
    assert found.keys() == {("ä", "3"), ("ä", "21")}, "row 10 is outside the filter, row 999 is nowhere"
    assert found[("ä", "3")].text == "text 3"
    assert np.array_equal(found[("ä", "3")].vector, world.vectors[("ä", "3")])  # type: ignore[arg-type]
    assert found[("ä", "21")].vector is None
    assert search.rows([]) == []


def test_a_side_without_a_column_is_none(world: World) -> None:
    assert world.store.witness(0).search("new") is None
    assert world.store.witness(0).evidence("new") is None


def test_the_index_is_seen_as_it_is(world: World) -> None:
    evidence = world.store.witness(0).evidence("old")
    assert evidence is not None
    use = evidence.index()
    assert use is not None
    assert (use.name, use.kind, use.valid, use.setting) == ("near", "hnsw", True, "hnsw.ef_search = 40")
    assert use.used in {"planned", "forced"}
    world.run("UPDATE pg_index SET indisvalid = false WHERE indexrelid = '\"My S\".near'::regclass")
    broken = evidence.index()
    assert broken is not None
    assert (broken.valid, broken.used) == (False, "never")
    world.run('DROP INDEX "My S".near')
    assert evidence.index() is None


def test_an_index_for_another_metric_is_never_used(world: World) -> None:
    base = "halfvec" if world.search().column.base == "halfvec" else "vector"  # type: ignore[attr-defined]
    world.run(f'DROP INDEX "My S".near; CREATE INDEX l2 ON {TABLE} USING hnsw (embedding {base}_l2_ops)')
    evidence = world.store.witness(0).evidence("old")
    assert evidence is not None
    use = evidence.index()
    assert use is not None
    assert (use.name, use.used) == ("l2", "never")


def test_both_ways_of_searching_see_the_whole_column(world: World) -> None:
    evidence = world.store.witness(0).evidence("old")
    assert evidence is not None
    near, exact = evidence.compare(np.ones(D, dtype=np.float32), 20)
    assert [each.key for each in near] == [each.key for each in exact]
    assert len(exact) == 20


def test_a_plan_that_was_kept_does_not_make_exact_approximate(world: World) -> None:
    world.run("ALTER DATABASE " + world.url.rsplit("/", 1)[1].split("?")[0] + " SET hnsw.ef_search = 1")
    world.store.close()  # the next session starts with that setting
    evidence = world.store.witness(0).evidence("old")
    assert evidence is not None
    for _ in range(12):  # a driver prepares after five calls, and a server keeps a plan after five more
        near, exact = evidence.compare(np.ones(D, dtype=np.float32), 20)
        assert len(near) < len(exact) == 20


def test_without_a_match_function_there_is_nothing_to_call(world: World) -> None:
    evidence = world.store.witness(0).evidence("old")
    assert evidence is not None
    with pytest.raises(Refused, match="no match function"):
        evidence.match(np.ones(D, dtype=np.float32), 3, named=False)
