"""What is found in a Postgres database that no file describes: the candidates, their order, and why others are none."""

from __future__ import annotations

from contextlib import closing

import psycopg
import pytest

from limosa.app import open_app
from limosa.errors import Refused
from limosa.ports.discovery import Candidate, Discovery, Hint, VectorIndex
from limosa.stores.find import discover
from limosa.stores.postgres.database import Database
from limosa.stores.postgres.discovery.bounds import Asker
from tests.contract.ills_of_objects import MATCH, match_function
from tests.contract.plans import planned
from tests.postgres.candidates import NOTES, UNFIT, make_candidates, make_unfit
from tests.postgres.questions import changed, dump, elsewhere, execute, job, make_questions, title_of


@pytest.fixture(scope="module")
def somebodys(module_database: str) -> str:
    """Three columns that can be meant, and the ones that cannot."""
    make_candidates(module_database)
    make_unfit(module_database)
    return module_database


@pytest.fixture(scope="module")
def found(somebodys: str) -> Discovery:
    return discover(somebodys)


def by_table(found: Discovery, table: str) -> Candidate:
    return next(each for each in found.candidates if each.table == table)


def test_the_candidates_come_by_their_rows_and_the_unfit_ones_last(found: Discovery) -> None:
    usable = [each for each in found.candidates if each.usable]
    assert [(each.table, each.vector) for each in usable] == [
        (NOTES, "Emb"),
        ("public.questions", "embedding"),
        ("app.chunks", "embedding"),
    ]
    assert [(each.rows, each.exact, each.null_share) for each in usable] == [
        (60, True, 0),
        (40, True, 0),
        (20, True, 0.25),
    ]
    assert [each.dimensions for each in usable] == [8, 16, 12]
    assert [each.type for each in usable] == ["halfvec", "vector(16)", "vector(12)"]
    assert not any(each.usable for each in found.candidates[3:])
    assert (found.unseen, found.remarks, found.schemas) == (0, (), ("app", "my app", "public"))


def test_keys_and_texts(found: Discovery) -> None:
    questions, notes, chunks = (by_table(found, name) for name in ("public.questions", NOTES, "app.chunks"))
    assert (questions.keys, notes.keys, chunks.keys) == ((("id",),), (("tenant", "noteId"),), (("id",),))
    assert [each.name for each in questions.texts] == ["title", "body"]
    assert [each.name for each in notes.texts] == ["bodyText"]
    assert [each.name for each in chunks.texts] == ["content"]
    # An address and a status are texts, but nobody embeds them.
    assert chunks.columns == ("id", "content", "url", "status")
    assert chunks.also == ()


def test_indexes_are_read_with_their_metric_and_their_parameters(found: Discovery) -> None:
    assert by_table(found, "public.questions").index is None
    assert by_table(found, NOTES).index == VectorIndex(
        name="Odd idx", kind="hnsw", metric="l2", element="halfvec", options={"m": 8, "ef_construction": 32}
    )
    chunks = by_table(found, "app.chunks").index
    assert chunks is not None
    assert (chunks.metric, chunks.element, chunks.options) == ("ip", "vector", {})


def test_the_model_is_known_from_a_column_or_a_comment(found: Discovery) -> None:
    assert by_table(found, "public.questions").hints == ()
    assert by_table(found, NOTES).hints == (
        Hint(said="hashing/words-1", where="the column embedding_model", plain=True, others=(("old-one", 0.05),)),
    )
    assert by_table(found, "app.chunks").hints == (
        Hint(said="hashing/words-2, see the wiki", where="the column's comment"),
    )


def test_the_statement_that_makes_a_key_is_one_that_the_table_takes(found: Discovery) -> None:
    said = {name: " ".join(by_table(found, f"public.{name}").refused) for name in ("q_keyless", "q_spread")}
    assert "CREATE UNIQUE INDEX CONCURRENTLY" in said["q_keyless"]
    assert "CONCURRENTLY" not in said["q_spread"]


@pytest.mark.parametrize("name", sorted(UNFIT))
def test_what_plan_would_refuse_is_shown_with_the_reason(found: Discovery, name: str) -> None:
    said, _ = UNFIT[name]
    told = [each for each in found.candidates if any(why.startswith(said) for why in each.refused)]
    assert len(told) == 1, [each.refused for each in found.candidates]
    assert told[0].table.startswith("public.q_")
    assert len(told[0].refused) == 1


@pytest.mark.parametrize("name", sorted(UNFIT))
def test_plan_refuses_it_too(somebodys: str, found: Discovery, name: str) -> None:
    said, _ = UNFIT[name]
    table = next(each.table for each in found.candidates if any(why.startswith(said) for why in each.refused))
    file = changed(job(somebodys), {"source.table": table, "source.text": "body", "source.space.dimensions": 3})
    told = " ".join(check.said for check in planned(file).refusals)
    # How many rows have which size is counted by plan, and sampled here.
    assert said.removesuffix(".") in told.replace(" on (id)", "")


