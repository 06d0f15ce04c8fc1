"""What a doctor says of indexes can be done, on partitions too, and holds while one is being built."""

from __future__ import annotations

import re
import time
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace

import psycopg
import pytest

from tests.contract.ills_of_vectors import MANY, PARTED, SICK, by_name, examined, found, make_healthy, rows
from tests.postgres.questions import OLD, changed, execute, job, title_of, vectors_of


@pytest.mark.parametrize(("column", "first"), [("vector(16)", "embedding"), ("vector", "'[1,0]'")])
def test_what_is_told_to_do_about_indexes_cures_them(healthy: str, column: str, first: str) -> None:
    execute(
        healthy,
        "DROP INDEX questions_hnsw",
        f"ALTER TABLE questions ALTER embedding TYPE {column}",
        f"UPDATE questions SET embedding = {first} WHERE id = 1",
        "CREATE INDEX ON questions USING hnsw ((embedding::vector(16)) vector_l2_ops)"
        " WHERE vector_dims(embedding) = 16",
        "CREATE SCHEMA off_the_path",
        "ALTER EXTENSION vector SET SCHEMA off_the_path",
    )
    ill = by_name(examined(job(healthy), sample=0), "metric")
    assert ill.verdict == "found"
    execute(healthy, ill.do[: ill.do.index(";")])
    assert by_name(examined(job(healthy), sample=0), "metric").verdict == "clean"


def test_a_column_over_the_limit_of_an_index_is_told(database: str) -> None:
    make_healthy(database)
    wide = changed(job(database), {"source.space.dimensions": 2100})
    space = replace(OLD, dimensions=2100)
    texts = rows(database, "SELECT id, concat_ws(E'\\n\\n', title, body) FROM questions ORDER BY id")
    vectors = vectors_of([str(text) for _, text in texts], space)
    values = ", ".join(f"({key}, '{vector}'::vector)" for (key, _), vector in zip(texts, vectors, strict=True))
    execute(
        database,
        "DROP INDEX questions_hnsw",
        "ALTER TABLE questions ALTER embedding TYPE vector(2100) USING NULL",
        f"UPDATE questions AS q SET embedding = v.b FROM (VALUES {values}) AS v(a, b) WHERE q.id = v.a",
        "ANALYZE questions",
    )
    diagnosis = examined(wide)
    assert found(diagnosis) == {"over-limit": None}
    do = by_name(diagnosis, "over-limit").do
    assert '"public".halfvec(2100)' in do
    execute(database, do[: do.index(";")])
    assert found(examined(wide)) == {}


def test_young_statistics_say_nothing_of_an_index(healthy: str) -> None:
    execute(healthy, *SICK["unused index"].sql)
    finding = by_name(examined(job(healthy)), "unused-index")
    assert (finding.verdict, "too short a time" in finding.said) == ("unchecked", True)


def test_an_index_that_somebody_builds_is_not_taken_for_broken(healthy: str, reader: str) -> None:
    execute(healthy, f"GRANT SELECT ON questions TO reader_{title_of(healthy)}")
    build = "CREATE INDEX CONCURRENTLY second ON questions USING hnsw (embedding vector_cosine_ops)"
    with ThreadPoolExecutor(1) as pool, psycopg.connect(healthy) as writer:
        # The build waits for this transaction to end, and its index is not valid until then.
        writer.execute("UPDATE questions SET meta = meta WHERE id = 1")
        built = pool.submit(execute, healthy, build)
        while not built.done() and not rows(healthy, "SELECT FROM pg_index WHERE NOT indisvalid"):
            time.sleep(0.01)
        seen = [by_name(examined(job(url), sample=0), "invalid-index") for url in (healthy, reader)]
        writer.rollback()
        built.result(timeout=30)
    assert [each.verdict for each in seen] == ["unchecked", "unchecked"]
    assert by_name(examined(job(reader), sample=0), "invalid-index").verdict == "clean"


