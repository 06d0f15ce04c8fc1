"""An ill of rows as data, and the judgement of it: found with its number, clean, or unchecked with the reason."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal

from limosa.model.finding import Finding, Severity
from limosa.stores.postgres.doctor.subject import Subject
from limosa.stores.postgres.doctor.tally import Tally, spelled

__all__ = ["Need", "RowIll", "emptied", "judged", "sampled", "unchecked", "why_not"]

Need = Literal["vector", "text", "status", "times", "model"]
"""What has to be readable before an ill can be looked for."""


@dataclass(frozen=True, slots=True, kw_only=True)
class RowIll:
    """An ill that a condition on one row decides.

    Attributes:
        condition: in the words of ``spelled``.
        found, clean: one sentence each, in which counts by name may stand, and ``count``, ``column``, ``status``,
            ``changed`` and ``embedded``.
        do: what to do, from the condition written out.
        needs: what has to be readable.
        value: it lies in the vector's value, of which a large table is read in part.
    """

    name: str
    severity: Severity
    condition: str
    found: str
    clean: str
    do: Callable[[Subject, str], str]
    needs: tuple[Need, ...]
    value: bool = False


def judged(subject: Subject, tally: Tally | None, ill: RowIll) -> Finding:
    """The finding of an ill of rows; a tally of None means that no row could be counted."""
    condition = ill.condition.format(**spelled(subject))
    why = why_not(subject, ill.needs)
    if why or tally is None:
        return unchecked(ill.name, ill.severity, why)
    group = tally.so[ill.name]
    counts = {name: f"{each.count:,}" for name, each in tally.so.items()}
    beside = subject.beside
    said = (ill.found if group.count else ill.clean).format(
        **counts,
        count=f"{group.count:,}",
        column=subject.column.name,
        status=beside.status,
        changed=beside.changed,
        embedded=beside.embedded,
    )
    return Finding(
        name=ill.name,
        verdict="found" if group.count else "clean",
        severity=ill.severity,
        said=said + (sampled(tally) if ill.value else ""),
        count=group.count,
        examples=group.keys,
        do=ill.do(subject, condition) if group.count else "",
        sql=subject.listed(condition),
    )


def sampled(tally: Tally) -> str:
    """What has to be said beside a number that comes from a part of the vectors."""
    return "" if tally.share == 1 else f" (one vector in {tally.share:,} was read, by a hash of its key)"


def unchecked(name: str, severity: Severity, why: str) -> Finding:
    """A finding that could not be made."""
    return Finding(name=name, verdict="unchecked", severity=severity, said=f"could not be checked: {why}")


def why_not(subject: Subject, needs: tuple[Need, ...]) -> str:
    """Why an ill cannot be looked for; empty where it can."""
    beside = subject.beside
    reasons: dict[Need, str] = {
        "vector": subject.unread,
        "text": subject.silent,
        "status": "" if beside.status else "no column that may be read looks like a status",
        "times": ""
        if beside.changed
        else "no two timestamps of one type that may be read say when a row was changed and embedded",
        "model": "" if beside.model else "no column that may be read names models; --model-column names one",
    }
    return subject.unseen or next((reasons[need] for need in needs if reasons[need]), "")


def emptied(subject: Subject, condition: str) -> str:
    """The statement that takes the vectors of such rows away."""
    column, scope = subject.column, subject.scope
    if subject.seat.beside:
        return f"Delete such rows of {subject.holder.relation}; the query below lists their keys."
    name = subject.vector.removeprefix("t.")
    if column.not_null:
        return f"{column.name} is NOT NULL: such rows need a right vector, or have to go."
    if scope.text.query is not None and '"limosa text"' in condition:
        return "Empty their vectors by the keys that the query below lists."
    kept = f"{scope.where()} AND " if scope.filter is not None else ""
    return f"UPDATE {scope.relation.sql} AS t SET {name} = NULL WHERE {kept}{condition};"
