"""Finish: the old side goes, for good."""

from __future__ import annotations

from limosa.control.records import Record
from limosa.errors import ProofFailed, Refused, Transient
from limosa.steps.backfill import catch_up
from limosa.steps.cutover import MOST_TRIES
from limosa.steps.jobs import call_off
from limosa.steps.verify import verify
from limosa.steps.voyage import Voyage, carry_out

__all__ = ["finish"]


def finish(voyage: Voyage, *, drop_old: bool = True) -> None:
    """Catches up, drops the old side and gives the place up; safe to call again.

    Args:
        drop_old: False leaves a split's old table where it is, cut off from the new ones.

    Raises:
        Refused: the migration has not been switched.
        ProofFailed: a row would be left without a vector that it had.
    """
    with voyage.store.runner.alone():
        _finish(voyage, drop_old=drop_old)


def _finish(voyage: Voyage, *, drop_old: bool) -> None:
    record = voyage.record()
    if record.step == "finish":
        return
    fill = record.shape == "fill"
    if not record.switched and not (fill and record.step == "verify"):
        raise Refused(
            f"The migration {record.name!r} stands after {record.step}.",
            needed="A cutover." if not fill else "A verify in which nothing came out different.",
            do="limosa cutover FILE" if record.step == "verify" else "limosa run FILE goes on.",
        )
    if voyage.records.states().get("disarm") != "done":
        wrong = voyage.store.capture.intact()
        if wrong is not None:
            raise ProofFailed(wrong, needed="Triggers that stood all the time.", do="limosa rollback FILE.")
        catch_up(voyage)
    leave = () if drop_old else ("drop-old",)
    if record.shape == "split":
        _detach(voyage, record, drop_old=drop_old)
    carry_out(voyage, "finish", leave=leave, again=("nothing-hangs",))
    # What was changed until the triggers went is still noted; after them nothing is.
    if record.shape != "split":
        catch_up(voyage)
    call_off(voyage)
    voyage.records.retire("finish")
    voyage.records.tell("finish")


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
    different = [proof for proof in verify(voyage) if proof.verdict == "different"]
    if different:
        raise ProofFailed(
            "Verify found: " + "; ".join(f"{proof.name}: {proof.said}" for proof in different),
            needed="Proofs that hold.",
            do="limosa run FILE catches up; limosa verify FILE shows them.",
        )
