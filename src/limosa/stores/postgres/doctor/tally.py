"""The one pass over a table: rows by what is so of them, vectors by size, norm and model, with examples."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass

from limosa.model.batch import Key
from limosa.stores.postgres.database import PostgresTx
from limosa.stores.postgres.doctor.subject import Subject
from limosa.stores.postgres.names import literal, quoted

__all__ = ["FACTS", "MOST_MODELS", "STEP", "Group", "Tally", "estimated_rows", "spelled", "tally"]

STEP = math.log(1.05)
"""Norms are counted in steps of 5 %: a few hundred at most, whatever the vectors hold."""

MOST_MODELS = 20
"""A column of more values than this names something else than models."""

_LONGEST_MODEL = 300
"""Longer than any model's name: characters by which values are told apart, so that no long text is kept as one."""

_LOOKED_AT = 10_000
"""Rows whose models are looked at first: each value is a group that the server holds until the pass ends."""

_MOST_GROUPS = 4000

_DONE = (
    "complete",
    "completed",
    "done",
    "embedded",
    "finished",
    "indexed",
    "processed",
    "ready",
    "success",
    "succeeded",
    "vectorized",
)
"""What a status says of a row whose vector is there."""

_SECOND = "interval '1 second'"
"""Clocks of application and server differ by less, and a trigger that stamps the row does so in the same statement."""

FACTS = {
    "rows": "true",
    "vectors": "{held}",
    "texts": "coalesce({spoken}, false)",
    "measured": "{norm} IS NOT NULL",
}
"""What is counted beside the ills: conditions in the words of ``spelled``."""

_SET = {7: "mask", 11: "sizes", 13: "norms", 14: "models"}
"""GROUPING() of the four columns, leftmost first: the bit of what a set is grouped by is 0."""


@dataclass(frozen=True, slots=True)
class Group:
    """How many rows, and the smallest and the largest of their keys as text."""

    count: int = 0
    keys: tuple[Key, ...] = ()

    def __add__(self, other: Group) -> Group:
        return Group(self.count + other.count, tuple(dict.fromkeys((*self.keys, *other.keys)))[:3])


@dataclass(frozen=True, slots=True)
class Tally:
    """What the pass counted.

    Attributes:
        share: one vector in so many was read.
        so: rows by the condition that holds of them.
        sizes: vectors by dimensions; norms: by the whole steps of the logarithm of their norm.
        models: vectors by what the model column says; None where that is more than ``MOST_MODELS`` values, which
            mean nothing.
    """

    share: int
    so: Mapping[str, Group]
    sizes: Mapping[int, Group]
    norms: Mapping[int, Group]
    models: Mapping[str, Group] | None


def spelled(subject: Subject) -> dict[str, str]:
    """What conditions are spelled with, as expressions over the row ``t``."""
    beside = subject.beside
    status = f"t.{quoted(beside.status)}" if beside.status is not None else ""
    ready = status if beside.flag else f"lower({status}::text) IN ({', '.join(map(literal, _DONE))})"
    later = ""
    if beside.changed is not None and beside.embedded is not None:
        later = f"t.{quoted(beside.changed)} > t.{quoted(beside.embedded)} + {_SECOND}"
    model = f"t.{quoted(beside.model)}" if beside.model is not None else None
    held = "false" if subject.unread else f"{subject.vector} IS NOT NULL"
    return {
        "held": held,
        "spoken": "NULL::boolean" if subject.silent else rf"coalesce({subject.text} ~ '\S', false)",
        "norm": "NULL::float8" if subject.unread else subject.norm,
        "size": "NULL::int" if subject.unread else subject.size,
        "ready": ready if status else "NULL::boolean",
        "later": later or "NULL::boolean",
        "model": f"nullif(left({model}::text, {_LONGEST_MODEL}), '')" if model is not None else "NULL::text",
    }


