"""What every step works with: one migration, its store, its records and its embedders."""

from __future__ import annotations

import threading
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from types import MappingProxyType

from limosa.backfill.brakes import Brakes
from limosa.backfill.meter import Meter
from limosa.control.ledger import ChunkLedger
from limosa.control.letters import Letters
from limosa.control.records import Record, Records
from limosa.control.reports import Reports
from limosa.control.wishes import Wishes
from limosa.errors import Refused, Transient
from limosa.lane.prefetch import Prefetch
from limosa.model.job import LaneName
from limosa.model.migration import Migration
from limosa.model.operation import Operation, Step
from limosa.model.wish import Settings
from limosa.ports.embedder import Embedder
from limosa.ports.store import Store
from limosa.ports.tx import Tx

__all__ = ["Voyage", "carry_out", "take_back"]


def _no_jobs() -> Prefetch:
    raise Refused("Nothing opens batch jobs here.", do='Set lane = "direct" in [backfill].')


@dataclass(slots=True)
class Voyage:
    """One migration under way in this process.

    Attributes:
        embedder: opens the embedder of a side, ``source`` or ``target``; both are opened at most once.
        asking: opens it past what is kept on this machine, for proofs.
        known: how many of some texts have a vector of the target that is kept on this machine.
        limit: hands what people set on to the way to the providers.
        say: is told what happens, one line for a person; at times by another thread.
        meter: what this process has done; a fresh one for each run.
        stop: set from outside, ends a run after the batches in flight; cleared when the run is over.
        brakes: keep this process from beginning another batch while there is a reason to wait.
        settings: what people set while the run is under way, in place of what the file says.
        prefetch: opens the way by batch jobs; Refused where there is none.
    """

    migration: Migration
    store: Store
    records: Records
    reports: Reports
    embedder: Callable[[str], Embedder]
    asking: Callable[[str], Embedder]
    known: Callable[[Sequence[str]], int] = field(default=lambda texts: 0)
    limit: Callable[[Settings], None] = field(default=lambda settings: None)
    say: Callable[[str], None] = field(default=lambda line: None)
    meter: Meter = field(default_factory=Meter)
    stop: threading.Event = field(default_factory=threading.Event)
    brakes: Brakes = field(default_factory=Brakes)
    settings: Settings = field(default_factory=dict)

    @property
    def wishes(self) -> Wishes:
        """What people ask of the migration while it runs."""
        return Wishes(self.store.begin, self.migration.id)

    @property
    def letters(self) -> Letters:
        """The rows that have no vector, with their reasons."""
        return Letters(self.store.begin, self.migration.id)

    @property
    def budget_usd(self) -> float | None:
        """The hard stop for money: what people set, else what the file says; None for no limit."""
        wished = self.settings.get("budget_usd")
        return float(wished) if wished is not None else self.migration.backfill.budget_usd

    prefetch: Callable[[], Prefetch] = field(default=_no_jobs)

    @property
    def lane(self) -> LaneName:
        """How texts travel to the provider, asked anew for each chunk; a split sends none."""
        wished = self.settings.get("lane", self.migration.backfill.lane)
        return "batch" if wished == "batch" and not self.migration.carries else "direct"

    def heed(self) -> None:
        """Waits here while there is a reason to, and ends the run where somebody asked for it.

        Raises:
            Transient: somebody did; everything committed stands.
        """
        self.brakes.wait(self.stop)
        if self.stop.is_set():
            raise Transient(
                f"The run of {self.migration.name!r} was stopped on request, after the batches in flight.",
                do="limosa run FILE goes on where it ended.",
            )

    def record(self) -> Record:
        """Where the migration stands.

        Raises:
            Refused: it has not begun.
        """
        record = self.records.get()
        if record is None or (not record.active and record.step != "finish"):
            raise Refused(
                f"The migration {self.migration.name!r} has not begun, or was rolled back.",
                do="limosa plan FILE shows what would be done, limosa run FILE begins.",
            )
        if record.active and record.job != self.migration.digest:
            raise Refused(
                f"The file of {self.migration.name!r} is not the one with which the migration began.",
                needed="The same place, spaces, index and match function until it is finished.",
                do="Put the file back as it was; or roll back with that file and begin anew.",
            )
        return record

    def finishing(self) -> bool:
        """Finish has begun and may not be complete: from here there is no way back, only on.

        That nothing hangs on the old vectors is only asked, and asked anew each time.
        """
        states = self.records.states()
        return any(
            each.step == "finish" and each.id != "nothing-hangs" and states.get(each.id) == "done"
            for each in self.record().operations
        )

    def ledger(self, *, direction: str = "forward") -> ChunkLedger:
        """The ledger's working half, for this process."""
        # The ledger may be an older version's.
        self.records.prepare()
        record = self.record()
        source = self.store.ends(record.epoch).source
        owner = self.store.alive()
        return ChunkLedger(
            self.store.begin,
            migration=self.migration.id,
            owner=owner,
            cut=source.cut,
            lease_s=self.store.capabilities.lease_s,
            direction=direction,
        )


def carry_out(voyage: Voyage, step: Step, *, leave: tuple[str, ...] = (), again: tuple[str, ...] = ()) -> None:
    """Does the operations of a step that do not stand yet, in order; safe to call again.

    An operation that somebody did by hand, from the script that plan wrote, is recognised by its probe.

    Args:
        leave: those that are left alone; again: those that are done anew each time.
    """
    record, states = voyage.record(), voyage.records.states()
    for position, operation in enumerate(record.operations):
        if operation.step != step or operation.id in leave:
            continue
        if states.get(operation.id) == "done" and operation.id not in again:
            continue
        if voyage.store.runner.stands(operation):
            voyage.records.note(operation, position, "done")
            voyage.say(f"{operation.title}: stands already")
            continue
        if not operation.transactional:
            voyage.records.note(operation, position, "intended")
        died = states.get(operation.id) == "intended"
        voyage.store.runner.apply(operation, _noting(voyage, operation, position, "done"), again=died)
        voyage.say(operation.title)


def _noting(voyage: Voyage, operation: Operation, position: int, state: str) -> Callable[[Tx], None]:
    return lambda tx: voyage.records.note(operation, position, state, tx)


def take_back(
    voyage: Voyage,
    step: Step,
    *,
    leave: tuple[str, ...] = (),
    otherwise: Mapping[str, Callable[[Operation, int], None]] = MappingProxyType({}),
) -> None:
    """Undoes the operations of a step that were done or begun, newest first; safe to call again.

    Args:
        otherwise: what undoes an operation of this id, with its position, and notes it.
    """
    record, states = voyage.record(), voyage.records.states()
    for position, operation in reversed(list(enumerate(record.operations))):
        if operation.step != step or operation.id in leave or states.get(operation.id) not in {"done", "intended"}:
            continue
        if operation.id in otherwise:
            otherwise[operation.id](operation, position)
        elif operation.undo:
            voyage.store.runner.apply(operation, _noting(voyage, operation, position, "undone"), undo=True)
            voyage.say(f"Undone: {operation.title}")
        else:
            voyage.records.note(operation, position, "undone")
