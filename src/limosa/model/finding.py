"""A finding: one ill that a place was examined for, and what became of the search for it."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Literal

from limosa.model.batch import Key

__all__ = ["SEVERITIES", "Finding", "Severity", "State", "in_order", "is_at_least"]

State = Literal["found", "clean", "unchecked"]
"""*Clean* was looked for and is not there; *unchecked* could not be looked for, which proves nothing."""

Severity = Literal["error", "warning", "note"]

SEVERITIES: tuple[Severity, ...] = ("error", "warning", "note")
"""Worst first. Error: searches answer wrongly or fail. Warning: they answer less well, slower, or may soon be
wrong. Note: worth knowing."""

_STATES: tuple[State, ...] = ("found", "unchecked", "clean")


@dataclass(frozen=True, slots=True, kw_only=True)
class Finding:
    """What was found of one ill; holds no vector and no text.

    Attributes:
        name: short and stable, e.g. ``zero``.
        severity: how bad it is where it is found.
        said: one sentence for a person, with the number; the reason where it is unchecked.
        count: how many there are, exactly; None where nothing is counted. Of a sample, how many are in it.
        examples: at most three: keys of rows, or the name of an index or a function alone.
        do: what to do, with the statement where one helps; empty where it is not found.
        sql: shows all of it again; empty where a query cannot show it.
    """

    name: str
    verdict: State
    severity: Severity
    said: str
    count: int | None = None
    examples: tuple[Key, ...] = ()
    do: str = ""
    sql: str = ""


def is_at_least(finding: Finding, severity: Severity) -> bool:
    """Whether it was found and is as bad as this, or worse."""
    return finding.verdict == "found" and SEVERITIES.index(finding.severity) <= SEVERITIES.index(severity)


def in_order(findings: Iterable[Finding]) -> tuple[Finding, ...]:
    """What was found first, the worst of it before the rest; then what could not be checked; then what is clean."""
    return tuple(sorted(findings, key=lambda each: (_STATES.index(each.verdict), SEVERITIES.index(each.severity))))
