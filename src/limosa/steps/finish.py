"""Finish: the old side goes, for good."""

from __future__ import annotations

from limosa.control.records import Record
from limosa.errors import ProofFailed, Refused, Transient
from limosa.model.migration import Migration
from limosa.model.proof import Proof
from limosa.steps.backfill import catch_up
from limosa.steps.cutover import MOST_TRIES
from limosa.steps.jobs import call_off
from limosa.steps.notice import notice
from limosa.steps.soak import require_soaked
from limosa.steps.verify import verify
from limosa.steps.voyage import Voyage, carry_out

__all__ = ["finish", "require_name"]


def finish(voyage: Voyage, *, drop_old: bool = True, now: bool = False) -> None:
    """Catches up, drops the old side and gives the place up; safe to call again.

    Args:
        drop_old: False leaves a split's old table where it is, cut off from the new ones.
        now: the end of the soak is not waited for.

    Raises:
        Refused: the migration has not been switched, or its soak is not over.
        ProofFailed: a row would be left without a vector that it had.
    """
    with voyage.store.runner.alone():
        _finish(voyage, drop_old=drop_old, now=now)


def require_name(migration: Migration, delete: str) -> None:
    """Lets through who does not want to delete, and who names what is to be deleted.

    Raises:
        Refused: there is no such collection to delete.
    """
    copy, name = migration.copy, migration.source.place.table
    if not delete or (copy is not None and copy.source is None and delete == name):
        return
    if copy is None or copy.source is not None:
        raise Refused(
            "There is no collection that limosa would delete.",
            needed="A copy from a collection; a table is yours to drop.",
        )
    raise Refused(f"The old collection is not called {delete!r}.", needed=f"Its name, {name}, as the file has it.")


def _finish(voyage: Voyage, *, drop_old: bool, now: bool) -> None:
    record = voyage.record()
    copy = record.shape == "copy"
    if record.step == "finish":
        if copy and drop_old:
            raise Refused(
                "The migration is finished already, and limosa no longer answers for what is in the old store.",
                do="Delete the collection by that store's own means.",
            )
        return
    alone = record.shape == "fill" or not voyage.store.capabilities.searched
    if not record.switched and not (alone and record.step == "verify"):
        raise Refused(
            f"The migration {record.name!r} stands after {record.step}.",
            needed="A cutover." if not alone else "A verify in which nothing came out different.",
            do="limosa cutover FILE" if record.step == "verify" else "limosa run FILE goes on.",
        )
    require_soaked(voyage, now=now)
    if copy:
        _finish_copy(voyage, record, drop_old=drop_old)
        return
    if voyage.records.states().get("disarm") != "done":
        _require_intact(voyage)
        catch_up(voyage)
    leave = () if drop_old else ("drop-old",)
    if record.shape == "split":
        _detach(voyage, record, drop_old=drop_old)
    carry_out(voyage, "finish", leave=leave, again=("nothing-hangs",))
    # What was changed until the triggers went is still noted; after them nothing is.
    if record.shape != "split":
        catch_up(voyage)
    _end(voyage)


def _end(voyage: Voyage) -> None:
    call_off(voyage)
    voyage.records.retire("finish")
    voyage.records.tell("finish")


def _finish_copy(voyage: Voyage, record: Record, *, drop_old: bool) -> None:
    """Lets changes flow back to the last, and deletes the old collection where that is wanted, once all is proved."""
    dropping = next((each for each in record.operations if each.id == "drop-old"), None)
    # Deleted by an attempt that died, or by somebody else: nothing can flow there any more.
    gone = dropping is not None and voyage.store.runner.stands(dropping)
    # By then everything has flowed, and nothing tells points from other rows any more.
    over = voyage.records.states().get("give-up") == "done"
    if not (gone or over):
        _require_intact(voyage)
        notice(voyage)
        catch_up(voyage)
        _judge_copy(voyage, record, drop_old=drop_old)
    carry_out(voyage, "finish", leave=("drop-old", "give-up"))
    if not (gone or over):
        catch_up(voyage)
    if drop_old and not over:
        carry_out(voyage, "finish", leave=("give-up",))
    carry_out(voyage, "finish", leave=("drop-old",))
    _end(voyage)


def _judge_copy(voyage: Voyage, record: Record, *, drop_old: bool) -> None:
    """Before the first step that has no way back: both sides are held against each other once more.

    Raises:
        ProofFailed: the old collection is to go, and differs, or has points that the new place lacks; or nobody
            reads the copy yet, and it is not what the source is.
    """
    if not drop_old and not record.switched:
        _require_equal(voyage)
        return
    if not drop_old:
        for proof in verify(voyage):
            if proof.verdict == "different":
                voyage.say(f"The old store is left as it is, and differs: {proof.name}, {proof.said}")
        return
    bits = next(proof for proof in _require_equal(voyage) if proof.name == "bits")
    if bits.evidence["excepted"]:
        raise ProofFailed(
            f"{bits.evidence['excepted']:,} points are in the old collection alone, dead or skipped; it stays.",
            needed="Every point in the new place.",
            do="limosa status FILE --failed lists them; limosa finish FILE without --delete leaves the old collection.",
        )


def _require_intact(voyage: Voyage) -> None:
    wrong = voyage.store.capture.intact() if voyage.records.states().get("disarm") != "done" else None
    if wrong is not None:
        raise ProofFailed(wrong, needed="Triggers that stood all the time.", do="limosa rollback FILE.")


def _require_equal(voyage: Voyage) -> list[Proof]:
    proofs = verify(voyage)
    different = [proof for proof in proofs if proof.verdict == "different"]
    if different:
        raise ProofFailed(
            "Verify found: " + "; ".join(f"{proof.name}: {proof.said}" for proof in different),
            needed="Proofs that hold.",
            do="limosa run FILE catches up; limosa verify FILE shows them.",
        )
    return proofs


def _detach(voyage: Voyage, record: Record, *, drop_old: bool) -> None:
    """The view leaves the old table, in one transaction in which nothing is outstanding.

    Raises:
        ProofFailed: the old table is to go, and a proof does not hold, or no backup was made.
        Transient: the application changes rows faster than they are carried.
    """
    operation = next(each for each in record.operations if each.id == "disarm")
    position = record.operations.index(operation)
    if voyage.records.states().get("disarm") == "done" or voyage.store.runner.stands(operation):
        return
    if drop_old:
        _require_proofs(voyage, record)
    for _ in range(MOST_TRIES):
        catch_up(voyage)
        if voyage.store.runner.locked(
            operation.do,
            lambda tx: voyage.records.note(operation, position, "done", tx),
            proceed=lambda tx: voyage.store.capture.outstanding(tx) == 0,
        ):
            return
    raise Transient(
        f"Changes were outstanding at the last of {MOST_TRIES} tries.",
        do="Repeat the command when the application writes less.",
    )


def _require_proofs(voyage: Voyage, record: Record) -> None:
    if not any(each.id == "backup" for each in record.operations):
        raise Refused(
            "No backup was made, so the old table stays.",
            needed="A backup before it is dropped.",
            do="limosa finish FILE without --drop-old; then drop the table yourself when you have one.",
        )
    _require_equal(voyage)