def test_an_index_that_is_large_by_its_options_is_none_too_large(healthy: str) -> None:
    lists = "CREATE INDEX ON questions USING ivfflat (embedding vector_cosine_ops) WITH (lists = 1000)"
    execute(healthy, "DROP INDEX questions_hnsw", MANY.format(last=2999), lists)
    assert by_name(examined(job(healthy), sample=0), "oversized-index").verdict == "clean"


def test_what_is_told_to_do_about_indexes_of_partitions_can_be_done(healthy: str) -> None:
    execute(healthy, *PARTED, "CREATE INDEX of_l2 ON questions USING hnsw (embedding vector_l2_ops)")
    before = examined(job(healthy), sample=0, unused_s=0.0)
    metric, unused = (by_name(before, name) for name in ("metric", "unused-index"))
    assert (metric.count, unused.count) == (2, 2)
    for each in (metric, unused):
        assert {"q1_embedding_idx", "q2_embedding_idx"} <= {name for name, _ in rows(healthy, each.sql)}
    execute(healthy, *re.findall(r"DROP INDEX [^;]*;", unused.do), *re.findall(r"CREATE INDEX [^;]*;", metric.do))
    after = examined(job(healthy), sample=0)
    assert (by_name(after, "metric").verdict, by_name(after, "no-index").said) == ("clean", "a vector index stands")
    indexes = "pg_index JOIN pg_partition_tree('questions') ON relid = indrelid WHERE NOT indisunique"
    assert rows(healthy, f"SELECT indisvalid FROM {indexes}") == [(True,)] * 3


def test_a_part_of_an_index_is_not_unused_where_other_parts_are_used(healthy: str) -> None:
    execute(
        healthy,
        *PARTED,
        "CREATE INDEX ON questions USING hnsw (embedding vector_cosine_ops)",
        "SET enable_seqscan = off",
        "SELECT id FROM q1 ORDER BY embedding <=> (SELECT embedding FROM q1 LIMIT 1) LIMIT 1",
        "SELECT pg_stat_force_next_flush()",
    )
    assert by_name(examined(job(healthy), sample=0, unused_s=0.0), "unused-index").verdict == "clean"


def test_a_partition_without_an_index_is_found_beside_those_that_have_one(healthy: str) -> None:
    execute(
        healthy,
        *PARTED,
        "CREATE INDEX ON q1 USING hnsw (embedding vector_cosine_ops)",
        "CREATE TABLE q3 PARTITION OF questions FOR VALUES FROM (100) TO (200)",
    )
    told = []
    for counted in (-1, 21, 20_000):
        execute(healthy, f"UPDATE pg_class SET reltuples = {counted} WHERE oid = 'q2'::regclass")
        told.append(by_name(examined(job(healthy), sample=0), "no-index"))
    assert [each.verdict for each in told] == ["unchecked", "clean", "found"]
    assert "public.q2" in told[0].said
    assert (told[2].count, told[2].examples) == (2, (("public.q2",), ("public.q3",)))
    assert "2 of 3 partitions" in told[2].said
    execute(healthy, *re.findall(r"CREATE INDEX [^;]*;", told[2].do))
    assert by_name(examined(job(healthy), sample=0), "no-index").verdict == "clean"


def test_partitions_are_looked_at_with_their_own_indexes(healthy: str) -> None:
    execute(
        healthy,
        *PARTED,
        "CREATE INDEX ON questions USING hnsw (embedding vector_cosine_ops)",
        "ANALYZE questions",
        *SICK["zero"].sql,
        "UPDATE pg_index SET indisvalid = false WHERE indexrelid = 'q2_embedding_idx'::regclass",
    )
    diagnosis = examined(job(healthy), unused_s=0.0)
    assert found(diagnosis) == {"zero": 2, "invalid-index": 1, "unused-index": 1}
    assert by_name(diagnosis, "invalid-index").examples == (("public.q2_embedding_idx",),)
