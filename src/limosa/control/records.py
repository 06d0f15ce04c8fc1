"""The ledger's remembering half: migrations, their operations, events and dead letters."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from datetime import datetime
from typing import Any

from limosa.control.samples import Samples
from limosa.control.schema import SWEPT, as_key, at, prepare, run
from limosa.errors import Refused
from limosa.model.batch import Key
from limosa.model.migration import Migration
from limosa.model.operation import Operation, Step
from limosa.model.plan import Plan
from limosa.model.proof import Proof
from limosa.model.space import Space
from limosa.ports.tx import Begin, Tx

__all__ = ["PROOFS", "Record", "Records", "claim_values", "space_values"]

PROOFS = "proofs"
"""The kind of the event that says when proofs were made, and what they came to."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Record:
    """Where a migration stands.

    Attributes:
        step: the last step that was completed.
        direction: ``forward``, or ``back`` while a rollback is under way.
        active: the migration still holds its place.
        epoch: odd while the new vectors are the application's.
        job: digest of the file with which the migration began.
        operations: the operations of the locked plan.
        estimates: what it was estimated to cost then.
        created: when the place was claimed and the plan locked; after a rollback, the last time.
    """

    id: str
    name: str
    shape: str
    job: str
    plan_hash: str
    operations: tuple[Operation, ...]
    estimates: dict[str, object]
    step: Step
    direction: str
    active: bool
    epoch: int
    top: Key | None
    at_expand: int | None
    proofs: tuple[Proof, ...]
    chunk_rows: int
    created: datetime

    @property
    def switched(self) -> bool:
        """The new vectors are the application's."""
        return self.epoch % 2 == 1


class Records:
    """Reads and writes what is remembered of one migration.

    Args:
        begin: opens transactions where the ledger lies.
        migration: the migration's id.
    """

    def __init__(self, begin: Begin, migration: str) -> None:
        self.begin = begin
        self.id = migration

    def _ready(self) -> bool:
        """Whether the ledger's tables are there."""
        with self.begin(snapshot=True) as tx:
            return bool(_run(tx, "exists", {})[0][0])

    def prepare(self) -> None:
        """Makes the ledger's tables where they are missing, also those that an older version did not know."""
        prepare(self.begin)

    def hold(self, migration: Migration, plan: Plan, place: str) -> None:
        """Claims the place for this plan; safe to call again with the same plan.

        Raises:
            Refused: another migration, or another plan of this one, holds the place.
        """
        params = claim_values(migration, plan, place)
        with self.begin() as tx:
            _run(tx, "one_at_a_time", {})
            for other, name in _run(tx, "holder", params):
                if other != self.id:
                    raise Refused(
                        f"The migration {name!r} ({other}) already works on {place}.",
                        needed="One migration at a time for one vector column.",
                        do="Finish it or roll it back first, with its own file.",
                    )
            _run(tx, "hold", params)
            _run(tx, "revive", params)
            _run(tx, "begin_anew", params)
            for space in (migration.source.space, migration.target.space):
                _run(tx, "know_space", space_values(space))

    def get(self) -> Record | None:
        """Where the migration stands; None where nothing is known of it."""
        if not self._ready():
            return None
        with self.begin(snapshot=True) as tx:
            rows = _run(tx, "get", {"id": self.id})
        return _record(rows[0]) if rows else None

    def set_step(self, step: Step) -> None:
        """Notes that a step is completed, and when."""
        with self.begin() as tx:
            self._do("set_step", tx, step=step)
            self._do("tell", tx, kind=step, detail="complete")

    def turn_back(self) -> None:
        """Notes that a rollback is under way: from now on nobody gets a claim to go forward."""
        self._do("turn_back", None)

    def set_top(self, top: Key | None, *, at_expand: int, chunk_rows: int) -> None:
        """Notes the largest key when capture was armed, and how many rows satisfied the filter then."""
        self._do("set_top", None, top=list(top) if top else None, at_expand=at_expand, chunk_rows=chunk_rows)

    def set_proofs(self, proofs: Sequence[Proof]) -> None:
        """Keeps what verify found, and when it did."""
        counts = Counter(proof.verdict for proof in proofs)
        found = ", ".join(f"{counts[name]} {name}" for name in ("proved", "different", "unchecked") if counts[name])
        with self.begin() as tx:
            self._do("set_proofs", tx, proofs=json.dumps([asdict(proof) for proof in proofs], default=str))
            self._do("tell", tx, kind=PROOFS, detail=found)

    def raise_epoch(self, step: Step, tx: Tx) -> None:
        """Notes a switch, in its own transaction, and fences every worker off; locks the migration's row."""
        self._do("raise_epoch", tx, step=step)
        run(tx, "chunks", "take_fences", {"migration": self.id})

    def retire(self, step: Step) -> None:
        """Gives the place up and sweeps what is only needed while the migration lives.

        History stays as events and samples; the last sample holds the sums that are swept.
        """
        # An older version's ledger may lack a table that is swept.
        self.prepare()
        with self.begin() as tx:
            Samples(self.begin, self.id).close(tx)
            for name in SWEPT:
                _run(tx, f"sweep_{name}", {"id": self.id})
            self._do("retire", tx, step=step)

    def states(self) -> dict[str, str]:
        """Operation id to ``intended``, ``done`` or ``undone``."""
        with self.begin(snapshot=True) as tx:
            return dict(_run(tx, "operations", {"id": self.id}))

    def note(self, operation: Operation, position: int, state: str, tx: Tx | None = None) -> None:
        """Notes an operation's state: ``intended`` before it is done, ``done`` or ``undone`` after."""
        self._do("note_operation", tx, operation=operation.id, position=position, state=state)

    def tell(self, kind: str, detail: str = "") -> None:
        """Keeps an event."""
        self._do("tell", None, kind=kind, detail=detail)

    def _ids(self, **more: object) -> dict[str, object]:
        return {"id": self.id, **more}

    def _do(self, name: str, tx: Tx | None, **params: object) -> None:
        if tx is not None:
            _run(tx, name, self._ids(**params))
            return
        with self.begin() as own:
            _run(own, name, self._ids(**params))


