"""Backfill: fills chunk by chunk while the application goes on, and follows what it changes."""

from __future__ import annotations

import time
from concurrent.futures import Executor, ThreadPoolExecutor
from contextlib import suppress

from limosa.backfill.follow import drain
from limosa.backfill.pace import Stride
from limosa.backfill.verdicts import Embedding, Judge, Returning, carry
from limosa.backfill.worker import Bench, Touches, fill_chunk
from limosa.control.jobs import Jobs
from limosa.control.ledger import ChunkLedger
from limosa.control.usage import usage_rows
from limosa.engines.threads import Crew
from limosa.errors import Fenced, Transient
from limosa.model.chunk import Claim
from limosa.model.job import JobsOut
from limosa.plan.estimates import AHEAD_BYTES
from limosa.steps.jobs import Waiting
from limosa.steps.voyage import Voyage

__all__ = ["backfill", "bench_for", "catch_up", "workers_of"]

LOOK_S = 0.2
"""How often chunks that other processes work on are looked at."""

CARRIERS = 3
"""Workers where vectors are carried: one reads and decodes, one writes, one empties the log or has a batch ready."""


WRITERS = 3
"""Workers where vectors are made: two write as fast as a server beside them takes it, a third one hides the way to
it. A fourth takes from the others what it writes: 7,400 rows/s instead of 9,900 on two cores, all of them HTTP and
TOAST (seen 2026-11-21)."""

WRITE_ROWS = 1000
"""Most rows of one write transaction; what it may take decides, and more gain nothing."""


def bench_for(voyage: Voyage, ledger: ChunkLedger, *, limit: int | None = None, pool: Executor | None = None) -> Bench:
    """What the workers of this process share."""
    migration = voyage.migration
    if migration.carries:
        return _carrying(voyage, ledger, limit, carry)
    if migration.copy is not None and voyage.record().switched:
        # The model of the new store made the vectors there; those of the old one are of another.
        old = (lambda: voyage.embedder("source")) if migration.asks_old else None
        return _carrying(voyage, ledger, limit, Returning(embedder=old))
    return _embedding(voyage, ledger, limit, pool)


def workers_of(voyage: Voyage) -> int:
    """How many threads of one process are worth having."""
    if voyage.migration.carries:
        return CARRIERS
    return min(WRITERS, voyage.embedder("target").limits.concurrency)