def test_nothing_else_is_listed(found: Discovery) -> None:
    listed = {each.table for each in found.candidates}
    assert len(listed) == len(found.candidates) == 3 + len(UNFIT)
    assert not listed & {"public.q_part", "limosa.saved_q", "public.prices"}


def test_looking_changes_nothing(somebodys: str) -> None:
    before = dump(somebodys)
    discover(somebodys)
    assert dump(somebodys) == before


@pytest.mark.parametrize("table", ["chunks", "app.chunks", '"app"."chunks"'])
def test_one_table_alone(somebodys: str, table: str) -> None:
    assert [each.table for each in discover(somebodys, table=table).candidates] == ["app.chunks"]


def test_a_table_of_another_schema_is_another(somebodys: str) -> None:
    assert discover(somebodys, table="public.chunks").candidates == ()


def test_the_server_s_statistics_say_the_same_as_a_sample(database: str) -> None:
    make_candidates(database)
    sampled = discover(database)
    execute(database, "ANALYZE")
    told = discover(database)
    for each, other in zip(sampled.candidates, told.candidates, strict=True):
        assert (each.table, each.null_share, each.hints) == (other.table, other.null_share, other.hints)
        assert [text.name for text in each.texts] == [text.name for text in other.texts]


def test_a_large_table_is_sampled_and_not_counted(database: str) -> None:
    execute(
        database,
        "CREATE TABLE large (id int PRIMARY KEY, body text, model text, embedding vector)",
        "ALTER TABLE large SET (autovacuum_enabled = off)",
        """INSERT INTO large SELECT i, 'the body of ' || i, 'hashing/words-1',
            CASE WHEN i % 2 = 0 THEN '[1,2,3]'::vector END FROM generate_series(1, 110000) AS i""",
    )
    (planned_rows,) = discover(database).candidates
    execute(database, "ANALYZE large")
    (seen,) = discover(database).candidates
    for each in (planned_rows, seen):
        assert not each.exact
        assert 55_000 < each.rows < 220_000
        assert each.dimensions == 3
        assert each.null_share == pytest.approx(0.5, abs=0.1)
        assert [(hint.said, hint.plain) for hint in each.hints] == [("hashing/words-1", False)]
        assert [text.name for text in each.texts] == ["body"]


def test_texts_and_models_are_known_of_a_table_that_was_analysed(database: str) -> None:
    execute(
        database,
        "CREATE TABLE q (id int PRIMARY KEY, summary text, content text, model text, embedding_model text,"
        " embedding vector(3))",
        # Kept out of line, a long text has a width of 18 bytes by the statistics.
        "ALTER TABLE q ALTER content SET STORAGE EXTERNAL",
        """INSERT INTO q SELECT i, repeat('short ', 20), repeat('long ', 1000), 'gpt-4o',
            CASE WHEN i < 70 THEN '' ELSE 'hashing/words-1' END, '[1,2,3]' FROM generate_series(1, 100) AS i""",
        "COMMENT ON COLUMN q.embedding IS 'of words-1'",
        "ANALYZE q",
    )
    (seen,) = discover(database).candidates
    assert [(text.name, text.width_bytes) for text in seen.texts] == [("content", 5000)]
    assert [hint.said for hint in seen.hints] == ["hashing/words-1", "of words-1"]
    assert (seen.hints[0].plain, seen.hints[0].others) == (True, ())


def test_the_extension_may_lie_in_any_schema(database: str) -> None:
    execute(
        database,
        'CREATE SCHEMA "my ext"',
        'ALTER EXTENSION vector SET SCHEMA "my ext"',
        'CREATE TABLE q (id int PRIMARY KEY, body text, v "my ext".halfvec)',
        "INSERT INTO q VALUES (1, 'one', '[1,2,3,4]')",
        """CREATE FUNCTION f(query_embedding "my ext".vector, match_threshold float8, match_count int)
        RETURNS TABLE(id int, similarity float8) LANGUAGE sql AS $$ SELECT q.id, 0.5::float8 FROM q $$""",
    )
    (seen,) = discover(database).candidates
    assert (seen.usable, seen.dimensions, seen.element) == (True, 4, "halfvec")
    assert [each.why for each in seen.functions] == [""]


def test_a_sample_that_takes_too_long_is_given_up(database: str) -> None:
    with closing(Database(database)) as pool, pool.begin(snapshot=True) as tx:
        asker = Asker(tx, sample_ms=50)
        assert asker.ask("SELECT pg_sleep(60)") == []
        assert asker.ask("SELECT 1") == [(1,)]
        assert Asker(tx, seconds=0).ask("SELECT 1") == []


