"""Checks and notes of vectors that stand in a table beside their table."""

from __future__ import annotations

from limosa.model.migration import Migration
from limosa.model.plan import Check, refused
from limosa.stores.postgres.catalogue import Table
from limosa.stores.postgres.scope import Scope

__all__ = ["beside_checks", "beside_notes"]


def beside_checks(table: Table, holder: Table, scope: Scope, migration: Migration) -> list[Check]:
    """What the layout ``side_table``, and old vectors in such a table, need.

    Args:
        holder: the table that has the old vectors.
    """
    found: list[Check] = []
    if migration.layout == "side_table" and scope.shape == "fill":
        said = "The spaces are the same: a fill leaves the vectors in the table where they are."
        do = "Leave layout out of [target] to fill what is missing, or name another space in [target.space]."
        found.append(
            refused(
                "layout", said, needed="Another space, for vectors that are to move to a table of their own.", do=do
            )
        )
    if migration.view is not None and scope.base != _old_base(holder, scope):
        said = f"The view {migration.view} cannot change from {_old_base(holder, scope)} to {scope.base}."
        do = "Name a match function in [target.match] instead of the view, or keep the type."
        found.append(refused("layout", said, needed="One element type on both sides of a view.", do=do))
    if scope.old_beside is None:
        return found
    if migration.backup == "table":
        said = f'backup = "table" would leave out {holder.relation}, where the vectors are.'
        do = 'Set backup = "database" in [backfill].'
        found.append(refused("layout", said, needed="A backup of the vectors too.", do=do))
    names = tuple(column.name for column in scope.key)
    if not any(set(key) == set(names) for key in holder.unique_keys):
        said = f"{holder.relation} has no unique key on ({', '.join(names)})."
        needed = f"The key of {table.relation}, unique, in the table of its vectors."
        found.append(refused("layout", said, needed=needed, do=""))
    more = [each.name for each in holder.columns if each.name not in {*names, scope.vector} and each.not_null]
    if more and scope.shape == "fill":
        said = f"{holder.relation} has more columns that want a value: {', '.join(more)}."
        found.append(refused("layout", said, needed="A table of the key and the vector, as limosa makes it.", do=""))
    return found


def _old_base(holder: Table, scope: Scope) -> str:
    column = holder.column(scope.vector)
    return column.base if column is not None else scope.base


def beside_notes(table: Table, scope: Scope) -> list[Check]:
    """What changes for the application where the new vectors stand in a table beside."""
    said = (
        f"From expand on a foreign key points from {scope.beside} to {scope.relation}:"
        " TRUNCATE of it then asks for CASCADE, and takes the vectors along."
    )
    found = [Check(name="foreign-key", verdict="note", said=said)]
    if table.row_security:
        said = f"Row security is on for {scope.relation}: {scope.beside} shows a vector to whoever sees its row there."
        found.append(Check(name="row-security", verdict="note", said=said))
    if table.publications:
        said = f"{', '.join(table.publications)} publishes {scope.relation}, and not {scope.beside}."
        do = "Add it to the publication after finish, if subscribers search too."
        found.append(Check(name="publication", verdict="note", said=said, do=do))
    return found
