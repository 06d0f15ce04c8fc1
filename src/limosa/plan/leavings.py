"""What nobody needs any more once a copy is finished, as a list for a person to go through."""

from __future__ import annotations

from limosa.model.migration import Migration

__all__ = ["CLIENTS", "leavings", "references"]

CLIENTS = {
    "qdrant": ("qdrant_client", "qdrant-client", "qdrant_edge", "@qdrant/js-client-rest"),
    "chroma": ("chromadb",),
    "milvus": ("pymilvus", "milvus_lite"),
    "lancedb": ("lancedb",),
}
"""Packages by which applications speak to a store, by the word that its address begins with."""


def references(migration: Migration) -> list[str]:
    """Environment variables that the old side is named by, and the new one is not."""

    def named(store: str, key: str | None) -> list[str]:
        return [each.removeprefix("env:") for each in (store, key or "") if each.startswith("env:")]

    old, new = migration.source, migration.target
    kept = set(named(new.place.store, new.token))
    return [each for each in named(old.place.store, old.token) if each not in kept]


def leavings(migration: Migration, *, deleted: bool) -> list[str]:
    """One line for each thing; empty for a migration that stays in its store.

    Args:
        deleted: the old collection is gone already.
    """
    copy, old = migration.copy, migration.source.place
    if copy is None:
        return []
    variables = [f"the environment variable {each}" for each in references(migration)]
    if copy.source is not None:
        return [*variables, f"the table {old.table} in the old database, which is yours to drop"]
    kept = [] if deleted else [f"the collection {old.table} in the old store, which limosa left as it is"]
    return [
        *variables,
        *kept,
        "the old store's service or subscription, and its backups, if nothing else is in it",
        "the package by which your code spoke to it",
    ]