def test_a_locked_table_does_not_hold_the_others_up(database: str) -> None:
    make_questions(database)
    execute(database, "CREATE TABLE held (id int PRIMARY KEY, body text, embedding vector(3))")
    with psycopg.connect(database) as other:
        other.execute("LOCK TABLE held IN ACCESS EXCLUSIVE MODE")
        found = discover(database)
    assert [each.table for each in found.candidates] == ["public.questions", "public.held"]
    assert found.candidates[0].usable
    assert found.candidates[1].refused == (
        "public.held is locked by another session. Repeat the command when that is done.",
    )


def test_what_a_role_may_not_do_is_told(database: str) -> None:
    make_questions(database)
    role = "looker_" + title_of(database)
    execute(database, f"CREATE ROLE {role} LOGIN PASSWORD 'secret'")
    try:
        (seen,) = discover(elsewhere(database, user=role, password="secret")).candidates
    finally:
        execute(database, f"DROP ROLE {role}")
    told = " ".join(seen.refused)
    assert "This role may not read public.questions." in told
    assert f'GRANT "postgres" TO "{role}";' in told


def test_a_column_that_a_migration_works_on_is_taken(database: str) -> None:
    make_questions(database)
    app = open_app(job(database))
    app.run(accept=frozenset({"--yes"}), limit=1)
    app.close()
    # The new column beside it is limosa's own.
    (seen,) = discover(database).candidates
    assert seen.vector == "embedding"
    assert seen.refused == (
        "The migration questions already works on public.questions.embedding. Finish it, or roll it back.",
    )


FUNCTIONS = {
    "ours": (match_function(), "", None),
    "with a filter": (
        """CREATE FUNCTION f(query_embedding vector, match_threshold float8, match_count int, filter jsonb DEFAULT '{}')
        RETURNS TABLE(id bigint, title text, similarity float8) LANGUAGE sql AS
        $$ SELECT q.id, q.title, 0.5::float8 FROM questions AS q WHERE q.meta @> filter $$""",
        "",
        "meta",
    ),
    "other arguments": (match_function("q vector, n integer"), "The arguments are others.", None),
    "another answer": (
        match_function(answer="TABLE(id bigint, title text, score double precision)"),
        "It answers score",
        None,
    ),
    "definer": (match_function(more="LANGUAGE sql SECURITY DEFINER"), "It is SECURITY DEFINER", None),
    "a standard body": (
        """CREATE FUNCTION f(query_embedding vector, match_threshold float8, match_count int)
        RETURNS TABLE(id bigint, similarity float8) LANGUAGE sql
        BEGIN ATOMIC SELECT q.id, 1 - (q.embedding <=> query_embedding) FROM questions AS q; END""",
        "",
        None,
    ),
}


@pytest.mark.parametrize("name", sorted(FUNCTIONS))
def test_a_function_that_fits_is_told_from_one_that_does_not(database: str, name: str) -> None:
    sql, why, filter_column = FUNCTIONS[name]
    make_questions(database)
    execute(database, sql)
    (seen,) = discover(database).candidates[0].functions
    assert seen.why.startswith(why) if why else seen.why == ""
    assert seen.filter == filter_column
    file = changed(job(database), {"target.match": {**MATCH["target.match"], "function": seen.function}})
    file["target"]["match"] |= {"returns": list(seen.returns)} | ({"filter": seen.filter} if seen.filter else {})
    refused = [check for check in planned(file).refusals if check.name == "match"]
    assert bool(refused) == bool(why), refused


def test_a_function_that_may_search_another_table_is_not_taken(database: str) -> None:
    make_questions(database)
    execute(
        database,
        "CREATE TABLE answers (id bigint PRIMARY KEY, title text, embedding vector(16))",
        "CREATE SCHEMA old",
        "CREATE TABLE old.questions (id bigint PRIMARY KEY, title text, embedding vector(16))",
        match_function(name="unclear"),
        match_function(name="clear").replace("FROM questions", "FROM public.questions"),
        match_function(name="joined").replace("AS q $$", "AS q JOIN answers USING (id) $$"),
    )
    found = {each.function: each.why for each in by_table(discover(database), "public.questions").functions}
    assert found["public.clear"] == ""
    assert "names old.questions too" in found["public.unclear"]
    assert "too, which also has vectors" in found["public.joined"]
    # The same where only one table is looked at.
    (alone,) = discover(database, table="public.questions").candidates
    assert {each.function: each.why for each in alone.functions} == found
    theirs = {each.function: each.why for each in by_table(discover(database), "old.questions").functions}
    assert all(theirs.values())


def test_a_database_without_the_extension_says_so(pg_server_url: str) -> None:
    found = discover(pg_server_url)
    assert found.candidates == ()
    assert found.remarks == ("The extension vector is not installed in postgres.",)


@pytest.fixture
def pg_server_url(database: str) -> str:
    return database.replace(title_of(database), "postgres")


def test_another_store_cannot_be_looked_through() -> None:
    with pytest.raises(Refused, match="of this kind cannot be looked through"):
        discover("sqlite:///data/app.db")
