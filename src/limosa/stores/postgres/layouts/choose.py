"""Which layout a migration has, made from the facts at plan."""

from __future__ import annotations

from limosa.model.migration import Migration
from limosa.ports.layout import Layout
from limosa.stores.postgres.catalogue import Table
from limosa.stores.postgres.layouts.column import ColumnLayout
from limosa.stores.postgres.layouts.fill import FillLayout
from limosa.stores.postgres.layouts.in_place import InPlaceLayout
from limosa.stores.postgres.layouts.side_table import SideTableLayout
from limosa.stores.postgres.match import MatchFunction
from limosa.stores.postgres.scope import Scope
from limosa.stores.postgres.surroundings import Surroundings
from limosa.stores.postgres.view import LiveView, live_view

__all__ = ["layout_of"]


def layout_of(
    migration: Migration, table: Table, scope: Scope, *, around: Surroundings, match: MatchFunction | None, rows: int
) -> Layout:
    """The layout that the file names.

    Args:
        rows: rows of the filter.
    """
    if scope.shape == "fill":
        return FillLayout(scope)
    index, predecessors = migration.index, tuple(view for view, _ in around.predecessors)
    if scope.beside is None:
        if scope.in_place:
            return InPlaceLayout(
                scope=scope,
                table=table,
                index=index,
                match=match,
                rows=rows,
                predecessors=predecessors,
                remade=around.hanging.remade,
            )
        return ColumnLayout(
            scope=scope,
            table=table,
            index=index,
            match=match,
            rows=rows,
            predecessors=predecessors,
            remade=around.hanging.remade,
            settings=around.settings,
        )
    return SideTableLayout(
        scope=scope,
        side=scope.beside,
        table=table,
        index=index,
        match=match,
        rows=rows,
        predecessors=predecessors,
        view=_view(migration, table, scope),
    )


def _view(migration: Migration, table: Table, scope: Scope) -> LiveView | None:
    relation = live_view(migration, scope)
    return LiveView(scope=scope, table=table, relation=relation) if relation is not None else None
