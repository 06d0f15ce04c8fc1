"""The ledger's letters: keys that have no vector, each with its reason, listed in pages and queued again."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime
from itertools import islice
from typing import Any

from limosa.control.schema import as_json, as_key, at, run
from limosa.errors import Refused
from limosa.model.batch import Key
from limosa.ports.tx import Begin, Tx

__all__ = ["Letter", "Letters"]

PAGE_ROWS = 5_000
"""Letters held at once: a few MB with the longest reasons, and a query of some milliseconds."""

SHOWN = 10
"""Reasons that are listed where a text means several."""


@dataclass(frozen=True, slots=True)
class Letter:
    """One key without a vector: ``dead`` or ``skipped``, why, and when it was found so."""

    key: Key
    kind: str
    reason: str
    at: datetime


class Letters:
    """The dead and skipped keys of one migration.

    Args:
        begin: opens transactions where the ledger lies.
        migration: the migration's id.
    """

    def __init__(self, begin: Begin, migration: str) -> None:
        self.begin = begin
        self.id = migration

    def each(self, *, kind: str | None = None, reason: str | None = None) -> Iterator[Letter]:
        """Every letter in the order of the ledger's keys, read page by page; those that come meanwhile may be missed.

        Args:
            kind: only ``dead``, or only ``skipped``.
            reason: only those with exactly this reason.
        """
        after: Key | None = None
        while True:
            with self.begin(snapshot=True) as tx:
                found = self._page(tx, after, kind, reason)
            yield from found
            if len(found) < PAGE_ROWS:
                return
            after = found[-1].key

    def reason_like(self, text: str) -> str:
        """The one reason that a text means: the whole of it, else how it begins, else a part of it.

        Raises:
            Refused: there is no such reason, or there are several.
        """
        with self.begin(snapshot=True) as tx:
            found = self._run(tx, "reasons", text=text, rows=SHOWN + 1)
        best = [(str(reason), int(count)) for reason, count, rank in found if rank == found[0][2]]
        if not best:
            raise Refused(
                f"No row is dead or skipped for a reason with {text!r} in it.",
                do="limosa status FILE --failed lists the reasons.",
            )
        if len(best) > 1:
            listed = "\n".join(f"{reason!r} ({count:,})" for reason, count in best[:SHOWN])
            more = "\nand others." if len(best) > SHOWN else ""
            raise Refused(f"{text!r} means several reasons.", needed=f"One of these:\n{listed}{more}")
        return best[0][0]

    def known(self, keys: Sequence[Key]) -> set[Key]:
        """Those keys among them that are dead or skipped."""
        with self.begin(snapshot=True) as tx:
            return {as_key(key) or () for (key,) in self._run(tx, "known", keys=as_json(keys))}

    def queue(self, keys: Iterable[Key]) -> int:
        """Queues keys for the next run, a page in a transaction; how many there were.

        A key that is queued twice is tried once.
        """
        count, left = 0, iter(keys)
        while page := list(islice(left, PAGE_ROWS)):
            with self.begin() as tx:
                self._run(tx, "queue", keys=as_json(page))
            count += len(page)
        return count

    def _page(self, tx: Tx, after: Key | None, kind: str | None, reason: str | None) -> list[Letter]:
        start = list(after) if after is not None else None
        rows = self._run(tx, "page", after=start, kind=kind, reason=reason, rows=PAGE_ROWS)
        return [Letter(as_key(key) or (), what, why, at(when)) for key, what, why, when in rows]

    def _run(self, tx: Tx, statement: str, **params: object) -> list[tuple[Any, ...]]:
        return run(tx, "letters", statement, {"migration": self.id, **params})
