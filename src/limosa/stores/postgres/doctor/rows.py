"""Ills of rows: texts without a vector, vectors without a text, done and yet not done, changed since, duplicates."""

from __future__ import annotations

from limosa.model.finding import Finding
from limosa.stores.postgres.database import PostgresTx
from limosa.stores.postgres.doctor.ill import RowIll, emptied, sampled, unchecked, why_not
from limosa.stores.postgres.doctor.subject import Subject
from limosa.stores.postgres.doctor.tally import Tally, spelled

__all__ = ["ROWS", "duplicates"]

_FILL = "A file without a [target.space] fills them: limosa plan FILE, then limosa run FILE."

ROWS = (
    RowIll(
        name="missing",
        severity="warning",
        condition="{spoken} AND NOT {held}",
        found="{count} of {texts} rows with a text have no vector: no search finds them",
        clean="each of {texts} rows with a text has a vector",
        do=lambda subject, condition: _FILL,
        needs=("vector", "text"),
    ),
    RowIll(
        name="without-text",
        severity="warning",
        condition="{held} AND NOT {spoken}",
        found="{count} of {vectors} vectors stand in rows without a text: searches find what says nothing",
        clean="each of {vectors} vectors stands in a row with a text",
        do=lambda subject, condition: f"Take them away: {emptied(subject, condition)}",
        needs=("vector", "text"),
    ),
    RowIll(
        name="done-without-vector",
        severity="error",
        condition="{ready} AND {spoken} AND NOT {held}",
        found="{count} rows are done by their column {status}, have a text, and have no vector",
        clean="each row that has a text and is done by its column {status} has a vector",
        do=lambda subject, condition: f"See why the application takes them for done. {_FILL}",
        needs=("vector", "text", "status"),
    ),
    RowIll(
        name="changed-since",
        severity="warning",
        condition="{held} AND {later}",
        found="{count} of {vectors} vectors are older than their row, by {changed} and {embedded}",
        clean="no vector is older than its row, by {changed} and {embedded}",
        do=lambda subject, condition: (
            f"Where it was the text that changed, empty them and fill them: {emptied(subject, condition)} {_FILL}"
        ),
        needs=("vector", "times"),
    ),
)
"""Ills that one row decides by what stands beside its vector."""


def duplicates(tx: PostgresTx | None, subject: Subject, tally: Tally | None) -> Finding:
    """Vectors that are equal bit for bit though their texts are not; zero vectors are another ill.

    Grouped on the server by a hash of 128 bits; where a part of the vectors is read, only pairs within it are seen.
    """
    why = why_not(subject, ("vector", "text"))
    if why or tally is None or tx is None:
        return unchecked("duplicates", "warning", why)
    grouped = _grouped(subject, subject.chosen(tally.share))
    found = tx.raw(
        f"WITH g AS MATERIALIZED ({grouped})"
        " SELECT (SELECT count(*) FROM g), (SELECT sum(n) FROM g), first_key, last_key"
        " FROM g ORDER BY n DESC, first_key LIMIT 1"
    )
    sql = f"{grouped} ORDER BY n DESC;"
    if not found:
        said = f"no two texts have the same vector{sampled(tally)}"
        return Finding(name="duplicates", verdict="clean", severity="warning", said=said, count=0, sql=sql)
    groups, rows, first, last = found[0]
    return Finding(
        name="duplicates",
        verdict="found",
        severity="warning",
        said=f"{int(rows):,} vectors in {int(groups):,} groups are equal bit for bit, and their texts are not"
        + sampled(tally),
        count=int(rows),
        examples=(tuple(first), tuple(last)),
        do="Look whether an answer of the model was written to several rows, or whether it tells these texts apart at"
        " all; empty what is wrong and fill it. " + _FILL,
        sql=sql,
    )


def _grouped(subject: Subject, chosen: str) -> str:
    scope, base = subject.scope, subject.column.base
    key, spoken = f'{scope.key_array("t")} COLLATE "C"', spelled(subject)["spoken"]
    bits = f"md5({scope.operators}.{base}_send({subject.vector}))::uuid"
    text = f"hashtextextended({subject.text}, 0)"
    return (
        f"SELECT {bits} AS bits, count(*) AS n, min({key}) AS first_key, max({key}) AS last_key FROM {subject.rows}"
        f" WHERE {scope.where()} AND {subject.vector} IS NOT NULL"
        # Postgres asks in the order of what it takes for cheap, and would unpack texts and vectors that are not chosen.
        f" AND CASE WHEN {chosen} THEN {spoken} AND {subject.norm} > 0 ELSE false END"
        f" GROUP BY 1 HAVING min({text}) <> max({text})"
    )
