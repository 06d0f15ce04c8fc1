"""What hangs on a vector column is found with all that belongs to it, and made again as it was."""

from __future__ import annotations

from limosa.stores.postgres.database import Database
from limosa.stores.postgres.dependents import Hanging, hanging_on
from tests.postgres.questions import dump, execute, make_questions

HANGING = (
    "CREATE VIEW near WITH (security_barrier, security_invoker) AS SELECT id, title, embedding FROM questions",
    'CREATE VIEW "Odd ""name" AS SELECT id, embedding FROM near WHERE id > 1',
    "CREATE FUNCTION put() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN RETURN NEW; END'",
    'CREATE TRIGGER put INSTEAD OF INSERT ON "Odd ""name" FOR EACH ROW EXECUTE FUNCTION put()',
    "COMMENT ON VIEW near IS 'it''s near'",
    "COMMENT ON COLUMN near.id IS 'the key'",
    "ALTER VIEW near ALTER title SET DEFAULT 'none'",
    "GRANT SELECT ON near TO PUBLIC",
    'GRANT SELECT (id) ON "Odd ""name" TO pg_monitor WITH GRANT OPTION',
    "CREATE MATERIALIZED VIEW kept AS SELECT id, o.embedding, id % 3 AS class"
    ' FROM "Odd ""name" AS o JOIN near USING (id)',
    "CREATE UNIQUE INDEX kept_id ON kept (id)",
    "CREATE INDEX kept_near ON kept USING hnsw (embedding vector_cosine_ops)",
    "CREATE STATISTICS kept_pair ON id, class FROM kept",
    "ALTER MATERIALIZED VIEW kept ALTER class SET STATISTICS 700",
    "CREATE MATERIALIZED VIEW waiting AS SELECT * FROM kept WITH NO DATA",
    "CREATE STATISTICS pair ON title, embedding FROM questions",
    "COMMENT ON STATISTICS pair IS 'both'",
    "CREATE POLICY seen ON questions FOR SELECT TO pg_monitor USING (embedding IS NOT NULL)",
    "COMMENT ON POLICY seen ON questions IS 'those with a vector'",
    "CREATE TABLE votes (question bigint)",
    "CREATE POLICY known ON votes USING (EXISTS (SELECT FROM near WHERE near.id = votes.question))",
    "CREATE FUNCTION nearest(q vector) RETURNS bigint LANGUAGE sql"
    " BEGIN ATOMIC SELECT id FROM near ORDER BY embedding <=> q LIMIT 1; END",
    "CREATE VIEW best AS SELECT nearest(embedding) FROM questions",
)


def _hanging(url: str) -> Hanging:
    database = Database(url)
    with database.begin() as tx:
        oid, column = tx.raw(
            "SELECT attrelid::bigint, attnum::int FROM pg_attribute"
            " WHERE attrelid = 'questions'::regclass AND attname = 'embedding'"
        )[0]
        found = hanging_on(tx, oid, column)
    database.close()
    return found


def test_dependents_are_dropped_and_made_again_as_they_were(database: str) -> None:
    make_questions(database, rows=9)
    execute(database, *HANGING)
    before = dump(database)
    found = _hanging(database)
    assert not found.others
    assert {(each.kind, each.name) for each in found.remade} == {
        ("view", "public.near"),
        ("view", 'public.Odd "name'),
        ("view", "public.best"),
        ("materialized view", "public.kept"),
        ("materialized view", "public.waiting"),
        ("statistics", "public.pair"),
        ("policy", "seen ON public.questions"),
        ("policy", "known ON public.votes"),
        ("function", "public.nearest(public.vector)"),
    }
    execute(database, *(each.drop for each in reversed(found.remade)))
    # Nothing hangs on the column any more.
    execute(database, "ALTER TABLE questions ALTER embedding TYPE vector USING embedding")
    execute(database, "ALTER TABLE questions ALTER embedding TYPE vector(16)")
    execute(database, *(statement for each in found.remade for statement in (*each.create, each.refresh) if statement))
    assert dump(database) == before


def test_what_cannot_be_made_again_is_named(database: str) -> None:
    make_questions(database, rows=3)
    execute(
        database,
        "CREATE VIEW near AS SELECT id, embedding FROM questions",
        "CREATE TABLE copies (id int, row near)",
        "CREATE FUNCTION key_of(near) RETURNS bigint LANGUAGE sql AS 'SELECT $1.id'",
        "CREATE FUNCTION vector_of(near) RETURNS vector LANGUAGE sql BEGIN ATOMIC SELECT $1.embedding; END",
        # Of the table itself, and so no concern of this list.
        "ALTER TABLE questions ADD norm float8 GENERATED ALWAYS AS (vector_norm(embedding)) STORED",
        "ALTER TABLE questions ALTER embedding SET NOT NULL, ALTER embedding SET DEFAULT NULL",
        "ALTER TABLE questions ADD CONSTRAINT unit CHECK (vector_norm(embedding) < 1.5)",
        "CREATE INDEX ON questions USING hnsw (embedding vector_cosine_ops)",
    )
    found = _hanging(database)
    assert [each.name for each in found.remade] == ["public.near"]
    assert found.others == (
        "column row of table public.copies",
        "function public.key_of(public.near)",
        "function public.vector_of(public.near)",
    )
