"""Finish: the old side goes, for good."""

from __future__ import annotations

from limosa.errors import ProofFailed, Refused
from limosa.steps.backfill import catch_up
from limosa.steps.voyage import Voyage, carry_out

__all__ = ["finish"]


def finish(voyage: Voyage) -> None:
    """Catches up, drops the old side and gives the place up; safe to call again.

    Raises:
        Refused: the migration has not been switched.
        ProofFailed: a row would be left without a vector that it had.
    """
    with voyage.store.runner.alone():
        _finish(voyage)


def _finish(voyage: Voyage) -> None:
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
    carry_out(voyage, "finish")
    # What was changed until the triggers went is still noted; after them nothing is.
    catch_up(voyage)
    voyage.records.retire("finish")
    voyage.records.tell("finish")
