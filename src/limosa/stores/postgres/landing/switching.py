"""The switch to a table of points: from then on what the application changes there is noted, to flow back."""

from __future__ import annotations

from limosa.model.operation import Operation
from limosa.stores.postgres.landing.columns import Arrived
from limosa.stores.postgres.landing.site import Site
from limosa.stores.postgres.names import Relation, dollar_quoted, literal, quoted

__all__ = ["EVENTS", "QUIET", "capturing", "disarming", "giving_up", "intact_query", "switching"]

QUIET = "SET LOCAL limosa.writing = 'on'"
"""What limosa writes itself is not noted: the triggers look at this."""

_PINNED = "SECURITY DEFINER SET search_path = pg_catalog, pg_temp"

EVENTS = ("insert", "update", "delete", "truncate")
"""Each has a trigger."""


def capturing(site: Site, arrived: Arrived) -> Operation:
    """Triggers that note what changes.

    Where the table is the application's they stand from expand on, and only keep the list: a row of it that goes is
    off the list before somebody else's row can have its key. The switch lets them note changes too.
    """
    title = f"Note from now on every row of {site.relation} that changes, so that it flows back"
    if site.listed is not None:
        title = f"Keep the list of points by triggers on {site.relation}; from cutover on they note what changes"
    return Operation(
        id="capture",
        step="cutover" if site.listed is None else "expand",
        title=title,
        do=(*_functions(site, arrived, loud=site.listed is None), *_triggers(site)),
        undo=tuple(_gone(site)),
        probe=f"SELECT ({intact_query(site)}) = {len(EVENTS)}",
        lock="SHARE ROW EXCLUSIVE",
    )


def switching(site: Site, arrived: Arrived) -> Operation:
    """The switch itself."""
    locked = f"LOCK TABLE {site.relation.sql} IN SHARE ROW EXCLUSIVE MODE"
    comment = f"COMMENT ON TABLE {site.marked.sql} IS "
    loud, quiet = ([] if site.listed is None else _functions(site, arrived, loud=each) for each in (True, False))
    return Operation(
        id="switch",
        step="cutover",
        title=f"Record that the application reads {site.relation} from now on",
        do=(locked, *loud, comment + literal(site.live)),
        undo=(locked, *quiet, comment + literal(site.mark)),
        probe=site.in_use,
        lock="SHARE ROW EXCLUSIVE",
    )


def disarming(site: Site) -> Operation:
    """The end of what flows back."""
    return Operation(
        id="disarm",
        step="finish",
        title="Take the capture triggers away",
        do=tuple(_gone(site)),
        probe=f"SELECT ({intact_query(site)}) = 0",
        lock="ACCESS EXCLUSIVE",
    )


def giving_up(site: Site) -> Operation:
    """The last of all: nothing tells points from other rows any more."""
    own = site.listed is None
    return Operation(
        id="give-up",
        step="finish",
        title=f"Leave {site.relation} to the application",
        do=(f"COMMENT ON TABLE {site.relation.sql} IS NULL" if own else f"DROP TABLE IF EXISTS {site.marked.sql}",),
        probe=f"SELECT NOT ({site.made})",
        lock="SHARE UPDATE EXCLUSIVE" if own else "",
    )


def intact_query(site: Site) -> str:
    """How many of the triggers stand, enabled always."""
    listed = ", ".join(literal(_name(site, event)) for event in EVENTS)
    return (
        f"SELECT count(*) FROM pg_trigger WHERE tgrelid = to_regclass({literal(site.relation.sql)})"
        f" AND tgname IN ({listed}) AND tgenabled = 'A'"
    )


def _functions(site: Site, arrived: Arrived, *, loud: bool) -> list[str]:
    """What the triggers call.

    Args:
        loud: changes are noted; else only the list is kept.
    """
    bodies = {"noted": _row_body(site, arrived, loud=loud), "emptied": _emptied_body(site, arrived, loud=loud)}
    return [
        f"CREATE OR REPLACE FUNCTION {_function(site, name)} RETURNS trigger LANGUAGE plpgsql {_PINNED}"
        f" AS {dollar_quoted(body)}"
        for name, body in bodies.items()
    ]


def _row_body(site: Site, arrived: Arrived, *, loud: bool) -> str:
    key = quoted(arrived.key.name)
    note = f"INSERT INTO limosa.change (migration, key) VALUES ({literal(site.id)}, ARRAY["
    noted = (
        f" IF TG_OP <> 'DELETE' THEN {note}NEW.{key}::text]); END IF;"
        f" IF TG_OP = 'DELETE' OR TG_OP = 'UPDATE' AND OLD.{key} <> NEW.{key} THEN {note}OLD.{key}::text]); END IF;"
    )
    kept = _kept(site.listed, key, loud=loud) if site.listed is not None else ""
    return f"BEGIN{kept}{noted if loud else ''} RETURN NULL; END"


def _kept(listed: Relation, key: str, *, loud: bool) -> str:
    """Lists what the application adds once it reads the table, and lets go on only for rows that are listed."""
    add = f"INSERT INTO {listed.sql} (key) VALUES (NEW.{key}) ON CONFLICT DO NOTHING;"
    drop = f"DELETE FROM {listed.sql} WHERE key = OLD.{key};"
    return (
        f" IF TG_OP = 'INSERT' THEN {add if loud else 'NULL;'}"
        f" ELSIF NOT EXISTS (SELECT FROM {listed.sql} AS l WHERE l.key = OLD.{key}) THEN RETURN NULL;"
        f" ELSIF TG_OP = 'DELETE' THEN {drop}"
        f" ELSIF OLD.{key} <> NEW.{key} THEN {drop} {add} END IF;"
    )


def _emptied_body(site: Site, arrived: Arrived, *, loud: bool) -> str:
    key = f"t.{quoted(arrived.key.name)}" if site.listed is None else "t.key"
    noted = (
        f" INSERT INTO limosa.change (migration, key) SELECT {literal(site.id)}, ARRAY[{key}::text]"
        f" FROM {site.marked.sql} AS t;"
    )
    emptied = f" DELETE FROM {site.listed.sql};" if site.listed is not None else ""
    return f"BEGIN{noted if loud else ''}{emptied} RETURN NULL; END"


def _triggers(site: Site) -> list[str]:
    loud = "WHEN (current_setting('limosa.writing', true) IS DISTINCT FROM 'on')"
    table, made = site.relation.sql, []
    for event in EVENTS:
        when, function = ("BEFORE", "emptied") if event == "truncate" else ("AFTER", "noted")
        each = "STATEMENT" if event == "truncate" else f"ROW {loud}"
        name = quoted(_name(site, event))
        made.append(
            f"CREATE TRIGGER {name} {when} {event.upper()} ON {table} FOR EACH {each}"
            f" EXECUTE FUNCTION {_function(site, function)}"
        )
        # A subscriber's apply fires no ordinary trigger.
        made.append(f"ALTER TABLE {table} ENABLE ALWAYS TRIGGER {name}")
    return made


def _gone(site: Site) -> list[str]:
    gone = [f"DROP TRIGGER IF EXISTS {quoted(_name(site, event))} ON {site.relation.sql}" for event in EVENTS]
    return gone + [f"DROP FUNCTION IF EXISTS {_function(site, name)}" for name in ("noted", "emptied")]


def _name(site: Site, event: str) -> str:
    return f"limosa_{site.id}_{event}"


def _function(site: Site, name: str) -> str:
    return f"{Relation('limosa', f'{name}_{site.id}').sql}()"
