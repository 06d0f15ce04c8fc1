"""What bad input gets from Postgres: refused before anything is touched, with what is so and what to do."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import psycopg
import pytest

from limosa.app import open_app
from limosa.errors import Refused
from limosa.stores.postgres.checks import layout_checks, server_checks
from limosa.stores.postgres.store import PostgresStore
from tests.contract.ills import TABLES, TEXTS
from tests.contract.ills_of_objects import DEPENDENTS, MATCH, MATCHES, match_function
from tests.contract.plans import named, planned
from tests.postgres.questions import OLD, changed, dump, execute, job, make_questions, title_of, vectors_of

SIDE = {"target.layout": "side_table", **MATCH}

ILLS = TABLES | TEXTS | DEPENDENTS | MATCHES


@pytest.mark.parametrize("name", sorted(ILLS))
def test_bad_input_is_refused_and_nothing_is_touched(database: str, name: str) -> None:
    ill = ILLS[name]
    make_questions(database)
    execute(database, *ill.sql)
    before = dump(database)
    plan = planned(changed(job(database), ill.file))
    found = [check for check in plan.refusals if check.name == ill.check]
    assert found, plan.checks
    told = "\n".join("\n".join([check.said, check.needed, check.do]) for check in found)
    assert [part for part in ill.said if part not in told] == [], told
    assert all(check.needed and check.do for check in found)
    assert dump(database) == before
    app = open_app(changed(job(database), ill.file))
    with pytest.raises(Refused):
        app.run(accept=frozenset({"--yes"}))
    app.close()
    assert dump(database) == before


def test_a_table_that_is_well_is_not_refused(database: str) -> None:
    make_questions(database)
    execute(database, match_function(), "CREATE INDEX ON questions USING hnsw (embedding vector_cosine_ops)")
    plan = planned(changed(job(database), MATCH))
    assert not plan.refusals, plan.refusals
    assert [check.flag for check in plan.questions] == ["--accept-reconnect"]
    assert plan.counts == {
        "rows": 40,
        "with_vector": 40,
        "without_vector": 0,
        "without_text": 0,
        "outside": 0,
        "with_target": 0,
        "to_embed": 40,
        "repeated_texts": 0,
    }


@pytest.mark.parametrize(
    ("kind", "value"),
    [
        ("smallint", "id::smallint"),
        ("integer", "id::integer"),
        ("uuid", "md5(id::text)::uuid"),
        ("varchar(40)", "id::text"),
        ("timestamptz", "to_timestamp(id)"),
        ("date", "date '2026-01-01' + id::int"),
        ("code", "id::text"),
    ],
)
def test_key_types_that_are_taken(database: str, kind: str, value: str) -> None:
    make_questions(database)
    execute(
        database,
        "CREATE DOMAIN short AS text CHECK (length(VALUE) < 9)",
        "CREATE DOMAIN code AS short",
        f"ALTER TABLE questions ADD code {kind}",
        f"UPDATE questions SET code = {value}",
        "ALTER TABLE questions ALTER code SET NOT NULL, DROP CONSTRAINT questions_pkey, ADD PRIMARY KEY (code, id)",
    )
    plan = planned(changed(job(database), {"source.key": ["code", "id"]}))
    assert not plan.refusals, plan.refusals


def test_several_ills_are_told_at_once(database: str) -> None:
    make_questions(database)
    execute(
        database,
        "ALTER TABLE questions SET UNLOGGED",
        "CREATE RULE r AS ON UPDATE TO questions WHERE new.embedding IS NULL DO ALSO SELECT 1",
        "ALTER TABLE questions ADD embedding_limosa int",
    )
    plan = planned(changed(job(database), {"source.space.dimensions": 8, "target.space.dimensions": 4096}))
    assert {check.name for check in plan.refusals} >= {"table", "dependents", "names", "dimensions", "index-limit"}
    app = open_app(changed(job(database), {"source.space.dimensions": 8, "target.space.dimensions": 4096}))
    with pytest.raises(Refused, match="unlogged") as refused:
        app.run(accept=frozenset({"--yes"}))
    app.close()
    assert "The rule on public.questions" in refused.value.what


def test_nondeterministic_keys_are_refused(database: str) -> None:
    make_questions(database)
    # The packaged server has no ICU, the only provider that compares so: the catalogue is made to say it.
    execute(
        database,
        'CREATE COLLATION loose FROM "C"',
        "ALTER TABLE questions ADD code text COLLATE loose",
        "UPDATE questions SET code = id::text",
        "ALTER TABLE questions ALTER code SET NOT NULL, ADD UNIQUE (code)",
        "UPDATE pg_collation SET collisdeterministic = false WHERE collname = 'loose'",
    )
    plan = planned(changed(job(database), {"source.key": "code"}))
    assert "nondeterministic collation loose" in plan.refusals[0].said


def test_temporary_tables_are_refused(database: str) -> None:
    with psycopg.connect(database, autocommit=True) as connection:
        connection.execute("CREATE TEMP TABLE q (id bigint PRIMARY KEY, title text, embedding vector(16))")
        schema = connection.execute("SELECT pg_my_temp_schema()::regnamespace::text").fetchall()[0][0]
        store = PostgresStore(database, migration_of(database, {"source.table": f"{schema}.q", "source.text": "title"}))
        from limosa.stores.postgres.checks import table_checks
        from limosa.stores.postgres.surroundings import gather

        with store.database.begin(snapshot=True) as tx:
            around = gather(tx, store.migration, store.table, store.scope, store.table)
        store.close()
    assert "is temporary" in table_checks(store.table, around)[0].said


def test_a_standby_is_refused(database: str) -> None:
    make_questions(database)
    store = PostgresStore(database, migration_of(database, {}))
    store.close()
    table = replace(store.table, server=replace(store.table.server, recovering=True, version=140011))
    told = {check.name: check for check in server_checks(table, store.scope)}
    assert "in recovery" in told["recovery"].said
    assert "primary" in told["recovery"].do
    assert "Postgres 15 or newer" in told["server"].needed
    assert layout_checks(store.scope, store.migration) == []


def test_what_is_missing_is_named_with_the_nearest(database: str) -> None:
    make_questions(database)
    before = dump(database)
    for changes, said in (
        ({"source.table": "question"}, "Did you mean 'public.questions'?"),
        ({"source.vector": "embeding"}, "Did you mean 'embedding'?"),
        ({"source.text": ["titel"]}, "Did you mean 'title'?"),
        ({"source.key": "idd"}, "Did you mean 'id'?"),
    ):
        with pytest.raises(Refused) as refused:
            planned(changed(job(database), changes))
        assert refused.value.do == said
    execute(database, "DROP EXTENSION vector CASCADE")
    with pytest.raises(Refused, match="has no column"):
        planned(job(database))
    assert "EXTENSION" in before


def test_a_missing_extension_is_named(database: str) -> None:
    execute(
        database,
        "DROP EXTENSION vector",
        "CREATE TABLE questions (id bigint PRIMARY KEY, title text, body text, embedding real[])",
    )
    with pytest.raises(Refused, match="extension vector is not installed") as refused:
        planned(job(database))
    assert refused.value.do == "CREATE EXTENSION vector;"


def test_filters_that_cannot_be_followed_are_refused(database: str) -> None:
    make_questions(database)
    before = dump(database)
    for where in ("deleted_at > now()", "id IN (SELECT 1)", "nosuch IS NULL", "id ="):
        with pytest.raises(Refused, match="cannot be followed"):
            planned(changed(job(database), {"source.where": where}))
    assert dump(database) == before


def test_rows_are_counted_by_what_they_hold(database: str) -> None:
    make_questions(database)
    execute(
        database,
        "UPDATE questions SET deleted_at = now() WHERE id <= 5",
        "UPDATE questions SET embedding = NULL WHERE id IN (1, 6, 7)",
        "UPDATE questions SET title = '', body = E'\\t \\n' WHERE id IN (7, 8)",
    )
    plan = planned(changed(job(database), {"source.where": "deleted_at IS NULL"}))
    assert plan.counts == {
        "rows": 35,
        "with_vector": 33,
        "without_vector": 2,
        "without_text": 2,
        "outside": 4,
        "with_target": 0,
        "to_embed": 33,
        "repeated_texts": 0,
    }
    assert "4 rows outside the filter" in named(plan, "outside").said
    assert "2 rows have no text" in named(plan, "text").said
    assert not plan.refusals


def test_texts_of_a_query_are_counted(database: str) -> None:
    make_questions(database)
    execute(
        database,
        "CREATE TABLE answers (question bigint REFERENCES questions, answer text)",
        "INSERT INTO answers SELECT id, 'answer ' || id FROM questions WHERE id > 10",
        "INSERT INTO answers SELECT id, ' ' FROM questions WHERE id = 10",
        # The vectors are those of the query's texts.
        "UPDATE questions SET embedding = NULL",
    )
    query = "SELECT question AS id, string_agg(answer, ' ') AS text FROM answers GROUP BY question"
    plan = planned(changed(job(database), {"source.text": None, "source.query": query}))
    assert not plan.refusals, plan.refusals
    assert (plan.counts["rows"], plan.counts["without_text"], plan.counts["to_embed"]) == (40, 10, 30)
    assert "is not followed" in named(plan, "text-query").said
    assert "Foreign keys" in named(plan, "foreign-keys").said
    assert plan.estimates["columns_sent"] == ["query"]


def test_an_empty_table_is_not_refused(database: str) -> None:
    make_questions(database, rows=0)
    plan = planned(job(database))
    assert not plan.refusals, plan.refusals
    assert named(plan, "empty").said == "public.questions is empty."
    assert not planned(changed(job(database), {"target": {}})).refusals


def test_notes_on_what_a_person_should_know(database: str) -> None:
    make_questions(database)
    execute(
        database,
        "ALTER TABLE questions ALTER embedding SET NOT NULL",
        "CREATE INDEX near ON questions USING hnsw (embedding vector_cosine_ops)",
        "CREATE INDEX near_l2 ON questions USING ivfflat (embedding vector_l2_ops) WITH (lists = 1)",
        "CREATE INDEX waiting ON questions (id) WHERE embedding IS NULL",
        "CREATE STATISTICS pair ON title, embedding FROM questions",
        "CREATE TABLE votes (question bigint REFERENCES questions)",
    )
    plan = planned(changed(job(database), {"target.index": {"kind": "ivfflat", "lists": 100}}))
    assert not plan.refusals, plan.refusals
    assert "NOT NULL of embedding is lifted" in named(plan, "not-null").said
    assert "near, near_l2" in named(plan, "old-index").said
    assert "waiting, near, near_l2" in named(plan, "indexes").said
    assert "statistics public.pair" in named(plan, "dependents").said
    assert "little data" in named(plan, "index").said
    assert "no disk" in named(plan, "disk").said
    assert "votes_question_fkey" in named(plan, "foreign-keys").said


def test_functions_that_name_the_column_or_its_size_are_shown_with_their_lines(database: str) -> None:
    make_questions(database)
    body = "DECLARE v vector(16);\nBEGIN\n  SELECT Embedding INTO v FROM questions;\n  RETURN v;\nEND"
    execute(
        database,
        f"CREATE FUNCTION one() RETURNS vector LANGUAGE plpgsql AS $$\n{body}\n$$",
        "CREATE FUNCTION other() RETURNS bigint LANGUAGE sql AS 'SELECT max(id) FROM questions'",
    )
    told = named(planned(job(database)), "function")
    assert told.verdict == "note"
    assert told.said.endswith("line 4: SELECT Embedding INTO v FROM questions;; line 2: DECLARE v vector(16);")
    assert "24 dimensions from then on" in told.do
    assert told.do.endswith("At cutover, line 2: DECLARE v vector(24);.")
    beside = named(planned(changed(job(database), SIDE)), "function")
    assert "Before finish" in beside.do
    assert "questions_embedding_24" in beside.do


def test_a_list_of_columns_keeps_the_new_vector_from_subscribers(database: str) -> None:
    make_questions(database)
    execute(database, "CREATE PUBLICATION p FOR TABLE questions (id, title)")
    told = named(planned(job(database)), "publication")
    assert told.verdict == "note"
    assert "subscribers get no new vector" in told.said


def test_beside_the_table_nothing_travels_and_plan_says_what_finish_will_not_do(database: str) -> None:
    make_questions(database)
    execute(
        database,
        "CREATE VIEW q AS SELECT id, embedding FROM questions",
        "CREATE POLICY seen ON questions USING (embedding IS NOT NULL)",
        "ALTER TABLE questions ADD norm float8 GENERATED ALWAYS AS (vector_norm(embedding)) STORED",
        "ALTER TABLE questions ADD CONSTRAINT unit CHECK (vector_norm(embedding) < 1.5)",
    )
    plan = planned(changed(job(database), SIDE))
    assert not plan.refusals, plan.refusals
    told = named(plan, "dependents")
    assert told.said.startswith("These read the old vectors until finish, which refuses while they do: ")
    assert all(part in told.said for part in ("view public.q", "policy seen", "generated column norm"))
    assert named(plan, "constraints").said.endswith(": unit.")
    assert not [each for each in plan.operations if "twin" in each.id]


def test_replication_slots_are_told_with_their_room(database: str) -> None:
    make_questions(database)
    slot = "slot_" + title_of(database)
    execute(database, f"SELECT pg_create_physical_replication_slot('{slot}')")
    try:
        assert "replication slots" in named(planned(job(database)), "replication").said
    finally:
        execute(database, f"SELECT pg_drop_replication_slot('{slot}')")


def test_a_few_rows_of_another_model_are_told(database: str) -> None:
    make_questions(database)
    strange = vectors_of(["something else altogether"], replace(OLD, model="chars-3"))[0]
    execute(database, f"UPDATE questions SET embedding = '{strange}' WHERE id % 5 = 0")
    plan = planned(job(database))
    assert not plan.refusals
    assert "sampled rows do not agree" in named(plan, "space").said


def test_an_old_model_that_is_gone_is_a_note(database: str) -> None:
    make_questions(database)
    gone = {"provider": "openai", "model": "text-embedding-004", "dimensions": 16, "base_url": "http://127.0.0.1:9/v1"}
    plan = planned(changed(job(database), {"source.space": gone}))
    assert not plan.refusals, plan.refusals
    told = named(plan, "old-model")
    assert told.verdict == "note"
    assert "does not answer" in told.said
    assert "switched off on 2026-01-14" in told.said
    assert "rollback" in told.do
    assert plan.estimates["old_model_answers"] is False


def test_triggers_that_fire_always_are_asked_about(database: str) -> None:
    make_questions(database)
    execute(
        database,
        "CREATE FUNCTION f() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN RETURN NEW; END'",
        "CREATE TRIGGER audit AFTER UPDATE ON questions FOR EACH ROW EXECUTE FUNCTION f()",
        "ALTER TABLE questions ENABLE ALWAYS TRIGGER audit",
    )
    assert "audit" in named(planned(job(database)), "triggers").said


def test_a_match_function_is_found_where_the_search_path_finds_it(database: str) -> None:
    make_questions(database)
    execute(
        database,
        "CREATE SCHEMA app",
        "ALTER TABLE questions SET SCHEMA app",
        match_function().replace("FROM questions", "FROM app.questions"),
    )
    plan = planned(changed(job(database), {"source.table": "app.questions", **MATCH}))
    assert not plan.refusals, plan.refusals
    assert "public.match_questions is replaced" in named(plan, "match").said


def migration_of(url: str, changes: dict[str, Any]) -> Any:
    return open_app(changed(job(url), changes)).migration
