"""Whether points fit into the columns of a table that stands: each by its type, and the key so that rows are found."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from limosa.errors import Refused
from limosa.model.plan import Check, refused
from limosa.model.point import Collected, IdKind, VectorSpec
from limosa.stores.postgres.database import PostgresTx
from limosa.stores.postgres.landing.cells import CELLS
from limosa.stores.postgres.landing.columns import Field
from limosa.stores.postgres.landing.reading import WHOLE
from limosa.stores.postgres.landing.site import Site, arrived_of
from limosa.stores.postgres.landing.standing import standing_indexes
from limosa.stores.postgres.landing.vectors import TYPES
from limosa.stores.postgres.names import quoted

__all__ = ["fitting_checks"]

_IDS: Mapping[IdKind, str] = {
    "uint63": "whole numbers",
    "uint64": "whole numbers",
    "uuid": "UUIDs",
    "mixed": "whole numbers and UUIDs",
    "text": "texts",
}

_TEXTS = frozenset({"text", "character varying"})

_TIMES = frozenset({"timestamp with time zone", "timestamp without time zone"})

MICROSECONDS = 6
"""Digits of a second that a time keeps where its column says nothing else. Source: Postgres 18, "Date/Time Types"."""


@dataclass(frozen=True, slots=True)
class _Column:
    """One column of the table.

    Attributes:
        modifier: what stands in parentheses behind the type, as the catalogue has it; -1 for nothing.
        filled: it has a value where a row does not give it one.
        identity: ``a`` for GENERATED ALWAYS AS IDENTITY.
        alike: no two texts that differ are equal.
        counted: a sequence gives it its values.
    """

    name: str
    type: str
    modifier: int
    not_null: bool
    filled: bool
    generated: bool
    identity: str
    alike: bool
    counted: bool


_COLUMNS = (
    "SELECT a.attname, format_type(a.atttypid, NULL), a.atttypmod, a.attnotnull, a.atthasdef OR a.attidentity <> '',"
    " a.attgenerated <> '', a.attidentity::text, coalesce(c.collisdeterministic, true),"
    " a.attidentity <> '' OR coalesce(pg_get_expr(d.adbin, d.adrelid) LIKE 'nextval(%', false)"
    " FROM pg_attribute AS a LEFT JOIN pg_collation AS c ON c.oid = a.attcollation"
    " LEFT JOIN pg_attrdef AS d ON d.adrelid = a.attrelid AND d.adnum = a.attnum"
    " WHERE a.attrelid = to_regclass($1) AND a.attnum > 0 AND NOT a.attisdropped ORDER BY a.attnum"
)


def fitting_checks(site: Site, collected: Collected, tx: PostgresTx) -> list[Check]:
    """What keeps points from standing in these columns, all of it; refusals, and what is to be known of the key."""
    columns = {row[0]: _Column(*row) for row in tx.raw(_COLUMNS, site.relation.sql)}
    if site.form.columns is None:
        return [_unmapped(site, collected)]
    mapped = _mapped(site)
    missing = [name for name in mapped if name not in columns]
    found = [_missing(site, missing, list(columns))] if missing else []
    found += [*_required(site, mapped, columns)]
    if missing:
        return found
    try:
        arrived = arrived_of(site.relation, site.form, tx)
    except Refused as error:
        return [*found, refused("vectors", error.what, needed=error.needed, do="Name a column of that type.")]
    found += [each for name, _ in site.form.columns for each in _field(site, columns[name])]
    found += [each for field in arrived.of("rest") for each in _rest(site, columns[field.name])]
    found += [
        each for field in (arrived.key, *arrived.of("made")) for each in _key(site, field, columns, collected, tx)
    ]
    found += [each for field in arrived.of("vector") for each in _vector(site, field, columns, collected)]
    return found


def _mapped(site: Site) -> list[str]:
    form = site.form
    rest = [form.rest] if form.rest is not None else []
    made = [form.made.column] if form.made is not None else []
    return [form.key, *made, *(name for name, _ in form.columns or ()), *rest, *(name for _, name in form.vectors)]


def _unmapped(site: Site, collected: Collected) -> Check:
    return refused(
        "columns",
        f"The file does not say into which columns of {site.relation} the fields go.",
        needed="A section [target.columns], as the table has columns that are not the source's.",
        do="For example: " + ", ".join(f'{name} = "{name}"' for name in [*collected.fields][:3] or ["content"]) + ".",
    )


def _missing(site: Site, names: list[str], columns: list[str]) -> Check:
    what = "the column" if len(names) == 1 else "the columns"
    do = "Correct [target]; or give table there a name that is free, for a table of the points' own."
    if site.form.rest is not None and site.form.rest in names:
        do += f" Or ALTER TABLE {site.relation.sql} ADD COLUMN {quoted(site.form.rest)} jsonb;"
    return refused(
        "columns",
        f"There is a table {site.relation} already, without {what} {', '.join(names)}; it has {', '.join(columns)}.",
        needed="The columns that the file names.",
        do=do,
    )


def _required(site: Site, mapped: list[str], columns: Mapping[str, _Column]) -> Iterator[Check]:
    for each in columns.values():
        if each.not_null and not each.filled and not each.generated and each.name not in mapped:
            yield refused(
                "columns",
                f"{site.relation}.{each.name} is NOT NULL and without a default, and the file gives it no value.",
                needed="A field for it, or a default.",
                do=f'Set {each.name} = "field" in [target.columns]; or ALTER TABLE {site.relation.sql}'
                f" ALTER COLUMN {quoted(each.name)} SET DEFAULT ...;",
            )


def _field(site: Site, column: _Column) -> Iterator[Check]:
    named = f"{site.relation}.{column.name}"
    other = "Name another column in [target.columns]."
    if column.generated or column.identity == "a":
        yield refused("columns", f"{named} is GENERATED ALWAYS.", needed="A column that takes values.", do=other)
    elif column.type not in CELLS:
        said = f"{named} is of the type {column.type}, into which no field is written."
        yield refused("columns", said, needed=f"One of: {', '.join(CELLS)}.", do=other)
    elif column.type in _TIMES and 0 <= column.modifier < MICROSECONDS:
        said = f"{named} keeps {column.modifier} digits of a second: times would come back as others."
        yield refused("columns", said, needed=f"A {column.type} without a precision.", do=other)


def _rest(site: Site, column: _Column) -> Iterator[Check]:
    if column.type != "jsonb" or column.generated:
        said = f"{site.relation}.{column.name} is {column.type}, and cannot hold the rest of a payload."
        yield refused("columns", said, needed="A jsonb column.", do="Name one: rest in [target].")


def _key(
    site: Site, field: Field, columns: Mapping[str, _Column], collected: Collected, tx: PostgresTx
) -> Iterator[Check]:
    """The column of the ids: it can hold them, and finds one row by each."""
    column = columns[field.name]
    takes = _takes(site, field, collected)
    if column.type not in takes or column.generated:
        held = "ids that are made" if field.part == "made" else f"the source's ids, {_IDS[collected.ids]}"
        said = f"{site.relation}.{column.name} is {column.type}, and cannot hold {held}."
        yield refused("key", said, needed=f"A column of one of the types {', '.join(takes)}.", do="Name another one.")
    if not column.alike:
        said = f"To {site.relation}.{column.name} texts that differ are equal, by its collation."
        yield refused("key", said, needed="A deterministic collation.", do="Name another column.")
    unique = any(each.unique and each.column == column.name for each in standing_indexes(site.relation, tx))
    wanted = [f"ADD UNIQUE ({quoted(column.name)})"] if not unique else []
    wanted += [f"ALTER COLUMN {quoted(column.name)} SET NOT NULL"] if not column.not_null else []
    if wanted:
        lacks = " and ".join(each for each, no in (("UNIQUE", not unique), ("NOT NULL", not column.not_null)) if no)
        yield refused(
            "key",
            f"{site.relation}.{column.name} is to be the key of points, and is not {lacks}.",
            needed="A column that finds one row: NOT NULL, and with a unique index of its own, of all rows.",
            do=f"ALTER TABLE {site.relation.sql} {', '.join(wanted)};",
        )
    if column.counted and field.part == "key" and site.form.made is None:
        yield Check(
            name="sequence",
            verdict="accept",
            said=f"A sequence gives {site.relation}.{column.name} its values, and points bring their own ids:"
            " where it comes to one of them, the application's INSERT fails.",
            needed="Ids of points that the sequence does not come to.",
            do="Set it beyond them by setval; or let ids be made by [target.key]; then accept.",
            flag="--accept-existing",
        )


def _takes(site: Site, field: Field, collected: Collected) -> list[str]:
    """Types that can hold the ids."""
    if field.part == "made":
        return ["uuid"]
    takes = sorted(_TEXTS)
    if site.form.made is None and collected.ids in {"uint63", "uint64", "mixed"}:
        takes += sorted(WHOLE)
    return [*takes, "uuid"] if site.form.made is None and collected.ids in {"uuid", "mixed", "text"} else takes


def _vector(site: Site, field: Field, columns: Mapping[str, _Column], collected: Collected) -> Iterator[Check]:
    spec = collected.vectors.get(field.source) or VectorSpec(name=field.source)
    named, other = f"{site.relation}.{field.name}", "Name another column: vector in [target]."
    if columns[field.name].generated:
        yield refused("vectors", f"{named} is GENERATED ALWAYS.", needed="A column that takes values.", do=other)
    elif TYPES[spec.kind] != field.type:
        said = f"{named} is {field.type}, and the source's vectors are {spec.kind}."
        yield refused("vectors", said, needed=f"A column of the type {TYPES[spec.kind]}.", do=other)
    elif field.type == "sparsevec" and columns[field.name].modifier > 0:
        said = f"{named} says how many dimensions it has, and the source's vectors do not."
        yield refused("vectors", said, needed="A column of the type sparsevec, without a number.", do=other)
    elif None not in {field.dimensions, spec.dimensions} and field.dimensions != spec.dimensions:
        said = f"{named} takes {field.dimensions} dimensions, and the source's vectors have {spec.dimensions}."
        yield refused("vectors", said, needed="The same size.", do=other)
    elif field.type == "vector" and field.dimensions is None and site.build:
        said = f"{named} is a vector without a size, on which no index can be built."
        do = f"ALTER TABLE {site.relation.sql} ALTER COLUMN {quoted(field.name)} TYPE vector({spec.dimensions});"
        yield refused("vectors", said, needed="A size, or index = false in [target].", do=do)
