"""Checks of the match function: whether the user's own can be replaced without its callers noticing."""

from __future__ import annotations

from collections.abc import Mapping

from limosa.model.migration import Match
from limosa.model.plan import Check
from limosa.stores.postgres.catalogue import Table
from limosa.stores.postgres.match import MatchFunction
from limosa.stores.postgres.names import quoted
from limosa.stores.postgres.scope import Scope
from limosa.stores.postgres.surroundings import Routine, Surroundings

__all__ = ["ARGUMENTS", "match_checks", "unlike"]

ARGUMENTS = ("query_embedding", "match_threshold", "match_count")
"""What every match function takes first; a filter comes after them."""

_KINDS = {"p": "a procedure", "a": "an aggregate", "w": "a window function"}


def match_checks(
    table: Table, scope: Scope, match: Match | None, made: MatchFunction | None, around: Surroundings
) -> list[Check]:
    """The columns that it answers, and the function of that name, if there is one.

    Args:
        made: the function that limosa would make; None where the file names none or a column of it is missing.
    """
    if match is None or scope.shape == "fill":
        return []
    found = _columns(table, scope, match)
    if made is None or found:
        return found
    found = _existing(table, made, match, around)
    if found:
        return found
    what = "replaced; its signature stays" if around.routines else "made"
    return [Check(name="match", verdict="ok", said=f"{made.relation} is {what}: ({made.arguments}).")]


def _columns(table: Table, scope: Scope, match: Match) -> list[Check]:
    names = [column.name for column in table.columns]
    wanted = [*match.returns, *([match.filter] if match.filter else [])]
    missing = [name for name in wanted if name not in names]
    found = []
    if missing:
        do = "Its columns are: " + ", ".join(names) + "."
        found.append(_refusal(f"{table.relation} has no column {', '.join(missing)}.", "Columns that are there.", do))
    taken = {*ARGUMENTS, "similarity", "space", "limosa_distance", *(["filter"] if match.filter else [])}
    clash = [name for name in match.returns if name in taken]
    if clash:
        said = f"The match function cannot return {', '.join(clash)}: an argument or a result of it is called so."
        found.append(_refusal(said, "Columns of other names.", "Leave it out of returns in [target.match]."))
    if scope.vector in wanted:
        said = f"The match function cannot return {scope.vector} itself: it is renamed at cutover."
        found.append(_refusal(said, "Other columns.", "Leave it out of returns in [target.match]."))
    column = table.column(match.filter) if match.filter else None
    if column is not None and column.base != "jsonb":
        said = f"The filter column {column.name} is of type {column.type}."
        found.append(_refusal(said, "A jsonb column.", "Leave filter out of [target.match]."))
    return found


def _existing(table: Table, made: MatchFunction, match: Match, around: Surroundings) -> list[Check]:
    if not around.routines:
        return []
    if len(around.routines) > 1:
        listed = " and ".join(routine.signature for routine in around.routines)
        return [
            _refusal(
                f"{made.relation} is overloaded: {listed}. limosa's would be {_ours(made)}.",
                "One function of this name: which one a call means must not depend on the vectors' size.",
                "Drop the others, or name another function in [target.match].",
            )
        ]
    routine = around.routines[0]
    names = tuple(column.name for column in made.returns)
    said = unlike(routine, names, filtered=bool(match.filter), types=around.bare_types, vector=around.vector_type)
    found = []
    if said:
        theirs = f"{routine.schema}.{made.relation.name}({routine.arguments}) returns {routine.result or 'nothing'}"
        found.append(
            _refusal(
                f"{said} Yours: {theirs}. limosa's: {_ours(made)}.",
                "The same arguments by name, type and default, and the same answer: callers must not notice.",
                "Set returns and filter in [target.match] as the function has them, or name another function.",
            )
        )
    if routine.definer:
        said = f"{routine.signature} is SECURITY DEFINER; limosa's runs with its caller's rights and could answer less."
        do = f"ALTER FUNCTION {routine.signature} SECURITY INVOKER; if callers may read the table, or name another."
        found.append(_refusal(said, "A function that runs with its caller's rights.", do))
    if not routine.owned:
        said = f"{routine.signature} belongs to {routine.owner}."
        role = quoted(table.server.user)
        do = f"GRANT {quoted(routine.owner)} TO {role}; or ALTER FUNCTION {routine.signature} OWNER TO {role};"
        found.append(_refusal(said, "Ownership: only the owner may replace it.", do))
    return found


def unlike(routine: Routine, returns: tuple[str, ...], *, filtered: bool, types: Mapping[str, str], vector: str) -> str:
    """What is different; empty where CREATE OR REPLACE takes the function and its callers notice nothing.

    Args:
        returns: the columns that limosa's function would answer beside ``similarity``.
        filtered: limosa's function would take a filter.
        types: of the table's columns, without modifiers; vector: the type ``vector`` as signatures print it.
    """
    extra = ("jsonb",) if filtered else ()
    taken = (vector, "double precision", "integer", *extra)
    names = (*ARGUMENTS, *(("filter",) if filtered else ()))
    answered = (*(types[name] for name in returns), "double precision")
    if routine.kind != "f":
        return f"{routine.signature} is {_KINDS.get(routine.kind, 'not a function')}."
    if routine.types != taken or routine.names[: len(names)] != names:
        return "The arguments are others."
    if (
        not routine.returns_set
        or routine.answered != answered
        or routine.names[len(names) :] != (*returns, "similarity")
    ):
        return "The answer is another."
    if routine.defaults != len(extra):
        # CREATE OR REPLACE cannot take a default away: neither now nor on the way back.
        return "Another number of arguments has a default."
    return ""


def _ours(made: MatchFunction) -> str:
    return f"{made.relation}({made.arguments}) returns {made.result}"


def _refusal(said: str, needed: str, do: str) -> Check:
    return Check(name="match", verdict="refused", said=said, needed=needed, do=do)
