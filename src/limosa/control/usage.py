"""A table of the user's in which every payment is noted, in the transaction that writes what was paid for."""

from __future__ import annotations

from dataclasses import dataclass

from limosa.errors import LimosaError
from limosa.model.batch import Paid
from limosa.model.migration import Migration, UsageTable
from limosa.model.plan import Check
from limosa.ports.tx import Begin, Tx

__all__ = ["UsageRows", "usage_checks", "usage_rows"]


@dataclass(frozen=True, slots=True)
class UsageRows:
    """Writes one row for each payment; a batch that is not committed leaves none."""

    table: UsageTable
    facts: dict[str, object]

    def note(self, paid: Paid, tx: Tx) -> None:
        """Notes one payment."""
        self._insert(paid, tx)

    def check(self, tx: Tx) -> None:
        """Plans the statement without carrying it out: names, types and rights are looked at."""
        self._insert(Paid(texts=1, tokens=1, usd=0.1), tx, prefix="EXPLAIN ")

    def _insert(self, paid: Paid, tx: Tx, *, prefix: str = "") -> None:
        known = {**self.facts, "texts": paid.texts, "tokens": paid.tokens, "cost_usd": paid.usd}
        columns = ", ".join(_quoted(column) for column, _ in self.table.columns)
        values = ", ".join(f"%(v{i})s" for i in range(len(self.table.columns)))
        into = f"{prefix}INSERT INTO {self.table.sql} ({columns})".replace("%", "%%")
        given = {f"v{i}": known[what] for i, (_, what) in enumerate(self.table.columns)}
        tx.send(f"{into} VALUES ({values})", given)


def usage_rows(migration: Migration) -> UsageRows | None:
    """What the file asks to be noted; None where it asks for nothing."""
    table = migration.backfill.usage
    if table is None:
        return None
    space = migration.target.space
    facts: dict[str, object] = {"migration": migration.name, "provider": space.provider, "model": space.model}
    return UsageRows(table, facts)


def usage_checks(migration: Migration, begin: Begin) -> list[Check]:
    """Whether a row can be written; none is."""
    rows = usage_rows(migration)
    if rows is None:
        return []
    try:
        with begin(snapshot=True) as tx:
            rows.check(tx)
        return []
    except LimosaError as error:
        return [
            Check(
                name="usage-table",
                verdict="refused",
                said=f"No row can be written to {rows.table.name}: {error.what}",
                needed="A table and columns that take what [backfill.usage] names, and the right to insert.",
                do="Correct [backfill.usage] or the table; or leave the section out.",
            )
        ]


def _quoted(name: str) -> str:
    return '"' + name.replace('"', '""') + '"'
