"""Statements are what Postgres and pgvector take, whatever the size and the names of a table are."""

from __future__ import annotations

from dataclasses import replace

import pytest

from limosa.model.migration import Form, Index
from limosa.model.place import Text
from limosa.model.point import Collected, VectorSpec
from limosa.stores.postgres.catalogue import Server
from limosa.stores.postgres.indexes import index_relation, stood_on
from limosa.stores.postgres.landing.columns import chosen
from limosa.stores.postgres.landing.graphs import graph_checks, graph_of
from limosa.stores.postgres.landing.match import near_of
from limosa.stores.postgres.landing.nearness import Nearness
from limosa.stores.postgres.landing.site import Site
from limosa.stores.postgres.names import Relation
from limosa.stores.postgres.partition_triggers import watch
from limosa.stores.postgres.scope import Scope

SCOPE = Scope(
    id="one",
    shape="upgrade",
    relation=Relation("public", "docs"),
    table_oid=1,
    key=(),
    text=Text(columns=("title",)),
    text_source=(),
    filter=None,
    vector="embedding",
    base="vector",
    extension_schema="public",
    old_dimensions=6,
    new_dimensions=8,
)

SERVER = Server(
    version=180004,
    user="u",
    database="d",
    extension="0.8.5",
    extension_schema="public",
    may_create=True,
    may_replicate=True,
    may_set_deadlock_timeout=True,
    sees_all_rows=True,
    recovering=False,
    maintenance_work_mem="64MB",
    parallel_workers=2,
)


@pytest.mark.parametrize(("rows", "lists"), [(100, 10), (1_000_000, 1000), (32_768_000, 32_768), (90_000_000, 32_768)])
def test_lists_grow_with_the_rows_up_to_what_an_index_can_have(rows: int, lists: int) -> None:
    made = stood_on(SCOPE, Index(kind="ivfflat"), index_relation(SCOPE), "docs", rows=rows)
    assert made.endswith(f"WITH (lists = {lists})")


@pytest.mark.parametrize(
    ("base", "type_", "on"),
    [
        ("vector", "vector", '("embedding_limosa" "ext".'),
        ("halfvec", "halfvec", '("embedding_limosa" "ext".'),
        ("vector", "halfvec", '(("embedding_limosa"::"ext".halfvec(8)) "ext".'),
    ],
)
def test_an_index_stands_on_the_column_or_on_what_it_is_brought_to(base: str, type_: str, on: str) -> None:
    scope = replace(SCOPE, base=base, extension_schema="ext")
    index = Index(metric="l1", type=type_)  # type: ignore[arg-type]
    made = stood_on(scope, index, index_relation(scope), "docs", rows=1)
    assert f'ON docs USING hnsw {on}"{type_}_l1_ops")' in made


@pytest.mark.parametrize(
    ("dimensions", "asked", "type_"),
    [
        (2000, None, "vector"),
        (2001, None, "halfvec"),
        (2001, Index(metric="ip"), "halfvec"),
        (8, Index(type="halfvec"), "halfvec"),
        (None, None, "vector"),
    ],
)
def test_an_index_is_over_halfvec_where_vector_is_too_short(
    dimensions: int | None, asked: Index | None, type_: str
) -> None:
    graph = graph_of(VectorSpec(name="", dimensions=dimensions, metric="l1", m=24), asked)
    assert (graph.type, graph.metric, graph.m) == (type_, *(("l1", 24) if asked is None else (asked.metric, 16)))


@pytest.mark.parametrize(("extension", "verdicts"), [("0.6.2", ["refused", "note"]), ("0.7.0", ["note"])])
def test_an_index_over_halfvec_needs_a_pgvector_that_has_it(extension: str, verdicts: list[str]) -> None:
    form = Form(key="id", vectors=(("", "embedding"),))
    site = Site("one", Relation("public", "docs"), form, "public", True, replace(SERVER, extension=extension))
    collected = Collected(points=1, ids="uuid", vectors={"": VectorSpec(name="", dimensions=3072)})
    assert [check.verdict for check in graph_checks(site, collected, [], None)] == verdicts
    assert not list(graph_checks(replace(site, build=False), collected, [], None))


@pytest.mark.parametrize(
    ("index", "metric", "halved"), [(None, "l1", 3072), (Index(metric="ip"), "ip", 3072), (Index(), "cosine", 3072)]
)
def test_the_match_function_speaks_as_its_index_does(index: Index | None, metric: str, halved: int) -> None:
    form = Form(key="id", vectors=(("", "embedding"),))
    site = Site("one", Relation("public", "docs"), form, "public", True, SERVER)
    spec = VectorSpec(name="", dimensions=3072, metric="l1")
    collected = Collected(points=1, ids="uuid", vectors={"": spec})
    near = near_of(site, chosen(form, collected, []), collected, index)
    assert (near.metric, near.halved) == (metric, halved)
    assert near_of(replace(site, build=False), chosen(form, collected, []), collected, index).halved is None


def test_candidates_are_more_than_the_rows_that_are_asked_for_and_no_more_than_an_index_gives() -> None:
    near = Nearness(relation=Relation("public", "docs"), column="v", schema="public", metric="cosine", halved=8)
    taken = near.rows(["t.id"], "$1", limit="$2", where="true")
    assert 'ORDER BY t."v"::"public".halfvec(8) OPERATOR("public".<=>) ($1)::"public".halfvec(8)' in taken
    assert "LIMIT greatest($2, least(4 * $2::bigint, 40))) AS t" in taken
    assert taken.endswith('ORDER BY t."v" OPERATOR("public".<=>) $1 LIMIT $2')
    plain = replace(near, halved=None).rows(["t.id"], "$1", limit="$2", where="true")
    assert "halfvec" not in plain


def test_no_name_ends_a_block_of_code() -> None:
    named = replace(SCOPE, relation=Relation("public", "costs in $limosa$"))
    made = watch(named, trigger="limosa_one", function="limosa.truncate_one")
    tag = made.removeprefix("DO ").split("DECLARE")[0]
    assert made.count(tag) == 2
    assert made.endswith(f"END{tag}")
