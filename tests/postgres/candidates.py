"""A database that somebody else made: three vector columns that could be meant, and a dozen that could not."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import psycopg

from limosa.model.space import Space
from tests.contract.ills_of_objects import match_function
from tests.postgres.questions import execute, make_questions, text_of, vectors_of

__all__ = ["NOTES", "SPACES", "UNFIT", "make_candidates", "make_unfit"]

NOTES = '"my app"."Odd ""Notes"""'
"""A table whose every name needs quotes, as SQL and as a file write it."""

SPACES: Mapping[str, Space] = {
    "public.questions": Space(provider="hashing", model="words-1", dimensions=16),
    NOTES: Space(provider="hashing", model="words-1", dimensions=8),
    "app.chunks": Space(provider="hashing", model="words-2", dimensions=12),
}
"""Whose vectors each of the three holds."""

_NOTES = f"""CREATE TABLE {NOTES} (
    tenant integer, "noteId" uuid DEFAULT gen_random_uuid(), "bodyText" text, "embedding_model" text, "Emb" halfvec,
    PRIMARY KEY (tenant, "noteId"))"""

_CHUNKS = """CREATE TABLE app.chunks (
    id text PRIMARY KEY, content text, url text, status text, embedding vector(12))"""


def make_candidates(url: str) -> None:
    """Forty questions without an index, sixty notes under HNSW, and twenty chunks, a quarter without a vector."""
    make_questions(url)
    execute(
        url,
        match_function(),
        'CREATE SCHEMA "my app"',
        "CREATE SCHEMA app",
        _NOTES,
        f"""CREATE INDEX "Odd idx" ON {NOTES} USING hnsw (("Emb"::halfvec(8)) halfvec_l2_ops)
            WITH (m = 8, ef_construction = 32)""",
        _CHUNKS,
        "CREATE INDEX ON app.chunks USING hnsw (embedding vector_ip_ops)",
        "COMMENT ON COLUMN app.chunks.embedding IS 'hashing/words-2, see the wiki'",
    )
    bodies = [text_of(number)[1] for number in range(1, 61)]
    _insert(url, f'INSERT INTO {NOTES} (tenant, "bodyText", "Emb", embedding_model)', bodies, SPACES[NOTES])
    execute(
        url, f"UPDATE {NOTES} SET embedding_model = CASE WHEN tenant > 57 THEN 'old-one' ELSE 'hashing/words-1' END"
    )
    _insert(url, "INSERT INTO app.chunks (id, content, embedding, status)", bodies[:20], SPACES["app.chunks"])
    execute(url, "UPDATE app.chunks SET url = 'https://example.com/' || id")
    execute(url, "UPDATE app.chunks SET embedding = NULL WHERE id::int % 4 = 0")


def _insert(url: str, into: str, bodies: Sequence[str], space: Space) -> None:
    with psycopg.connect(url, autocommit=True) as connection, connection.cursor() as cursor:
        cursor.executemany(
            f"{into} VALUES (%s, %s, %s, 'new')".encode(),
            [(n, *each) for n, each in enumerate(zip(bodies, vectors_of(bodies, space), strict=True), 1)],
        )


UNFIT: Mapping[str, tuple[str, tuple[str, ...]]] = {
    "view": (
        "public.q_view is a view.",
        ("CREATE VIEW q_view AS SELECT 1 AS id, 'a'::text AS body, '[1,2,3]'::vector AS embedding",),
    ),
    "partitioned twice": (
        "The partition public.q_part of public.q_parted is partitioned again",
        (
            "CREATE TABLE q_parted (id int PRIMARY KEY, body text, embedding vector(3)) PARTITION BY RANGE (id)",
            "CREATE TABLE q_part PARTITION OF q_parted FOR VALUES FROM (1) TO (10) PARTITION BY RANGE (id)",
        ),
    ),
    "unlogged": (
        "public.q_unlogged is unlogged",
        ("CREATE UNLOGGED TABLE q_unlogged (id int PRIMARY KEY, body text, embedding vector(3))",),
    ),
    "no key": (
        "public.q_keyless has no unique key",
        ("CREATE TABLE q_keyless (id int, body text, embedding vector(3))",),
    ),
    "no key of partitions": (
        "public.q_spread has no unique key",
        (
            "CREATE TABLE q_spread (id int, body text, embedding vector(3)) PARTITION BY RANGE (id)",
            "CREATE TABLE q_spread_one PARTITION OF q_spread FOR VALUES FROM (1) TO (10)",
        ),
    ),
    "nullable key": (
        "The key column id of public.q_nullable may be NULL.",
        ("CREATE TABLE q_nullable (id int UNIQUE, body text, embedding vector(3))",),
    ),
    "key of another type": (
        "The key column id of public.q_numeric is of type numeric.",
        ("CREATE TABLE q_numeric (id numeric PRIMARY KEY, body text, embedding vector(3))",),
    ),
    "sparse": (
        "public.q_sparse.embedding is of type sparsevec(3).",
        ("CREATE TABLE q_sparse (id int PRIMARY KEY, body text, embedding sparsevec(3))",),
    ),
    "generated": (
        "public.q_generated.embedding is a generated column.",
        (
            """CREATE TABLE q_generated (id int PRIMARY KEY, body text, raw real[],
                embedding vector(3) GENERATED ALWAYS AS (raw::vector) STORED)""",
        ),
    ),
    "mixed": (
        "public.q_mixed.embedding declares no dimension",
        (
            "CREATE TABLE q_mixed (id int PRIMARY KEY, body text, embedding vector)",
            "INSERT INTO q_mixed VALUES (1, 'one', '[1,2]'), (2, 'two', '[1,2,3]'), (3, 'three', '[1,2,3]')",
        ),
    ),
    "array": (
        "public.q_array.embedding is of type real[]",
        (
            "CREATE TABLE q_array (id int PRIMARY KEY, body text, embedding real[])",
            "INSERT INTO q_array VALUES (1, 'one', '{1,2,3}')",
        ),
    ),
}
"""What plan refuses: how it is told, and what makes it; the table's name begins with q_."""


def make_unfit(url: str) -> None:
    """A table for each, and what must not be listed at all."""
    for _, statements in UNFIT.values():
        execute(url, *statements)
    execute(
        url,
        # No embeddings: prices of a week, and arrays whose lengths differ.
        "CREATE TABLE prices (id int PRIMARY KEY, week real[], samples double precision[])",
        "INSERT INTO prices VALUES (1, '{1,2,3,4,5,6,7}', '{1}'), (2, '{1,2,3,4,5,6,7}', '{1,2}')",
        "CREATE SCHEMA limosa",
        "CREATE TABLE limosa.saved_q (id int PRIMARY KEY, embedding vector(3))",
    )
