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
        wrong.insert(0, f"Of {counted.rows:,} {counted.what} {counted.lost:,} are lost: they have no outcome at all.")
    if wrong:
        return Ruling("different", tuple(wrong))
    if state in _UNFINISHED:
        return Ruling("not complete", (_UNFINISHED[state],))
    if counted is not None and counted.pending:
        one = counted.pending == 1
        waits = f"1 {counted.what[:-1]} waits" if one else f"{counted.pending:,} {counted.what} wait"
        return Ruling("not complete", (f"{waits} to be {_made(counted)}. None is lost.",))
    open_ = [f"The proof “{each.name}” could not be made." for each in proofs if each.verdict == "unchecked"]
    if counted is None:
        open_.insert(0, "The rows were not counted.")
    if open_ or not proofs:
        return Ruling("could not be checked", tuple(open_) or ("No proof was made.",))
    assert counted is not None  # noqa: S101 - said above
    return Ruling("proved", tuple(_sum(state, counted, proofs)))


def _sum(state: State, counted: Conservation, proofs: Sequence[Proof]) -> list[str]:
    said = [f"Each of {counted.rows:,} {counted.what} has an outcome, and none is lost. All {len(proofs)} proofs hold."]
    left = [(counted.skipped, "were skipped"), (counted.dead, f"could not be {_made(counted)}")]
    parts = [f"{count:,} {why}" for count, why in left if count]
    over = state == "finished"
    if parts:
        where = "Their reasons were listed until finish." if over else "Their reasons are listed below."
        without = "Not in the new place" if counted.what == "points" else "Without a new vector"
        said.append(f"{without}: {' and '.join(parts)}. {where}")
    if over:
        followed = "source" if counted.what == "points" else "table"
        since = f"nothing follows the {followed} since."
        said.append(f"So the last verify found it. Finish then brought in what had changed; {since}")
    return said


def _made(counted: Conservation) -> str:
    return "carried" if counted.what == "points" else "embedded"
