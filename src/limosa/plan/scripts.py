"""Scripts: the operations of a plan as plain SQL for psql or an SQL editor, up and down, a pair for each step."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import groupby
from pathlib import Path

from limosa.errors import Refused
from limosa.model.operation import Operation, Step
from limosa.model.plan import Plan
from limosa.ports.script import LedgerScript

__all__ = ["LOCK_TIMEOUT", "write_scripts"]

LOCK_TIMEOUT = "50ms"
"""Everybody who comes later queues behind a wait for a lock; a script that fails by it is run again by hand."""

_STEPS: tuple[tuple[str, Step], ...] = (
    ("01_expand", "expand"),
    ("02_index", "index"),
    ("03_cutover", "cutover"),
    ("04_finish", "finish"),
)

_BEFORE: dict[str, str] = {
    "expand": "First of all. Then limosa run FILE fills every row.",
    "index": "After limosa run FILE has filled every row; it builds the index itself where this was not done.",
    "cutover": "After limosa run FILE has verified, while nothing waits to be caught up; or use limosa cutover FILE.",
    "finish": "After the soak. This cannot be undone.",
}

_UNDO: dict[str, str] = {
    "expand": "Last of the three, with what limosa filled until then.",
    "index": "Second of the three.",
    "cutover": "First of the three. Rows that changed since cutover need limosa rollback FILE instead.",
}


def write_scripts(plan: Plan, folder: Path, ledger: LedgerScript) -> list[Path]:
    """Writes ``01_expand.up.sql`` to ``04_finish.up.sql`` and the ``.down.sql`` of the first three; their paths.

    Steps without an operation have no script. Each is plain SQL; consecutive operations that may share a
    transaction do, so that a script that fails has changed nothing up to its last COMMIT.

    Raises:
        Refused: the plan refuses or makes a backup, or the folder cannot be written.
    """
    if plan.refusals:
        raise Refused(
            "\n".join(f"{check.name}: {check.said}" for check in plan.refusals),
            needed="A plan that refuses nothing.",
            do="limosa plan FILE says what to do; then write the scripts again.",
        )
    if any(each.file for each in plan.operations):
        raise Refused(
            "A script cannot make the backup.",
            needed='backup = "none" in [backfill].',
            do="Make one yourself before you run the scripts; or let limosa run FILE do all of it.",
        )
    texts: dict[str, str] = {}
    for name, step in _STEPS:
        placed = [(number, each) for number, each in enumerate(plan.operations) if each.step == step]
        if not placed:
            continue
        texts[f"{name}.up.sql"] = _script(plan, step, _up(step, placed, ledger))
        if step != "finish":
            texts[f"{name}.down.sql"] = _script(plan, step, _down(step, placed, ledger), undo=True)
    try:
        folder.mkdir(parents=True, exist_ok=True)
        for name, text in texts.items():
            (folder / name).write_text(text, encoding="utf-8")
    except OSError as error:
        raise Refused(
            f"The scripts cannot be written to {folder}: {error.strerror}.",
            needed="A folder that may be written.",
            do="Name another one after --sql.",
        ) from error
    return [folder / name for name in texts]


_Placed = Sequence[tuple[int, Operation]]


def _script(plan: Plan, step: str, body: Iterator[str], *, undo: bool = False) -> str:
    done = "undone" if undo else "done"
    when = _UNDO[step] if undo else _BEFORE[step]
    asked: list[str] = []
    if step == "expand" and not undo:
        asked = [f"-- {check.flag}: {_one_line(check.said)}" for check in plan.questions]
    head = [
        f"-- {_one_line(plan.name)}, migration {plan.migration}, plan {plan.hash}: {step}, {done}.",
        f"-- {when}",
        "-- psql: psql -v ON_ERROR_STOP=1 -f this-file. In an editor: statement by statement, autocommit on.",
        f"-- Waits {LOCK_TIMEOUT} for a lock: a script that fails by that is run again until it passes.",
        *asked,
    ]
    return "\n".join([*head, "", *body]) + "\n"


def _up(step: Step, placed: _Placed, ledger: LedgerScript) -> Iterator[str]:
    groups = [(alone, list(group)) for alone, group in groupby(placed, key=lambda each: not each[1].transactional)]
    for number, (alone, group) in enumerate(groups):
        last = number == len(groups) - 1
        if alone:
            if number == 0:
                yield "\n".join(f"{guard};" for guard in ledger.require(step, undo=False)) + "\n"
            for position, operation in group:
                yield from _outside(operation, operation.do, ledger.note(operation, position, "done"))
            continue
        statements = list(ledger.opening() if step == "expand" else ledger.require(step, undo=False))
        if step == "cutover":
            statements += ledger.switch(undo=False)
        for position, operation in group:
            statements += _titled(operation, _switching(operation, ledger, undo=False))
            statements.append(ledger.note(operation, position, "done"))
        if step == "finish" and last:
            statements += ledger.closing("finish")
        yield _transaction(statements)


def _down(step: Step, placed: _Placed, ledger: LedgerScript) -> Iterator[str]:
    """Newest first, a transaction each: what is restored after the switch may take a while, and holds no lock of it."""
    turned = [(position, operation) for position, operation in reversed(placed) if operation.undo]
    for number, (position, operation) in enumerate(turned):
        note = ledger.note(operation, position, "undone")
        if not operation.transactional:
            yield from _outside(operation, operation.undo, note)
            continue
        switch = operation.id == "switch"
        guard = step if switch else "index" if step == "cutover" else step
        statements = [*ledger.require(guard, undo=True)]
        if switch:
            statements += ledger.switch(undo=True)
        statements += _titled(operation, _switching(operation, ledger, undo=True))
        statements.append(note)
        if step == "expand" and number == len(turned) - 1:
            statements += ledger.closing("plan")
        yield _transaction(statements)


def _switching(operation: Operation, ledger: LedgerScript, *, undo: bool) -> tuple[str, ...]:
    """The statements; at the switch and at finish what waits is looked at under the lock."""
    statements = operation.undo if undo else operation.do
    if operation.id == "switch":
        return (statements[0], *ledger.settled(undo=undo), *statements[1:])
    if operation.id == "convert" and undo:
        return (statements[0], *ledger.settled(undo=True), *statements[1:])
    if operation.id == "disarm":
        return (*ledger.settled(undo=False), *statements)
    return statements


def _titled(operation: Operation, statements: tuple[str, ...]) -> list[str]:
    return [f"-- {_one_line(operation.title)}\n{statements[0]}", *statements[1:]]


def _outside(operation: Operation, statements: tuple[str, ...], note: str) -> Iterator[str]:
    """An operation that must not stand in a transaction, with its settings put back after it."""
    lines = [f"-- {_one_line(operation.title)}. Not in a transaction."]
    lines += [f"SET {name} = '{value}';" for name, value in operation.settings]
    lines += [f"{statement};" for statement in statements]
    lines += [f"RESET {name};" for name, _ in operation.settings]
    yield "\n".join([*lines, f"{note};", ""])


def _transaction(statements: Sequence[str]) -> str:
    body = [f"SET LOCAL lock_timeout = '{LOCK_TIMEOUT}'", *statements]
    return "\n".join(["BEGIN;", *(f"{statement};" for statement in body), "COMMIT;", ""])


def _one_line(text: str) -> str:
    """A name may hold a line break, and what follows it would no longer be a comment."""
    return " ".join(text.split())
