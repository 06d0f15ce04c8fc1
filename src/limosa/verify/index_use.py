"""Index use: the application's own query goes through the index, also where a function hides its plan."""

from __future__ import annotations

from collections.abc import Sequence

from limosa.errors import LimosaError
from limosa.model.batch import Vectors
from limosa.model.proof import Proof
from limosa.ports.application import Application, IndexScans
from limosa.ports.evidence import IndexUse

__all__ = ["CALLS", "FEW", "prove_index_use"]

K = 10

CALLS = 12
"""Postgres plans the first five calls of a function's statement one by one, and may keep one plan from then on
(its documentation, "PL/pgSQL Plan Caching"): twelve see both."""

FEW = 10_000
"""Rows below which an index and a comparison of every row cost the planner about the same, so that it may plan the
direct query one way and the function's the other; to compare them all takes tens of milliseconds."""


def prove_index_use(application: Application, index: IndexUse, vectors: Sequence[Vectors], *, rows: int) -> Proof:
    """Different where the application's query does not search the index though a direct query does.

    Where the planner reads a small table as a whole, or goes by the filter's own index, it is enough that the index
    is searched when every other way is forbidden.

    Args:
        index: valid, and usable by direct queries.
        vectors: stored vectors as queries, at most ``CALLS`` are used.
        rows: how many hold a vector.
    """
    evidence: dict[str, object] = {"asked": application.title, "index": index.name, "rows": rows}
    if not vectors:
        said = "there are no vectors to ask with"
        return Proof(name="index use", verdict="unchecked", said=said, evidence=evidence)
    try:
        found = application.scans(index.name, vectors[:CALLS], K)
    except LimosaError as error:
        said = f"the application's query fails: {error.what}"
        return Proof(name="index use", verdict="unchecked", said=said, evidence=evidence)
    evidence |= {"calls": found.calls, "scans": found.scans, "scans_where_forced": found.forced}
    evidence["nested_plan_names_it"] = found.nested
    said, holds = _judged(application, index, found, rows)
    return Proof(name="index use", verdict="proved" if holds else "different", said=said, evidence=evidence)


def _judged(application: Application, index: IndexUse, found: IndexScans, rows: int) -> tuple[str, bool]:
    counted = f"{found.calls} calls of {application.title} searched {index.name} {found.scans} times"
    if found.scans >= found.calls:
        plan = {True: ", as the plan inside says", False: ", though a plan made by itself would not", None: ""}
        return counted + plan[found.nested], True
    if found.forced < found.calls:
        return (
            f"{counted}, and {found.forced} times where every other way was forbidden: it cannot use the index",
            False,
        )
    hidden = found.nested and not found.scans
    if index.used == "forced":
        why = "the table is so small that the planner reads all of it"
    elif rows < FEW and not hidden:
        why = f"with {rows:,} rows the planner finds another way as cheap"
    elif application.function:
        return f"{counted}, though a direct query goes through it: look at the function's body and settings", False
    else:
        why = "it goes by the filter"
    return f"{counted}; {why}, and it searches the index where that is forbidden", True
