"""Index: builds the index after the bulk is in, then lets the match function answer in the new space."""

from __future__ import annotations

from limosa.steps.amend import amend
from limosa.steps.voyage import Voyage, carry_out

__all__ = ["index"]


def index(voyage: Voyage) -> None:
    """Does the operations of the step; a build that another session still runs is waited for."""
    with voyage.store.runner.alone():
        carry_out(voyage, "index")
        amend(voyage, "index")
    if voyage.record().step == "backfill":
        voyage.records.set_step("index")
