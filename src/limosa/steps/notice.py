"""Notice: what changed at a source that tells nothing of it is found by looking, and queued."""

from __future__ import annotations

from limosa.ports.carried import Compared, Looked
from limosa.steps.voyage import Voyage

__all__ = ["notice"]


def notice(voyage: Voyage, *, emptied: bool = False) -> Looked | None:
    """Queues every key that differs and that nothing has noted. Reads all of both sides where it has to.

    Args:
        emptied: after the switch most of the new side may have been deleted, and goes from the old one too.

    Returns:
        What the look found, where it found nothing to do: verify need not look once more.

    Raises:
        Refused: most of the new side is gone, and nobody said that it may be.
        Transient: somebody asked to stop.
    """
    # The ledger may be an older version's.
    voyage.records.prepare()
    compared, routed, calm = Compared(), None, True
    for page in voyage.store.capture.unseen(switched=voyage.record().switched, emptied=emptied):
        voyage.heed()
        if page.again:
            with voyage.store.begin() as tx:
                voyage.store.capture.note(page.again, tx)
            calm = False
        compared = compared + page.compared if page.compared is not None else compared
        routed = page.routed or routed
    return Looked(compared=compared, routed=routed) if calm and routed is not None and not compared.waiting else None
