"""The steps in order; resumes where the ledger says, undoes newest first."""

from __future__ import annotations

from limosa.control.records import Record
from limosa.errors import Refused
from limosa.model.plan import Plan
from limosa.model.proof import Proof
from limosa.steps.amend import amend
from limosa.steps.backfill import backfill, catch_up
from limosa.steps.braking import braking
from limosa.steps.expand import expand
from limosa.steps.index import index
from limosa.steps.sampling import sampling
from limosa.steps.verify import verify
from limosa.steps.voyage import Voyage

__all__ = ["begin", "run"]


def begin(voyage: Voyage, plan: Plan) -> None:
    """Makes the ledger and claims the place for this plan; safe to call again.

    Raises:
        Refused: another migration, or another plan of this one, holds the place.
    """
    voyage.records.prepare()
    voyage.records.hold(voyage.migration, plan, voyage.store.place)


def run(voyage: Voyage, *, limit: int | None = None) -> list[Proof]:
    """Goes from where the ledger stands up to a proved verify; safe to call again at any time.

    Before cutover it catches up; after it, it embeds what changed since.

    Returns:
        The proofs; empty where ``limit`` ended the backfill early.

    Raises:
        Transient: the world failed, or somebody set ``voyage.stop``; calling again goes on.
    """
    try:
        with braking(voyage):
            return _run(voyage, limit)
    finally:
        voyage.stop.clear()


def _run(voyage: Voyage, limit: int | None) -> list[Proof]:
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
        return _go_on(voyage, record, limit)


def _go_on(voyage: Voyage, record: Record, limit: int | None) -> list[Proof]:
    if record.switched:
        with voyage.store.runner.alone():
            amend(voyage, "expand")
            amend(voyage, "index")
        catch_up(voyage)
        return verify(voyage)
    expand(voyage)
    if not backfill(voyage, limit=limit):
        return []
    voyage.heed()
    index(voyage)
    catch_up(voyage)
    voyage.heed()
    return verify(voyage)
