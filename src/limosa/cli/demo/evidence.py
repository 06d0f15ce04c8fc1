"""Evidence: what the demo reads from the database itself, past limosa, to see whether it is as limosa says."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

import numpy as np
import psycopg

from limosa.ports.embedder import Embedder

__all__ = ["Checked", "Kept", "State", "check_vectors", "clock", "kept", "look", "matches"]

BATCH = 500
"""Texts in one call of the embedder."""

_SHAPE = """
SELECT string_agg(attname || ' ' || format_type(atttypid, atttypmod) || ' ' || attnotnull, ', ' ORDER BY attname)
FROM pg_attribute WHERE attrelid = 'docs'::regclass AND attnum > 0 AND NOT attisdropped
UNION ALL SELECT string_agg(indexdef, ', ' ORDER BY indexdef) FROM pg_indexes WHERE tablename = 'docs'
UNION ALL SELECT coalesce(string_agg(tgname, ', ' ORDER BY tgname), '') FROM pg_trigger WHERE tgrelid = 'docs'::regclass
UNION ALL SELECT string_agg(pg_get_functiondef(oid), ', ') FROM pg_proc WHERE proname = 'match_docs'"""


@dataclass(frozen=True, slots=True)
class State:
    """A table at one moment.

    Attributes:
        shape: columns, indexes, triggers and the match function, as the catalogue prints them.
        rows: id to the digest of the text and the digest of the vector's bits, None where there is none.
    """

    shape: tuple[str, ...]
    rows: dict[int, tuple[str, str | None]]


@dataclass(frozen=True, slots=True)
class Kept:
    """The rows whose text is in both states the same: how many, and one digest of their keys and vectors in each."""

    rows: int
    before: str
    after: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Checked:
    """Rows last written before a moment, by what stands beside their text.

    Attributes:
        right: exactly the vector of their text; wrong: another one; without: none.
        cleared: rows that stood at that moment, were written later, and have no vector now.
        later: all rows that were written later.
    """

    right: int
    wrong: int
    without: int
    cleared: int
    later: int


def look(url: str) -> State:
    """The table as it is now; one snapshot."""
    with psycopg.connect(url) as connection:
        connection.isolation_level = psycopg.IsolationLevel.REPEATABLE_READ
        shape = connection.execute(_SHAPE).fetchall()
        rows = connection.execute(
            "SELECT id, md5(title || chr(1) || body), md5(vector_send(embedding)) FROM docs"
        ).fetchall()
    return State(tuple(str(each[0]) for each in shape), {number: (text, vector) for number, text, vector in rows})


def kept(before: State, after: State) -> Kept:
    """What the rows whose text did not change hold, before and after."""
    same = sorted(
        number for number, found in before.rows.items() if number in after.rows and after.rows[number][0] == found[0]
    )
    return Kept(len(same), *(_digest([(n, state.rows[n][1]) for n in same]) for state in (before, after)))


def clock(url: str) -> tuple[datetime, int]:
    """The database's own time, and the largest key then."""
    with psycopg.connect(url) as connection:
        found = connection.execute("SELECT clock_timestamp(), (SELECT coalesce(max(id), 0) FROM docs)").fetchone()
    assert found is not None  # noqa: S101 - a SELECT without FROM answers one row
    return found[0], int(found[1])


def check_vectors(url: str, embedder: Embedder, *, moment: datetime, top: int) -> Checked:
    """Embeds every text last written before the moment again and compares the stored vector bit by bit.

    Args:
        top: the largest key at that moment.
    """
    counts = {"right": 0, "wrong": 0, "without": 0}
    with psycopg.connect(url) as connection:
        later = connection.execute(
            "SELECT count(*), count(*) FILTER (WHERE id <= %s AND embedding IS NULL) FROM docs WHERE edited_at >= %s",
            (top, moment),
        ).fetchone()
        assert later is not None  # noqa: S101 - an aggregate answers one row
        with connection.cursor("checked") as cursor:
            cursor.execute(
                "SELECT title || E'\\n\\n' || body, vector_send(embedding) FROM docs WHERE edited_at < %s", (moment,)
            )
            while rows := cursor.fetchmany(BATCH):
                for name in _verdicts(rows, embedder):
                    counts[name] += 1
    return Checked(**counts, later=int(later[0]), cleared=int(later[1]))


def matches(url: str, embedder: Embedder, query: str, *, answers: int) -> list[tuple[str, float]]:
    """Title and similarity of what the match function answers to a caller with this model."""
    vector = embedder.embed([query], "query").vectors[0]
    with psycopg.connect(url) as connection:
        found = connection.execute(
            "SELECT title, similarity FROM match_docs(%s::vector, 0, %s)", (str(vector.tolist()), answers)
        ).fetchall()
    return [(str(title), float(similarity)) for title, similarity in found]


def _verdicts(rows: Sequence[tuple[str, bytes | None]], embedder: Embedder) -> list[str]:
    wanted = embedder.embed([text for text, _ in rows], "document").vectors
    said = []
    for (_, stored), vector in zip(rows, wanted, strict=True):
        if stored is None:
            said.append("without")
        else:
            # pgvector's binary form: two 16-bit numbers, then big-endian float32.
            found = np.frombuffer(stored, dtype=">f4", offset=4).astype(np.float32)
            said.append("right" if np.array_equal(found, vector) else "wrong")
    return said


def _digest(items: Sequence[object]) -> str:
    return hashlib.sha256(repr(items).encode()).hexdigest()[:16]
