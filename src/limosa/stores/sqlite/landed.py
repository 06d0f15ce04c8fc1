"""What stands in a collection that remembers nothing itself, listed beside the ledger: keys, with the ids there."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from limosa.model.batch import Key
from limosa.model.operation import Operation
from limosa.ports.tx import Begin, Tx
from limosa.stores.sqlite.names import literal

__all__ = ["Landed"]


@dataclass(frozen=True, slots=True)
class Landed:
    """The list of one migration, in the file of its ledger.

    A million UUIDs take some 50 MB of disk, and 200 where ids are made.
    """

    begin: Begin

    def operations(self, title: str) -> list[Operation]:
        """Makes the list, and lets it go when nothing flows back any more."""
        stands = "SELECT EXISTS (SELECT 1 FROM sqlite_master WHERE name = {})".format(literal("limosa_landed"))
        make = (
            # An id is NULL where it is the key, and costs nothing then.
            "CREATE TABLE IF NOT EXISTS limosa_landed (key TEXT PRIMARY KEY NOT NULL, id TEXT) WITHOUT ROWID",
            "CREATE UNIQUE INDEX IF NOT EXISTS limosa_landed_id ON limosa_landed (id) WHERE id IS NOT NULL",
        )
        drop = ("DROP TABLE IF EXISTS limosa_landed",)
        made = Operation(
            id="make-list",
            step="expand",
            title=f"Make a list of what lands in {title}",
            do=make,
            undo=drop,
            probe=stands,
        )
        gone = Operation(
            id="give-up",
            step="finish",
            title=f"Drop the list of what landed in {title}",
            do=drop,
            probe=f"SELECT NOT ({stands})",
        )
        return [made, gone]

    def ids(self, keys: Sequence[Key], tx: Tx) -> Mapping[Key, Key]:
        """The ids of these points there; those that are not listed are left out."""
        sql = (
            "SELECT k.value, coalesce(l.id, l.key) FROM json_each(%(keys)s) AS k"
            " JOIN limosa_landed AS l ON l.key = k.value"
        )
        return _keys(tx.execute(sql, {"keys": list(keys)}))

    def keys(self, ids: Sequence[Key], tx: Tx) -> Mapping[Key, Key]:
        """The keys of the points with these ids; those that are not listed are left out."""
        sql = (
            "SELECT k.value, l.key FROM json_each(%(ids)s) AS k JOIN limosa_landed AS l ON l.id = k.value UNION ALL"
            " SELECT k.value, l.key FROM json_each(%(ids)s) AS k JOIN limosa_landed AS l ON l.key = k.value"
            " WHERE l.id IS NULL"
        )
        return _keys(tx.execute(sql, {"ids": list(ids)}))

    def behind(self, after: Key | None, limit: int, tx: Tx) -> list[Key]:
        """Keys behind one, in an order of the list's own."""
        found = tx.execute(
            "SELECT key FROM limosa_landed WHERE key > %(after)s ORDER BY key LIMIT %(limit)s",
            {"after": after if after is not None else "", "limit": limit},
        )
        return [tuple(json.loads(key)) for (key,) in found]

    def note(self, ids: Mapping[Key, Key], tx: Tx) -> None:
        """These points stand there, by key, under these ids, and under no other any more."""
        tx.execute(
            "INSERT INTO limosa_landed (key, id) SELECT json_extract(p.value, '$[0]'),"
            " nullif(json_extract(p.value, '$[1]'), json_extract(p.value, '$[0]')) FROM json_each(%(pairs)s) AS p"
            " WHERE true ON CONFLICT (key) DO UPDATE SET id = excluded.id",
            {"pairs": list(ids.items())},
        )

    def forget(self, keys: Sequence[Key], tx: Tx) -> None:
        """These points do not."""
        if keys:
            sql = "DELETE FROM limosa_landed WHERE key IN (SELECT value FROM json_each(%(keys)s))"
            tx.execute(sql, {"keys": list(keys)})


def _keys(found: list[tuple[Any, ...]]) -> dict[Key, Key]:
    return {tuple(json.loads(value)): tuple(json.loads(of)) for value, of in found}
