"""Every ill made on purpose is found with its exact count, nothing else is, and a table that is well has none."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import replace
from urllib.parse import urlsplit

import psycopg
import pytest

from limosa.errors import Refused
from tests.contract.ills_of_vectors import ALL_AT_ONCE, MANY, SICK, by_name, examined, found, make_healthy
from tests.postgres.questions import OLD, changed, dump, elsewhere, execute, job, title_of, vectors_of
from tests.providers.openai_server import OpenAIServer


@pytest.fixture
def healthy(database: str) -> str:
    make_healthy(database)
    return database


def test_a_table_that_is_well_has_no_finding(healthy: str) -> None:
    before = dump(healthy)
    diagnosis = examined(job(healthy))
    assert found(diagnosis) == {}
    assert [each for each in diagnosis.findings if each.verdict != "clean"] == []
    assert diagnosis.counts == {"rows": 40, "vectors": 40, "texts": 40, "measured": 40}
    assert diagnosis.sent == "40 texts of title, body are embedded again on this machine; none leaves it."
    assert dump(healthy) == before


@pytest.mark.parametrize("name", sorted(SICK))
def test_an_ill_is_found_with_its_count_and_nothing_else_is(healthy: str, name: str) -> None:
    sick = SICK[name]
    execute(healthy, *sick.sql)
    diagnosis = examined(changed(job(healthy), sick.file), sample=sick.sample, **sick.scrutiny)
    assert found(diagnosis) == sick.found
    first = by_name(diagnosis, next(iter(sick.found)))
    for part in sick.said:
        assert part in f"{first.said} {first.do}"
    if sick.keys is not None:
        assert {"/".join(key) for key in first.examples} == sick.keys
    assert len(first.examples) <= 3
    assert first.do


def test_all_ills_at_once_are_counted_each_for_itself(healthy: str) -> None:
    execute(healthy, *ALL_AT_ONCE)
    diagnosis = examined(job(healthy), unused_s=0.0)
    assert found(diagnosis) == {
        "sizes": 1,
        "models": 5,
        "zero": 2,
        "unnormalised": 3,
        "done-without-vector": 2,
        "stale": 3,
        "invalid-index": 1,
        "function-size": 1,
        "missing": 3,
        "without-text": 3,
        "changed-since": 4,
        "duplicates": 2,
        "unused-index": 1,
        "metric": 1,
        "iterative-scan": None,
        "function-column": 1,
        "statistics": None,
    }
    order = [(each.verdict, each.severity) for each in diagnosis.findings]
    assert order == sorted(order, key=lambda each: ("found unchecked clean".index(each[0]), "ewn".index(each[1][0])))


def test_what_is_said_to_repeat_it_gives_the_same_rows(healthy: str) -> None:
    execute(healthy, *ALL_AT_ONCE)
    diagnosis = examined(job(healthy))
    rowwise = ("sizes", "models", "zero", "unnormalised", "done-without-vector", "missing", "without-text")
    for each in (by_name(diagnosis, name) for name in (*rowwise, "changed-since")):
        assert len(rows(healthy, each.sql)) == each.count, each
    for each in diagnosis.findings:
        if each.sql:
            rows(healthy, each.sql)


def test_what_is_told_to_do_about_rows_cures_them(healthy: str) -> None:
    execute(healthy, *SICK["zero"].sql, *SICK["vectors without a text"].sql)
    for each in examined(job(healthy)).findings:
        if each.verdict == "found":
            execute(healthy, each.do[each.do.index("UPDATE") : each.do.index(";")])
    execute(healthy, "UPDATE questions SET status = 'pending' WHERE embedding IS NULL")
    assert found(examined(job(healthy))) == {"missing": 2}


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


@pytest.mark.parametrize(
    "cure",
    [
        "ALTER DATABASE {0} SET hnsw.iterative_scan = 'strict_order'",
        "ALTER ROLE reader_{0} IN DATABASE {0} SET hnsw.iterative_scan = 'relaxed_order'",
        "CREATE FUNCTION f() RETURNS text LANGUAGE sql SET hnsw.iterative_scan = 'strict_order'"
        " AS 'SELECT min(embedding::text) FROM questions'",
    ],
)
@pytest.mark.usefixtures("reader")
def test_an_iterative_scan_that_is_set_somewhere_is_no_ill(healthy: str, cure: str) -> None:
    execute(healthy, "LOAD 'vector'", *SICK["policies over an index"].sql)
    assert by_name(examined(job(healthy)), "iterative-scan").verdict == "found"
    execute(healthy, cure.format(title_of(healthy)))
    finding = by_name(examined(job(healthy)), "iterative-scan")
    assert finding.verdict == "clean", finding


def test_of_many_rows_a_part_of_the_vectors_is_read(healthy: str) -> None:
    execute(
        healthy,
        "UPDATE questions SET embedding = array_fill(0::real, ARRAY[16])::vector WHERE id > 20",
        "UPDATE questions SET embedding = NULL, status = '' WHERE id IN (1, 2)",
    )
    diagnosis = examined(job(healthy), whole_rows=10)
    zero, missing = by_name(diagnosis, "zero"), by_name(diagnosis, "missing")
    assert 0 < diagnosis.counts["measured"] < 38
    assert zero.count is not None
    assert 0 < zero.count < 20
    assert re.search(r"\(one vector in \d was read, by a hash of its key\)$", zero.said)
    assert (missing.count, diagnosis.counts["vectors"]) == (2, 38)
    assert examined(job(healthy), whole_rows=10).counts == diagnosis.counts


def test_of_many_rows_the_sample_is_drawn_from_some_pages(healthy: str) -> None:
    execute(healthy, MANY.format(last=2999), "ANALYZE questions")
    assert examined(job(healthy), sample=5, whole_rows=500).sent.startswith("5 texts")


def test_the_column_of_the_models_is_named_or_guessed(healthy: str) -> None:
    execute(healthy, "ALTER TABLE questions RENAME embedding_model TO model", "UPDATE questions SET model = 'T'")
    guessed = by_name(examined(job(healthy)), "models")
    assert (guessed.verdict, "model never says words-1" in guessed.said) == ("unchecked", True)
    assert by_name(examined(job(healthy), model_column="model"), "models").count == 40
    execute(healthy, "UPDATE questions SET model = 'hashing/words-1' WHERE id < 40")
    assert by_name(examined(job(healthy)), "models").count == 1
    execute(healthy, "UPDATE questions SET model = title")
    told = by_name(examined(job(healthy), model_column="model"), "models")
    assert (told.verdict, "question" in told.said) == ("unchecked", False)
    with pytest.raises(Refused, match="modle"):
        examined(job(healthy), model_column="modle")


def test_a_model_that_does_not_answer_leaves_stale_vectors_unchecked(healthy: str) -> None:
    diagnosis = examined(changed(job(healthy), {"source.space.provider": "nobody"}))
    for name in ("stale", "other-model"):
        assert "no provider 'nobody'" in by_name(diagnosis, name).said
    assert (found(diagnosis), diagnosis.sent) == ({}, "")
    none = examined(job(healthy), sample=0)
    assert (none.sent, "--sample 0" in by_name(none, "stale").said) == ("", True)


def test_it_is_told_which_texts_go_where(healthy: str, openai_server: OpenAIServer) -> None:
    space = {"provider": "openai", "base_url": openai_server.base_url, "model": "text-embedding-3-small"}
    file = changed(job(healthy), {f"source.space.{key}": value for key, value in space.items()})
    diagnosis = examined(file, sample=3)
    host = urlsplit(openai_server.base_url).netloc
    assert diagnosis.sent == f"3 texts of title, body are sent to {host}, to be embedded again."
    assert openai_server.paid.total() == 3
    assert by_name(diagnosis, "other-model").count == 3


def test_halfvec_a_filter_a_text_query_and_two_keys_are_followed(healthy: str) -> None:
    execute(
        healthy,
        "DROP INDEX questions_hnsw",
        "ALTER TABLE questions ALTER embedding TYPE halfvec(16), DROP CONSTRAINT questions_pkey,"
        " ADD PRIMARY KEY (status, id)",
        "UPDATE questions SET embedding = '[0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0]' WHERE id IN (4, 5)",
        "UPDATE questions SET embedding = NULL WHERE id IN (6, 7, 8)",
        "UPDATE questions SET deleted_at = now() WHERE id IN (5, 8)",
    )
    query = "SELECT status, id, concat_ws(E'\\n\\n', title, body) AS text FROM questions"
    changes = {"source.key": ["status", "id"], "source.where": "deleted_at IS NULL", "source.text": None}
    diagnosis = examined(changed(job(healthy), {**changes, "source.query": query}))
    assert diagnosis.counts == {"rows": 38, "vectors": 36, "texts": 38, "measured": 36}
    assert found(diagnosis) == {"zero": 1, "missing": 2}
    assert by_name(diagnosis, "zero").examples == (("completed", "4"),)
    assert by_name(diagnosis, "done-without-vector").verdict == "unchecked"


def test_columns_of_other_meanings_are_left_alone(healthy: str) -> None:
    execute(
        healthy,
        "ALTER TABLE questions RENAME updated_at TO changed",
        "ALTER TABLE questions RENAME status TO state",
        "ALTER TABLE questions ALTER embedding_model DROP NOT NULL",
        "ALTER TABLE questions ADD updated_at time DEFAULT '12:00', ADD model_id int DEFAULT 7",
        "UPDATE questions SET state = 'OK', embedding = NULL WHERE id = 1",
        "UPDATE questions SET embedding_model = NULL WHERE id = 2",
    )
    diagnosis = examined(job(healthy))
    assert found(diagnosis) == {"missing": 1}
    assert by_name(diagnosis, "models").said.endswith("; 1 are of none by it")
    assert by_name(diagnosis, "changed-since").said.endswith("by changed and embedded_at")


def test_partitions_are_looked_at_with_their_own_indexes(healthy: str) -> None:
    execute(
        healthy,
        "ALTER TABLE questions RENAME TO q",
        "CREATE TABLE questions (LIKE q) PARTITION BY RANGE (id)",
        "ALTER TABLE questions ADD PRIMARY KEY (id)",
        "CREATE TABLE q1 PARTITION OF questions FOR VALUES FROM (0) TO (20)",
        "CREATE TABLE q2 PARTITION OF questions FOR VALUES FROM (20) TO (100)",
        "INSERT INTO questions SELECT * FROM q",
        "CREATE INDEX ON questions USING hnsw (embedding vector_cosine_ops)",
        "ANALYZE questions",
        *SICK["zero"].sql,
        "UPDATE pg_index SET indisvalid = false WHERE indexrelid = 'q2_embedding_idx'::regclass",
    )
    diagnosis = examined(job(healthy), unused_s=0.0)
    assert found(diagnosis) == {"zero": 2, "invalid-index": 1, "unused-index": 1}
    assert by_name(diagnosis, "invalid-index").examples == (("public.q2_embedding_idx",),)


def test_an_index_that_is_large_by_its_options_is_none_too_large(healthy: str) -> None:
    lists = "CREATE INDEX ON questions USING ivfflat (embedding vector_cosine_ops) WITH (lists = 1000)"
    execute(healthy, "DROP INDEX questions_hnsw", MANY.format(last=2999), lists)
    assert by_name(examined(job(healthy), sample=0), "oversized-index").verdict == "clean"


@pytest.fixture
def reader(healthy: str) -> Iterator[str]:
    """The address of a role that owns nothing."""
    name = "reader_" + title_of(healthy)
    execute(healthy, f"CREATE ROLE {name} LOGIN PASSWORD 'secret'")
    yield elsewhere(healthy, user=name, password="secret")
    execute(healthy, f"DROP OWNED BY {name}", f"DROP ROLE {name}")


def test_who_may_only_read_finds_the_same(healthy: str, reader: str) -> None:
    name = "reader_" + title_of(healthy)
    execute(healthy, f"GRANT SELECT ON questions TO {name}")
    assert [each for each in examined(job(reader)).findings if each.verdict != "clean"] == []
    execute(healthy, *ALL_AT_ONCE[:-4])
    assert found(examined(job(reader))) == found(examined(job(healthy)))


def test_what_a_role_may_not_read_is_unchecked_with_the_reason(healthy: str, reader: str) -> None:
    name = "reader_" + title_of(healthy)
    execute(healthy, *SICK["zero"].sql)
    nothing = examined(job(reader))
    assert nothing.counts == {}
    assert by_name(nothing, "zero").verdict == "unchecked"
    assert "GRANT SELECT" in by_name(nothing, "zero").said
    assert by_name(nothing, "metric").verdict == "clean"
    execute(healthy, f"GRANT SELECT (id, title, embedding) ON questions TO {name}")
    vectors = examined(job(reader))
    assert found(vectors) == {"zero": 2}
    for each in ("missing", "without-text", "duplicates", "stale", "other-model"):
        assert by_name(vectors, each).said.endswith("may not read body"), each
    execute(
        healthy, f"REVOKE SELECT (embedding) ON questions FROM {name}", f"GRANT SELECT (body) ON questions TO {name}"
    )
    assert by_name(examined(job(reader)), "zero").said.endswith("may not read embedding")


def test_rows_that_policies_may_hide_are_not_counted(healthy: str, reader: str) -> None:
    name = "reader_" + title_of(healthy)
    execute(healthy, f"GRANT SELECT ON questions TO {name}", "ALTER TABLE questions ENABLE ROW LEVEL SECURITY")
    hidden = examined(job(reader))
    assert hidden.counts == {}
    assert "policies may hide rows" in by_name(hidden, "missing").said
    assert "BYPASSRLS" in by_name(hidden, "missing").said
    assert by_name(hidden, "stale").verdict == "unchecked"
    assert found(hidden) == {"iterative-scan": None}


def test_a_ledger_that_may_not_be_read_is_told(healthy: str, reader: str) -> None:
    name = "reader_" + title_of(healthy)
    execute(healthy, f"GRANT SELECT ON questions TO {name}", "CREATE SCHEMA limosa", "CREATE TABLE limosa.migration ()")
    assert by_name(examined(job(reader)), "ledger").verdict == "unchecked"


def rows(url: str, sql: str) -> list[tuple[object, ...]]:
    with psycopg.connect(url, autocommit=True) as connection:
        return connection.execute(sql.encode()).fetchall()
