"""What a doctor says of indexes can be done."""

from __future__ import annotations

from dataclasses import replace

import pytest

from tests.contract.ills_of_vectors import MANY, PARTED, SICK, by_name, examined, found, make_healthy, rows
from tests.postgres.questions import OLD, changed, execute, job, vectors_of


@pytest.mark.parametrize(("column", "first"), [("vector(16)", "embedding"), ("vector", "'[1,0]'")])
def test_what_is_told_to_do_about_indexes_cures_them(healthy: str, column: str, first: str) -> None:
    execute(
        healthy,
        "DROP INDEX questions_hnsw",
        f"ALTER TABLE questions ALTER embedding TYPE {column}",
        f"UPDATE questions SET embedding = {first} WHERE id = 1",
        "CREATE INDEX ON questions USING hnsw ((embedding::vector(16)) vector_l2_ops)"
        " WHERE vector_dims(embedding) = 16",
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
    assert "halfvec(2100)" in do
    execute(database, do[: do.index(";")])
    assert found(examined(wide)) == {}


def test_young_statistics_say_nothing_of_an_index(healthy: str) -> None:
    execute(healthy, *SICK["unused index"].sql)
    finding = by_name(examined(job(healthy)), "unused-index")
    assert (finding.verdict, "too short a time" in finding.said) == ("unchecked", True)


def test_an_index_that_is_large_by_its_options_is_none_too_large(healthy: str) -> None:
    lists = "CREATE INDEX ON questions USING ivfflat (embedding vector_cosine_ops) WITH (lists = 1000)"
    execute(healthy, "DROP INDEX questions_hnsw", MANY.format(last=2999), lists)
    assert by_name(examined(job(healthy), sample=0), "oversized-index").verdict == "clean"


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
