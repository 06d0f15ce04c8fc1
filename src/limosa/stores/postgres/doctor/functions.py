"""Ills around the table: functions that name the column or a wrong size, and searches that policies leave short."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from limosa.model.finding import Finding
from limosa.stores.postgres.database import PostgresTx
from limosa.stores.postgres.doctor.standing import StandingIndex
from limosa.stores.postgres.doctor.subject import SQL, Subject
from limosa.stores.postgres.names import as_word, literal, quoted
from limosa.stores.postgres.search import iterates

__all__ = ["Body", "Setting", "bodies", "function_findings", "iterative_scans", "short_under_policies"]

_OFF = {None, "", "off"}


@dataclass(frozen=True, slots=True)
class Body:
    """A function whose body names the table and the column; sizes: of vectors that stand in it.

    Attributes:
        cuts: it takes a part of a vector.
        iterates: it sets ``hnsw.iterative_scan`` itself.
    """

    signature: str
    cuts: bool
    sizes: tuple[int, ...]
    iterates: bool


@dataclass(frozen=True, slots=True)
class Setting:
    """A value of ``hnsw.iterative_scan``, and where it stands."""

    where: str
    value: str | None


def bodies(tx: PostgresTx, subject: Subject) -> list[Body]:
    """The functions that name the table and the column, limosa's own left out."""
    words = {"column": as_word(subject.column.name), "table": as_word(subject.table.relation.name)}
    return [Body(name, cuts, tuple(sizes), sets) for name, cuts, sizes, sets in tx.execute(SQL["bodies"], words)]


def iterative_scans(tx: PostgresTx, subject: Subject) -> list[Setting]:
    """Wherever the setting stands that this role can see; the extension is loaded first."""
    tx.raw(f"SELECT {subject.scope.operators}.vector_dims('[1]'::{subject.scope.operators}.vector)")
    return [Setting(where, value) for where, value in tx.execute(SQL["iterative_scans"])]


def function_findings(subject: Subject, found: Sequence[Body]) -> list[Finding]:
    """Bodies with a size that is not the column's, and bodies that name the column at all."""
    return [_sizes(subject, found), _names(subject, found)]


def short_under_policies(
    subject: Subject, indexes: Sequence[StandingIndex], settings: Sequence[Setting], found: Sequence[Body]
) -> Finding:
    """Row security with an index that stops searching before enough rows pass the policy."""
    relation = subject.scope.relation
    kinds = {each.kind for each in indexes if each.valid}
    on = [each for each in settings if each.value not in _OFF]
    places = [*(f"{each.where} ({each.value})" for each in on), *(each.signature for each in found if each.iterates)]
    ill = subject.table.row_security and "hnsw" in kinds and not places
    if not ill:
        said = f"row security is off for {relation}" if not subject.table.row_security else "no search stops short"
        said += f": iterative scans are on in {', '.join(places)}" if subject.table.row_security and places else ""
        return Finding(name="iterative-scan", verdict="clean", severity="warning", said=said)
    do = f"ALTER DATABASE {quoted(subject.table.server.database)} SET hnsw.iterative_scan = 'strict_order';"
    if not iterates(subject.table.server.extension):
        do = f"ALTER EXTENSION vector UPDATE; from 0.8 on, then {do}"
    return Finding(
        name="iterative-scan",
        verdict="found",
        severity="warning",
        said=f"row security is on for {relation} and hnsw.iterative_scan is off in this session, database and every"
        " function: a search asks the index for some rows, drops those that a policy hides, and answers the few left",
        do=f"{do} Unless the application sets it in its own sessions.",
        sql="SELECT current_setting('hnsw.iterative_scan', true);",
    )


def _sizes(subject: Subject, found: Sequence[Body]) -> Finding:
    # What the column declares goes before what the file says.
    size = subject.column.dimensions or subject.scrutiny.space.dimensions
    ill = [each for each in found if not each.cuts and any(named != size for named in each.sizes)]
    if not ill:
        said = f"no function that reads {subject.column.name} names another size than {size:,}"
        return Finding(name="function-size", verdict="clean", severity="error", said=said, count=0)
    listed = ", ".join(f"{each.signature} names {', '.join(map(str, each.sizes))}" for each in ill)
    return Finding(
        name="function-size",
        verdict="found",
        severity="error",
        said=f"{subject.column.name} has {size:,} dimensions, and {listed}: a call fails, or finds nothing",
        count=len(ill),
        examples=tuple((each.signature,) for each in ill[:3]),
        do=f"Write {subject.column.base}({size}) into the body, or the type without a size; a function's arguments"
        " keep none anyway.",
        sql=_sources(ill),
    )


def _names(subject: Subject, found: Sequence[Body]) -> Finding:
    if not found:
        said = f"no function names {subject.column.name}"
        return Finding(name="function-column", verdict="clean", severity="note", said=said, count=0)
    listed = ", ".join(each.signature for each in found[:3]) + (", ..." if len(found) > 3 else "")
    return Finding(
        name="function-column",
        verdict="found",
        severity="note",
        said=f"{len(found):,} functions name {subject.column.name} in their bodies, which a switch does not follow:"
        f" {listed}",
        count=len(found),
        examples=tuple((each.signature,) for each in found[:3]),
        do="Before a migration let the application search through the match function of [target.match].",
        sql=_sources(found),
    )


def _sources(found: Sequence[Body]) -> str:
    listed = ", ".join(f"{literal(each.signature)}::regprocedure" for each in found)
    return f"SELECT oid::regprocedure, prosrc FROM pg_proc WHERE oid IN ({listed});"
