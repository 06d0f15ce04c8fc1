"""Status: where a migration stands, as seen from any process; changes nothing."""

from __future__ import annotations

import time
from dataclasses import dataclass, field
from datetime import datetime
from typing import Literal

from limosa.control.jobs import Jobs
from limosa.control.records import Record
from limosa.control.reports import Exceptions, Tally
from limosa.errors import LimosaError, Refused
from limosa.model.conservation import Conservation
from limosa.model.job import NO_JOBS, JobsOut
from limosa.model.operation import Step
from limosa.model.proof import Proof
from limosa.model.wish import Pause, Settings
from limosa.ports.store import Progress
from limosa.steps.braking import strained
from limosa.steps.soak import soaks_until
from limosa.steps.spending import Spending, spending
from limosa.steps.verify import conserve
from limosa.steps.voyage import Voyage

__all__ = ["State", "Status", "status"]

State = Literal[
    "not begun", "running", "stopped", "verified", "different", "switched", "rolling back", "rolled back", "finished"
]
"""``stopped``: begun, not yet verified, and nobody works on it. ``different``: verify found what should not be."""

EVENTS = 5
"""How many of the last events are told."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Status:
    """Where a migration stands at one moment.

    Attributes:
        step: the last step that was completed; ``plan`` while it has not begun.
        switched: the new vectors are the application's.
        at_expand: rows of the filter when capture was armed.
        tally: counts of the ledger; None while there is none.
        conservation: counted live; None where it was not asked for or there is nothing to count.
        rate_per_s: rows a second, by all workers; None where nobody works or there was one look only.
        jobs: batch jobs that are with the provider.
        building: how far an index build is; None while none runs.
        exceptions: skipped and dead keys by reason, with examples.
        marks: rows whose text was cut or pooled, with examples.
        spending: what was paid beside what was estimated; None where nothing costs anything.
        paused: why and since when somebody paused it; None where nobody did.
        waiting: why a run waits although nobody paused it, as seen from this machine; empty where it does not.
        settings: what people set while it runs.
        events: time, kind and detail, newest first.
        looked_s: when it was looked, on this process's monotonic clock.
        soak_until: when the soak ends, or ended; None where there is none.
        searched: applications search what was written; False for a copy to files, where nothing is switched.
    """

    id: str
    name: str
    shape: str
    state: State
    step: Step = "plan"
    direction: str = "forward"
    switched: bool = False
    at_expand: int | None = None
    tally: Tally | None = None
    conservation: Conservation | None = None
    rate_per_s: float | None = None
    jobs: JobsOut = NO_JOBS
    building: Progress | None = None
    exceptions: tuple[Exceptions, ...] = ()
    marks: tuple[Exceptions, ...] = ()
    spending: Spending | None = None
    proofs: tuple[Proof, ...] = ()
    paused: Pause | None = None
    waiting: str = ""
    settings: Settings = field(default_factory=dict)
    events: tuple[tuple[datetime, str, str], ...] = ()
    looked_s: float = 0.0
    soak_until: datetime | None = None
    searched: bool = True

    @property
    def outcomes(self) -> int:
        """Rows that have an outcome in the ledger."""
        return self.tally.done + self.tally.skipped + self.tally.dead if self.tally is not None else 0

    @property
    def processes(self) -> int:
        """Processes of limosa that work in this database now."""
        return self.tally.processes if self.tally is not None else 0

    @property
    def exit_code(self) -> int:
        """1 where a key is lost or a proof came out different, else 0."""
        lost = self.conservation is not None and not self.conservation.proved
        return 1 if lost or self.state == "different" else 0


def status(voyage: Voyage, *, before: Status | None = None, count: bool = True) -> Status:
    """One look.

    Args:
        before: an earlier look, from which on the rate is taken.
        count: whether to count the conservation line; that reads every key of the table.

    Raises:
        Transient: the database does not answer.
    """
    record = voyage.records.get()
    if record is None:
        return _not_begun(voyage, "not begun", ())
    events = tuple(voyage.reports.events(EVENTS))
    if not record.active and record.step != "finish":
        return _not_begun(voyage, "rolled back", events)
    tally = voyage.reports.tally()
    wished = voyage.wishes.read()
    looked_s = time.monotonic()
    under_way = record.step == "backfill" and not record.switched
    return Status(
        id=record.id,
        name=record.name,
        shape=record.shape,
        state=_state(record, tally),
        step=record.step,
        direction=record.direction,
        switched=record.switched,
        at_expand=record.at_expand,
        tally=tally,
        conservation=_conservation(voyage, record) if count else None,
        rate_per_s=_rate(before, tally, looked_s),
        jobs=Jobs(voyage.store.begin, voyage.migration.id).out(),
        building=voyage.store.runner.progress() if under_way else None,
        exceptions=tuple(voyage.reports.exceptions()),
        marks=tuple(voyage.reports.marks()),
        spending=spending(record, tally),
        proofs=record.proofs,
        paused=wished.pause,
        waiting=strained(voyage) if tally.processes else "",
        settings=wished.settings,
        events=events,
        looked_s=looked_s,
        soak_until=soaks_until(voyage, record),
        searched=voyage.store.capabilities.searched,
    )


def _not_begun(voyage: Voyage, state: State, events: tuple[tuple[datetime, str, str], ...]) -> Status:
    migration = voyage.migration
    return Status(id=migration.id, name=migration.name, shape=migration.shape, state=state, events=events)


def _state(record: Record, tally: Tally) -> State:
    if record.step == "finish" or record.direction == "back":
        return "finished" if record.step == "finish" else "rolling back"
    if tally.processes and not record.switched and record.step != "verify":
        return "running"
    if any(proof.verdict == "different" for proof in record.proofs):
        return "different"
    if record.switched:
        return "switched"
    return "verified" if record.step == "verify" else "stopped"


def _rate(before: Status | None, tally: Tally, looked_s: float) -> float | None:
    if before is None or before.tally is None or not tally.processes or looked_s <= before.looked_s:
        return None
    outcomes = tally.done + tally.skipped + tally.dead
    return max(0, outcomes - before.outcomes) / (looked_s - before.looked_s)


def _conservation(voyage: Voyage, record: Record) -> Conservation | None:
    if record.at_expand is None or record.step == "finish" or record.direction == "back":
        return None
    try:
        return conserve(voyage)
    except LimosaError as error:
        if voyage.migration.copy is not None and isinstance(error, Refused):
            # A store in a folder is one process's at a time, and a run may have it.
            return None
        now = voyage.records.get()
        # Counting goes by the column's name, which a switch, a rollback or a finish changes underneath it.
        if now is not None and (now.epoch, now.direction, now.step) == (record.epoch, record.direction, record.step):
            raise
        return None
