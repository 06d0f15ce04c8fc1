"""Notice: what changed at a source that tells nothing of it is found by looking, and queued."""

from __future__ import annotations

from limosa.steps.voyage import Voyage

__all__ = ["notice"]


def notice(voyage: Voyage) -> int:
    """Queues every key that differs and that nothing has noted; how many. Reads all of both sides where it has to.

    Raises:
        Transient: somebody asked to stop.
    """
    # The ledger may be an older version's.
    voyage.records.prepare()
    found = 0
    for keys in voyage.store.capture.unseen(switched=voyage.record().switched):
        voyage.heed()
        if keys:
            with voyage.store.begin() as tx:
                voyage.store.capture.note(keys, tx)
            found += len(keys)
    return found
