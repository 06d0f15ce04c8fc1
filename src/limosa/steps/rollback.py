"""The way back: rows that changed get old vectors again, the names are switched back, every operation is undone."""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from limosa.backfill.embedding import Answer, embed_rows
from limosa.backfill.pace import Stride
from limosa.backfill.verdicts import blank
from limosa.control.ledger import ChunkLedger
from limosa.control.records import Record
from limosa.errors import ProofFailed, Refused, Transient
from limosa.model.batch import Key, Row, Vectors
from limosa.model.chunk import Claim
from limosa.model.operation import STEPS, Operation
from limosa.ports.embedder import Embedder
from limosa.ports.store import Ends
from limosa.ports.target import Part
from limosa.steps.backfill import catch_up
from limosa.steps.cutover import MOST_TRIES, TRIES, switch
from limosa.steps.jobs import call_off
from limosa.steps.notice import notice
from limosa.steps.verify import verify
from limosa.steps.voyage import Voyage, take_back

__all__ = ["rollback", "rollback_part"]


def rollback(voyage: Voyage) -> list[tuple[Key, str]]:
    """Goes back to the state before expand; the rows that had to be left without an old vector, with the reason.

    Killed at any instant it is called again and goes on.

    Raises:
        Refused: the migration is finished.
    """
    with voyage.store.runner.alone():
        return _rollback(voyage)


def rollback_part(voyage: Voyage, *, chunk: int | None = None, table: str | None = None) -> int:
    """Takes one chunk, or one target table, back; how many rows that were. ``run`` carries them again.

    Rows that are taken back are pending: until then whoever reads the view reads them from the source.

    Raises:
        Refused: there is no such chunk or table, or the migration is finished.
    """
    with voyage.store.runner.alone():
        record = voyage.record()
        if record.step == "finish" or voyage.finishing():
            raise Refused(f"The migration {record.name!r} is finished, or finish has begun; nothing can be taken back.")
        part = Part(table=table) if chunk is None else _range(voyage, chunk)
        with voyage.store.begin() as tx:
            count = voyage.store.ends(record.epoch).target.withdraw(part, tx)
        voyage.records.tell("rollback", f"{count:,} rows of {f'chunk {chunk}' if chunk is not None else table}")
        return count


def _range(voyage: Voyage, chunk: int) -> Part:
    chunks = voyage.reports.chunks()
    if chunk not in chunks:
        numbers = [str(number) for number in chunks]
        known = ", ".join(numbers if len(numbers) <= 20 else [*numbers[:10], "...", numbers[-1]]) or "none yet"
        raise Refused(f"There is no chunk {chunk}.", needed=f"One of the migration's chunks: {known}.")
    after, upper = chunks[chunk]
    return Part(after=after, upper=upper)


def _rollback(voyage: Voyage) -> list[tuple[Key, str]]:
    record = voyage.record()
    if record.step == "finish" or voyage.finishing():
        raise Refused(
            f"The migration {record.name!r} is finished, or finish has begun; the old side goes or is gone.",
            do="The backup holds the table as it was before the split."
            if record.shape == "split"
            else "A migration to the old model, with a file of its own, makes its vectors again.",
        )
    if record.shape == "copy":
        # Nobody gets a claim to go forward later, and it is forward that changes flow back.
        _flow_back(voyage, record)
    voyage.records.turn_back()
    left = _old_vectors(voyage, record)
    call_off(voyage)

    def convert(operation: Operation, position: int) -> None:
        left.extend(_convert_back(voyage, operation, position).items())

    for step in reversed(STEPS):
        take_back(voyage, step, leave=("switch",), otherwise={"convert": convert})
    voyage.records.tell(
        "rollback", "" if record.shape in {"split", "copy"} else f"{len(left):,} rows without an old vector"
    )
    voyage.records.retire("plan")
    return left


def _old_vectors(voyage: Voyage, record: Record) -> list[tuple[Key, str]]:
    """Gives the application the old vectors again; rows that had to be left without one."""
    if record.shape == "copy":
        return []
    if record.shape == "split":
        _restore_name(voyage, record)
    elif record.switched:
        return _switch_back(voyage)
    elif record.shape == "fill":
        _empty_filled(voyage)
    elif {name for name, state in voyage.records.states().items() if state == "undone"} == {"switch"}:
        # An earlier call died right after it had switched back: what was outstanding then is still noted.
        return list(_restore_touched(voyage, voyage.ledger(direction="back"), _desk(voyage)).items())
    return []


