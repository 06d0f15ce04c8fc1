"""An operation: one change of the world, as data that can be printed, run, undone and probed."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

__all__ = ["Operation", "Step", "STEPS"]

Step = Literal["plan", "expand", "backfill", "index", "verify", "cutover", "finish"]

STEPS: tuple[Step, ...] = ("plan", "expand", "backfill", "index", "verify", "cutover", "finish")
"""The way through, in order."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Operation:
    """One change of the world.

    Attributes:
        id: unique within a migration, stable between runs.
        step: the step it belongs to.
        title: one line for a person.
        do: statements that make the change, in order.
        undo: statements that take it back; empty where there is nothing to take back.
        probe: a query that answers one row with one boolean: does the change stand?
        lock: the strongest lock wanted, in the store's words; empty for none.
        transactional: whether ``do`` runs in one transaction together with the ledger's note.
        each: every statement runs in a short transaction of its own; all of them may be repeated.
        settings: session settings wanted while ``do`` runs, put back after it.
        busy: a query that answers true while some session still carries the operation out; it is
            waited for instead of done again.
        clear: statements that remove what an attempt that died has left half made.
        broken: a query that answers true where that is there; nothing else is removed, nor undone.
        file: the store makes a copy of itself there; ``do`` is empty then, as no statement does it.
    """

    id: str
    step: Step
    title: str
    do: tuple[str, ...]
    undo: tuple[str, ...] = ()
    probe: str = "SELECT false"
    lock: str = ""
    transactional: bool = True
    each: bool = False
    settings: tuple[tuple[str, str], ...] = ()
    busy: str = ""
    clear: tuple[str, ...] = ()
    broken: str = ""
    file: str = ""
