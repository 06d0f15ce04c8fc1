"""Backfill: fills chunk by chunk while the application goes on, and follows what it changes."""

from __future__ import annotations

import time
from contextlib import suppress

from limosa.backfill.embedding import Patience
from limosa.backfill.follow import drain
from limosa.backfill.pace import Stride
from limosa.backfill.verdicts import Embedding, carry
from limosa.backfill.worker import Bench, fill_chunk
from limosa.control.ledger import ChunkLedger
from limosa.engines.threads import Crew
from limosa.errors import Fenced, Transient
from limosa.model.chunk import Claim
from limosa.steps.voyage import Voyage

__all__ = ["backfill", "bench_for", "catch_up", "workers_of"]

LOOK_S = 0.2
"""How often chunks that other processes work on are looked at."""

CARRIERS = 3
"""Workers where vectors are carried: one reads and decodes, one writes, one empties the log or has a batch ready."""


def bench_for(voyage: Voyage, ledger: ChunkLedger, *, limit: int | None = None) -> Bench:
    """What the workers of this process share."""
    most = None if limit is None else voyage.meter.read().rows + limit
    make = _carrying if voyage.migration.shape == "split" else _embedding
    return make(voyage, ledger, most)


def workers_of(voyage: Voyage) -> int:
    """How many threads of one process are worth having."""
    return CARRIERS if voyage.migration.shape == "split" else voyage.embedder("target").limits.workers


def _carrying(voyage: Voyage, ledger: ChunkLedger, limit: int | None) -> Bench:
    rows = voyage.migration.backfill.batch_rows
    return Bench(
        store=voyage.store,
        ledger=ledger,
        judge=carry,
        batch_rows=rows,
        stride=Stride(rows, timed=False),
        threads=workers_of(voyage),
        touches="never",
        apart=True,
        limit=limit,
        meter=voyage.meter,
        stop=voyage.stop,
    )


def _embedding(voyage: Voyage, ledger: ChunkLedger, limit: int | None) -> Bench:
    embedder, settings = voyage.embedder("target"), voyage.migration.backfill
    usd_per_token = embedder.price.usd_per_million_tokens / 1e6 if embedder.price is not None else 0.0
    fill = voyage.migration.shape == "fill"
    rows = min(settings.batch_rows, embedder.limits.batch)
    return Bench(
        store=voyage.store,
        ledger=ledger,
        judge=Embedding(
            embedder=embedder,
            ledger=ledger,
            fill=fill,
            budget_usd=settings.budget_usd,
            usd_per_token=usd_per_token,
            patience=Patience(stop=voyage.stop),
        ),
        batch_rows=rows,
        stride=Stride(rows),
        threads=workers_of(voyage),
        touches="always" if fill else "switched",
        limit=limit,
        usd_per_token=usd_per_token,
        meter=voyage.meter,
        stop=voyage.stop,
    )


def backfill(voyage: Voyage, *, limit: int | None = None) -> bool:
    """Fills every chunk, together with whatever other processes fill, then catches up.

    Returns:
        Whether the step is complete: False where ``limit`` ended it early.

    Raises:
        Transient: somebody asked to stop.
    """
    ledger = voyage.ledger()
    bench = bench_for(voyage, ledger, limit=limit)
    crew = Crew(ledger, lambda claim: fill_chunk(bench, claim), lambda claim: drain(bench, claim), bench.stop)
    while True:
        crew.run(bench.threads)
        if bench.stop.is_set():
            if limit is None or bench.meter.read().rows < limit:
                voyage.heed()
            return False
        if not voyage.reports.tally().chunks_open:
            break
        # What is left is leased to other processes; one that dies leaves its chunks to this one.
        time.sleep(LOOK_S)
        crew = Crew(ledger, crew.work, crew.follow, bench.stop)
    catch_up(voyage)
    if voyage.record().step == "expand":
        voyage.records.set_step("backfill")
    return True


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
