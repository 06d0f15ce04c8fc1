"""The follower: what the application changed is read again and embedded until nothing is left."""

from __future__ import annotations

from limosa.backfill.worker import Bench, settle_batch
from limosa.model.chunk import Claim

__all__ = ["drain"]


def drain(bench: Bench, claim: Claim) -> int:
    """Settles the changes that wait now; how many there were. Returns at once when there are none.

    Changes of one key are collapsed here and removed by their ids, with the outcome, in one transaction.

    Raises:
        Fenced: another process follows now.
    """
    settled = 0
    ends = bench.store.ends(claim.epoch)
    while not bench.stop.is_set():
        changes = bench.store.capture.take(bench.batch_rows)
        if not changes:
            return settled
        keys = list(dict.fromkeys(change.key for change in changes))
        rows = ends.source.reread(keys)
        found = {row.key for row in rows}
        settle_batch(
            bench,
            claim,
            ends,
            rows,
            changes=[change.id for change in changes],
            gone=[key for key in keys if key not in found],
        )
        settled += len(changes)
    return settled