@dataclass(slots=True)
class _Desk:
    """Who embeds with the old model, and how many rows at once."""

    embedder: Embedder
    batch_rows: int
    stride: Stride


def _desk(voyage: Voyage) -> _Desk:
    embedder = voyage.embedder("source")
    rows = min(voyage.migration.backfill.batch_rows, embedder.limits.batch)
    return _Desk(embedder, rows, Stride(rows))


def _restore_name(voyage: Voyage, record: Record) -> None:
    """A split: the old table was written all the while, so that only its name has to come back."""
    if not record.switched:
        return
    operation = next(each for each in record.operations if each.id == "switch")
    position = record.operations.index(operation)
    switch(
        voyage,
        operation,
        lambda tx: voyage.records.note(operation, position, "undone", tx),
        proceed=lambda tx: True,
        undo=True,
    )
    voyage.say(f"Undone: {operation.title}")


_OF_ROWS = frozenset({"conservation", "bits", "tables"})
"""Proofs that every row is there, as it is. That the new store answers late or otherwise is a reason to go back."""


def _flow_back(voyage: Voyage, record: Record) -> None:
    """A copy: what changed since the switch is in the old store again, and proved so, before anything goes.

    Raises:
        ProofFailed: the old store does not have it all.
    """
    if not record.switched:
        return
    operation = next(each for each in record.operations if each.id == "switch")
    for number in range(MOST_TRIES):
        looked = notice(voyage)
        catch_up(voyage)
        proofs = [proof for proof in verify(voyage, looked) if proof.name in _OF_ROWS]
        different = [proof for proof in proofs if proof.verdict == "different"]
        if different:
            raise ProofFailed(
                "The old store is not what the new one is: " + "; ".join(f"{p.name}: {p.said}" for p in different),
                needed="Every row in the old store before the new table goes.",
                do="limosa status FILE --failed lists what it did not take; nothing was taken back.",
            )
        if _switched_back(voyage, operation, 0 if number < TRIES else voyage.migration.backfill.max_pending):
            return
    raise Transient(
        f"The application changes rows faster than they flow back ({MOST_TRIES} tries).",
        do="Repeat limosa rollback FILE when it writes less.",
    )


def _switch_back(voyage: Voyage) -> list[tuple[Key, str]]:
    ledger = voyage.ledger(direction="back")
    desk = _desk(voyage)
    operation = next(each for each in voyage.record().operations if each.id == "switch")
    left: dict[Key, str] = {}
    for number in range(MOST_TRIES):
        left.update(_restore_touched(voyage, ledger, desk))
        most = 0 if number < TRIES else voyage.migration.backfill.max_pending
        if _switched_back(voyage, operation, most):
            # What was still outstanding then is restored under the names that hold now.
            left.update(_restore_touched(voyage, ledger, desk))
            return list(left.items())
    raise Transient(
        f"The application changes rows faster than they are restored ({MOST_TRIES} tries).",
        do="Repeat limosa rollback FILE when it writes less, or raise max_pending in [backfill].",
    )


def _convert_back(voyage: Voyage, operation: Operation, position: int) -> dict[Key, str]:
    """The column gets its old vectors back while nothing waits: those of rows that changed since expand first."""
    ledger = voyage.ledger(direction="back")
    desk = _desk(voyage)
    left: dict[Key, str] = {}
    for _ in range(MOST_TRIES):
        left.update(_restore_touched(voyage, ledger, desk))
        if voyage.store.runner.locked(
            operation.undo,
            lambda tx: voyage.records.note(operation, position, "undone", tx),
            proceed=lambda tx: voyage.store.capture.outstanding(tx) == 0,
        ):
            voyage.say(f"Undone: {operation.title}")
            return left
    raise Transient(
        f"The application changes rows faster than they are restored ({MOST_TRIES} tries).",
        do="Repeat limosa rollback FILE when it writes less.",
    )


