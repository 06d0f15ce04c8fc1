"""What has to be made for points: the table, its indexes, the function that searches it; as checks and operations."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace

from limosa.model.fields import mistaken, suggestion
from limosa.model.migration import Index, Match
from limosa.model.operation import Operation
from limosa.model.plan import Check
from limosa.model.point import Collected, Point
from limosa.ports.landing import Ground
from limosa.stores.postgres.database import PostgresTx
from limosa.stores.postgres.indexes import building, operator_class
from limosa.stores.postgres.landing.columns import Arrived, Field, chosen, kinds, named
from limosa.stores.postgres.landing.existing import existing_checks
from limosa.stores.postgres.landing.graphs import graph_bytes, graph_checks, graph_of
from limosa.stores.postgres.landing.listing import listing
from limosa.stores.postgres.landing.match import match_function, near_of
from limosa.stores.postgres.landing.rows import packed
from limosa.stores.postgres.landing.site import Site, arrived_of
from limosa.stores.postgres.landing.standing import standing_indexes
from limosa.stores.postgres.landing.switching import capturing, disarming, giving_up, switching
from limosa.stores.postgres.names import Relation, distinct, literal, quoted
from limosa.stores.postgres.seat import Seat

__all__ = ["ground", "vector_index"]

ROW_BYTES = 60
"""A row's head, its place in a page and in the key's index, beside its values."""


def ground(
    site: Site,
    collected: Collected,
    sample: Sequence[Point],
    *,
    index: Index | None,
    match: Match | None,
    tx: PostgresTx,
) -> Ground:
    """What is to be made for such points, and what is in the way."""
    checks = [*_named(site, collected), *graph_checks(site, collected, sample, index), *_rights(site, tx)]
    if site.listed is not None:
        checks += existing_checks(site, collected, tx)
        if _refuses(checks):
            # Of columns that are not there nothing more can be said.
            return Ground(checks=tuple(checks), operations=())
        arrived = arrived_of(site.relation, site.form, tx)
    else:
        arrived = chosen(site.form, collected, sample)
        checks += _mixed(site, collected, sample)
    checks += [*_unfit(arrived, sample), *_matched(arrived, match)]
    operations = _room(site, arrived)
    if not _refuses(checks):
        operations += _vector_indexes(site, arrived, collected, index, tx) if site.build else []
        operations += _payload_indexes(site, arrived, collected) if site.listed is None else []
        operations += [match_function(site, arrived, match, near_of(site, arrived, collected, index))] if match else []
        operations += [capturing(site, arrived)] if site.listed is None else []
        operations += [switching(site, arrived), disarming(site), giving_up(site)]
    return Ground(checks=tuple(checks), operations=tuple(operations), sizes=_foreseen(site, arrived, collected, index))


def _refuses(checks: Sequence[Check]) -> bool:
    return any(check.verdict == "refused" for check in checks)


def _room(site: Site, arrived: Arrived) -> list[Operation]:
    """What expand makes: a table; or the list of what lands in the application's, kept while any of it is there."""
    if site.listed is None:
        return [_table(site, arrived)]
    made, landing = listing(site, arrived, site.listed)
    return [made, capturing(site, arrived), landing]


def vector_index(site: Site, column: Field) -> Relation:
    """Name of the index on a vector."""
    return Relation(site.relation.schema, distinct(f"{site.relation.name}_{column.name}", "_idx"))


def _refused(said: str, needed: str, do: str) -> Check:
    return Check(name="vectors", verdict="refused", said=said, needed=needed, do=do)


def _named(site: Site, collected: Collected) -> Iterator[Check]:
    """Every vector of the source has a column, and every column a vector."""
    wanted = dict(site.form.vectors)
    listed = ", ".join(repr(name) for name in sorted(collected.vectors) if name) or "one without a name"
    for name in wanted:
        if name not in collected.vectors:
            called = f"no vector {name!r}" if name else "no vector without a name"
            do = 'Name them: vector = { NAME = "column" } in [target].'
            yield _refused(f"The source has {called}; it has {listed}.", "A vector that is there.", do)
    for name in sorted(collected.vectors):
        called = repr(name) if name else "without a name"
        if name not in wanted:
            said = f"The vector {called} has no column."
            yield _refused(said, "A column for each vector.", f'Add {name} = "column" to vector in [target].')


