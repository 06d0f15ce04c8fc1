"""What can be wrong with vectors: a table that is well, and how each ill comes about, with the exact count of it."""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import closing
from dataclasses import dataclass, field, replace
from typing import Any

import psycopg

from limosa.app import open_app
from limosa.model.finding import Finding
from limosa.steps.doctor import Diagnosis, doctor, scrutiny_of
from tests.postgres.questions import execute, make_questions

__all__ = [
    "ALL_AT_ONCE",
    "MANY",
    "PARTED",
    "SICK",
    "Sick",
    "by_name",
    "drawn",
    "examined",
    "found",
    "make_healthy",
    "rows",
]

INDEX = "CREATE INDEX questions_hnsw ON questions USING hnsw (embedding vector_cosine_ops)"
_NO_INDEX = "DROP INDEX questions_hnsw"
_FLUSH = "SELECT pg_stat_force_next_flush()"
_NO_SIZE = (_NO_INDEX, "ALTER TABLE questions ALTER embedding TYPE vector")

# A zero, a NaN and an infinity, as float4 in the machine's own order; the border of the type lets none of them in.
_DAMAGED = (
    "CREATE CAST (bytea AS vector) WITHOUT FUNCTION",
    *(
        f"UPDATE questions SET embedding = ('\\x10000000' || repeat('00000000', 15) || '{value}')::bytea::vector"
        f" WHERE id = {key}"
        for key, value in ((11, "0000c07f"), (12, "0000807f"))
    ),
)

MANY = """INSERT INTO questions (id, title, embedding_model, status, updated_at, embedded_at, embedding)
    SELECT i, 'row ' || i, 'words-1', 'completed', now(), now(),
        l2_normalize((SELECT array_agg(sin(i * k * 0.37)::real) FROM generate_series(1, 16) AS k)::vector)
    FROM generate_series(1000, {last}) AS i"""


PARTED = (
    "ALTER TABLE questions RENAME TO q",
    "CREATE TABLE questions (LIKE q) PARTITION BY RANGE (id)",
    "ALTER TABLE questions ADD PRIMARY KEY (id)",
    "CREATE TABLE q1 PARTITION OF questions FOR VALUES FROM (0) TO (20)",
    "CREATE TABLE q2 PARTITION OF questions FOR VALUES FROM (20) TO (100)",
    "INSERT INTO questions SELECT * FROM q",
)
"""The table in two partitions, without a vector index."""


@dataclass(frozen=True)
class Sick:
    """One ill: how it comes about, and what must be found.

    Attributes:
        sql: makes a table ill that is well.
        found: names with their exact counts; nothing else may be found.
        said: parts of what is said of the first of them, or of what is to be done.
        keys: the examples of the first of them, where they are known.
        file: changes of the file, by dotted path; scrutiny: of what the vectors are held against.
    """

    sql: tuple[str, ...]
    found: Mapping[str, int | None]
    said: tuple[str, ...] = ()
    keys: set[str] | None = None
    file: dict[str, Any] = field(default_factory=dict)
    scrutiny: dict[str, Any] = field(default_factory=dict)
    sample: int = 100


