"""Cutover: the new vectors become the application's, in one short transaction; and the way back."""

from __future__ import annotations

from collections.abc import Callable

from limosa.control.records import Record
from limosa.errors import Ambiguous, LimosaError, ProofFailed, Refused, Transient
from limosa.model.operation import Operation, Step
from limosa.ports.tx import Tx
from limosa.steps.backfill import catch_up
from limosa.steps.notice import notice
from limosa.steps.voyage import Voyage, carry_out

__all__ = ["MOST_TRIES", "TRIES", "cutover", "switch"]

TRIES = 5
"""After so many tries that met a change, the next ones leave up to ``max_pending`` of them to the follower."""

MOST_TRIES = 20
"""After so many the application writes faster than it can be followed."""


def cutover(voyage: Voyage) -> int:
    """Switches; how many changes were still outstanding then (they are queued). Safe to call again.

    Raises:
        Refused: nothing was verified yet.
        ProofFailed: a proof came out different, or the triggers do not stand.
        Ambiguous: the commit was not acknowledged and the catalogue could not be read.
    """
    with voyage.store.runner.alone():
        return _cutover(voyage)


def _cutover(voyage: Voyage) -> int:
    record = voyage.record()
    if record.switched:
        return 0
    if record.step != "verify":
        # What a verify found is why its step is not complete.
        _require_proofs(record)
        raise Refused(
            f"The migration {record.name!r} stands after {record.step}.",
            needed="A verify in which nothing came out different.",
            do="limosa run FILE goes on to there.",
        )
    _require_intact(voyage)
    _require_proofs(record)
    # What is filled from the vectors right before the switch is to have those of rows that changed of late, too.
    notice(voyage)
    catch_up(voyage)
    carry_out(voyage, "cutover", leave=("switch",), again=("refill-twins",))
    operation, position = _find(voyage, "switch")
    left = 0

    def settled(tx: Tx, most: int) -> bool:
        nonlocal left
        left = voyage.store.capture.outstanding(tx)
        return left <= most

    def attempt(most: int) -> bool:
        return switch(
            voyage,
            operation,
            lambda tx: voyage.records.note(operation, position, "done", tx),
            proceed=lambda tx: settled(tx, most),
        )

    for number in range(MOST_TRIES):
        catch_up(voyage)
        if attempt(0 if number < TRIES else voyage.migration.backfill.max_pending):
            voyage.records.tell("cutover", f"{left} changes outstanding")
            voyage.say(operation.title)
            return left
    raise Transient(
        f"{left} changes were outstanding at the last of {MOST_TRIES} tries.",
        needed=f"At most {voyage.migration.backfill.max_pending} (max_pending).",
        do="Repeat the command when the application writes less, or raise max_pending in [backfill].",
    )


def switch(
    voyage: Voyage,
    operation: Operation,
    note: Callable[[Tx], None],
    *,
    proceed: Callable[[Tx], bool],
    undo: bool = False,
) -> bool:
    """One try of the switch, forward or back: fences first, then the lock, then the question, then the names.

    The ledger's rows are locked before the table, in the order in which every worker takes them.
    """
    step: Step = "verify" if undo else "cutover"
    wanted = not undo
    try:
        return voyage.store.runner.locked(
            operation.undo if undo else operation.do,
            note,
            first=lambda tx: voyage.records.raise_epoch(step, tx),
            proceed=proceed,
        )
    except Transient as error:
        try:
            stands = voyage.store.runner.stands(operation)
        except LimosaError as blind:
            raise Ambiguous(
                "The switch was sent, its commit was not acknowledged, and the database does not answer.",
                needed="A look at the catalogue.",
                do="limosa status FILE says which it was, once the database answers.",
            ) from blind
        if stands == wanted:
            return True
        raise error


def _require_intact(voyage: Voyage) -> None:
    wrong = voyage.store.capture.intact()
    if wrong is not None:
        raise ProofFailed(
            wrong,
            needed="Triggers that stood from expand on, or a change may have gone unseen.",
            do="limosa rollback FILE, then run again.",
        )


def _require_proofs(record: Record) -> None:
    different = [proof for proof in record.proofs if proof.verdict == "different"]
    if different:
        raise ProofFailed(
            "Verify found: " + "; ".join(f"{proof.name}: {proof.said}" for proof in different),
            needed="Proofs that hold.",
            do="limosa verify FILE shows them; limosa run FILE catches up.",
        )


def _find(voyage: Voyage, name: str) -> tuple[Operation, int]:
    for position, operation in enumerate(voyage.record().operations):
        if operation.id == name:
            return operation, position
    raise Refused(
        f"The migration {voyage.migration.name!r} fills a column in place; there is nothing to switch.",
        do="limosa finish FILE takes the triggers away.",
    )
