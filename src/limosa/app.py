"""The front door: verbs only."""

from __future__ import annotations

import threading
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from functools import cached_property
from pathlib import Path

import numpy as np

from limosa import flow
from limosa.backfill.meter import Meter
from limosa.config import load
from limosa.control.jobs import Jobs
from limosa.control.records import Record, Records
from limosa.control.reports import Reports
from limosa.control.script import PlanScript
from limosa.control.usage import usage_checks
from limosa.embedders.find import find
from limosa.errors import Refused
from limosa.lane.fitted import Fitted
from limosa.lane.lane import Lane
from limosa.lane.prefetch import Prefetch
from limosa.lane.purse import Purse
from limosa.model.batch import Key
from limosa.model.migration import Migration
from limosa.model.plan import Plan
from limosa.model.proof import Proof
from limosa.model.wish import Settings
from limosa.plan.build import build_plan
from limosa.plan.scripts import write_scripts
from limosa.ports.embedder import Embedder
from limosa.steps.cutover import cutover
from limosa.steps.duplicates import Duplicates, duplicates
from limosa.steps.finish import finish
from limosa.steps.rehearse import rehearse_split
from limosa.steps.retry import retry
from limosa.steps.rollback import rollback, rollback_part
from limosa.steps.search import Found, search, search_vector
from limosa.steps.verify import verify
from limosa.steps.voyage import Voyage
from limosa.stores.find import open_store

__all__ = ["App", "admit", "open_app"]