def _run(tx: Tx, name: str, params: Mapping[str, Any]) -> list[tuple[Any, ...]]:
    return run(tx, "migrations", name, params)


def claim_values(migration: Migration, plan: Plan, place: str) -> dict[str, str]:
    """The parameters with which a place is claimed for a plan."""
    return {
        "id": migration.id,
        "name": migration.name,
        "place": place,
        "shape": plan.shape,
        "job": migration.digest,
        "plan_hash": plan.hash,
        "plan": json.dumps(
            {"operations": [asdict(operation) for operation in plan.operations], "estimates": plan.estimates},
            default=str,
        ),
    }


def space_values(space: Space) -> dict[str, str]:
    """The parameters with which a space is remembered."""
    return {"fingerprint": space.fingerprint, "title": space.title, "description": json.dumps(asdict(space))}


def _record(row: tuple[Any, ...]) -> Record:
    number, name, shape, job, plan_hash, plan, step, direction, active, epoch, top, at_expand, proofs, *rest = row
    chunk_rows, created = rest
    locked = json.loads(plan)
    return Record(
        id=number,
        name=name,
        shape=shape,
        job=job,
        plan_hash=plan_hash,
        operations=tuple(_operation(item) for item in locked["operations"]),
        # The plans of an earlier version lack it.
        estimates=locked.get("estimates", {}),
        step=step,
        direction=direction,
        active=bool(active),
        epoch=epoch,
        top=as_key(top),
        at_expand=at_expand,
        proofs=tuple(Proof(**item) for item in json.loads(proofs or "[]")),
        chunk_rows=chunk_rows,
        created=at(created),
    )


def _operation(item: dict[str, Any]) -> Operation:
    lists = {name: tuple(item[name]) for name in ("do", "undo")}
    return Operation(**{**item, **lists, "settings": tuple((name, value) for name, value in item["settings"])})
