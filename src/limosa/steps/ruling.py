"""Ruling: what all that was counted and proved comes to, in one of four verdicts."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

from limosa.model.conservation import Conservation
from limosa.model.proof import Proof
from limosa.steps.status import State

__all__ = ["Ruling", "rule"]


@dataclass(frozen=True, slots=True)
class Ruling:
    """One verdict over a migration, and what it rests on, in sentences."""

    verdict: Literal["proved", "different", "not complete", "could not be checked"]
    because: tuple[str, ...]


_UNFINISHED: dict[State, str] = {
    "not begun": "The migration has not begun.",
    "running": "A run is under way; the proofs are made at its end.",
    "stopped": "The migration was begun, and is not verified yet; nobody is working on it.",
    "rolling back": "The migration is being rolled back.",
    "rolled back": "The migration was rolled back: the new vectors are gone.",
}


def rule(state: State, counted: Conservation | None, proofs: Sequence[Proof]) -> Ruling:
    """The first that applies: different, not complete, could not be checked, proved.

    Args:
        counted: the newest count of every row; None where there is none.
        proofs: as they were made last.
    """
    wrong = [f"The proof “{each.name}” came out different." for each in proofs if each.verdict == "different"]
    if counted is not None and not counted.proved:
        wrong.insert(0, f"Of {counted.rows:,} rows {counted.lost:,} are lost: they have no outcome at all.")
    if wrong:
        return Ruling("different", tuple(wrong))
    if state in _UNFINISHED:
        return Ruling("not complete", (_UNFINISHED[state],))
    if counted is not None and counted.pending:
        waits = "1 row waits" if counted.pending == 1 else f"{counted.pending:,} rows wait"
        return Ruling("not complete", (f"{waits} to be embedded. None is lost.",))
    open_ = [f"The proof “{each.name}” could not be made." for each in proofs if each.verdict == "unchecked"]
    if counted is None:
        open_.insert(0, "The rows were not counted.")
    if open_ or not proofs:
        return Ruling("could not be checked", tuple(open_) or ("No proof was made.",))
    assert counted is not None  # noqa: S101 - said above
    return Ruling("proved", tuple(_sum(state, counted, proofs)))


def _sum(state: State, counted: Conservation, proofs: Sequence[Proof]) -> list[str]:
    said = [f"Each of {counted.rows:,} rows has an outcome, and none is lost. All {len(proofs)} proofs hold."]
    without = [(counted.skipped, "were skipped"), (counted.dead, "could not be embedded")]
    parts = [f"{count:,} {why}" for count, why in without if count]
    over = state == "finished"
    if parts:
        where = "Their reasons were listed until finish." if over else "Their reasons are listed below."
        said.append(f"Without a new vector: {' and '.join(parts)}. {where}")
    if over:
        said.append(
            "So the last verify found it. Finish then brought in what had changed; nothing follows the table since."
        )
    return said