def _ahead(voyage: Voyage, rows: int, threads: int) -> int:
    """Batches that one worker may have under way: enough to keep every request busy, as far as memory allows."""
    target = voyage.embedder("target")
    fitting = AHEAD_BYTES // (rows * 4 * target.space.dimensions)
    return max(2, min(fitting, target.limits.concurrency + threads) // threads)


def _carrying(voyage: Voyage, ledger: ChunkLedger, limit: int | None, judge: Judge) -> Bench:
    rows = voyage.migration.backfill.batch_rows
    return Bench(
        store=voyage.store,
        ledger=ledger,
        judge=judge,
        batch_rows=rows,
        stride=Stride(rows, timed=False),
        threads=workers_of(voyage),
        touches="never",
        apart=True,
        limit=limit,
        meter=voyage.meter,
        brakes=voyage.brakes,
        stop=voyage.stop,
    )


def _embedding(voyage: Voyage, ledger: ChunkLedger, limit: int | None, pool: Executor | None) -> Bench:
    embedder, settings = voyage.embedder("target"), voyage.migration.backfill
    fill = voyage.migration.shape == "fill"
    rows = min(settings.batch_rows, embedder.limits.batch)
    threads = workers_of(voyage)
    return Bench(
        store=voyage.store,
        ledger=ledger,
        judge=Embedding(embedder=embedder, fill=fill),
        usage=usage_rows(voyage.migration),
        batch_rows=rows,
        stride=Stride(max(rows, WRITE_ROWS)),
        threads=threads,
        pool=pool,
        ahead=_ahead(voyage, rows, threads),
        touches=_touches(voyage),
        apart=voyage.migration.copy is not None,
        limit=limit,
        meter=voyage.meter,
        brakes=voyage.brakes,
        stop=voyage.stop,
    )


def _touches(voyage: Voyage) -> Touches:
    """Which rows are listed for a rollback; where a copy's old vectors are, nobody touches them."""
    migration = voyage.migration
    if migration.copy is not None:
        return "never"
    return "always" if migration.shape == "fill" else "followed" if migration.layout == "in_place" else "switched"


def backfill(voyage: Voyage, *, limit: int | None = None) -> bool:
    """Fills every chunk, together with whatever other processes fill, then catches up.

    Returns:
        Whether the step is complete: False where ``limit`` ended it early.

    Raises:
        Transient: somebody asked to stop.
    """
    with ThreadPoolExecutor(_callers(voyage), thread_name_prefix="limosa-ask") as pool:
        if not _fill(voyage, limit, pool):
            return False
    catch_up(voyage)
    if voyage.record().step == "expand":
        voyage.records.set_step("backfill")
    return True


def _callers(voyage: Voyage) -> int:
    """Requests that may be under way; the pace decides how many are."""
    return 1 if voyage.migration.carries else voyage.embedder("target").limits.concurrency


def _fill(voyage: Voyage, limit: int | None, pool: Executor) -> bool:
    ledger = voyage.ledger()
    bench = bench_for(voyage, ledger, limit=limit, pool=pool)
    jobs = Jobs(voyage.store.begin, voyage.migration.id, fence=ledger.fence)
    if not voyage.migration.carries and voyage.lane == "batch":
        # Refused now where it cannot be done, and not when the first chunk is reached.
        voyage.prefetch()
    waiting = Waiting(voyage=voyage, bench=bench, ledger=ledger, jobs=jobs, trial=limit is not None)
    while True:
        crew = Crew(
            waiting,
            lambda claim: _work(bench, waiting, claim),
            lambda claim: drain(bench, claim),
            bench.stop,
            over=lambda: bench.full,
            rest=waiting.rest,
        )
        crew.run(bench.threads)
        out = jobs.out()
        if bench.full or (out.count and limit is not None):
            return False
        _heed(voyage, out)
        if not voyage.reports.tally().chunks_open:
            waiting.tidy()
            return True
        # What is left is leased to other processes; one that dies leaves its chunks to this one.
        time.sleep(LOOK_S)


def _work(bench: Bench, waiting: Waiting, claim: Claim) -> None:
    if not waiting.ready(claim):
        return
    fill_chunk(bench, claim)
    waiting.tidy()


def _heed(voyage: Voyage, out: JobsOut) -> None:
    """Ends the run where somebody asked for it, and says what goes on without it."""
    if out.count:
        jobs = "1 batch job is" if out.count == 1 else f"{out.count} batch jobs are"
        voyage.say(f"{jobs} out with {out.texts:,} texts; limosa run FILE fetches what they make")
    voyage.heed()


def catch_up(voyage: Voyage) -> int:
    """Settles the changes that wait until there is none; how many this process settled.

    Raises:
        Transient: somebody asked to stop.
    """
    ledger = voyage.ledger()
    bench = bench_for(voyage, ledger)
    claim: Claim | None = None
    settled = 0
    try:
        while _outstanding(voyage):
            voyage.heed()
            try:
                claim = claim or ledger.claim_follow()
                if claim is not None:
                    settled += drain(bench, claim)
                    continue
            except Fenced:
                claim = None
            # Another process follows; should it die, its claim comes free.
            time.sleep(LOOK_S)
    finally:
        if claim is not None:
            with suppress(Transient):
                ledger.release([claim])
    return settled


def _outstanding(voyage: Voyage) -> int:
    with voyage.store.begin() as tx:
        return voyage.store.capture.outstanding(tx)
