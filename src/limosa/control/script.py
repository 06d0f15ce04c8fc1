"""The ledger's statements with their values written into them, for scripts that a person runs."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass

from limosa.control.records import claim_values, space_values
from limosa.control.schema import SWEPT, schema, statements
from limosa.model.migration import Migration
from limosa.model.operation import Operation, Step
from limosa.model.plan import Plan
from limosa.ports.script import State

__all__ = ["PlanScript"]

_SQL = statements("postgres", "migrations")
_CHUNKS = statements("postgres", "chunks")
_SAMPLES = statements("postgres", "samples")
_PARAMETER = re.compile(r"%\((\w+)\)s|%%")


@dataclass(frozen=True, slots=True)
class PlanScript:
    """What ``Records`` does to the ledger, for one plan, as statements."""

    migration: Migration
    plan: Plan
    place: str

    def opening(self) -> tuple[str, ...]:
        """Makes the ledger where it is missing and claims the place for the plan; may be run again."""
        values = claim_values(self.migration, self.plan, self.place)
        spaces = [space_values(space) for space in (self.migration.source.space, self.migration.target.space)]
        return (
            *schema("postgres"),
            self._filled("one_at_a_time", {}),
            self._filled("hold", values),
            self._filled("revive", values),
            self._filled("begin_anew", values),
            *(self._filled("know_space", space) for space in spaces),
            _fails(
                f"SELECT FROM limosa.migration WHERE id = {_literal(self.plan.migration)} AND active"
                f" AND plan_hash = {_literal(self.plan.hash)} AND step = 'plan' AND direction = 'forward'",
                "another plan of this migration is under way, or it is finished",
            ),
        )

    def require(self, step: Step, *, undo: bool) -> tuple[str, ...]:
        """Fails unless the migration stands where this step may be done or undone; fences workers at a switch."""
        switched = step == "finish" or (step == "cutover" and undo)
        stands = "epoch % 2 = 1" if switched else "epoch % 2 = 0"
        after: dict[Step, str] = {"index": "IN ('backfill', 'index', 'verify')", "cutover": "= 'verify'"}
        if self.plan.shape == "fill" and step == "finish":
            stands = "step = 'verify'"
        if step in after and not undo:
            stands += f" AND step {after[step]}"
        if step == "cutover" and not undo:
            stands += (
                " AND NOT EXISTS (SELECT FROM jsonb_array_elements(proofs) AS proof"
                " WHERE proof ->> 'verdict' = 'different')"
            )
        wanted = f"SELECT FROM limosa.migration WHERE id = {_literal(self.plan.migration)} AND active AND {stands}"
        names = {"index": "limosa run FILE has filled every row", "cutover": "limosa run FILE has verified"}
        said = f"the migration does not stand where {step} can be {'undone' if undo else 'done'}"
        if step in names and not undo:
            said += f": not before {names[step]}"
        return (_fails(wanted, said),)

    def switch(self, *, undo: bool) -> tuple[str, ...]:
        """Raises the epoch and takes every worker's fence away, before the table is locked."""
        return (
            self._filled("raise_epoch", {"step": "verify" if undo else "cutover"}),
            _filled(_CHUNKS["take_fences"], {"migration": self.plan.migration}),
        )

    def settled(self, *, undo: bool) -> tuple[str, ...]:
        """Fails while changes are outstanding; with ``undo`` also where rows changed since the switch."""
        ids = _literal(self.plan.migration)
        waits = f"SELECT WHERE NOT EXISTS (SELECT FROM limosa.change WHERE migration = {ids})"
        if undo:
            waits += f" AND NOT EXISTS (SELECT FROM limosa.touched WHERE migration = {ids})"
        verb = "rollback" if undo else "run"
        return (_fails(waits, f"rows changed since; limosa {verb} FILE puts their vectors right"),)

    def note(self, operation: Operation, position: int, state: State) -> str:
        """Notes an operation's state."""
        return self._filled("note_operation", {"operation": operation.id, "position": position, "state": state})

    def closing(self, step: Step) -> tuple[str, ...]:
        """Gives the place up and sweeps what is only needed while the migration lives.

        The ledger of an older version may lack the tables of wishes, jobs, marks and samples.
        """
        later = tuple(f"CREATE TABLE IF NOT EXISTS limosa.{name} " for name in ("wish", "job", "mark", "sample"))
        made = (each for each in schema("postgres") if each.startswith(later))
        swept = (self._filled(f"sweep_{name}", {}) for name in SWEPT)
        return (*made, self._last_sample(), *swept, self._filled("retire", {"step": step}))

    def _last_sample(self) -> str:
        none = {"elapsed_s": 0, "writes": "{}", "requests": "{}"}
        return _filled(_SAMPLES["note"], {"migration": self.plan.migration, **none})

    def _filled(self, name: str, values: Mapping[str, object]) -> str:
        return _filled(_SQL[name], {"id": self.plan.migration, **values})


def _filled(sql: str, values: Mapping[str, object]) -> str:
    bare = re.sub(r"^--.*\n", "", sql, flags=re.MULTILINE)
    return _PARAMETER.sub(lambda found: _literal(values[found[1]]) if found[1] else "%", bare)


def _literal(value: object) -> str:
    if isinstance(value, int):
        return str(value)
    text = str(value).replace("'", "''")
    return " E'" + text.replace("\\", "\\\\") + "'" if "\\" in text else f"'{text}'"


def _fails(wanted: str, said: str) -> str:
    """A statement that fails, saying so, unless the query answers a row."""
    return (
        f"DO $limosa_guard$ BEGIN IF NOT EXISTS ({wanted})"
        f" THEN RAISE EXCEPTION 'limosa: {said}'; END IF; END $limosa_guard$"
    )
