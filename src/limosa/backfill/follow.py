"""The follower: what the application changed is read again and embedded until nothing is left."""

from __future__ import annotations

from limosa.backfill.worker import Bench, Haul, settle_batch
from limosa.model.batch import Key
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
    while bench.go_on():
        changes = bench.store.capture.take(bench.batch_rows)
        if not changes:
            return settled
        ids: dict[Key, list[int]] = {}
        for change in changes:
            ids.setdefault(change.key, []).append(change.id)
        rows = ends.source.reread(list(ids))
        found = {row.key for row in rows}
        settle_batch(bench, claim, ends, Haul(rows=rows, changes=ids, gone=[key for key in ids if key not in found]))
        settled += len(changes)
    return settled
