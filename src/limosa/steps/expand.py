"""Expand: makes room beside the old vectors and arms capture."""

from __future__ import annotations

from limosa.control.records import Record
from limosa.steps.amend import amend
from limosa.steps.backfill import workers_of
from limosa.steps.voyage import Voyage, carry_out

__all__ = ["CHUNK_ROWS", "expand"]

CHUNK_ROWS = 10_000
"""A chunk: large enough that a hundred million rows cost the ledger a few MB, small enough to share."""

CHUNKS_A_WORKER = 4
"""A small table is cut finer, so that every worker has something to do until the end."""


def expand(voyage: Voyage) -> None:
    """Does the operations of the step; then notes the largest key, up to which chunks are cut.

    The largest key is read after capture is armed: what comes later comes through capture.
    """
    with voyage.store.runner.alone():
        carry_out(voyage, "expand")
        amend(voyage, "expand")
        record = voyage.record()
        if record.at_expand is None:
            _note_top(voyage, record)
        if record.step == "plan":
            voyage.records.set_step("expand")


def _note_top(voyage: Voyage, record: Record) -> None:
    source = voyage.store.ends(record.epoch).source
    rows = source.count()
    workers = workers_of(voyage)
    share = -(-rows // (workers * CHUNKS_A_WORKER))
    batch = voyage.migration.backfill.batch_rows
    # Whole batches: a small one costs a transaction like any other.
    chunk_rows = batch * max(1, round(min(CHUNK_ROWS, share) / batch))
    voyage.records.set_top(source.top(), at_expand=rows, chunk_rows=chunk_rows)
