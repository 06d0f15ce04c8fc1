"""A database may be far away: how often a write waits for it, and what is refused late is refused all the same."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import psycopg
import pytest

from limosa import flow
from limosa.app import App, open_app
from limosa.errors import Fenced, LimosaError
from limosa.model.batch import Paid
from limosa.model.chunk import Claim, Outcomes
from limosa.ports.store import Ends
from limosa.steps.expand import expand
from tests.postgres.questions import job, make_questions
from tests.postgres.relay import Relay


@pytest.fixture
def relay(database: str, monkeypatch: pytest.MonkeyPatch) -> Iterator[Relay]:
    make_questions(database)
    with Relay(database) as relay:
        yield relay


@pytest.fixture
def app(relay: Relay) -> Iterator[App]:
    """A migration of ``questions`` that has made room, by way of the relay."""
    app = open_app(job(relay.url))
    flow.begin(app.voyage, app.plan())
    expand(app.voyage)
    yield app
    app.close()


def write(app: App, ends: Ends, claim: Claim, relay: Relay) -> tuple[int, int]:
    """One batch of the chunk as a worker writes it, with vectors of ones: rows that landed, and trips that it took."""
    ledger, store = app.voyage.ledger(), app.voyage.store
    rows = [row for row in ends.source.read(claim.cursor, claim.upper or (), limit=4) if row.text]
    d = app.migration.target.space.dimensions
    before = relay.trips
    with ends.target.begin() as tx:
        ledger.fence(claim, tx)
        written = ends.target.write(rows, np.ones((len(rows), d), dtype=np.float32), tx)
        done = [rows[i].key for i in written.landed]
        store.capture.settle([1, 2], tx)
        store.capture.note([rows[i].key for i in written.moved], tx)
        ledger.settle(claim, Outcomes(done=done, marked=[(done[0], "truncated")], paid=Paid(texts=8, tokens=80)), tx)
    return len(done), relay.trips - before


def test_a_write_transaction_waits_for_the_server_twice(app: App, relay: Relay) -> None:
    ends, claim = app.voyage.store.ends(0), app.voyage.ledger().claim()
    assert claim is not None
    # Also when the driver begins to keep prepared statements.
    for _ in range(8):
        landed, trips = write(app, ends, claim, relay)
        assert landed > 0
        assert trips == 2


def test_reading_waits_for_the_server_once(app: App, relay: Relay) -> None:
    source, claim = app.voyage.store.ends(0).source, app.voyage.ledger().claim()
    assert claim is not None
    source.read(claim.cursor, claim.upper or (), limit=4)
    before = relay.trips
    assert source.read(claim.cursor, claim.upper or (), limit=4)
    assert relay.trips - before == 1


def vectors(url: str) -> int:
    with psycopg.connect(url) as connection:
        (names,) = connection.execute(
            "SELECT array_agg(attname::text) FROM pg_attribute WHERE attrelid = 'questions'::regclass AND attnum > 0"
            " AND attname LIKE '%limosa%'"
        ).fetchone() or ([],)
        assert len(names) == 1
        found = connection.execute(f'SELECT count("{names[0]}") FROM questions').fetchone()
    assert found is not None
    return int(found[0])


def test_a_worker_that_lost_its_chunk_writes_nothing(app: App, relay: Relay, database: str) -> None:
    ledger = app.voyage.ledger()
    claim = ledger.claim()
    assert claim is not None
    ledger.release([claim])
    taken = ledger.claim()
    assert taken is not None
    assert taken.id == claim.id
    ends = app.voyage.store.ends(0)
    with pytest.raises(Fenced):
        write(app, ends, claim, relay)
    assert vectors(database) == 0
    with pytest.raises(Fenced), ends.target.begin() as tx:
        ledger.fence(claim, tx)
    assert write(app, ends, taken, relay)[0] == vectors(database) > 0


def test_what_was_sent_and_failed_takes_the_transaction_with_it(app: App, relay: Relay, database: str) -> None:
    ends, claim = app.voyage.store.ends(0), app.voyage.ledger().claim()
    assert claim is not None
    rows = [row for row in ends.source.read(None, claim.upper or (), limit=8) if row.text]
    d = app.migration.target.space.dimensions

    def fail(*, late: bool) -> None:
        with ends.target.begin() as tx:
            ends.target.write(rows, np.ones((len(rows), d), dtype=np.float32), tx)
            tx.send("SELECT 1 / 0")
            if not late:
                tx.execute("SELECT 1")

    for late in (True, False):
        with pytest.raises(LimosaError, match="division by zero"):
            fail(late=late)
        assert vectors(database) == 0
    assert write(app, ends, claim, relay)[0] == vectors(database) > 0
