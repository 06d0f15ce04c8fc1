"""What bad input gets from Postgres: refused before anything is touched, with what is so and what to do."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from typing import Any

import psycopg
import pytest

from limosa.app import open_app
from limosa.errors import Refused
from limosa.model.plan import Check, Plan
from limosa.stores.postgres.checks import layout_checks, server_checks
from limosa.stores.postgres.store import PostgresStore
from tests.postgres.pooler import Pooler
from tests.postgres.questions import OLD, changed, dump, elsewhere, execute, job, make_questions, title_of, vectors_of

MATCH = {"target.match": {"function": "match_questions", "returns": ["id", "title"]}}
OURS = "query_embedding vector, match_threshold double precision, match_count integer"
ANSWER = "TABLE(id bigint, title text, similarity double precision)"


@dataclass(frozen=True)
class Ill:
    """One thing that is wrong: how it comes about, and what must be said of it.

    Attributes:
        sql: makes it so, on a table that is well.
        file: changes of the file, by dotted path.
        check: the name of the check; said: parts of what it says, with what to do.
    """

    check: str
    said: tuple[str, ...]
    sql: tuple[str, ...] = ()
    file: dict[str, Any] = field(default_factory=dict)


def function(
    arguments: str = OURS, answer: str = ANSWER, *, name: str = "match_questions", more: str = "LANGUAGE sql"
) -> str:
    return (
        f"CREATE FUNCTION {name}({arguments}) RETURNS {answer} {more} AS"
        f" $$ SELECT {'q' if 'SETOF' in answer else 'q.id, q.title, 0.5::float8'} FROM questions AS q $$"
    )


ILLS: dict[str, Ill] = {
    "view": Ill(
        "table",
        ("public.q is a view", "Name the table"),
        sql=("CREATE VIEW q AS SELECT * FROM questions",),
        file={"source.table": "q"},
    ),
    "materialized view": Ill(
        "table",
        ("is a materialized view",),
        sql=("CREATE MATERIALIZED VIEW q AS SELECT * FROM questions",),
        file={"source.table": "q"},
    ),
    "partitioned table": Ill(
        "table",
        ("is a partitioned table", "ordinary table"),
        sql=(
            "CREATE TABLE q (LIKE questions) PARTITION BY RANGE (id)",
            "ALTER TABLE q ADD PRIMARY KEY (id)",
            "ALTER TABLE q ATTACH PARTITION questions FOR VALUES FROM (1) TO (1000)",
        ),
        file={"source.table": "q"},
    ),
    "partition": Ill(
        "table",
        ("is a partition of q",),
        sql=(
            "CREATE TABLE q (LIKE questions) PARTITION BY RANGE (id)",
            "ALTER TABLE q ATTACH PARTITION questions FOR VALUES FROM (1) TO (1000)",
        ),
    ),
    "inheritance child": Ill(
        "table",
        ("inherits from q", "NO INHERIT"),
        sql=("CREATE TABLE q (LIKE questions INCLUDING CONSTRAINTS)", "ALTER TABLE questions INHERIT q"),
    ),
    "inheritance parent": Ill(
        "table", ("q inherits from public.questions",), sql=("CREATE TABLE q () INHERITS (questions)",)
    ),
    "unlogged": Ill("table", ("is unlogged", "SET LOGGED"), sql=("ALTER TABLE questions SET UNLOGGED",)),
    "no unique key": Ill(
        "key",
        ("has no unique key on (id)", 'CREATE UNIQUE INDEX CONCURRENTLY ON "public"."questions" ("id")'),
        sql=("ALTER TABLE questions DROP CONSTRAINT questions_pkey",),
    ),
    "partial unique key": Ill(
        "key",
        ("q_id is not valid, is deferrable, or holds for some rows only",),
        sql=(
            "ALTER TABLE questions DROP CONSTRAINT questions_pkey",
            "CREATE UNIQUE INDEX q_id ON questions (id) WHERE deleted_at IS NULL",
        ),
    ),
    "deferrable key": Ill(
        "key",
        ("q_id is not valid, is deferrable",),
        sql=(
            "ALTER TABLE questions DROP CONSTRAINT questions_pkey",
            "ALTER TABLE questions ADD CONSTRAINT q_id UNIQUE (id) DEFERRABLE",
        ),
    ),
    "key of other columns": Ill(
        "key", ("has no unique key on (id, title)", "It has one on (id)"), file={"source.key": ["id", "title"]}
    ),
    "key in another order": Ill(
        "key",
        ("is (title, id), in another order", 'key = ["title", "id"]'),
        sql=("ALTER TABLE questions DROP CONSTRAINT questions_pkey, ADD PRIMARY KEY (title, id)",),
        file={"source.key": ["id", "title"]},
    ),
    "nullable key": Ill(
        "key",
        ("The key column code of public.questions may be NULL", 'ALTER COLUMN "code" SET NOT NULL'),
        sql=("ALTER TABLE questions ADD code text", "CREATE UNIQUE INDEX ON questions (code)"),
        file={"source.key": "code"},
    ),
    "key of another type": Ill(
        "key",
        ("The key column code of public.questions is of type numeric(9,2)", "bigint"),
        sql=(
            "ALTER TABLE questions ADD code numeric(9,2) UNIQUE",
            "UPDATE questions SET code = id",
            "ALTER TABLE questions ALTER code SET NOT NULL",
        ),
        file={"source.key": "code"},
    ),
    "array of floats": Ill(
        "vector",
        ("is of type real[]", "TYPE vector(16) USING"),
        sql=("ALTER TABLE questions ALTER embedding TYPE real[] USING embedding::real[]",),
    ),
    "no vector at all": Ill(
        "vector", ("questions.body is of type text",), file={"source.vector": "body", "source.text": "title"}
    ),
    "sparse vector": Ill(
        "vector",
        ("is of type sparsevec(16)",),
        sql=("ALTER TABLE questions ALTER embedding TYPE sparsevec(16) USING embedding::sparsevec",),
    ),
    "dimensions of the column": Ill(
        "dimensions",
        ("is vector(16); the file says 32 dimensions", "dimensions = 16"),
        file={"source.space.dimensions": 32},
    ),
    "dimensions of the target already": Ill(
        "dimensions", ("migrated before?",), file={"source.space.dimensions": 24, "target.space.dimensions": 16}
    ),
    "dimensions of the values": Ill(
        "dimensions",
        ("declares no dimension and holds 40 of 16 dimensions; the file says 8", "dimensions = 16"),
        sql=("ALTER TABLE questions ALTER embedding TYPE vector",),
        file={"source.space.dimensions": 8},
    ),
    "mixed dimensions": Ill(
        "dimensions",
        ("holds 37 of 16 dimensions, 3 of 2 dimensions", "Vectors of one space"),
        sql=(
            "ALTER TABLE questions ALTER embedding TYPE vector",
            "UPDATE questions SET embedding = '[1,2]' WHERE id < 4",
        ),
    ),
    "old extension": Ill(
        "extension",
        ("The extension vector is 0.4.4", "0.5 or newer, for HNSW", "ALTER EXTENSION"),
        sql=("UPDATE pg_extension SET extversion = '0.4.4' WHERE extname = 'vector'",),
    ),
    "extension without halfvec": Ill(
        "extension",
        ("The extension vector is 0.6.2", "0.7 or newer, for the type halfvec"),
        sql=("UPDATE pg_extension SET extversion = '0.6.2' WHERE extname = 'vector'",),
        file={"target.index": {"type": "halfvec"}},
    ),
    "hnsw over the limit": Ill(
        "index-limit",
        ("hnsw takes at most 2,000 dimensions of type vector; the target has 3,072", 'type = "halfvec"', "6,152 bytes"),
        file={"target.space.dimensions": 3072},
    ),
    "ivfflat over the limit": Ill(
        "index-limit",
        ("ivfflat takes at most 2,000", "halfvec(2500)"),
        file={"target.space.dimensions": 2500, "target.index": {"kind": "ivfflat"}},
    ),
    "halfvec over the limit": Ill(
        "index-limit",
        ("at most 4,000 dimensions of type halfvec", "index = false"),
        file={"target.space.dimensions": 5000, "target.index": {"type": "halfvec"}},
    ),
    "dependent view": Ill(
        "dependents",
        ("The view public.q keeps reading",),
        sql=("CREATE VIEW q AS SELECT id, embedding FROM questions",),
    ),
    "dependent matview": Ill(
        "dependents",
        ("The materialized view public.q keeps reading",),
        sql=("CREATE MATERIALIZED VIEW q AS SELECT id, embedding FROM questions",),
    ),
    "generated column": Ill(
        "dependents",
        ("The generated column norm",),
        sql=("ALTER TABLE questions ADD norm float8 GENERATED ALWAYS AS (vector_norm(embedding)) STORED",),
    ),
    "policy": Ill(
        "dependents", ("The policy seen",), sql=("CREATE POLICY seen ON questions USING (embedding IS NOT NULL)",)
    ),
    "constraint": Ill(
        "dependents",
        ("The constraint unit",),
        sql=("ALTER TABLE questions ADD CONSTRAINT unit CHECK (vector_norm(embedding) < 1.5)",),
    ),
    "rule": Ill(
        "dependents",
        ("The rule on public.questions",),
        sql=("CREATE RULE r AS ON UPDATE TO questions WHERE new.embedding IS NULL DO ALSO SELECT 1",),
    ),
    "function body": Ill(
        "dependents",
        ("The function nearest(vector) names the column", "function in [target.match]"),
        sql=(
            "CREATE FUNCTION nearest(q vector) RETURNS bigint LANGUAGE sql AS"
            " 'SELECT id FROM questions ORDER BY embedding <=> q LIMIT 1'",
        ),
    ),
    "function body of the standard": Ill(
        "dependents",
        ("The function nearest(vector) names the column",),
        sql=(
            "CREATE FUNCTION nearest(q vector) RETURNS bigint LANGUAGE sql"
            " BEGIN ATOMIC SELECT id FROM questions ORDER BY embedding <=> q LIMIT 1; END",
        ),
    ),
    "trigger of the column": Ill(
        "dependents",
        ("The trigger seen names the column",),
        sql=(
            "CREATE FUNCTION f() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN RETURN NEW; END'",
            "CREATE TRIGGER seen BEFORE UPDATE OF embedding ON questions FOR EACH ROW EXECUTE FUNCTION f()",
        ),
    ),
    "trigger body": Ill(
        "dependents",
        ("The trigger zeroed calls f(), which names the column embedding",),
        sql=(
            "CREATE FUNCTION f() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN NEW.embedding := NULL; RETURN NEW; END'",
            "CREATE TRIGGER zeroed BEFORE UPDATE OF title ON questions FOR EACH ROW EXECUTE FUNCTION f()",
        ),
    ),
    "unique index on the vector": Ill(
        "dependents",
        ("The unique index one names embedding",),
        sql=("CREATE UNIQUE INDEX one ON questions (id) WHERE embedding IS NOT NULL",),
    ),
    "published": Ill(
        "publication",
        ("is published by p", 'ALTER PUBLICATION "p" DROP TABLE'),
        sql=("CREATE PUBLICATION p FOR TABLE questions",),
    ),
    "published with columns": Ill(
        "publication", ("is published by p",), sql=("CREATE PUBLICATION p FOR TABLE questions (id, title)",)
    ),
    "published with all": Ill("publication", ("is published by p",), sql=("CREATE PUBLICATION p FOR ALL TABLES",)),
    "published with its schema": Ill(
        "publication", ("is published by p",), sql=("CREATE PUBLICATION p FOR TABLES IN SCHEMA public",)
    ),
    "trigger behind the guard": Ill(
        "guard-order",
        ("~~late fires after the guard ~limosa_", "RENAME TO"),
        sql=(
            "CREATE FUNCTION f() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN RETURN NEW; END'",
            'CREATE TRIGGER "~~late" BEFORE UPDATE ON questions FOR EACH ROW EXECUTE FUNCTION f()',
        ),
    ),
    "working column taken": Ill(
        "names", ("column embedding_limosa", "RENAME COLUMN"), sql=("ALTER TABLE questions ADD embedding_limosa int",)
    ),
    "parked column taken": Ill(
        "names", ("column embedding_limosa_old",), sql=("ALTER TABLE questions ADD embedding_limosa_old int",)
    ),
    "index name taken": Ill(
        "names",
        ("index public.questions_embedding_limosa_idx",),
        sql=("CREATE INDEX questions_embedding_limosa_idx ON questions (title)",),
    ),
    "match function with other arguments": Ill(
        "match",
        ("The arguments are others", "match_questions(query_embedding vector, match_count integer)", OURS),
        sql=(function("query_embedding vector(16), match_count int"),),
        file=MATCH,
    ),
    "match function with other names": Ill(
        "match", ("The arguments are others",), sql=(function("q vector, t float8, n int"),), file=MATCH
    ),
    "match function with a default": Ill("match", ("has a default",), sql=(function(OURS + " DEFAULT 5"),), file=MATCH),
    "match function with another answer": Ill(
        "match",
        ("The answer is another", "TABLE(key bigint, title text, similarity double precision)", ANSWER),
        sql=(function(answer="TABLE(key bigint, title text, similarity double precision)"),),
        file=MATCH,
    ),
    "match function that answers rows": Ill(
        "match", ("The answer is another", "SETOF questions"), sql=(function(answer="SETOF questions"),), file=MATCH
    ),
    "match procedure": Ill(
        "match",
        ("match_questions(integer) is a procedure",),
        sql=("CREATE PROCEDURE match_questions(n int) LANGUAGE sql AS 'SELECT 1'",),
        file=MATCH,
    ),
    "match aggregate": Ill(
        "match",
        ("is an aggregate",),
        sql=("CREATE AGGREGATE match_questions(int) (SFUNC = int4pl, STYPE = int)",),
        file=MATCH,
    ),
    "match function overloaded": Ill(
        "match",
        ("is overloaded: match_questions(vector,double precision,integer) and match_questions(vector,integer)", OURS),
        sql=(function(), function("query_embedding vector, match_count int")),
        file=MATCH,
    ),
    "match function of definer": Ill(
        "match", ("is SECURITY DEFINER",), sql=(function(more="LANGUAGE sql SECURITY DEFINER"),), file=MATCH
    ),
    "match function returns a missing column": Ill(
        "match",
        ("has no column titel", "Its columns are: id, title"),
        file={"target.match": {"function": "m", "returns": ["id", "titel"]}},
    ),
    "match function returns the vector": Ill(
        "match",
        ("cannot return embedding itself",),
        file={"target.match": {"function": "m", "returns": ["id", "embedding"]}},
    ),
    "match function returns similarity": Ill(
        "match",
        ("cannot return similarity",),
        sql=("ALTER TABLE questions ADD similarity float8",),
        file={"target.match": {"function": "m", "returns": ["id", "similarity"]}},
    ),
    "match filter is text": Ill(
        "match",
        ("filter column body is of type text",),
        file={"target.match": {"function": "m", "returns": ["id"], "filter": "body"}},
    ),
    "text query fails": Ill(
        "text-query",
        ("cannot be used", 'relation "answers" does not exist'),
        file={"source.text": None, "source.query": "SELECT id, a.text FROM answers AS a"},
    ),
    "text query without text": Ill(
        "text-query",
        ("cannot be used", "text does not exist", "the key (id) and a column text"),
        file={"source.text": None, "source.query": "SELECT q.* FROM (SELECT id, title FROM questions) AS q"},
    ),
    "text query without key": Ill(
        "text-query",
        ("cannot be used", "id does not exist"),
        file={"source.text": None, "source.query": "SELECT q.* FROM (SELECT title AS text FROM questions) AS q"},
    ),
    "text query with two rows a key": Ill(
        "text-query",
        ("several rows for 40 keys", "string_agg"),
        file={
            "source.text": None,
            "source.query": "SELECT id, title AS text FROM questions UNION ALL SELECT id, body FROM questions",
        },
    ),
    "no text": Ill(
        "text", ("None of the 40 rows has a text",), sql=("UPDATE questions SET title = E' \\n', body = NULL",)
    ),
    "nothing to fill": Ill("nothing-to-do", ("has a vector, and the spaces are the same",), file={"target": {}}),
    "unknown price and a budget": Ill(
        "price",
        ("is not known", "usd_per_million_tokens"),
        file={
            "target.space": {
                "provider": "openai",
                "model": "none",
                "dimensions": 24,
                "base_url": "http://127.0.0.1:9/v1",
                "timeout_s": 0.2,
            },
            "backfill.budget_usd": 1.0,
        },
    ),
    "another model's vectors": Ill(
        "space",
        ("are not those of hashing/words-1 (16): 0 of 32", "One known space a column"),
        sql=(
            "UPDATE questions SET embedding = (SELECT o.embedding FROM questions AS o WHERE o.id = 41 - questions.id)",
        ),
    ),
}


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


def planned(file: dict[str, Any]) -> Plan:
    app = open_app(file)
    try:
        return app.plan()
    finally:
        app.close()


def named(plan: Plan, name: str) -> Check:
    found = [check for check in plan.checks if check.name == name]
    assert len(found) == 1, plan.checks
    return found[0]


def test_a_table_that_is_well_is_not_refused(database: str) -> None:
    make_questions(database)
    execute(database, function(), "CREATE INDEX ON questions USING hnsw (embedding vector_cosine_ops)")
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
        "CREATE VIEW q AS SELECT embedding FROM questions",
        "ALTER TABLE questions ADD embedding_limosa int",
    )
    plan = planned(changed(job(database), {"source.space.dimensions": 8, "target.space.dimensions": 4096}))
    assert {check.name for check in plan.refusals} >= {"table", "dependents", "names", "dimensions", "index-limit"}
    app = open_app(changed(job(database), {"source.space.dimensions": 8, "target.space.dimensions": 4096}))
    with pytest.raises(Refused, match="unlogged") as refused:
        app.run(accept=frozenset({"--yes"}))
    app.close()
    assert "The view public.q" in refused.value.what


def test_nondeterministic_keys_are_refused(database: str) -> None:
    make_questions(database)
    # The packaged server is built without ICU, the only provider that compares so: the catalogue alone is made to say it.
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
            around = gather(tx, store.migration, store.table, store.scope)
        store.close()
    assert "is temporary" in table_checks(store.table, around)[0].said


def migration_of(url: str, changes: dict[str, Any]) -> Any:
    return open_app(changed(job(url), changes)).migration


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
    assert "pair" in named(plan, "statistics").said
    assert "little data" in named(plan, "index").said
    assert "no disk" in named(plan, "disk").said
    assert "votes_question_fkey" in named(plan, "foreign-keys").said


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


@dataclass(frozen=True)
class Role:
    """A role of its own in one database: who it is, and the address under its name."""

    name: str
    url: str


@pytest.fixture
def role(database: str) -> Iterator[Role]:
    name = "role_" + title_of(database)
    make_questions(database)
    execute(database, f"CREATE ROLE {name} LOGIN PASSWORD 'secret'")
    address = elsewhere(database, user=name, password="secret")
    yield Role(name, address)
    execute(database, f"REASSIGN OWNED BY {name} TO CURRENT_USER", f"DROP OWNED BY {name}", f"DROP ROLE {name}")


def test_every_missing_privilege_is_told_with_its_grant(database: str, role: Role) -> None:
    before = dump(database)
    plan = planned(job(role.url))
    found = [check for check in plan.refusals if check.name == "privilege"]
    told = "\n".join(check.do for check in found)
    title = title_of(database)
    for part in (
        f'GRANT "postgres" TO "{role.name}"',
        f'GRANT SELECT, UPDATE ON "public"."questions" TO "{role.name}"',
        f'GRANT CREATE ON SCHEMA "public" TO "{role.name}"',
        f'GRANT CREATE ON DATABASE "{title}" TO "{role.name}"',
    ):
        assert part in told
    assert plan.counts == {}
    app = open_app(job(role.url))
    with pytest.raises(Refused, match="does not own"):
        app.run(accept=frozenset({"--yes"}))
    app.close()
    assert dump(database) == before


def test_with_the_grants_that_were_told_it_is_taken(database: str, role: Role) -> None:
    title = title_of(database)
    execute(
        database,
        f"ALTER TABLE questions OWNER TO {role.name}",
        f"GRANT CREATE ON SCHEMA public TO {role.name}",
        f"GRANT CREATE ON DATABASE {title} TO {role.name}",
        "CREATE FUNCTION touched() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN RETURN NEW; END'",
        "CREATE TRIGGER touched BEFORE UPDATE ON questions FOR EACH ROW EXECUTE FUNCTION touched()",
        "CREATE TRIGGER titled BEFORE UPDATE OF title ON questions FOR EACH ROW EXECUTE FUNCTION touched()",
    )
    plan = planned(job(role.url))
    assert not plan.refusals, plan.refusals
    # This role may not rest the triggers: the one that fires for limosa's own column is asked about.
    told = named(plan, "triggers")
    assert told.flag == "--accept-triggers"
    assert "is filled" not in told.said
    assert "fills: touched." in told.said
    assert f'GRANT SET ON PARAMETER session_replication_role TO "{role.name}"' in told.said
    assert not [check for check in planned(job(database)).checks if check.name == "triggers"]


def test_a_ledger_of_another_owner_is_told(database: str, role: Role) -> None:
    execute(
        database,
        f"ALTER TABLE questions OWNER TO {role.name}",
        f"GRANT CREATE ON SCHEMA public TO {role.name}",
        "CREATE SCHEMA limosa",
    )
    told = [check for check in planned(job(role.url)).refusals if check.name == "privilege"]
    assert [check.said for check in told] == ["The schema limosa belongs to postgres."]


def test_rows_that_policies_hide_are_refused(database: str, role: Role) -> None:
    title = title_of(database)
    execute(
        database,
        f"ALTER TABLE questions OWNER TO {role.name}",
        f"GRANT CREATE ON SCHEMA public TO {role.name}",
        f"GRANT CREATE ON DATABASE {title} TO {role.name}",
        "ALTER TABLE questions ENABLE ROW LEVEL SECURITY",
    )
    assert not planned(job(role.url)).refusals
    execute(database, "ALTER TABLE questions FORCE ROW LEVEL SECURITY")
    plan = planned(job(role.url))
    assert [check.name for check in plan.refusals] == ["row-security"]
    assert named(plan, "row-security").do == f'ALTER ROLE "{role.name}" BYPASSRLS;'
    execute(database, f"ALTER ROLE {role.name} BYPASSRLS")
    assert not planned(job(role.url)).refusals


def test_triggers_that_fire_always_are_asked_about(database: str) -> None:
    make_questions(database)
    execute(
        database,
        "CREATE FUNCTION f() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN RETURN NEW; END'",
        "CREATE TRIGGER audit AFTER UPDATE ON questions FOR EACH ROW EXECUTE FUNCTION f()",
        "ALTER TABLE questions ENABLE ALWAYS TRIGGER audit",
    )
    assert "audit" in named(planned(job(database)), "triggers").said


def test_a_match_function_of_another_owner_is_refused(database: str, role: Role) -> None:
    title = title_of(database)
    execute(
        database,
        f"ALTER TABLE questions OWNER TO {role.name}",
        f"GRANT CREATE ON SCHEMA public TO {role.name}",
        f"GRANT CREATE ON DATABASE {title} TO {role.name}",
        function(),
    )
    told = named(planned(changed(job(role.url), MATCH)), "match")
    assert told.verdict == "refused"
    assert "belongs to postgres" in told.said
    assert f'OWNER TO "{role.name}"' in told.do


def test_a_match_function_is_found_where_the_search_path_finds_it(database: str) -> None:
    make_questions(database)
    execute(
        database,
        "CREATE SCHEMA app",
        "ALTER TABLE questions SET SCHEMA app",
        function().replace("FROM questions", "FROM app.questions"),
    )
    plan = planned(changed(job(database), {"source.table": "app.questions", **MATCH}))
    assert not plan.refusals, plan.refusals
    assert "public.match_questions is replaced" in named(plan, "match").said


def test_a_pooler_in_transaction_mode_is_found(database: str) -> None:
    make_questions(database)
    before = dump(database)
    with Pooler(database) as pooler:
        plan = planned(job(pooler.url))
    told = named(plan, "pooler")
    assert told.verdict == "refused"
    assert "5432" in told.do
    assert dump(database) == before


def test_a_pooler_that_takes_no_settings_is_told(database: str) -> None:
    with Pooler(database, settings=False) as pooler, pytest.raises(Refused, match="takes no settings"):
        planned(job(pooler.url))
