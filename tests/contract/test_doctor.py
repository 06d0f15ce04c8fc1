"""Every ill made on purpose is found with its exact count, nothing else is, and a table that is well has none."""

from __future__ import annotations

from contextlib import closing
from urllib.parse import urlsplit

import pytest

from limosa.app import open_app
from limosa.errors import Refused
from tests.contract.ills_of_vectors import ALL_AT_ONCE, SICK, by_name, examined, found, rows
from tests.postgres.questions import changed, dump, execute, job, title_of
from tests.providers.openai_server import OpenAIServer


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


def test_a_model_may_be_written_in_several_ways(healthy: str) -> None:
    long = "a-model-with-a-name-" + "x" * 80
    ways = {
        "nomic-embed-text:latest": "nomic-embed-text",
        "openai:text-embedding-3-small": "text-embedding-3-small",
        "OpenAI/text-embedding-3-small": "text-embedding-3-small",
        long: long,
    }
    for said, model in ways.items():
        execute(healthy, f"UPDATE questions SET embedding_model = CASE WHEN id < 3 THEN '' ELSE '{said}' END")
        told = by_name(examined(changed(job(healthy), {"source.space.model": model}), sample=0), "models")
        assert (told.verdict, told.said.endswith("; 2 are of none by it")) == ("clean", True), told
    execute(healthy, f"UPDATE questions SET embedding_model = '{'y' * 200}' WHERE id = 40")
    told = by_name(examined(changed(job(healthy), {"source.space.model": long}), sample=0), "models")
    assert (told.count, told.examples, "y" * 61 in told.said) == (1, (("40",),), False)
    # What is told to be done takes away what was found, and nothing else.
    execute(healthy, told.do[told.do.index("UPDATE") : told.do.index(";")])
    assert rows(healthy, "SELECT id FROM questions WHERE embedding IS NULL") == [(40,)]


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


def test_moments_of_two_types_are_not_compared(healthy: str) -> None:
    verdicts = []
    for statement in ("embedded_at TYPE date", "embedded_at TYPE timestamp", "updated_at TYPE timestamp"):
        execute(healthy, f"ALTER TABLE questions ALTER {statement}", "UPDATE questions SET embedded_at = updated_at")
        verdicts.append(by_name(examined(job(healthy), sample=0), "changed-since").verdict)
    assert verdicts == ["unchecked", "unchecked", "clean"]


def test_in_place_the_column_itself_is_examined_against_what_it_is_of(healthy: str) -> None:
    file = changed(job(healthy), {"target.layout": "in_place", "target.index": False, "backfill.batch_rows": 10})
    assert found(examined(file)) == {}
    with closing(open_app(file)) as app:
        app.run(accept=frozenset({"--accept-downtime", "--accept-reconnect"}), limit=10)
        under_way = examined(file)
        assert (under_way.space, under_way.place) == ("hashing/words-2 (24)", "public.questions.embedding")
        assert {by_name(under_way, name).verdict for name in ("sizes", "stale", "other-model")} == {"clean"}
        assert by_name(under_way, "missing").count == 40 - under_way.counts["vectors"] > 0
        assert "saved_" not in str(under_way)
        app.rollback()
    assert examined(file).space == "hashing/words-1 (16)"
    assert by_name(examined(file), "stale").verdict == "clean"