SICK: dict[str, Sick] = {
    "sizes": Sick(
        (
            *_NO_SIZE,
            "UPDATE questions SET embedding = '[1,0]' WHERE id = 3",
            "UPDATE questions SET embedding = '[0,1,0]' WHERE id = 14",
        ),
        {"sizes": 2},
        ("38 of 16", "1 of 2, 1 of 3", "vector_dims", "SET"),
        {"3", "14"},
    ),
    "sizes that the column declares": Sick(
        (),
        {"sizes": 40},
        ("Set dimensions = 16 in the space of the file.",),
        file={"source.space.dimensions": 32},
    ),
    "models by a column": Sick(
        ("UPDATE questions SET embedding_model = 'ada-002' WHERE id < 4",),
        {"models": 3},
        ("not of words-1 by the column embedding_model", "3 of 'ada-002', 37 of 'words-1'"),
        {"1", "3"},
    ),
    "models by norms": Sick(
        ("UPDATE questions SET embedding = embedding * array_fill(3::real, ARRAY[16])::vector WHERE id > 24",),
        {"norms": 16},
        ("2 groups", "24 of norm", "16 of norm"),
    ),
    "zero": Sick(
        ("UPDATE questions SET embedding = array_fill(0::real, ARRAY[16])::vector WHERE id IN (5, 6)",),
        {"zero": 2},
        ("2 of 40 vectors are zero", "SET"),
        {"5", "6"},
    ),
    "not finite": Sick(
        (_NO_INDEX, *_DAMAGED), {"not-finite": 2}, ("2 of 40 vectors hold NaN or infinity",), {"11", "12"}
    ),
    "unnormalised": Sick(
        ("UPDATE questions SET embedding = embedding * array_fill(2::real, ARRAY[16])::vector WHERE id IN (1, 2, 9)",),
        {"unnormalised": 3},
        ("3 of 40 vectors do not have the length 1",),
        {"1", "9"},
    ),
    "none normalised though the space is": Sick(
        ("UPDATE questions SET embedding = embedding * array_fill(2::real, ARRAY[16])::vector",),
        {"unnormalised": 40},
        file={"source.space.normalise": True},
    ),
    "duplicates": Sick(
        (
            "UPDATE questions SET embedding = (SELECT embedding FROM questions WHERE id = 20) WHERE id IN (21, 22)",
            "UPDATE questions SET embedding = (SELECT embedding FROM questions WHERE id = 30) WHERE id = 31",
        ),
        {"duplicates": 5, "stale": 3},
        ("5 vectors in 2 groups",),
        {"20", "22"},
    ),
    "missing": Sick(
        ("UPDATE questions SET embedding = NULL, status = 'pending' WHERE id IN (5, 6)",),
        {"missing": 2},
        ("2 of 40 rows with a text have no vector", "limosa run FILE"),
        {"5", "6"},
    ),
    "vectors without a text": Sick(
        (r"UPDATE questions SET title = E' \n', body = NULL WHERE id IN (8, 9)",),
        {"without-text": 2},
        ("2 of 40 vectors", "SET"),
        {"8", "9"},
    ),
    "stale": Sick(
        ("UPDATE questions SET title = 'altogether other words', body = 'now' || id WHERE id IN (7, 8, 9)",),
        {"stale": 3},
        ("3 of 40 texts embedded again",),
        {"7", "8", "9"},
    ),
    "changed since": Sick(
        ("UPDATE questions SET updated_at = embedded_at + interval '1 day' WHERE id < 3",),
        {"changed-since": 2},
        ("by updated_at and embedded_at",),
        {"1", "2"},
    ),
    "done without a vector": Sick(
        (
            "UPDATE questions SET embedding = NULL WHERE id IN (10, 11)",
            # Where there is no text, there is nothing to do.
            "UPDATE questions SET title = ' ', body = NULL WHERE id = 11",
        ),
        {"done-without-vector": 1, "missing": 1},
        ("by their column status",),
        {"10"},
    ),
    "another model than the file's": Sick(
        (),
        {"other-model": 40, "models": 40},
        ("all 40 texts",),
        file={"source.space.model": "words-2"},
    ),
    "invalid index": Sick(
        ("UPDATE pg_index SET indisvalid = false WHERE indexrelid = 'questions_hnsw'::regclass",),
        {"invalid-index": 1},
        ("public.questions_hnsw", 'REINDEX INDEX CONCURRENTLY "public"."questions_hnsw"'),
        {"public.questions_hnsw"},
    ),
    "what a build anew left behind": Sick(
        (
            "CREATE INDEX questions_hnsw_ccnew ON questions (title)",
            "UPDATE pg_index SET indisvalid = false WHERE indexrelid = 'questions_hnsw_ccnew'::regclass",
        ),
        {"invalid-index": 1},
        ('DROP INDEX CONCURRENTLY "public"."questions_hnsw_ccnew"',),
    ),
    "unused index": Sick(
        ("CREATE INDEX second ON questions USING hnsw (embedding vector_cosine_ops)",),
        {"unused-index": 1},
        ("no search went through", 'DROP INDEX CONCURRENTLY "public"."second"'),
        {"public.second"},
        scrutiny={"unused_s": 0.0},
    ),
    "oversized index": Sick(
        (
            _NO_INDEX,
            MANY.format(last=5500),
            INDEX.replace("(embedding vector_cosine_ops)", "(embedding vector_cosine_ops) WITH (ef_construction = 32)"),
            "DELETE FROM questions WHERE id >= 1000",
            _FLUSH,
            "ANALYZE questions",
        ),
        {"oversized-index": 1},
        ("public.questions_hnsw has", "REINDEX"),
    ),
    "index of another metric": Sick(
        (_NO_INDEX, INDEX.replace("cosine", "l2")),
        {"metric": 1},
        ("public.questions_hnsw is of vector_l2_ops", "vector_cosine_ops"),
    ),
    "no index": Sick(
        (_NO_INDEX, MANY.format(last=10959), _FLUSH, "ANALYZE questions"),
        {"no-index": 10_000},
        ("reads all of 10,000 vectors", "CREATE INDEX CONCURRENTLY"),
        sample=0,
    ),
    "changed since it was analysed": Sick(
        ("ALTER TABLE questions SET (autovacuum_enabled = off)", *["UPDATE questions SET meta = '{}'"] * 20, _FLUSH),
        {"statistics": 800},
        ("800 rows changed", "ANALYZE"),
    ),
    "never analysed": Sick(
        ("UPDATE pg_class SET reltuples = -1 WHERE oid = 'questions'::regclass",),
        {"statistics": None},
        ("never analysed",),
    ),
    "policies over an index": Sick(
        ("ALTER TABLE questions ENABLE ROW LEVEL SECURITY",),
        {"iterative-scan": None},
        ("hnsw.iterative_scan is off", "ALTER DATABASE"),
    ),
    "function of another size": Sick(
        (
            """CREATE FUNCTION match(q text) RETURNS SETOF bigint LANGUAGE plpgsql AS $$ BEGIN RETURN QUERY
            SELECT id FROM questions ORDER BY embedding <=> q::vector(8) LIMIT 5; END $$""",
        ),
        {"function-size": 1, "function-column": 1},
        ("embedding has 16 dimensions, and match(text) names 8",),
        {"match(text)"},
    ),
    "function that names the column": Sick(
        (
            """CREATE FUNCTION match(q vector) RETURNS SETOF bigint LANGUAGE sql AS $$
            SELECT id FROM questions ORDER BY embedding <=> q::vector(16) LIMIT 5 $$""",
        ),
        {"function-column": 1},
        ("1 functions name embedding",),
        {"match(vector)"},
    ),
}

