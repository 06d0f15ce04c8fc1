"""Proven: the proofs that stand for a migration, and since when; what a person reads before a switch."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from limosa.control.records import PROOFS
from limosa.model.proof import Proof
from limosa.steps.voyage import Voyage

__all__ = ["Proven", "proven"]

_EVENTS = 200
"""So many of the last events are looked through; proofs are made again by every run."""

_FIGURES = ("recall", "overlap", "latency")
"""Proofs whose figures a person weighs, beside that they hold."""


@dataclass(frozen=True, slots=True)
class Proven:
    """What verify found last.

    Attributes:
        at: when; None where that is not among the last events.
    """

    proofs: tuple[Proof, ...]
    at: datetime | None

    @property
    def line(self) -> str:
        """One line: what was proved, what was not, when, and the figures as verify said them."""
        parts = [f"{self.at:%Y-%m-%d %H:%M} UTC" if self.at is not None else ""]
        for verdict, word in (("proved", "proved"), ("different", "DIFFERENT"), ("unchecked", "not checked")):
            named = ", ".join(each.name for each in self.proofs if each.verdict == verdict)
            parts.append(f"{word}: {named}" if named else "")
        parts += [each.said for each in self.proofs if each.name in _FIGURES and each.verdict != "unchecked"]
        return "; ".join(part for part in parts if part)


def proven(voyage: Voyage) -> Proven:
    """The proofs that stand; changes nothing."""
    happened = voyage.reports.events(_EVENTS)
    at = next((when for when, kind, _ in happened if kind == PROOFS), None)
    return Proven(voyage.record().proofs, at)
