"""What can be wrong with the objects around a table: dependents, names that are taken, the match function."""

from __future__ import annotations

from tests.contract.ills import Ill

__all__ = ["ANSWER", "DEPENDENTS", "MATCH", "MATCHES", "OURS", "match_function"]

MATCH = {"target.match": {"function": "match_questions", "returns": ["id", "title"]}}
OURS = "query_embedding vector, match_threshold double precision, match_count integer"
ANSWER = "TABLE(id bigint, title text, similarity double precision)"


def match_function(
    arguments: str = OURS, answer: str = ANSWER, *, name: str = "match_questions", more: str = "LANGUAGE sql"
) -> str:
    return (
        f"CREATE FUNCTION {name}({arguments}) RETURNS {answer} {more} AS"
        f" $$ SELECT {'q' if 'SETOF' in answer else 'q.id, q.title, 0.5::float8'} FROM questions AS q $$"
    )


DEPENDENTS: dict[str, Ill] = {
    "table of a view's rows": Ill(
        "dependents",
        ("column row of table public.copies hangs on what reads embedding",),
        sql=("CREATE VIEW q AS SELECT id, embedding FROM questions", "CREATE TABLE copies (row q)"),
    ),
    "matview through a function": Ill(
        "dependents",
        ("The materialized view public.q reads embedding through a function",),
        sql=(
            "CREATE FUNCTION sizes() RETURNS bigint LANGUAGE sql"
            " BEGIN ATOMIC SELECT count(embedding) FROM questions; END",
            "CREATE MATERIALIZED VIEW q AS SELECT sizes()",
        ),
    ),
    "matview whose index is too small": Ill(
        "dependents",
        ("The materialized view public.q has a vector index, and none takes 2,500 dimensions",),
        sql=(
            "CREATE MATERIALIZED VIEW q AS SELECT id, embedding FROM questions",
            "CREATE INDEX ON q USING hnsw (embedding vector_cosine_ops)",
        ),
        file={"target.space.dimensions": 2500},
    ),
    "twin's name taken": Ill(
        "names",
        ("relation public.q_limosa",),
        sql=("CREATE VIEW q AS SELECT id, embedding FROM questions", "CREATE TABLE q_limosa (id int)"),
    ),
    "names that are cut to one": Ill(
        "names",
        ("_limosa, twice",),
        sql=tuple(f"CREATE VIEW {'q' * 60}{end} AS SELECT id, embedding FROM questions" for end in "ab"),
    ),
    "generated column": Ill(
        "dependents",
        ("The generated column norm", "add it again after finish"),
        sql=("ALTER TABLE questions ADD norm float8 GENERATED ALWAYS AS (vector_norm(embedding)) STORED",),
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
        "publication",
        ("is published by p, which names the vector", "SET TABLE"),
        sql=("CREATE PUBLICATION p FOR TABLE questions (id, embedding)",),
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
}

MATCHES: dict[str, Ill] = {
    "match function with other arguments": Ill(
        "match",
        ("The arguments are others", "match_questions(query_embedding vector, match_count integer)", OURS),
        sql=(match_function("query_embedding vector(16), match_count int"),),
        file=MATCH,
    ),
    "match function with other names": Ill(
        "match", ("The arguments are others",), sql=(match_function("q vector, t float8, n int"),), file=MATCH
    ),
    "match function with a default": Ill(
        "match", ("has a default",), sql=(match_function(OURS + " DEFAULT 5"),), file=MATCH
    ),
    "match function with another answer": Ill(
        "match",
        ("The answer is another", "TABLE(key bigint, title text, similarity double precision)", ANSWER),
        sql=(match_function(answer="TABLE(key bigint, title text, similarity double precision)"),),
        file=MATCH,
    ),
    "match function that answers rows": Ill(
        "match",
        ("The answer is another", "SETOF questions"),
        sql=(match_function(answer="SETOF questions"),),
        file=MATCH,
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
        sql=(match_function(), match_function("query_embedding vector, match_count int")),
        file=MATCH,
    ),
    "match function of definer": Ill(
        "match", ("is SECURITY DEFINER",), sql=(match_function(more="LANGUAGE sql SECURITY DEFINER"),), file=MATCH
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
}
