"""A proof: one check of verify with its evidence."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Literal

__all__ = ["Proof", "Verdict"]

Verdict = Literal["proved", "different", "unchecked"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Proof:
    """One check; *proved different* is never mixed with *could not be checked*.

    Attributes:
        name: short and stable, e.g. ``conservation``.
        verdict: ``proved``, ``different`` (it was checked and is not so) or ``unchecked``.
        said: one line for a person.
        evidence: figures for a program.
    """

    name: str
    verdict: Verdict
    said: str
    evidence: dict[str, object] = field(default_factory=dict)
