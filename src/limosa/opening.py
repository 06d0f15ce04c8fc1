"""How a voyage is put together: store, ledger and embedders, each opened when it is first asked for."""

from __future__ import annotations

import threading
from collections.abc import Callable
from functools import cached_property

from limosa.backfill.meter import Meter
from limosa.control.jobs import Jobs
from limosa.control.records import Records
from limosa.control.reports import Reports
from limosa.embedders.find import find
from limosa.errors import Refused
from limosa.lane.fitted import Fitted
from limosa.lane.lane import Lane
from limosa.lane.prefetch import Prefetch
from limosa.lane.purse import Purse
from limosa.model.migration import Migration
from limosa.model.wish import Settings
from limosa.ports.embedder import Embedder
from limosa.steps.voyage import Voyage
from limosa.stores.find import open_store

__all__ = ["Opening"]


class Opening:
    """What one migration works with in this process.

    Args:
        migration: as read from the file.
        say: is told what happens, one line for a person.

    Attributes:
        stop: set from outside, ends a run after the batches in flight.
    """

    def __init__(self, migration: Migration, *, say: Callable[[str], None]) -> None:
        self.migration = migration
        self.stop = threading.Event()
        self._say = say
        self._meter = Meter(provider_waits=self._waits)
        self._embedders: dict[str, Embedder] = {}
        self._fitted: dict[str, Fitted] = {}
        self._closed = False
        purse = Purse(
            budget_usd=lambda: self.voyage.budget_usd,
            ledger_usd=self._spent_usd,
            committed_usd=lambda: self._meter.read().cost_usd,
        )
        self._lane = Lane(
            purse,
            stop=self.stop,
            cache_bytes=migration.backfill.cache_mb * 2**20,
            say=say,
            took=self._meter.answered,
        )
        self._limit({})

    @property
    def voyage(self) -> Voyage:
        """What the steps work with; connects when it is first asked for.

        Raises:
            Refused: it was closed.
        """
        self.require_open()
        return self._voyage

    def require_open(self) -> None:
        """Lets a verb begin that needs no voyage.

        Raises:
            Refused: it was closed.
        """
        if self._closed:
            raise Refused(
                f"The migration {self.migration.name!r} was closed.",
                needed="One that is open.",
                do="limosa.open opens it again.",
            )

    def use_embedder(self, side: str, embedder: Embedder) -> None:
        """Takes an embedder for ``source`` or ``target`` instead of looking for one."""
        self._embedders[side] = embedder
        self._fitted.pop(side, None)

    def close(self) -> None:
        """Gives every connection back; safe to call again."""
        if self._closed:
            return
        self._closed = True
        if "_voyage" in self.__dict__:
            self._voyage.store.close()
        self._lane.close()

    @cached_property
    def _voyage(self) -> Voyage:
        store = open_store(self.migration)
        return Voyage(
            migration=self.migration,
            store=store,
            records=Records(store.begin, self.migration.id),
            reports=Reports(store.begin, self.migration.id),
            embedder=self._embedder,
            asking=lambda side: self._lane.asking(self._bare(side)),
            known=lambda texts: self._lane.known(self._bare("target"), texts),
            limit=self._limit,
            say=self._say,
            meter=self._meter,
            stop=self.stop,
            prefetch=lambda: self._prefetch,
        )

    @cached_property
    def _prefetch(self) -> Prefetch:
        fitted = self._embedder("target")
        return self._lane.prefetch(self._bare("target"), fitted)

    def _embedder(self, side: str) -> Fitted:
        if side not in self._fitted:
            self._fitted[side] = self._lane.through(self._bare(side), stops=side == "target")
        return self._fitted[side]

    def _bare(self, side: str) -> Embedder:
        if side not in self._embedders:
            end = self.migration.source if side == "source" else self.migration.target
            self._embedders[side] = find(end.space, end.endpoint)
        return self._embedders[side]

    def _waits(self) -> str:
        return self._lane.waiting()

    def _limit(self, settings: Settings) -> None:
        """What people set goes before what the file says."""
        own = self.migration.backfill.pace
        self._lane.limit({**own, **settings})

    def _spent_usd(self) -> float:
        return self.voyage.reports.spent_usd() + Jobs(self.voyage.store.begin, self.migration.id).promised_usd()