def _rights(site: Site, tx: PostgresTx) -> Iterator[Check]:
    if not tx.raw("SELECT has_schema_privilege($1, 'CREATE')", site.relation.schema)[0][0]:
        yield Check(
            name="rights",
            verdict="refused",
            said=f"{site.server.user} may not make a table or an index in the schema {site.relation.schema}.",
            needed="CREATE on it.",
            do=f"GRANT CREATE ON SCHEMA {quoted(site.relation.schema)} TO {quoted(site.server.user)};",
        )


def _mixed(site: Site, collected: Collected, sample: Sequence[Point]) -> Iterator[Check]:
    """Fields that are one thing here and another there, and such as no sampled point has."""
    columns = named(site.form, collected, sample)
    unknown = mistaken((each.payload for each in sample), [source for _, source in columns]) if sample else {}
    for column, source in columns:
        if source.partition(".")[0] in collected.fields:
            continue
        found = kinds(sample, source)
        seen = {kind: count for kind, count in found.items() if kind != "null"}
        if not seen and sample:
            said = f"None of {len(sample):,} sampled points has a field {source}, and the column {column} becomes jsonb"
            yield Check(name="fields", verdict="note", said=said + (suggestion(unknown.get(source, "")) or "."))
        elif len(seen) > 1 and set(seen) != {"whole number", "number"}:
            told = ", ".join(f"{count:,} times a {kind}" for kind, count in sorted(seen.items()))
            said = f"{source} is {told} in {len(sample):,} sampled points; the column {column} becomes jsonb."
            yield Check(name="fields", verdict="note", said=said)


def _unfit(arrived: Arrived, sample: Sequence[Point]) -> Iterator[Check]:
    """Points that could not stand in the table, as far as a look at some tells."""
    if arrived.of("made") or any(each.type == "vector" and each.dimensions is None for each in arrived.of("vector")):
        return
    plain = [replace(each, vectors={}) for each in sample]
    why = list(packed(plain, arrived).unfit.values())
    if why:
        said = f"{len(why):,} of {len(sample):,} sampled points would be dead: {'; '.join(sorted(set(why))[:3])}."
        yield Check(name="points", verdict="note", said=said)


def _matched(arrived: Arrived, match: Match | None) -> Iterator[Check]:
    """The match function names columns that there will be."""
    known = [each.name for each in arrived.fields]
    wanted = [] if match is None else [*match.returns, *([match.filter] if match.filter is not None else [])]
    for name in wanted:
        if name not in known:
            yield Check(
                name="match",
                verdict="refused",
                said=f"The match function names the column {name}, and there will be none.",
                needed=f"One of: {', '.join(known)}.",
                do="Correct it in [target.match], or name the field in [target.columns].",
            )


def _foreseen(site: Site, arrived: Arrived, collected: Collected, index: Index | None) -> dict[str, object]:
    dense = [each for each in arrived.of("vector") if each.type == "vector"]
    floats = sum(each.dimensions or 0 for each in dense)
    # A column for a vector that the source does not have is refused, and counts for nothing.
    built = [collected.vectors[each.source] for each in dense if site.build and each.source in collected.vectors]
    graphs = sum(graph_bytes(collected.points, each.dimensions or 0, graph_of(each, index)) for each in built)
    return {"table_bytes": collected.points * (4 * floats + 8 + ROW_BYTES), "index_bytes": graphs}