def tally(tx: PostgresTx, subject: Subject, ills: Mapping[str, str]) -> Tally:
    """Counts the rows of the filter in one pass; the server holds a few groups, and answers no more.

    Args:
        ills: conditions by name, in the words of ``spelled``.
    """
    share = _share(tx, subject)
    scope, words, names = subject.scope, spelled(subject), [*FACTS, *ills]
    chosen = subject.chosen(share)
    read = {name: f"CASE WHEN {words['held']} AND {chosen} THEN {words[name]} END" for name in ("norm", "size")}
    many = _many_models(tx, subject, words)
    read["model"] = "NULL::text" if many else f"CASE WHEN {words['held']} THEN {words['model']} END"
    columns = ", ".join(f"{read.get(name, expression)} AS {name}" for name, expression in words.items())
    same = {name: f"m.{name}" for name in words}
    bits = [
        f"CASE WHEN {condition.format(**same)} THEN {1 << place} ELSE 0 END"
        for place, condition in enumerate([*FACTS.values(), *ills.values()])
    ]
    # OFFSET 0 keeps the planner from putting an expression in twice: a vector is unpacked each time it is named.
    found = tx.raw(
        f"""SELECT GROUPING(mask, size, step, model), mask, size, step, model, count(*),
            min(key COLLATE "C"), max(key COLLATE "C")
        FROM (SELECT m.*, {" | ".join(bits)} AS mask,
                CASE WHEN m.norm > 0 AND m.norm < 'Infinity' THEN floor(ln(m.norm) / {STEP!r})::int END AS step
            FROM (SELECT {scope.key_array("t")} AS key, {columns}
                FROM {subject.rows} WHERE {scope.where()} OFFSET 0) AS m OFFSET 0) AS r
        GROUP BY GROUPING SETS ((mask), (size), (step), (model)) ORDER BY 1 LIMIT {_MOST_GROUPS}"""
    )
    sets: dict[str, dict[object, Group]] = {name: {} for name in _SET.values()}
    for which, *values, count, least, most in found:
        value = values[list(_SET).index(which)]
        if value is not None:
            keys = tuple(dict.fromkeys((tuple(least), tuple(most))))
            sets[_SET[which]][value] = sets[_SET[which]].get(value, Group()) + Group(int(count), keys)
    models = {str(model): group for model, group in sets["models"].items()}
    so = {name: _sum(sets["mask"], place) for place, name in enumerate(names)}
    return Tally(
        share=share,
        so=so,
        sizes={int(str(size)): group for size, group in sets["sizes"].items()},
        norms={int(str(step)): group for step, group in sets["norms"].items()},
        models=None if many or len(models) > MOST_MODELS else models,
    )


def _sum(masks: Mapping[object, Group], place: int) -> Group:
    return sum((group for mask, group in masks.items() if int(str(mask)) >> place & 1), Group())


def _many_models(tx: PostgresTx, subject: Subject, words: Mapping[str, str]) -> bool:
    """Whether the first rows say already that a column does not name models."""
    scope = subject.scope
    found = tx.raw(
        f"SELECT DISTINCT model FROM (SELECT {words['model']} AS model FROM {scope.relation.sql} AS t"
        f"{subject.seat.joined()} WHERE {scope.where()} AND {words['held']} LIMIT {_LOOKED_AT}) AS s"
        f" WHERE model IS NOT NULL LIMIT {MOST_MODELS + 1}"
    )
    return len(found) > MOST_MODELS


def _share(tx: PostgresTx, subject: Subject) -> int:
    return max(1, math.ceil(estimated_rows(tx, subject) / subject.scrutiny.whole_rows))


def estimated_rows(tx: PostgresTx, subject: Subject) -> float:
    """How many rows the planner expects; it also knows of tables that were never analysed."""
    plan = tx.raw(f"EXPLAIN (FORMAT JSON) SELECT FROM {subject.scope.relation.sql}")[0][0]
    return float(plan[0]["Plan"]["Plan Rows"])
