"""The switch to a table of points: from then on what the application changes there is noted, to flow back."""

from __future__ import annotations

from limosa.model.operation import Operation
from limosa.stores.postgres.landing.columns import Arrived
from limosa.stores.postgres.landing.site import Site
from limosa.stores.postgres.names import Relation, dollar_quoted, literal, quoted

__all__ = ["EVENTS", "QUIET", "intact_query", "switching"]

QUIET = "SET LOCAL limosa.writing = 'on'"
"""What limosa writes itself is not noted: the triggers look at this."""

_PINNED = "SECURITY DEFINER SET search_path = pg_catalog, pg_temp"

EVENTS = ("insert", "update", "delete", "truncate")
"""Each has a trigger."""


def switching(site: Site, arrived: Arrived) -> list[Operation]:
    """Triggers, the switch itself, and what finish takes away."""
    table, key = site.relation.sql, quoted(arrived.key.name)
    noted, emptied = (f"{_function(site, name)}()" for name in ("noted", "emptied"))
    note = f"INSERT INTO limosa.change (migration, key) VALUES ({literal(site.id)}, ARRAY["
    row = (
        f"BEGIN IF TG_OP <> 'DELETE' THEN {note}NEW.{key}::text]); END IF;"
        f" IF TG_OP = 'DELETE' OR TG_OP = 'UPDATE' AND OLD.{key} <> NEW.{key} THEN {note}OLD.{key}::text]); END IF;"
        " RETURN NULL; END"
    )
    whole = (
        f"BEGIN INSERT INTO limosa.change (migration, key) SELECT {literal(site.id)}, ARRAY[t.{key}::text]"
        f" FROM {table} AS t; RETURN NULL; END"
    )
    loud = "WHEN (current_setting('limosa.writing', true) IS DISTINCT FROM 'on')"
    names = {event: quoted(f"limosa_{site.id}_{event}") for event in EVENTS}
    made = [
        f"CREATE OR REPLACE FUNCTION {noted} RETURNS trigger LANGUAGE plpgsql {_PINNED} AS {dollar_quoted(row)}",
        f"CREATE OR REPLACE FUNCTION {emptied} RETURNS trigger LANGUAGE plpgsql {_PINNED} AS {dollar_quoted(whole)}",
    ]
    for event, name in names.items():
        when, function = ("BEFORE", emptied) if event == "truncate" else ("AFTER", noted)
        each = "STATEMENT" if event == "truncate" else f"ROW {loud}"
        made.append(
            f"CREATE TRIGGER {name} {when} {event.upper()} ON {table} FOR EACH {each} EXECUTE FUNCTION {function}"
        )
        # A subscriber's apply fires no ordinary trigger.
        made.append(f"ALTER TABLE {table} ENABLE ALWAYS TRIGGER {name}")
    gone = [f"DROP TRIGGER IF EXISTS {name} ON {table}" for name in names.values()]
    gone += [f"DROP FUNCTION IF EXISTS {function}" for function in (noted, emptied)]
    stand = intact_query(site)
    return [
        Operation(
            id="capture",
            step="cutover",
            title=f"Note from now on every row of {site.relation} that changes, so that it flows back",
            do=tuple(made),
            undo=tuple(gone),
            probe=f"SELECT ({stand}) = {len(EVENTS)}",
            lock="SHARE ROW EXCLUSIVE",
        ),
        Operation(
            id="switch",
            step="cutover",
            title=f"Record that the application reads {site.relation} from now on",
            do=(
                f"LOCK TABLE {table} IN SHARE ROW EXCLUSIVE MODE",
                f"COMMENT ON TABLE {table} IS {literal(site.live)}",
            ),
            undo=(
                f"LOCK TABLE {table} IN SHARE ROW EXCLUSIVE MODE",
                f"COMMENT ON TABLE {table} IS {literal(site.mark)}",
            ),
            probe=f"SELECT obj_description(to_regclass({literal(table)}), 'pg_class') = {literal(site.live)}",
            lock="SHARE ROW EXCLUSIVE",
        ),
        Operation(
            id="disarm",
            step="finish",
            title="Take the capture triggers away",
            do=(*gone, f"COMMENT ON TABLE {table} IS NULL"),
            probe=f"SELECT ({stand}) = 0",
            lock="ACCESS EXCLUSIVE",
        ),
    ]


def intact_query(site: Site) -> str:
    """How many of the triggers stand, enabled always."""
    listed = ", ".join(literal(f"limosa_{site.id}_{event}") for event in EVENTS)
    return (
        f"SELECT count(*) FROM pg_trigger WHERE tgrelid = to_regclass({literal(site.relation.sql)})"
        f" AND tgname IN ({listed}) AND tgenabled = 'A'"
    )


def _function(site: Site, name: str) -> str:
    return Relation("limosa", f"{name}_{site.id}").sql