ALL_AT_ONCE: tuple[str, ...] = (
    *_NO_SIZE,
    "CREATE INDEX questions_hnsw ON questions USING hnsw ((embedding::vector(16)) vector_l2_ops)"
    " WHERE vector_dims(embedding) = 16",
    "CREATE INDEX second ON questions (title)",
    "UPDATE pg_index SET indisvalid = false WHERE indexrelid = 'second'::regclass",
    "UPDATE questions SET embedding = '[1,0]' WHERE id = 1",
    "UPDATE questions SET embedding = array_fill(0::real, ARRAY[16])::vector WHERE id IN (2, 3)",
    "UPDATE questions SET embedding = embedding * array_fill(2::real, ARRAY[16])::vector WHERE id IN (4, 5, 6)",
    "UPDATE questions SET embedding = (SELECT embedding FROM questions WHERE id = 7) WHERE id = 8",
    "UPDATE questions SET embedding = NULL, status = 'pending' WHERE id = 9",
    "UPDATE questions SET embedding = NULL WHERE id IN (10, 11)",
    "UPDATE questions SET title = ' ', body = NULL WHERE id IN (12, 13, 14)",
    "UPDATE questions SET title = ' ', body = NULL, embedding = NULL, status = 'pending' WHERE id = 26",
    "UPDATE questions SET title = 'altogether other words', body = 'now' || id WHERE id IN (15, 16)",
    "UPDATE questions SET updated_at = embedded_at + interval '1 day' WHERE id IN (17, 18, 19, 20)",
    "UPDATE questions SET embedding_model = 'ada-002' WHERE id BETWEEN 21 AND 25",
    "ALTER TABLE questions ENABLE ROW LEVEL SECURITY",
    """CREATE FUNCTION match(q text) RETURNS SETOF bigint LANGUAGE plpgsql AS $$ BEGIN RETURN QUERY
    SELECT id FROM questions ORDER BY embedding <=> q::vector(8) LIMIT 5; END $$""",
    "UPDATE pg_class SET reltuples = -1 WHERE oid = 'questions'::regclass",
)


def make_healthy(url: str) -> None:
    """The table ``questions`` with everything that a doctor looks at, and nothing wrong with it."""
    make_questions(url)
    execute(
        url,
        "ALTER TABLE questions ADD embedding_model text NOT NULL DEFAULT 'words-1',"
        " ADD status text NOT NULL DEFAULT 'completed', ADD updated_at timestamptz NOT NULL DEFAULT now(),"
        " ADD embedded_at timestamptz NOT NULL DEFAULT now()",
        INDEX,
        "ANALYZE questions",
        "SET enable_seqscan = off",
        "SELECT id FROM questions ORDER BY embedding <=> (SELECT embedding FROM questions WHERE id = 1) LIMIT 1",
        _FLUSH,
    )


def examined(file: dict[str, Any], *, sample: int = 100, **scrutiny: Any) -> Diagnosis:
    """What a doctor finds in the place of a file; every connection is given back."""
    with closing(open_app(file)) as app:
        return doctor(app.voyage, replace(scrutiny_of(app.voyage), **scrutiny), sample=sample)


def drawn(file: dict[str, Any], n: int, *, times: int = 1, **scrutiny: Any) -> list[list[int]]:
    """The keys of n rows that a doctor draws to embed them again, as often as is asked for."""
    with closing(open_app(file)) as app:
        examination = app.voyage.store.witness(0).examination(replace(scrutiny_of(app.voyage), **scrutiny))
        assert examination is not None
        return [[int(key) for row in examination.sample(n) for key in row.key] for _ in range(times)]


def found(diagnosis: Diagnosis) -> dict[str, int | None]:
    """What was found, with its counts."""
    return {each.name: each.count for each in diagnosis.findings if each.verdict == "found"}


def by_name(diagnosis: Diagnosis, name: str) -> Finding:
    """The one finding of this name."""
    one = [each for each in diagnosis.findings if each.name == name]
    assert len(one) == 1, name
    return one[0]


def rows(url: str, sql: str) -> list[tuple[object, ...]]:
    """What a query answers."""
    with psycopg.connect(url, autocommit=True) as connection:
        return connection.execute(sql.encode()).fetchall()
