"""Batch jobs in the ledger: kept alike in every dialect, also by ledgers that older versions made."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from limosa.control.jobs import Jobs
from limosa.control.ledger import ChunkLedger
from limosa.control.records import Records
from limosa.control.schema import as_key, statements
from limosa.model.batch import Key, Paid
from limosa.model.chunk import Outcomes
from limosa.model.job import NO_JOBS, Load
from limosa.ports.tx import Begin
from limosa.stores.postgres.database import Database as Postgres
from limosa.stores.sqlite.database import Database as Sqlite
from limosa.stores.sqlite.stock import open_stock

LOAD = Load(3, 12, 0.5)


@pytest.fixture(params=["postgres", "sqlite"])
def begin(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Begin]:
    """Opens transactions where a ledger may lie, in each dialect."""
    if request.param == "postgres":
        postgres = Postgres(request.getfixturevalue("database"))
        yield postgres.begin
        postgres.close()
    else:
        path = tmp_path / "app.db"
        path.touch()
        sqlite = Sqlite(open_stock(path))
        yield sqlite.begin
        sqlite.close()


def _ledger(begin: Begin) -> tuple[ChunkLedger, Jobs]:
    """A migration of two chunks, up to ``5`` and ``9``."""
    Records(begin, "a").prepare()
    with begin() as tx:
        hold = statements(tx.dialect, "migrations")["hold"]
        names = ("name", "place", "shape", "job", "plan_hash")
        tx.execute(hold, {"id": "a", "plan": "{}", **dict.fromkeys(names, "x")})
    Records(begin, "a").set_top(("9",), at_expand=9, chunk_rows=5)

    def cut(after: Key | None, top: Key, *, rows: int) -> Key:
        return ("5",) if after is None else top

    ledger = ChunkLedger(begin, migration="a", owner=1, cut=cut)
    return ledger, Jobs(begin, "a", fence=ledger.fence)


def test_an_older_ledger_knows_no_jobs_until_it_is_brought_up_to_date(begin: Begin) -> None:
    _, jobs = _ledger(begin)
    with begin() as tx:
        tx.execute(f"DROP TABLE {'limosa.job' if tx.dialect == 'postgres' else 'limosa_job'}")
    assert jobs.out() == NO_JOBS
    assert jobs.promised_usd() == 0
    assert jobs.left() == []
    Records(begin, "a").prepare()
    assert jobs.out() == NO_JOBS


def test_a_job_from_its_intention_to_its_end(begin: Begin) -> None:
    ledger, jobs = _ledger(begin)
    claim = ledger.claim()
    assert claim is not None
    jobs.intend(claim, ("5",), "tag", LOAD)
    (job,) = jobs.of(claim)
    assert (job.tag, job.job, job.stage, job.upto, job.tries) == ("tag", "", "sending", as_key(["5"]), 1)
    assert jobs.promised_usd() == pytest.approx(0.5)
    jobs.note(job, "out", name="batch1")
    out = jobs.out()
    assert (out.count, out.texts) == (1, 3)
    jobs.note_fetched(job, Load(3, 10, 0.4), "")
    assert jobs.out() == NO_JOBS
    # What the chunk has told is not promised any more.
    with begin() as tx:
        ledger.settle(claim, Outcomes(done=[("1",)], cursor=("1",), paid=Paid(usd=0.3)), tx)
    assert jobs.promised_usd() == pytest.approx(0.1)
    with begin() as tx:
        ledger.settle(claim, Outcomes(cursor=("5",), finished=True), tx)
    assert jobs.settled() == [("tag", "batch1")]
    jobs.close("tag")
    assert jobs.settled() == []
    assert jobs.left() == []


def test_a_job_that_goes_out_again_is_the_same_part(begin: Begin) -> None:
    ledger, jobs = _ledger(begin)
    claim = ledger.claim()
    assert claim is not None
    jobs.intend(claim, ("5",), "tag", LOAD)
    (job,) = jobs.of(claim)
    jobs.intend(claim, ("5",), "tag2", LOAD, again=job)
    (job,) = jobs.of(claim)
    # Nobody had taken it.
    assert (job.tag, job.tries) == ("tag2", 1)
    jobs.note(job, "out", name="batch1")
    (job,) = jobs.of(claim)
    jobs.intend(claim, ("5",), "tag3", LOAD, again=job)
    (job,) = jobs.of(claim)
    assert (job.tag, job.tries, job.job, job.stage) == ("tag3", 2, "", "sending")


def test_a_chunk_rests_while_its_job_is_out(begin: Begin) -> None:
    ledger, jobs = _ledger(begin)
    claim = ledger.claim()
    assert claim is not None
    jobs.intend(claim, ("5",), "tag", LOAD)
    jobs.park(claim, 3600.0)
    ledger.release([claim])
    assert 3000 < jobs.out().next_look_s <= 3600
    other = ledger.claim()
    assert other is not None
    assert other.upper == ("9",)
    ledger.release([other])
    assert ledger.claim(fresh=False) is None
    with begin() as tx:
        ledger.settle(other, Outcomes(cursor=("9",), finished=True), tx)
    assert ledger.claim() is None
    jobs.note(jobs.of(claim)[0], "out", name="batch1")
    jobs.wake()
    again = ledger.claim(fresh=False)
    assert again is not None
    assert again.id == claim.id
