"""A dry run: every row of a split is read and decoded, nothing is written."""

from __future__ import annotations

import collections
import time

from limosa.backfill.verdicts import carry
from limosa.model.batch import Key
from limosa.steps.voyage import Voyage

__all__ = ["rehearse_split"]

REASONS = 10
"""Reasons of dead rows that are told, the most frequent first."""


def rehearse_split(voyage: Voyage) -> dict[str, int]:
    """Rows by the table that they would go to, rows without a vector, dead ones by reason, and rows/s read.

    Raises:
        Refused: the migration is not a split that stands before its cutover.
    """
    split = voyage.migration.split
    assert split is not None  # noqa: S101 - asked of a split only
    record = voyage.records.get()
    source = voyage.store.ends(record.epoch if record is not None else 0).source
    tables: collections.Counter[str] = collections.Counter({name: 0 for name, _ in split.targets})
    dead: collections.Counter[str] = collections.Counter()
    skipped = read = 0
    started, top = time.monotonic(), source.top()
    after: Key | None = None
    while top is not None:
        rows = source.read(after, top, limit=voyage.migration.backfill.batch_rows)
        verdicts = carry(rows)
        tables.update(split.target(len(row.vector)) for row in rows if row.vector is not None)
        dead.update(verdicts.dead.values())
        skipped, read = skipped + len(verdicts.skipped), read + len(rows)
        after = rows[-1].key if len(rows) == voyage.migration.backfill.batch_rows else None
        if after is None:
            break
    reasons = {f"dead: {why}": count for why, count in dead.most_common(REASONS)}
    rate = round(read / max(time.monotonic() - started, 1e-9))
    return {**tables, "skipped": skipped, "dead": dead.total(), **reasons, "rows a second": rate}
