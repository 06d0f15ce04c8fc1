"""A small table of questions with vectors of a hashing model, its migration file, and a dump to compare."""

from __future__ import annotations

import copy
import os
import subprocess
from collections.abc import Mapping, Sequence
from typing import Any
from urllib.parse import urlsplit

import psycopg

from limosa.embedders.hashing import HashingEmbedder
from limosa.model.space import Space
from limosa.stores.postgres.embedded import programs

__all__ = [
    "OLD",
    "changed",
    "dump",
    "elsewhere",
    "execute",
    "job",
    "make_questions",
    "text_of",
    "title_of",
    "vectors_of",
]

OLD = Space(provider="hashing", model="words-1", dimensions=16)
"""The space of the table's vectors."""

ROWS = 40

_TABLE = """CREATE TABLE questions (
    id bigint PRIMARY KEY, title text NOT NULL, body text, meta jsonb NOT NULL DEFAULT '{}',
    deleted_at timestamptz, embedding vector(16))"""

_WORDS = ("godwit", "heron", "plover", "curlew", "snipe", "dunlin", "knot", "ruff", "stint", "avocet", "crake", "rail")


def text_of(number: int) -> tuple[str, str]:
    """Title and body of a question; no two alike."""
    picked = [_WORDS[(number * step + step) % len(_WORDS)] for step in (1, 5, 7)]
    return f"question {number} {picked[0]}", " ".join(picked) + f" body{number}"


def vectors_of(texts: Sequence[str], space: Space = OLD) -> list[str]:
    """What the space's model makes of the texts, as pgvector writes it."""
    vectors = HashingEmbedder(space).embed(texts, "document").vectors
    return ["[" + ",".join(f"{value:.9g}" for value in vector.tolist()) + "]" for vector in vectors]


def make_questions(url: str, *, rows: int = ROWS) -> None:
    """The table ``questions`` with as many rows, each with a title, a body and its vector."""
    execute(url, _TABLE)
    texts = [text_of(number) for number in range(1, rows + 1)]
    vectors = vectors_of(["\n\n".join(text) for text in texts]) if rows else []
    with psycopg.connect(url, autocommit=True) as connection, connection.cursor() as cursor:
        cursor.executemany(
            "INSERT INTO questions (id, title, body, embedding) VALUES (%s, %s, %s, %s::vector)",
            [(i, *text, vector) for i, (text, vector) in enumerate(zip(texts, vectors, strict=True), 1)],
        )


def job(url: str) -> dict[str, Any]:
    """The file's contents: an upgrade from 16 to 24 dimensions; the address goes into LIMOSA_TEST_URL."""
    os.environ["LIMOSA_TEST_URL"] = url
    return {
        "name": "questions",
        "source": {
            "store": "env:LIMOSA_TEST_URL",
            "table": "questions",
            "key": "id",
            "text": ["title", "body"],
            "vector": "embedding",
            "space": {"provider": "hashing", "model": "words-1", "dimensions": 16},
        },
        "target": {"space": {"provider": "hashing", "model": "words-2", "dimensions": 24}},
    }


def changed(file: Mapping[str, Any], changes: Mapping[str, Any]) -> dict[str, Any]:
    """The file with other values at dotted paths; None takes the key away."""
    new = copy.deepcopy(dict(file))
    for path, value in changes.items():
        *sections, key = path.split(".")
        place = new
        for section in sections:
            place = place.setdefault(section, {})
        if value is None:
            place.pop(key, None)
        else:
            place[key] = value
    return new


def title_of(url: str) -> str:
    """The name of the database."""
    return urlsplit(url).path.lstrip("/")


def elsewhere(url: str, *, user: str | None = None, password: str | None = None, port: int | None = None) -> str:
    """The address with another user or port."""
    parts = urlsplit(url)
    who = f"{user or parts.username}:{password or parts.password}"
    return parts._replace(netloc=f"{who}@{parts.hostname}:{port or parts.port}").geturl()


def execute(url: str, *statements: str) -> None:
    """Runs statements one after the other, each on its own."""
    with psycopg.connect(url, autocommit=True) as connection:
        for statement in statements:
            connection.execute(statement.encode())


def dump(url: str, *, without: Sequence[str] = ()) -> str:
    """Schema and data as pg_dump writes them, equal where nothing changed; some schemas left out."""
    program = programs(int(os.environ.get("LIMOSA_TEST_PG", "18"))) / "pg_dump"
    left_out = [f"--exclude-schema={name}" for name in without]
    found = subprocess.run([program, *left_out, url], capture_output=True, text=True, check=True)
    # Newer programs write a random key around the dump, so that psql takes no meta-command out of it.
    return "\n".join(line for line in found.stdout.splitlines() if not line.startswith(("\\restrict", "\\unrestrict")))
