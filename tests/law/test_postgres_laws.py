"""Laws of the Postgres adapter: vectors round-trip, names survive quoting, chunks cover every key once."""

from __future__ import annotations

import numpy as np
import psycopg
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from limosa.backfill.pace import COMMIT_S, LEAST_ROWS, Stride
from limosa.model.batch import Key
from limosa.stores.postgres.codec import array_of_vectors, decoded
from limosa.stores.postgres.database import Database
from limosa.stores.postgres.names import literal, parse_relation, quoted, shortened
from tests.journey.test_keys import CASES, app_for, make
from tests.providers.openai_server import OpenAIServer

SLOW = settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
FLOATS = st.floats(width=32, allow_nan=False, allow_infinity=False)
NAMES = st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\x00"), min_size=1, max_size=20)


@SLOW
@given(vectors=hnp.arrays(np.float32, st.tuples(st.integers(1, 20), st.integers(1, 40)), elements=FLOATS))
def test_vectors_come_back_bit_for_bit(
    database: str, vectors: np.ndarray[tuple[int, int], np.dtype[np.float32]]
) -> None:
    store = Database(database)
    with store.begin() as tx:
        oid = int(tx.execute("SELECT 'vector'::regtype::oid::int")[0][0])
        sent = array_of_vectors(vectors, element_oid=oid, half=False)
        rows = tx.raw("SELECT vector_send(v) FROM unnest($1::vector[]) AS v", sent, binary=True)
    store.close()
    back = decoded([row[0] for row in rows], half=False)
    assert back.tobytes() == vectors.tobytes()


@SLOW
@given(name=NAMES, text=st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\x00"), max_size=40))
def test_names_and_literals_survive(database: str, name: str, text: str) -> None:
    short = shortened(name, "_limosa")
    assert len(short.encode()) <= 63
    assert short.endswith("_limosa")
    assert parse_relation(f"{quoted(name)}.{quoted(short)}") == (name, short)
    store = Database(database)
    with (
        store.session() as connection,
        connection.transaction(force_rollback=True),
        psycopg.RawCursor(connection) as run,
    ):
        run.execute(f"CREATE TEMP TABLE t ({quoted(short)} text)")
        run.execute(f"INSERT INTO t VALUES ({literal(text)})")
        run.execute(f"SELECT {quoted(short)} FROM t")
        assert run.fetchall() == [(text,)]
    store.close()


@given(
    most=st.integers(1, 5000),
    seconds=st.lists(st.floats(1e-4, 1.0), min_size=1, max_size=30),
)
def test_a_stride_stays_within_its_bounds_and_shrinks_at_once(most: int, seconds: list[float]) -> None:
    stride = Stride(most)
    for took in seconds:
        rows = stride.rows
        stride.took(rows, took)
        assert min(LEAST_ROWS, most) <= stride.rows <= max(most, LEAST_ROWS)
        if took > COMMIT_S:
            assert stride.rows <= max(LEAST_ROWS, int(rows * COMMIT_S / took), rows // 4)


@pytest.mark.parametrize("kind", ["bigint", "text", "composite"])
def test_cuts_cover_every_key_once(
    database: str, openai_server: OpenAIServer, monkeypatch: pytest.MonkeyPatch, kind: str
) -> None:
    monkeypatch.setenv("LIMOSA_TEST_URL", database)
    make(database, CASES[kind])
    app = app_for(CASES[kind], openai_server)
    source = app.voyage.store.ends(1).source
    top = source.top()
    assert top is not None
    whole = [row.key for row in source.read(None, top, limit=10_000)]
    assert len(set(whole)) == source.count()
    for rows in (1, 7, 89, 90, 1000):
        seen: list[Key] = []
        after: Key | None = None
        while after != top:
            edge = source.cut(after, top, rows=rows) or top
            seen += [row.key for row in source.read(after, edge, limit=10_000)]
            after = edge
        assert seen == whole
    app.close()
