"""What can be wrong with a table, its vectors and its texts: how it comes about, and what must be said of it."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

__all__ = ["Ill", "TABLES", "TEXTS"]


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


PARTITIONED = (
    "CREATE TABLE q (LIKE questions) PARTITION BY RANGE (id)",
    "ALTER TABLE q ADD PRIMARY KEY (id)",
    "ALTER TABLE q ATTACH PARTITION questions FOR VALUES FROM (1) TO (1000)",
)
"""``q``, whose one partition is ``questions``."""

TABLES: dict[str, Ill] = {
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
    "partitioned again": Ill(
        "table",
        ("The partition public.q1 of public.q is partitioned again", "DETACH PARTITION"),
        sql=(
            *PARTITIONED,
            "CREATE TABLE q1 PARTITION OF q FOR VALUES FROM (1000) TO (2000) PARTITION BY RANGE (id)",
        ),
        file={"source.table": "q"},
    ),
    "foreign partition": Ill(
        "table",
        ("The partition public.q1 of public.q is a foreign table", "DETACH PARTITION"),
        sql=(
            *PARTITIONED[:1],
            "ALTER TABLE q ATTACH PARTITION questions FOR VALUES FROM (1) TO (1000)",
            "CREATE FOREIGN DATA WRAPPER none",
            "CREATE SERVER elsewhere FOREIGN DATA WRAPPER none",
            "CREATE FOREIGN TABLE q1 PARTITION OF q FOR VALUES FROM (1000) TO (2000) SERVER elsewhere",
        ),
        file={"source.table": "q"},
    ),
    "unlogged partition": Ill(
        "table",
        ("The partition public.q1 of public.q is unlogged", 'ALTER TABLE "public"."q1" SET LOGGED'),
        sql=(*PARTITIONED, "CREATE UNLOGGED TABLE q1 PARTITION OF q FOR VALUES FROM (1000) TO (2000)"),
        file={"source.table": "q"},
    ),
    "partition of its own rule": Ill(
        "partition",
        ("embedding is NOT NULL in the partition public.questions", "DROP NOT NULL"),
        sql=(*PARTITIONED, "ALTER TABLE questions ALTER embedding SET NOT NULL"),
        file={"source.table": "q"},
    ),
    "view over a partition": Ill(
        "dependents",
        ("The view public.one keeps reading the old column",),
        sql=(*PARTITIONED, "CREATE VIEW one AS SELECT embedding FROM questions"),
        file={"source.table": "q"},
    ),
    "published partition": Ill(
        "publication",
        ("is published by parts",),
        sql=(*PARTITIONED, "CREATE PUBLICATION parts FOR TABLE questions"),
        file={"source.table": "q"},
    ),
    "name of a partition's index": Ill(
        "names",
        ("index public.questions_embedding_limosa_idx",),
        sql=(*PARTITIONED, "CREATE INDEX questions_embedding_limosa_idx ON questions (title)"),
        file={"source.table": "q"},
    ),
    "partitions in place": Ill(
        "layout",
        ("in_place would write all 1 partitions of public.q anew", '"side_table"'),
        sql=PARTITIONED,
        file={"source.table": "q", "target.layout": "in_place"},
    ),
    "backup of partitions": Ill(
        "backup",
        ("without its partitions", 'backup = "database"'),
        sql=PARTITIONED,
        file={"source.table": "q", "backfill.backup": "table"},
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
}

TEXTS: dict[str, Ill] = {
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