def _switched_back(voyage: Voyage, operation: Operation, most: int) -> bool:
    position = voyage.record().operations.index(operation)
    done = switch(
        voyage,
        operation,
        lambda tx: voyage.records.note(operation, position, "undone", tx),
        proceed=lambda tx: voyage.store.capture.outstanding(tx) <= most,
        undo=True,
    )
    if done:
        voyage.say(f"Undone: {operation.title}")
    return done


def _restore_touched(voyage: Voyage, ledger: ChunkLedger, desk: _Desk) -> dict[Key, str]:
    """Old vectors for every row that changed since the switch, until none is left."""
    claim = ledger.claim_follow()
    if claim is None:
        raise Transient("Another process is rolling this migration back.", do="Wait for it, then look at the status.")
    ends = voyage.store.ends(claim.epoch, back=True)
    left: dict[Key, str] = {}
    try:
        while True:
            changes = voyage.store.capture.take(desk.batch_rows)
            with voyage.store.begin() as tx:
                ledger.fence(claim, tx)
                ledger.touch(list({change.key for change in changes}), tx)
                voyage.store.capture.settle([change.id for change in changes], tx)
                keys = ledger.touched(desk.batch_rows, tx)
            if not keys:
                return left
            left.update(_restore(desk, ledger, claim, ends, keys))
    finally:
        ledger.release([claim])


def _restore(desk: _Desk, ledger: ChunkLedger, claim: Claim, ends: Ends, keys: Sequence[Key]) -> dict[Key, str]:
    """One batch: embedded with the old model, or NULL and listed where that no longer answers."""
    rows = ends.source.reread(keys)
    missing = {row.key: why for row in rows if (why := blank(row.text)) is not None}
    wanted = [row for row in rows if row.key not in missing]
    answer = Answer(good=[], vectors=np.zeros((0, desk.embedder.space.dimensions), dtype=np.float32))
    try:
        answer = embed_rows(desk.embedder, wanted) if wanted else answer
        missing.update({wanted[i].key: why for i, why in {**answer.skipped, **answer.dead}.items()})
    except Refused as error:
        missing.update({row.key: f"the old model no longer answers: {error.what}" for row in wanted})
    good = [wanted[i] for i in answer.good]
    written = {row.key for row in good}
    _store(desk, ledger, claim, ends, (good, answer.vectors), missing)
    with ends.target.begin() as tx:
        ledger.fence(claim, tx)
        ends.target.erase(list(missing), tx)
        ledger.untouch([key for key in keys if key not in written], tx)
    for each in answer.committed:
        each()
    return missing


def _store(
    desk: _Desk,
    ledger: ChunkLedger,
    claim: Claim,
    ends: Ends,
    filled: tuple[list[Row], Vectors],
    missing: dict[Key, str],
) -> None:
    """Old vectors in transactions as short as the backfill's; a row that moved stays on the list."""
    rows, vectors = filled
    at = 0
    while at < len(rows):
        size = desk.stride.rows
        part = rows[at : at + size]
        started = time.monotonic()
        with ends.target.begin() as tx:
            ledger.fence(claim, tx)
            written = ends.target.write(part, vectors[at : at + size], tx)
            missing.update({part[i].key: why for i, why in written.rejected})
            moved = set(written.moved)
            ledger.untouch([row.key for i, row in enumerate(part) if i not in moved], tx)
        desk.stride.took(len(part), time.monotonic() - started)
        at += size


def _empty_filled(voyage: Voyage) -> None:
    """Fill: the vectors that limosa made are taken away again."""
    if voyage.record().at_expand is None:
        return
    ledger = voyage.ledger(direction="back")
    claim = ledger.claim_follow()
    if claim is None:
        raise Transient("Another process is rolling this migration back.", do="Wait for it, then look at the status.")
    target = voyage.store.ends(claim.epoch).target
    try:
        while True:
            with target.begin() as tx:
                ledger.fence(claim, tx)
                keys = ledger.touched(1000, tx)
                target.erase(keys, tx)
                ledger.untouch(keys, tx)
            if not keys:
                return
    finally:
        ledger.release([claim])
