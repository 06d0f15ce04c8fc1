"""The steps in order; resumes where the ledger says, undoes newest first."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from limosa.control.records import Record
from limosa.control.reports import Tally
from limosa.errors import Refused
from limosa.model.operation import Step
from limosa.model.plan import Plan
from limosa.model.proof import Proof
from limosa.steps.amend import amend
from limosa.steps.backfill import backfill, catch_up
from limosa.steps.braking import braking
from limosa.steps.expand import expand
from limosa.steps.index import index
from limosa.steps.notice import notice
from limosa.steps.sampling import sampling
from limosa.steps.verify import verify
from limosa.steps.voyage import Voyage

__all__ = ["Ending", "begin", "run"]

LOOKS = 3
"""How often both sides are held against each other before a difference is taken for one that stays."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Ending:
    """How a run ended.

    Attributes:
        step: the last step that is complete.
        switched: the new vectors are the application's.
        proofs: as verify made them; empty where ``limit`` ended the backfill early.
        tally: counts of the ledger, and what was paid, by all workers.
    """

    step: Step
    switched: bool
    proofs: tuple[Proof, ...]
    tally: Tally

    @property
    def verdict(self) -> Literal["proved", "different", "limited"]:
        """``different``: a proof came out so. ``limited``: rows are left, and no proof was made.

        ``proved``: no proof came out different; one that could not be checked says so itself.
        """
        if not self.proofs:
            return "limited"
        return "different" if any(proof.verdict == "different" for proof in self.proofs) else "proved"


def begin(voyage: Voyage, plan: Plan) -> None:
    """Makes the ledger and claims the place for this plan; safe to call again.

    Raises:
        Refused: another migration, or another plan of this one, holds the place.
    """
    voyage.records.prepare()
    voyage.records.hold(voyage.migration, plan, voyage.store.place)


def run(voyage: Voyage, *, limit: int | None = None, emptied: bool = False) -> Ending:
    """Goes from where the ledger stands up to a proved verify; safe to call again at any time.

    Before cutover it catches up; after it, it embeds what changed since.

    Args:
        limit: end the backfill after about so many rows.
        emptied: most of a collection that the application writes may have been deleted by it.

    Raises:
        Transient: the world failed, or somebody set ``voyage.stop``; calling again goes on.
    """
    try:
        with braking(voyage):
            proofs = _run(voyage, limit, emptied)
    finally:
        voyage.stop.clear()
    record = voyage.record()
    return Ending(step=record.step, switched=record.switched, proofs=tuple(proofs), tally=voyage.reports.tally())


def _run(voyage: Voyage, limit: int | None, emptied: bool) -> list[Proof]:
    record = voyage.record()
    if record.direction == "back":
        raise Refused(
            f"The migration {record.name!r} is being rolled back.",
            do="limosa rollback FILE goes on with that; afterwards run begins anew.",
        )
    if record.step == "finish":
        voyage.say("Finished already: these proofs were made then, and nothing follows the table since.")
        return list(record.proofs)
    # The ledger may be an older version's.
    voyage.records.prepare()
    # From now on another terminal sees that somebody works here.
    voyage.store.alive()
    voyage.heed()
    if voyage.finishing():
        catch_up(voyage)
        voyage.say("Finish has begun: limosa finish FILE completes it.")
        return list(record.proofs)
    with sampling(voyage):
        return _go_on(voyage, record, limit, emptied)


def _go_on(voyage: Voyage, record: Record, limit: int | None, emptied: bool) -> list[Proof]:
    if record.switched:
        with voyage.store.runner.alone():
            amend(voyage, "expand")
            amend(voyage, "index")
        if emptied:
            # Queued once and for all: whoever goes on from here knows of it.
            notice(voyage, emptied=True)
        return _proved(voyage)
    expand(voyage)
    if not backfill(voyage, limit=limit):
        return []
    voyage.heed()
    index(voyage)
    return _proved(voyage)


def _proved(voyage: Voyage) -> list[Proof]:
    """Caught up and verified; a source that tells nothing of its changes may have changed since it was looked at."""
    proofs: list[Proof] = []
    for _ in range(1 if voyage.store.capabilities.capture else LOOKS):
        looked = notice(voyage)
        catch_up(voyage)
        voyage.heed()
        proofs = verify(voyage, looked)
        if not any(proof.verdict == "different" for proof in proofs):
            break
    return proofs
