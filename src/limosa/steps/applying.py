"""Applying: the proofs that ask a side as the application does, and those that hold old answers against new ones."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np

from limosa.control.records import Record
from limosa.model.batch import Vectors
from limosa.model.proof import Proof
from limosa.ports.application import Application
from limosa.ports.evidence import IndexUse
from limosa.ports.search import OldOrNew, Search, Stored
from limosa.steps.judging import judge
from limosa.steps.pairing import similarities_of
from limosa.steps.voyage import Voyage
from limosa.verify import latency
from limosa.verify.index_use import prove_index_use
from limosa.verify.roles import prove_roles
from limosa.verify.thresholds import QUERIES, prove_thresholds

__all__ = ["Applying"]


_UNASKED = 30
"""Queries where no threshold is named: the table of quantiles is for a first look."""


@dataclass(frozen=True, kw_only=True)
class Applying:
    """What the application asks, on both sides where both are there.

    Attributes:
        search: of the new side.
        rows: how many hold a new vector.
        index: of the new side, where it is valid and direct queries can use it; None else.
    """

    voyage: Voyage
    record: Record
    search: Search
    rows: int
    index: IndexUse | None

    def proofs(self) -> Iterator[Proof]:
        """Latency, index use, roles, judged queries, thresholds: those that apply."""
        sides = self._sides
        if "new" not in sides:
            return
        application, vectors = sides["new"]
        checking = self.voyage.migration.checking
        yield latency.prove_latency(sides, goal_p95_ms=checking.latency_p95_ms)
        if self.index is not None:
            yield prove_index_use(application, self.index, vectors, rows=self.rows)
        roles = prove_roles(application, vectors, checking.roles)
        if roles is not None:
            yield roles
        if self.record.shape == "upgrade":
            yield from self._compared()

    def by_hand(self, own: Mapping[str, str]) -> dict[str, str]:
        """The SQL that repeats these proofs, by their names.

        Args:
            own: what repeats proofs of the new side; those of both sides are asked of the old one first.
        """
        application = self._application("new")
        if application is None:
            return {}
        return {**self._on_both(own), **self._as_the_application(application)}

    def _on_both(self, own: Mapping[str, str]) -> dict[str, str]:
        old = self.voyage.store.witness(self.record.epoch).evidence("old") if self._old is not None else None
        if old is None:
            return {}
        before = old.by_hand()
        return {name: f"{before[name]}\n{own[name]}" for name in ("thresholds", "judged queries")}

    def _as_the_application(self, application: Application) -> dict[str, str]:
        standings = application.roles(self.voyage.migration.checking.roles) or []
        roles = [each.role for each in standings if not each.exempt and not each.refused]
        return dict(application.by_hand(self.index.name if self.index is not None else None, roles))

    def _compared(self) -> Iterator[Proof]:
        """What holds the old side against the new one; it is there until finish."""
        checking, old = self.voyage.migration.checking, self._old
        if old is None:
            gone = "the old vectors went with finish"
            if checking.judged is not None:
                yield Proof(name="judged queries", verdict="unchecked", said=gone)
            if checking.thresholds:
                yield Proof(name="thresholds", verdict="unchecked", said=gone)
            return
        if checking.judged is not None:
            yield judge(self.voyage, old, self.search, checking.judged)
        pairs = self._pairs if checking.thresholds else self._pairs[:_UNASKED]
        before, after = similarities_of(old, self.search, pairs)
        thresholds = prove_thresholds(before, after, checking.thresholds)
        if thresholds is not None:
            yield thresholds

    @cached_property
    def _old(self) -> Search | None:
        if self.record.shape != "upgrade" or not self.record.active:
            return None
        return self.voyage.store.witness(self.record.epoch).search("old")

    @cached_property
    def _pairs(self) -> list[tuple[Stored, Stored | None]]:
        """A sample of new vectors, each beside the old one of the same row; None where there is none."""
        wanted = QUERIES if self.voyage.migration.checking.thresholds else latency.QUERIES
        sample = [row for row in self.search.sample(wanted) if _usable(row.vector)]
        known = {} if self._old is None else {row.key: row for row in self._old.rows([row.key for row in sample])}
        return [(row, known.get(row.key)) for row in sample]

    @cached_property
    def _sides(self) -> dict[OldOrNew, tuple[Application, Sequence[Vectors]]]:
        found: dict[OldOrNew, tuple[Application, Sequence[Vectors]]] = {}
        rows: dict[OldOrNew, list[Stored | None]] = {
            "old": [old for _, old in self._pairs],
            "new": [new for new, _ in self._pairs],
        }
        for side, held in rows.items():
            vectors = [row.vector for row in held if row is not None and row.vector is not None and _usable(row.vector)]
            application = self._application(side) if vectors or side == "new" else None
            if application is not None:
                found[side] = application, vectors
        return found

    def _application(self, side: OldOrNew) -> Application | None:
        return self.voyage.store.witness(self.record.epoch).application(side)


def _usable(vector: Vectors | None) -> bool:
    return vector is not None and bool(np.any(vector))