class App:
    """One migration, opened from its file; every verb may be called again.

    Args:
        migration: as read from the file.
        say: is told what happens, one line for a person.
    """

    def __init__(self, migration: Migration, *, say: Callable[[str], None] = lambda line: None) -> None:
        self.migration = migration
        self.meter = Meter(provider_waits=self._waits)
        self._say = say
        self._embedders: dict[str, Embedder] = {}
        self._fitted: dict[str, Fitted] = {}
        purse = Purse(
            budget_usd=lambda: self.voyage.budget_usd,
            ledger_usd=self._spent_usd,
            committed_usd=lambda: self.meter.read().cost_usd,
        )
        self._stop = threading.Event()
        self._lane = Lane(
            purse,
            stop=self._stop,
            cache_bytes=migration.backfill.cache_mb * 2**20,
            say=say,
            took=self.meter.answered,
        )
        self._limit({})

    def plan(self, *, sql: Path | None = None, rehearse: bool = False) -> Plan:
        """What would be done, or, once it has begun, what was locked then; changes nothing.

        Args:
            sql: a folder for scripts, up and down; ``run`` recognises what was applied by hand.
            rehearse: of a split every row is read and decoded, and what became of it is counted.

        Raises:
            Refused: it has begun with another file; or scripts are wanted, and the plan refuses.
        """
        begun = self.voyage.record() if self._begun() is not None else None
        self._require_place()
        plan = build_plan(
            self.migration,
            self.voyage.store.inspect(),
            embedder=lambda side: self._lane.asking(self._bare(side)),
            known=lambda texts: self._lane.known(self._bare("target"), texts),
            locked=begun.operations if begun is not None else (),
        )
        plan = replace(plan, checks=(*usage_checks(self.migration, self.voyage.store.begin), *plan.checks))
        if rehearse and self.migration.split is not None:
            plan = replace(plan, facts=dict(rehearse_split(self.voyage)))
        if sql is not None:
            if self.migration.split is not None:
                raise Refused("Scripts are written for Postgres only.", do="limosa plan FILE shows the operations.")
            write_scripts(plan, sql, PlanScript(self.migration, plan, self.voyage.store.place))
        return plan

    def run(self, *, accept: frozenset[str] = frozenset(), limit: int | None = None) -> list[Proof]:
        """Goes on from where the migration stands up to a proved verify.

        Args:
            accept: flags such as ``--accept-reconnect`` that answer the plan's questions; ``--yes`` answers all.
            limit: end the backfill after about so many rows.

        Raises:
            Refused: the plan refuses, or a question was not accepted.
        """
        if self._begun() is None:
            plan = self.plan()
            admit(plan, accept)
            flow.begin(self.voyage, plan)
        return flow.run(self.voyage, limit=limit)

    def verify(self) -> list[Proof]:
        """Makes every proof again."""
        return verify(self.voyage)

    def cutover(self) -> int:
        """Switches; how many changes were outstanding then."""
        return cutover(self.voyage)

    def rollback(self, *, chunk: int | None = None, table: str | None = None) -> list[tuple[Key, str]]:
        """Goes back; the rows that had to be left without an old vector.

        Args:
            chunk: only this chunk of a split is taken back; ``run`` carries it again.
            table: only this target table of a split.
        """
        if chunk is None and table is None:
            return rollback(self.voyage)
        count = rollback_part(self.voyage, chunk=chunk, table=table)
        self._say(f"{count:,} rows were taken back, and wait")
        return []

    def finish(self, *, drop_old: bool = False) -> None:
        """Drops the old side for good; of a split the old table only with ``drop_old``."""
        finish(self.voyage, drop_old=drop_old or self.migration.split is None)

    def search(self, what: str | Sequence[float], *, k: int = 10, exact: bool = False) -> list[Found]:
        """The k rows nearest to a text, in the old and in the new space; a side that cannot answer says why.

        Args:
            what: a text; of a split, whose rows have many models, a vector: its length picks the table.
            exact: every row is compared and no index asked.
        """
        if isinstance(what, str):
            return search(self.voyage, what, k=k, exact=exact)
        return [search_vector(self.voyage, np.asarray(what, dtype=np.float32), k=k, exact=exact)]

    def duplicates(self, *, threshold: float, limit: int = 1000) -> list[Duplicates]:
        """Pairs of rows above a cosine similarity, most similar first, in the old and in the new space."""
        return duplicates(self.voyage, threshold=threshold, limit=limit)

    def retry(self, *, reason: str | None = None, keys: Sequence[str] = ()) -> int:
        """Queues dead rows again for the next run; how many there were.

        Args:
            reason: only rows with this reason, dead or skipped; may be shortened as long as it means one.
            keys: only these rows, dead or skipped; several key columns as a JSON array or with slashes between.
        """
        return retry(self.voyage, reason=reason, keys=keys)

    def close(self) -> None:
        """Gives every connection back."""
        if "voyage" in self.__dict__:
            self.voyage.store.close()
        self._lane.close()

    @cached_property
    def voyage(self) -> Voyage:
        """What the steps work with: store, records, reports and embedders; connects."""
        store = open_store(self.migration)
        return Voyage(
            migration=self.migration,
            store=store,
            records=Records(store.begin, self.migration.id),
            reports=Reports(store.begin, self.migration.id),
            embedder=self._embedder,
            asking=lambda side: self._lane.asking(self._bare(side)),
            limit=self._limit,
            say=self._say,
            meter=self.meter,
            stop=self._stop,
            prefetch=lambda: self._prefetch,
        )

    def use_embedder(self, side: str, embedder: Embedder) -> None:
        """Takes an embedder of the caller's own for ``source`` or ``target`` instead of looking for one.

        It must answer in the space of the file; the border checks count, size and values all the same.
        """
        self._embedders[side] = embedder
        self._fitted.pop(side, None)

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

    @cached_property
    def _prefetch(self) -> Prefetch:
        fitted = self._embedder("target")
        return self._lane.prefetch(self._bare("target"), fitted)

    def _require_place(self) -> None:
        place = self.voyage.store.place
        rival = self.voyage.reports.rival(place)
        if rival is not None:
            raise Refused(
                f"The migration {rival} already works on {place}.",
                needed="One migration at a time for a vector column. A file whose [target] was edited is another one.",
                do="Put the file back as it was when it began; or finish it, or roll it back, with that file.",
            )

    def _begun(self) -> Record | None:
        record = self.voyage.records.get()
        return record if record is not None and (record.active or record.step == "finish") else None


def open_app(source: Path | str | Mapping[str, object], *, say: Callable[[str], None] = lambda line: None) -> App:
    """The migration of a file or mapping; connects when the first verb needs it."""
    return App(load(source), say=say)


def admit(plan: Plan, accept: frozenset[str]) -> None:
    """Lets a plan through that refuses nothing, and whose questions were all accepted.

    Raises:
        Refused: it refuses, or a question is open.
    """
    if plan.refusals:
        raise Refused(
            "\n".join(f"{check.name}: {check.said}" for check in plan.refusals),
            needed="\n".join(check.needed for check in plan.refusals if check.needed),
            do="\n".join(check.do for check in plan.refusals if check.do),
        )
    open_questions = [check for check in plan.questions if not accept & {check.flag, "--yes"}]
    if open_questions:
        raise Refused(
            "\n".join(f"{check.name}: {check.said}" for check in open_questions),
            needed="An answer.",
            do="Run again with " + " ".join(dict.fromkeys(check.flag for check in open_questions)) + ", or --yes.",
        )
