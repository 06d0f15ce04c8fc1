"""Plan: what would be done, said before anything is touched; and who may begin by it."""

from __future__ import annotations

from collections.abc import Set
from dataclasses import replace
from pathlib import Path

from limosa.control.records import Record
from limosa.control.script import PlanScript
from limosa.control.usage import usage_checks
from limosa.errors import Refused
from limosa.model.plan import Plan
from limosa.plan.build import build_plan
from limosa.plan.scripts import write_scripts
from limosa.steps.rehearse import rehearse_split
from limosa.steps.voyage import Voyage

__all__ = ["admit", "begun", "plan"]


def plan(voyage: Voyage, *, sql: Path | None = None, rehearse: bool = False, thorough: bool = True) -> Plan:
    """What would be done, or, once it has begun, what was locked then.

    Args:
        sql: a folder for scripts, up and down; None writes none.
        rehearse: of a split every row is read and decoded, and what became of it is counted.
        thorough: what is only told, and not asked, may cost a look at every row; never once it has begun.

    Raises:
        Refused: it has begun with another file; or scripts are wanted, and the plan refuses.
    """
    locked = voyage.record().operations if begun(voyage) is not None else ()
    _require_place(voyage)
    migration, store = voyage.migration, voyage.store
    facts = store.inspect()
    if thorough and not locked:
        facts = replace(facts, checks=(*facts.checks, *facts.thorough()))
    found = build_plan(migration, facts, embedder=voyage.asking, known=voyage.known, locked=locked)
    found = replace(found, checks=(*usage_checks(migration, store.begin), *found.checks))
    if rehearse and migration.split is not None:
        found = replace(found, facts=dict(rehearse_split(voyage)))
    if sql is not None:
        if migration.split is not None:
            raise Refused("Scripts are written for Postgres only.", do="limosa plan FILE shows the operations.")
        write_scripts(found, sql, PlanScript(migration, found, store.place))
    return found


def begun(voyage: Voyage) -> Record | None:
    """Where a migration stands that is under way or finished; None where it is neither."""
    record = voyage.records.get()
    return record if record is not None and (record.active or record.step == "finish") else None


def admit(plan: Plan, accept: Set[str]) -> None:
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


def _require_place(voyage: Voyage) -> None:
    place = voyage.store.place
    rival = voyage.reports.rival(place)
    if rival is not None:
        raise Refused(
            f"The migration {rival} already works on {place}.",
            needed="One migration at a time for a vector column. A file whose [target] was edited is another one.",
            do="Put the file back as it was when it began; or finish it, or roll it back, with that file.",
        )
