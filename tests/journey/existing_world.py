"""A table of an application's that has rows of its own, and a folder of points that are to become rows of it too."""

from __future__ import annotations

import uuid
from collections.abc import Iterator, Sequence
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import psycopg

from limosa.app import App, open_app
from limosa.model.batch import Vectors
from limosa.model.point import Collected, Json, Point
from tests.journey.collection_world import D, Stand, specs, stand

__all__ = [
    "ACCEPT",
    "COLUMNS",
    "OWN",
    "POINTS",
    "TABLE",
    "clerk",
    "copied",
    "edit",
    "key",
    "listed",
    "own_rows",
    "owner",
    "points",
    "sql",
    "text",
    "vector",
    "world",
]

POINTS, OWN = 120, 30

ACCEPT = frozenset({"--accept-existing"})

COLUMNS = {"content": "content", "slug": "slug", "stars": "stars"}

TABLE = f"""
CREATE TABLE documents (
    id uuid PRIMARY KEY, content text NOT NULL, slug varchar(40) UNIQUE, stars integer CHECK (stars >= 0),
    owner bigint DEFAULT 7, created timestamptz NOT NULL DEFAULT '2026-01-01', metadata jsonb,
    embedding vector({D}), words int GENERATED ALWAYS AS (length(content)) STORED
);
COMMENT ON TABLE documents IS 'the application''s own words';
"""


def key(number: int) -> str:
    """The id of a point, or of one of the application's rows where it is below zero."""
    return str(uuid.uuid5(uuid.NAMESPACE_OID, f"existing {number}"))


def vector(number: int) -> Vectors:
    """Another one for each number."""
    return np.random.default_rng(number + 10_000).normal(size=D).astype(np.float32)


def text(values: Vectors) -> str:
    """As Postgres reads it."""
    return f"[{','.join(repr(float(each)) for each in values)}]"


def points(numbers: Sequence[int], **payload: Json) -> list[Point]:
    """Points with a content, a slug, stars, and something else."""
    return [
        Point(
            key=(key(number),),
            vectors={"": vector(number)},
            payload={
                "content": f"text {number}",
                "slug": f"point-{number}",
                "stars": number,
                "more": {"of it": [number]},
                **payload,
            },
        )
        for number in numbers
    ]


def sql(url: str, statement: str, *values: object, role: str = "postgres") -> list[tuple[Any, ...]]:
    """What the application says to its database."""
    with psycopg.connect(url, autocommit=True, options=f"-c role={role}") as connection:
        cursor = connection.execute(statement.encode(), values or None)
        return cursor.fetchall() if cursor.description else []


@contextmanager
def clerk(url: str) -> Iterator[str]:
    """A role of the application's, which has rights on its table and on nothing else."""
    name = f"clerk_{psycopg.conninfo.conninfo_to_dict(url)['dbname']}"
    sql(url, f"CREATE ROLE {name}; GRANT SELECT, INSERT, UPDATE, DELETE, TRUNCATE ON documents TO {name}")
    try:
        yield name
    finally:
        sql(url, f"DROP OWNED BY {name}; DROP ROLE {name}")


@contextmanager
def owner(url: str) -> Iterator[str]:
    """The URL for a plain role that owns the table; policies hold for everybody else."""
    info = psycopg.conninfo.conninfo_to_dict(url)
    name = f"owner_{info['dbname']}"
    sql(
        url,
        f"CREATE ROLE {name} LOGIN PASSWORD 'plain'; GRANT CREATE ON DATABASE {info['dbname']} TO {name};"
        f" GRANT CREATE ON SCHEMA public TO {name}; ALTER TABLE documents OWNER TO {name};"
        " ALTER TABLE documents ENABLE ROW LEVEL SECURITY; CREATE POLICY everything ON documents USING (true)",
    )
    try:
        yield url.replace(f"{info['user']}:{info['password']}@", f"{name}:plain@")
    finally:
        sql(url, f"ALTER TABLE documents OWNER TO postgres; DROP OWNED BY {name} CASCADE; DROP ROLE {name}")


def own_rows(url: str) -> str:
    """The application's rows, bit for bit, with the place where each version of them stands."""
    found = sql(url, "SELECT ctid, xmin, d::text FROM documents AS d WHERE content LIKE 'own %' ORDER BY id")
    return "\n".join(map(str, found))


def listed(url: str) -> set[str]:
    """Keys of what limosa calls a point."""
    [(name,)] = sql(url, "SELECT relname FROM pg_class WHERE relname LIKE 'landed%%' AND relkind = 'r'")
    return {str(found) for (found,) in sql(url, f"SELECT key FROM limosa.{name}")}


@contextmanager
def world(url: str, folder: Path, *, rows: int = POINTS) -> Iterator[Stand]:
    """The table with its rows, and a folder ``points``."""
    sql(url, TABLE)
    with psycopg.connect(url, autocommit=True) as connection, connection.cursor() as cursor:
        cursor.executemany(
            "INSERT INTO documents (id, content, slug, owner, embedding) VALUES (%s, %s, %s, %s, %s)",
            [(key(-n), f"own {n}", f"own-{n}", n, text(vector(-n))) for n in range(1, OWN + 1)],
        )
    with stand("jsonl", folder, url) as near:
        near.fill("points", Collected(points=0, ids="uuid", vectors=specs()), points(range(rows)))
        yield near


def copied(near: Stand, **target: object) -> App:
    """The migration; the database is what LIMOSA_TEST_URL says."""
    return open_app(
        {
            "name": "into-documents",
            "source": near.section("points"),
            "target": {"store": "env:LIMOSA_TEST_URL", "table": "documents", "columns": COLUMNS, **target},
            "backfill": {"batch_rows": 25},
        }
    )


def edit(near: Stand, changed: Sequence[Point], gone: Sequence[int] = ()) -> None:
    """Changes what is at the source."""
    with closing(near.open("points")) as found:
        assert found.write(changed) == []
        found.erase([(key(number),) for number in gone])
