"""One place in Postgres under examination: whatever is counted is counted in one read-only snapshot."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import TypeVar

import psycopg

from limosa.errors import Refused
from limosa.model.finding import Finding
from limosa.ports.examination import Examined, Scrutiny
from limosa.ports.search import Stored
from limosa.stores.postgres.database import Database, PostgresTx
from limosa.stores.postgres.doctor.functions import bodies, function_findings, iterative_scans, short_under_policies
from limosa.stores.postgres.doctor.ill import judged, unchecked, why_not
from limosa.stores.postgres.doctor.indexes import index_findings
from limosa.stores.postgres.doctor.rows import ROWS, duplicates
from limosa.stores.postgres.doctor.standing import standing
from limosa.stores.postgres.doctor.statistics import outdated, statistics_of
from limosa.stores.postgres.doctor.subject import SQL, Subject, reason, subject_of
from limosa.stores.postgres.doctor.tally import FACTS, Tally, estimated_rows, spelled, tally
from limosa.stores.postgres.doctor.vectors import VALUES, models, norms, sizes, unnormalised
from limosa.stores.postgres.scope import Scope
from limosa.stores.postgres.search import ColumnSearch, VectorColumn, iterates

__all__ = ["PostgresExamination", "examination_of"]

_T = TypeVar("_T")

_SAMPLED_ROWS = 200_000
"""Of a table of more rows the sample is drawn from as many on some of its pages: in well under a second."""

_CANDIDATES = 4
"""Rows drawn for each row wanted: some hold a vector that is told as an ill already."""


@dataclass(frozen=True, slots=True)
class PostgresExamination:
    """Examines one vector column; changes nothing."""

    subject: Subject

    @property
    def search(self) -> ColumnSearch:
        """Reads rows of the column back."""
        subject = self.subject
        column, dimensions = subject.column, subject.scrutiny.space.dimensions
        return ColumnSearch(
            database=subject.database,
            scope=subject.scope,
            column=VectorColumn(seat=subject.seat, base=column.base, dimensions=dimensions),
            metric=subject.scrutiny.metric or "cosine",
            iterative=iterates(subject.table.server.extension),
        )

    def examine(self) -> Examined:
        """Looks for every ill; what this role cannot see is unchecked, with the reason."""
        subject = self.subject
        with subject.database.begin(snapshot=True) as tx:
            found: Tally | None = None
            if not subject.unseen:
                ills = {ill.name: ill.condition for ill in (*ROWS, *VALUES)}
                found, why = _asked(tx, lambda: tally(tx, subject, ills))
                subject = replace(subject, unseen=why)
            twice = _duplicates(tx, subject, found)
            around = _around(tx, subject, found)
        findings = [
            sizes(subject, found),
            models(subject, found),
            norms(subject, found),
            *(judged(subject, found, ill) for ill in (*VALUES, *ROWS) if ill.name != "unnormalised"),
            unnormalised(subject, found),
            twice,
            *around,
        ]
        counts = {name: found.so[name].count for name in FACTS if not _hidden(subject, name)} if found else {}
        place = f"{subject.holder.relation}.{subject.column.name}"
        return Examined(place=place, counts=counts, findings=tuple(findings))

    def sample(self, n: int) -> list[Stored]:
        """At most n rows with a text and a vector that a search can use, drawn at random.

        Raises:
            Refused: this role cannot read them.
        """
        subject = self.subject
        why = why_not(subject, ("vector", "text"))
        if why:
            raise Refused(why)
        with subject.database.begin(snapshot=True) as tx:
            rows, most = estimated_rows(tx, subject), min(_SAMPLED_ROWS, subject.scrutiny.whole_rows)
            keys: list[tuple[list[str]]] = []
            # Some pages may hold too few rows of the filter; then the whole table is drawn from.
            for pages in (f" TABLESAMPLE SYSTEM ({100 * most / rows:.6f})", "") if rows > most else ("",):
                keys = tx.raw(_drawing(subject, int(n), pages))
                if len(keys) == n:
                    break
        return self.search.rows([tuple(key) for (key,) in keys])


def examination_of(database: Database, table: str, scope: Scope, scrutiny: Scrutiny) -> PostgresExamination:
    """The examination of the vector column of a scope.

    Raises:
        Refused: the column that was named for the models is not there.
    """
    return PostgresExamination(subject_of(database, table, scope, scrutiny))


def _drawing(subject: Subject, n: int, pages: str) -> str:
    """The query for the keys of n rows, in the order in which they were drawn.

    Rows are drawn with their vectors unread: only those of the few that were drawn are unpacked and judged.
    """
    words, scope = spelled(subject), subject.scope
    drawn = (
        f"SELECT {scope.key_array('t')} AS key, {subject.vector} AS vector, random() AS drawn"
        f" FROM {subject.joined(pages)} WHERE {scope.where()} AND {words['held']} AND {words['spoken']}"
        f" ORDER BY drawn LIMIT {_CANDIDATES * n}"
    )
    return (
        f"SELECT key FROM (SELECT key, drawn, {subject.norm_of('vector')} AS norm, {subject.size_of('vector')} AS size"
        f" FROM ({drawn}) AS d OFFSET 0) AS m WHERE norm > 0 AND norm < 'Infinity'"
        f" AND size = {subject.scrutiny.space.dimensions} ORDER BY drawn LIMIT {n}"
    )


def _hidden(subject: Subject, fact: str) -> bool:
    """Whether a count says nothing, because what it counts may not be read."""
    return bool(subject.silent if fact == "texts" else subject.unread and fact != "rows")


def _duplicates(tx: PostgresTx, subject: Subject, found: Tally | None) -> Finding:
    told, why = _asked(tx, lambda: duplicates(tx, subject, found))
    return told if told is not None else unchecked("duplicates", "warning", why)


def _around(tx: PostgresTx, subject: Subject, found: Tally | None) -> list[Finding]:
    """What the catalogue and the statistics say."""
    indexes, statistics, named = standing(tx, subject), statistics_of(tx, subject), bodies(tx, subject)
    scans, _ = _asked(tx, lambda: iterative_scans(tx, subject))
    return [
        *index_findings(subject, indexes, found, statistics),
        outdated(subject, statistics, found),
        short_under_policies(subject, indexes.ours, scans or [], named),
        *function_findings(subject, named),
        _ledger(tx, subject),
    ]


def _ledger(tx: PostgresTx, subject: Subject) -> Finding:
    """Whether the ledger could say which space stands in the column; where there is none, the source's does."""
    user, space = subject.table.server.user, subject.scrutiny.space.title
    if tx.execute(SQL["hidden_ledger"])[0][0]:
        why = f"{user} may not read the ledger in the schema limosa; the vectors were held against {space}"
        return unchecked("ledger", "note", why)
    return Finding(name="ledger", verdict="clean", severity="note", said=f"the vectors should be of {space}")


def _asked(tx: PostgresTx, question: Callable[[], _T]) -> tuple[_T | None, str]:
    """The answer, or None with the reason where Postgres refuses it; the snapshot lives on."""
    try:
        with tx.connection.transaction():
            return question(), ""
    except psycopg.Error as error:
        if tx.connection.closed:
            raise
        return None, reason(error)
