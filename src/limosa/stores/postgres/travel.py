"""Checks of what hangs on the old vectors: what travels to the new ones, what stays, and what subscribers get."""

from __future__ import annotations

from limosa.model.plan import Check, refused
from limosa.stores.postgres.catalogue import Table
from limosa.stores.postgres.dependents import Hanging, Remade, listed
from limosa.stores.postgres.indexes import MAX_DIMENSIONS
from limosa.stores.postgres.names import quoted
from limosa.stores.postgres.scope import Scope
from limosa.stores.postgres.surroundings import Surroundings

__all__ = ["bound", "publication_checks", "staying_checks", "travel_checks"]

_NEEDED = "A vector column on which nothing hangs but what can be made again over the new one."

_STAYING = ("view", "materialized view", "rule on", "generated column", "policy", "function", "trigger", "object")
"""What stops a column from being dropped; constraints and statistics go with it."""


def travel_checks(scope: Scope, hanging: Hanging) -> list[Check]:
    """What the layout ``column`` takes along by name, and what forbids it."""
    found = [
        bound(f"{other} hangs on what reads {scope.vector}, and cannot be made again.", "Drop it before the migration.")
        for other in hanging.others
    ]
    for each in hanging.remade:
        found += _forbidding(scope, each)
    if hanging.remade and not found:
        found.append(_travelling(scope, hanging.remade))
    return found


def _forbidding(scope: Scope, each: Remade) -> list[Check]:
    what = f"The {each.kind} {each.name}"
    found = []
    if not each.owned:
        said = f"{what} belongs to {each.owner}: only its owner may make it again over the new vectors."
        found.append(bound(said, f"GRANT {quoted(each.owner)} TO the role with which limosa connects."))
    if each.kind == "materialized view" and each.through_function:
        said = f"{what} reads {scope.vector} through a function, which reads the new vectors from cutover on only."
        found.append(bound(said, "Write what the function does into the view, or drop it and make it again."))
    indexed = any(" USING hnsw (" in made or " USING ivfflat (" in made for made in each.create)
    if indexed and scope.new_dimensions > MAX_DIMENSIONS.get(scope.base, 0):
        said = f"{what} has a vector index, and none takes {scope.new_dimensions:,} dimensions of {scope.base}."
        found.append(bound(said, "Drop that index, or take a smaller size."))
    return found


def _travelling(scope: Scope, remade: tuple[Remade, ...]) -> Check:
    said = f"These read the new vectors after cutover: {listed(remade)}."
    do = ""
    filled = [each.name for each in remade if each.refresh]
    if scope.in_place:
        said = f"These are dropped and made again around the change of type: {listed(remade)}."
        said += f" {', '.join(filled)}: not to be read until the step index is complete." if filled else ""
    elif filled:
        said += (
            f" {', '.join(filled)}: a twin is filled at the index step and once more right before the switch; a REFRESH"
            " of the application's between those two is not in it, nor is a row that changes later."
        )
        do = f"Refresh after cutover where that matters: REFRESH MATERIALIZED VIEW {filled[0]};"
    return Check(name="dependents", verdict="note", said=said, do=do)


def staying_checks(scope: Scope, around: Surroundings) -> list[Check]:
    """What keeps reading the old vectors where those are not renamed; finish asks again, before it does anything."""
    staying = [each for each in around.dependents if each.kind in _STAYING]
    found = []
    if staying:
        listed = ", ".join(f"{each.kind} {each.name}" for each in staying)
        said = f"These read the old vectors until finish, which refuses while they do: {listed}."
        do = f"After cutover let them read {scope.beside}, or drop them."
        found.append(Check(name="dependents", verdict="note", said=said, do=do))
    gone = [each.name for each in around.dependents if each.kind == "constraint"]
    if gone:
        said = f"These constraints hold for the old vectors and go with them at finish: {', '.join(gone)}."
        found.append(Check(name="constraints", verdict="note", said=said))
    return found


def publication_checks(table: Table, around: Surroundings) -> list[Check]:
    """A new column must not be published; a list of columns keeps it out, and follows the old one by its number."""
    named = [each for each in around.dependents if each.kind == "publication"]
    if table.published_whole:
        first = table.published_whole[0]
        said = f"{table.relation} is published by {', '.join(table.published_whole)} without a list of columns:"
        do = f"ALTER PUBLICATION {quoted(first)} DROP TABLE {table.relation.sql}; or publish it with a list of columns."
        needed = "A table that is not published while it is migrated, or with a list of columns without the vector."
        said += " a new column stops the subscriber's apply."
        return [refused("publication", said, needed=needed, do=do)]
    if named:
        said = f"{table.relation} is published by {', '.join(table.publications)}, which names the vector: after"
        said += " the switch it would be sent under the old one's new name, at which the subscriber's apply stops."
        do = f"ALTER PUBLICATION {quoted(table.publications[0])} SET TABLE {table.relation.sql} (the other columns);"
        needed = "A list of columns without the vector."
        return [refused("publication", said, needed=needed, do=do)]
    if not table.publications:
        return []
    said = (
        f"{', '.join(table.publications)} publishes {table.relation} with a list of columns: subscribers get no"
        " new vector and their apply goes on, but every row that is filled is sent to them once more."
    )
    do = "If subscribers are to have the new vectors: after finish add the column there, then to the list here."
    return [Check(name="publication", verdict="note", said=said, do=do)]


def bound(said: str, do: str) -> Check:
    """A check that refuses what hangs on the old vectors and cannot be made again over the new ones."""
    return refused("dependents", said, needed=_NEEDED, do=do)