def _table(site: Site, arrived: Arrived) -> Operation:
    rules = {"key": " PRIMARY KEY", "made": " PRIMARY KEY", "rest": " NOT NULL DEFAULT '{}'"}
    held = [each.name for each in arrived.of("rest")]
    if arrived.of("made"):
        # What the application adds has no id from before; it is known by this one.
        rules["key"] = " NOT NULL UNIQUE DEFAULT gen_random_uuid()::text"
    lines = []
    for each in arrived.fields:
        kind = f"{quoted(site.schema)}.{_told(each)}" if each.part == "vector" else each.type
        rest = rules.get(each.part, "")
        lines.append(f"{quoted(each.name)} {kind}{rest}")
    # Whatever else stood there would be no payload any more.
    lines += [f"CHECK (jsonb_typeof({quoted(name)}) = 'object')" for name in held]
    table = site.relation.sql
    return Operation(
        id="make-table",
        step="expand",
        title=f"Make the table {site.relation}: " + ", ".join(f"{each.name} {_told(each)}" for each in arrived.fields),
        do=(
            f"CREATE TABLE {table} ({', '.join(lines)})",
            f"COMMENT ON TABLE {table} IS {literal(site.mark)}",
        ),
        undo=(f"DROP TABLE IF EXISTS {table}",),
        probe=site.made,
    )


def _told(each: Field) -> str:
    if each.part != "vector" or each.dimensions is None:
        return each.type
    base, _, several = each.type.partition("[")
    return f"{base}({each.dimensions}){'[]' if several else ''}"


@dataclass(frozen=True, slots=True)
class _Column:
    """A column as an index wants to know it."""

    relation: Relation
    column: str
    extension_schema: str
    new_dimensions: int
    base: str = "vector"

    def new(self, epoch: int) -> Seat:
        """Where it stands."""
        return Seat(relation=self.relation, column=self.column, alias="t", key=())


def _vector_indexes(
    site: Site, arrived: Arrived, collected: Collected, index: Index | None, tx: PostgresTx
) -> Iterator[Operation]:
    """One for each dense vector; of a table that stands already only those that it lacks."""
    standing = standing_indexes(site.relation, tx) if site.listed is not None else []
    enough = {(found.column, found.method, found.classed) for found in standing if found.valid and found.whole}
    dense = [each for each in arrived.of("vector") if each.type == "vector"]
    for number, each in enumerate(dense, 1):
        graph = graph_of(collected.vectors[each.source], index)
        if (each.name, graph.kind, operator_class(graph.type, graph.metric)) in enough:
            continue
        name = vector_index(site, each)
        if name.name in {found.name for found in standing}:
            name = Relation(name.schema, distinct(f"{site.relation.name}_{each.name}", f"_{site.id}_idx"))
        column = _Column(site.relation, each.name, site.schema, each.dimensions or 1)
        made = building(column, graph, name, site.relation.sql, rows=collected.points)
        yield made if number == 1 else replace(made, id=f"{made.id}-{number}")


def _payload_indexes(site: Site, arrived: Arrived, collected: Collected) -> Iterator[Operation]:
    """What had an index there gets one here: a column of its own a b-tree, everything else one over the rest."""
    columns = {each.source: each for each in arrived.of("field")}
    for field in sorted(collected.indexed):
        if field in columns and columns[field].type != "jsonb":
            name = columns[field].name
            yield _plain(site, f"{name}_idx", f"({quoted(name)})", f"as {field} had one")
    nested = sorted(set(collected.indexed) - {source for source, each in columns.items() if each.type != "jsonb"})
    rest = site.form.rest
    if nested and rest is not None:
        yield _plain(
            site, f"{rest}_idx", f"USING gin ({quoted(rest)} jsonb_path_ops)", f"as {', '.join(nested)} had one"
        )


def _plain(site: Site, suffix: str, on: str, why: str) -> Operation:
    index = Relation(site.relation.schema, distinct(site.relation.name, f"_{suffix}"))
    return Operation(
        id=f"index-{suffix}",
        step="index",
        title=f"Build the index {index.name} {on.lower() if on.startswith('USING') else on}, {why}",
        do=(f"CREATE INDEX {quoted(index.name)} ON {site.relation.sql} {on}",),
        undo=(f"DROP INDEX IF EXISTS {index.sql}",),
        probe=f"SELECT to_regclass({literal(index.sql)}) IS NOT NULL",
        lock="SHARE",
    )
