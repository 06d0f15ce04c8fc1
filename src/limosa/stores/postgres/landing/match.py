"""The function that applications search a table of points by."""

from __future__ import annotations

from limosa.model.migration import Index, Match
from limosa.model.operation import Operation
from limosa.model.point import Collected
from limosa.stores.postgres.landing.columns import Arrived
from limosa.stores.postgres.landing.graphs import graph_of
from limosa.stores.postgres.landing.nearness import Nearness
from limosa.stores.postgres.landing.site import Site
from limosa.stores.postgres.match import SIMILARITIES
from limosa.stores.postgres.names import Relation, literal, parse_relation, quoted

__all__ = ["match_function", "near_of"]


def near_of(site: Site, arrived: Arrived, collected: Collected, index: Index | None) -> Nearness:
    """How rows are found by the first vector, in the words of its index."""
    first = arrived.of("vector")[0]
    graph = graph_of(collected.vectors[first.source], index)
    half = site.build and graph.type == "halfvec"
    return Nearness(
        relation=site.relation,
        column=first.name,
        schema=site.schema,
        metric=graph.metric,
        halved=first.dimensions if half else None,
    )


def match_function(site: Site, arrived: Arrived, match: Match, near: Nearness) -> Operation:
    """The function that an application calls: nearest first, above a threshold, of rows whose rest holds a filter."""
    schema, name = parse_relation(match.function)
    function = Relation(schema or site.relation.schema, name)
    extension = quoted(site.schema)
    types = {each.name: each.type for each in arrived.fields}
    answered = ", ".join(f"{quoted(each)} {types[each]}" for each in match.returns)
    listed = [f"t.{quoted(each)}" for each in match.returns]
    similarity = SIMILARITIES[near.metric].format("s.limosa_distance")
    outer = ", ".join(f"s.{quoted(each)}" for each in match.returns)
    held = match.filter or site.form.rest
    kept = f"t.{quoted(held)} @> $4" if held is not None else "$4 = '{}'"
    found = near.rows(listed, "$1", limit="$3", where=kept)
    holding = f" and by what their {held} holds" if held is not None else ""
    arguments = f"{extension}.vector, double precision, integer, jsonb"
    return Operation(
        id="match-function",
        step="index",
        title=f"Make the function {function}, which finds rows by nearness{holding}",
        do=(
            f"CREATE FUNCTION {function.sql}(query_embedding {extension}.vector, match_threshold double precision,"
            f" match_count integer, filter jsonb DEFAULT '{{}}') RETURNS TABLE({answered}, similarity double precision)"
            f" LANGUAGE sql STABLE AS $limosa_match$ SELECT {outer}, ({similarity})::double precision FROM ({found})"
            f" AS s WHERE ({similarity}) > $2 ORDER BY s.limosa_distance $limosa_match$",
        ),
        undo=(f"DROP FUNCTION IF EXISTS {function.sql}({arguments})",),
        probe=f"SELECT to_regprocedure({literal(f'{function.sql}({arguments})')}) IS NOT NULL",
    )
