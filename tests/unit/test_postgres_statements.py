"""Statements are what Postgres and pgvector take, whatever the size and the names of a table are."""

from __future__ import annotations

from dataclasses import replace

import pytest

from limosa.model.migration import Index
from limosa.model.place import Text
from limosa.stores.postgres.indexes import index_relation, stood_on
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


@pytest.mark.parametrize(("rows", "lists"), [(100, 10), (1_000_000, 1000), (32_768_000, 32_768), (90_000_000, 32_768)])
def test_lists_grow_with_the_rows_up_to_what_an_index_can_have(rows: int, lists: int) -> None:
    made = stood_on(SCOPE, Index(kind="ivfflat"), index_relation(SCOPE), "docs", rows=rows)
    assert made.endswith(f"WITH (lists = {lists})")


def test_no_name_ends_a_block_of_code() -> None:
    named = replace(SCOPE, relation=Relation("public", "costs in $limosa$"))
    made = watch(named, trigger="limosa_one", function="limosa.truncate_one")
    tag = made.removeprefix("DO ").split("DECLARE")[0]
    assert made.count(tag) == 2
    assert made.endswith(f"END{tag}")
