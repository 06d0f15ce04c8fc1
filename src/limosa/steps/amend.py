"""Amend: puts right what came to a place, or went, since its operations were locked."""

from __future__ import annotations

from limosa.model.operation import Step
from limosa.ports.tx import Tx
from limosa.steps.voyage import Voyage

__all__ = ["amend"]


def amend(voyage: Voyage, step: Step) -> None:
    """Does what the store says that a step has to do for it; the caller keeps other processes away.

    Nothing of it is noted: it is found again where it was not completed, and the step's own operations, undone, take
    it back.
    """
    for operation in voyage.store.amends(step, voyage.record().epoch):
        voyage.store.runner.apply(operation, _nothing)
        voyage.say(operation.title)


def _nothing(tx: Tx) -> None:
    """Nothing is noted."""
