"""The list of points in a table of the application's: which rows came, so that no other one is ever touched."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from limosa.model.operation import Operation
from limosa.stores.postgres.database import OWN, PostgresTx
from limosa.stores.postgres.landing.columns import Arrived
from limosa.stores.postgres.landing.site import Site
from limosa.stores.postgres.names import Relation, dollar_quoted, literal, quoted

__all__ = ["Listing", "listing", "listing_of"]

BATCH_ROWS = 250
"""Rows that a rollback deletes in one transaction: of 1536 dimensions in some 10 ms."""

PATIENCE_S = 120
"""How long a rollback waits for rows that are locked, as everything else waits for a table."""


def listing(site: Site, arrived: Arrived, listed: Relation) -> list[Operation]:
    """Makes the list, of the key's own type and collation; and what takes the points away again."""
    table, key = site.relation.sql, quoted(arrived.key.name)
    made = Operation(
        id="make-list",
        step="expand",
        title=f"Make {listed}, which lists the rows of {site.relation} that are points",
        do=(
            f"CREATE TABLE {listed.sql} AS SELECT t.{key} AS key FROM {table} AS t WITH NO DATA",
            f"ALTER TABLE {listed.sql} ADD PRIMARY KEY (key)",
            f"COMMENT ON TABLE {listed.sql} IS {literal(site.mark)}",
        ),
        undo=(f"DROP TABLE IF EXISTS {listed.sql}",),
        probe=site.made,
    )
    landing = Operation(
        id="land",
        step="expand",
        title=f"Let points become rows of {site.relation}; a rollback deletes those, and no other",
        do=("SELECT 1",),
        undo=(_deleting(site, key, listed, type_=arrived.key.type),),
        transactional=False,
        settings=(("limosa.writing", "on"),),
    )
    return [made, landing]


def _deleting(site: Site, key: str, listed: Relation, *, type_: str) -> str:
    """Page after page in the order of the keys; a row that somebody has locked is waited for while nothing is held.

    Whether a locked row is on the list is asked once it is locked: it may have become another's until then.
    """
    table, names = site.relation.sql, listed.sql
    gave_up = _raised(
        f"rows of {site.relation} are locked, and could not be deleted within {PATIENCE_S} s.",
        needed="A moment without a long transaction on the table.",
        do="Look for one in pg_stat_activity; then repeat the command.",
    )
    in_use = _raised(
        f"{site.relation} is in use: points in it may be newer than the source's.",
        needed="The switch undone.",
        do="limosa rollback FILE does that first.",
    )
    return "DO " + dollar_quoted(
        f"DECLARE page {type_}[]; held {type_}[]; since timestamptz := clock_timestamp(); BEGIN"
        # Nothing else asks where the script is run by hand.
        f" IF ({site.in_use}) THEN {in_use} END IF; LOOP"
        f" page := ARRAY(SELECT l.key FROM {names} AS l WHERE page IS NULL OR l.key > page[cardinality(page)]"
        f" ORDER BY l.key LIMIT {BATCH_ROWS});"
        " IF cardinality(page) = 0 THEN"
        f" EXIT WHEN NOT EXISTS (SELECT FROM {names});"
        f" IF clock_timestamp() - since > interval '{PATIENCE_S} s' THEN {gave_up} END IF;"
        " page := NULL; PERFORM pg_sleep(0.1); CONTINUE; END IF;"
        f" held := ARRAY(SELECT t.{key} FROM {table} AS t WHERE t.{key} = ANY (page) FOR UPDATE SKIP LOCKED);"
        f" DELETE FROM {table} AS t WHERE t.{key} = ANY (held)"
        f" AND EXISTS (SELECT FROM {names} AS l WHERE l.key = t.{key});"
        " IF FOUND THEN since := clock_timestamp(); END IF;"
        f" DELETE FROM {names} AS l WHERE l.key = ANY (page)"
        f" AND NOT EXISTS (SELECT FROM {table} AS t WHERE t.{key} = l.key);"
        " COMMIT; END LOOP; END"
    )


def _raised(said: str, *, needed: str, do: str) -> str:
    told = f"DETAIL = {literal(needed)}, HINT = {literal(do)}"
    return f"RAISE EXCEPTION USING MESSAGE = {literal(OWN + said)}, {told};"


@dataclass(frozen=True, slots=True)
class Listing:
    """The rows of one table by their keys: which of them are points.

    Attributes:
        key: the column as SQL writes it; ``type``: its type.
        made: the column for ids that are made, as SQL writes it; None where ids are carried.
    """

    site: Site
    key: str
    type: str
    made: str | None = None

    def standing(self, keys: Sequence[str], tx: PostgresTx) -> dict[str, bool]:
        """Of these keys those that rows have already, and whether the row is a point."""
        point, joined = "true", ""
        if self.site.listed is not None:
            point, joined = "l.key IS NOT NULL", f" LEFT{self._joined}"
        # A plan that was kept is one for the table as small as it was.
        return dict(tx.raw(f"SELECT s.k, {point} FROM {self._given}{joined}", list(keys), prepare=False))

    def lock(self, keys: Sequence[str], tx: PostgresTx) -> dict[str, str | None]:
        """Locks the rows of these points until the commit, but those that somebody else has locked.

        Returns:
            Their keys, with the ids that were made for them.
        """
        made = f"t.{self.made}::text" if self.made is not None else "NULL"
        sql = f"SELECT s.k, {made} FROM {self._given}{self._joined} FOR NO KEY UPDATE OF t SKIP LOCKED"
        return dict(tx.raw(sql, list(keys), prepare=False))

    def add(self, keys: Sequence[str], tx: PostgresTx) -> int:
        """Lists rows that have just been written; how many of them stand."""
        listed = self.site.listed
        if listed is None:
            return len(keys)
        sql = f"INSERT INTO {listed.sql} (key) SELECT t.{self.key} FROM {self._given} ON CONFLICT (key)"
        return len(tx.raw(f"{sql} DO UPDATE SET key = excluded.key RETURNING 1", list(keys), prepare=False))

    def delete(self, keys: Sequence[str], tx: PostgresTx) -> set[str]:
        """Deletes points, but those that somebody else has locked.

        Rows are locked before their place in the list, as the application's own statements do it by the triggers.

        Returns:
            The keys of those that are gone.
        """
        table, listed = self.site.relation.sql, self.site.listed
        sql = (
            f"WITH held AS MATERIALIZED (SELECT s.k, t.{self.key} AS key FROM {self._given}{self._joined}"
            " FOR UPDATE OF t SKIP LOCKED)"
        )
        rows = "held"
        if listed is not None:
            sql += (
                f", gone AS (DELETE FROM {listed.sql} AS l USING held WHERE l.key = held.key RETURNING held.k, l.key)"
            )
            rows = "gone"
        sql += f" DELETE FROM {table} AS t USING {rows} WHERE t.{self.key} = {rows}.key RETURNING {rows}.k"
        return {str(key) for (key,) in tx.raw(sql, list(keys), prepare=False)}

    @property
    def _given(self) -> str:
        return f"unnest($1::text[]) AS s(k) JOIN {self.site.relation.sql} AS t ON t.{self.key} = s.k::{self.type}"

    @property
    def _joined(self) -> str:
        listed = self.site.listed
        return f" JOIN {listed.sql} AS l ON l.key = t.{self.key}" if listed is not None else ""


def listing_of(site: Site, arrived: Arrived) -> Listing:
    """What lists the rows of a table with these columns."""
    made = next((quoted(each.name) for each in arrived.of("made")), None)
    return Listing(site, quoted(arrived.key.name), arrived.key.type, made)
