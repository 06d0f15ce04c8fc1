"""Tables of Postgres as collections: their rows read as points in the order of their keys, and written back."""

from __future__ import annotations

import contextlib
import uuid

import numpy as np
import psycopg
import pytest

from limosa.errors import Refused
from limosa.model.batch import Key
from limosa.model.migration import Form
from limosa.model.point import Json, Point, Scalar
from limosa.stores.crossing.equality import same
from limosa.stores.postgres.landing.source import TableCollection, open_table
from limosa.testing.collections import PAYLOADS

FORM = Form(key="id", vectors=(("", "embedding"),), columns=None)

KEYS: dict[str, list[str]] = {
    # As texts these are in another order.
    "bigint": ["-5", "0", "9", "10", "999", "1000", str(2**63 - 1)],
    "integer": ["1", "2", "10", "100"],
    "uuid": sorted(str(uuid.UUID(int=number * 0x9E3779B97F4A7C15F39CC0605CEDC835 % 2**128)) for number in range(9)),
    "text": sorted(["a", "B", "b", "10", "9", "ä", "z", "中", "é"], key=lambda key: key.encode()),
}


@pytest.mark.parametrize("kind", KEYS)
def test_rows_are_read_once_in_the_order_of_their_keys(kind: str, database: str) -> None:
    keys = [(key,) for key in KEYS[kind]]
    with psycopg.connect(database, autocommit=True) as connection:
        connection.execute(f"CREATE TABLE notes (id {kind} PRIMARY KEY, embedding vector(3))")
        for key in reversed(KEYS[kind]):
            connection.execute(f"INSERT INTO notes VALUES (%s::text::{kind}, '[1,2,3]')", (key,))
    with contextlib.closing(open_table(database, "notes", FORM)) as table:
        assert table.last() == keys[-1]
        assert sorted(keys, key=table.order) == keys
        for limit in (1, 2, len(keys), 50):
            after: Key | None = None
            found: list[Key] = []
            while page := table.read(after, limit, bare=limit == 2):
                found += [each.key for each in page]
                after = page[-1].key
            assert found == keys
        strange = [("no key",), ("1.0",), ("01",), (str(2**70),), ("\0",)]
        assert {each.key for each in table.fetch([*keys[:2], *strange])} == set(keys[:2])
        assert table.describe().ids == {"bigint": "text", "integer": "uint63"}.get(kind, kind)


@pytest.fixture
def typed(database: str) -> TableCollection:
    with psycopg.connect(database, autocommit=True) as connection:
        connection.execute(
            """CREATE TABLE notes (id bigint PRIMARY KEY, body text, small smallint, score real,
            exact float8, done boolean, made timestamptz, day date, owner uuid, tags text[], price numeric(10, 2),
            extra jsonb, embedding vector(3))"""
        )
        connection.execute(
            """INSERT INTO notes VALUES (1, 'ü', 3, 0.5, 0.1, true, '2026-01-02 03:04:05.5+02', '2026-01-02',
            'A0EEBC99-9C0B-4EF8-BB6D-6BB9BD380A11', ARRAY['a', 'b "c" \\', NULL], 12.50, '{"a": [1, null]}', '[1,2,3]'),
            (2, NULL, NULL, NULL, NULL, NULL, 'infinity', NULL, NULL, '{}', NULL, 'null', NULL)"""
        )
        connection.execute("CREATE INDEX ON notes (made)")
        connection.execute("CREATE INDEX ON notes USING hnsw (embedding vector_l2_ops) WITH (m = 8)")
    return open_table(database, "notes", FORM)


def test_values_are_told_as_json(typed: TableCollection) -> None:
    with contextlib.closing(typed):
        one, two = typed.read(None, 5)
        told = typed.describe()
    assert one.payload == {
        "body": "ü",
        "small": 3,
        "score": 0.5,
        "exact": 0.1,
        "done": True,
        "made": "2026-01-02T01:04:05.500000+00:00",
        "day": "2026-01-02",
        "owner": "a0eebc99-9c0b-4ef8-bb6d-6bb9bd380a11",
        "tags": ["a", 'b "c" \\', None],
        "price": "12.50",
        "extra": {"a": [1, None]},
    }
    assert (dict(two.payload), two.vectors) == ({"made": "infinity", "tags": []}, {})
    assert (told.vectors[""].metric, told.vectors[""].m, told.indexed) == ("l2", 8, {"made": "datetime"})


def test_rows_are_filtered_by_what_they_tell(typed: TableCollection, database: str) -> None:
    with psycopg.connect(database, autocommit=True) as connection:
        connection.execute("INSERT INTO notes (id, embedding) SELECT n, '[1,2,3]' FROM generate_series(3, 5) AS n")
    query = np.ones(3, dtype=np.float32)
    with contextlib.closing(typed):
        [one] = typed.fetch([("1",)])
        told = {name: value for name, value in one.payload.items() if isinstance(value, (str, bool, int))}
        assert told.keys() == {"body", "small", "done", "made", "day", "owner", "price"}
        found = [typed.nearest("", query, 9, where={name: value}) for name, value in told.items()]
        assert [[key for key, _ in each] for each in found] == [[("1",)]] * len(told)
        assert len(typed.nearest("", query, 9)) == 4
        strange: list[dict[str, Scalar]] = [{"small": 70_000}, {"small": True}, {"made": "never"}, {"owner": "nobody"}]
        strange += [{"body": "nul \0"}, {"price": "nul \0"}, {"price": 12}, {"tags": "a"}, {"nobody": 1}, {"done": 1}]
        strange += [{"extra.a": "nul \0"}, {**told, "body": "other"}]
        assert [typed.nearest("", query, 9, where=where) for where in strange] == [[] for _ in strange]


def test_what_has_no_column_is_filtered_where_it_stands(database: str) -> None:
    columns = (("stars", "stars"), ("author", "by.author"), ('Ex"tra', "extra"))
    form = Form(key="id", vectors=(("", "embedding"),), columns=columns, rest="metadata")
    with psycopg.connect(database, autocommit=True) as connection:
        connection.execute(
            """CREATE TABLE notes (id text PRIMARY KEY, stars bigint, author text, "Ex""tra" jsonb, metadata jsonb,
            embedding vector(3))"""
        )
    payloads: list[dict[str, Json]] = [
        {"stars": 5, "by": {"author": "a", "name": {"last": "ü'"}}, "extra": {"deep": {"er": True}}},
        {"stars": 6, "extra": "plain", "list": ["five"], "a {b}": 1},
        {"extra": 7, "list": "five"},
    ]
    vector = np.ones(3, dtype=np.float32)
    points = [Point(key=(str(i),), vectors={"": vector}, payload=each) for i, each in enumerate(payloads)]
    wheres: list[tuple[dict[str, Scalar], str]] = [
        ({"stars": 5}, "0"),
        ({"by.author": "a"}, "0"),
        ({"by.name.last": "ü'"}, "0"),
        ({"extra.deep.er": True}, "0"),
        ({"extra": "plain"}, "1"),
        ({"extra": 7, "list": "five"}, "2"),
        ({"a {b}": 1}, "1"),
    ]
    with contextlib.closing(open_table(database, "notes", form)) as table:
        assert table.write(points) == []
        for where, key in wheres:
            assert [key for (key,), _ in table.nearest("", vector, 9, where=where)] == [key], where


def test_points_are_written_back_column_by_column(typed: TableCollection, database: str) -> None:
    vector = np.asarray([0.1, -2, 3e-8], dtype=np.float32)
    point = Point(key=("7",), vectors={"": vector}, payload={"body": 'q"\\', "tags": ["x", 'y"', ""], "exact": 1e300})
    fits = Point(key=("1",), vectors={"": vector}, payload={"made": "2026-05-05T00:00:00Z", "extra": [1, {"b": None}]})
    wrong = Point(key=("8",), vectors={}, payload={"small": 70_000})
    read = Point(key=("9",), vectors={}, payload={"price": "1.00"})
    bad = Point(key=("10",), vectors={}, payload={"price": "cheap"})
    with contextlib.closing(typed):
        told = typed.write([point, wrong, fits, read, bad])
        assert [place for place, _ in told] == [1, 4]
        again = {each.key: each for each in typed.fetch([("7",), ("1",), ("8",), ("9",), ("10",)])}
        assert again.keys() == {("7",), ("1",), ("9",)}
        assert again["9",].payload["price"] == "1.00"
        assert all(same(point, again["7",]))
        assert again["1",].payload["made"] == "2026-05-05T00:00:00+00:00"
        assert again["1",].payload["extra"] == [1, {"b": None}]
        assert "price" not in again["1",].payload
        typed.erase([("7",), ("404",)])
        assert typed.fetch([("7",)]) == []


def test_a_payload_comes_back_from_a_column_for_the_rest(database: str) -> None:
    form = Form(key="id", vectors=(("", "embedding"),), columns=(("content", "content"),), rest="metadata")
    with psycopg.connect(database, autocommit=True) as connection:
        connection.execute(
            "CREATE TABLE notes (id text PRIMARY KEY, content text, metadata jsonb, embedding vector(3))"
        )
    points = [Point(key=(str(i),), vectors={}, payload=each) for i, each in enumerate(PAYLOADS)]
    with contextlib.closing(open_table(database, "notes", form)) as table:
        # One of them has a number where the column takes a text.
        assert [place for place, _ in table.write(points)] == [4]
        kept = {each.key: each for each in table.read(None, 50)}
    assert all(same(each, kept[each.key])[1] for each in points if each.key != ("4",))


def test_what_is_not_there_is_told(database: str) -> None:
    with contextlib.closing(open_table(database, "nothing", FORM)) as table:
        assert not table.stands()
        with pytest.raises(Refused, match="There is no table nothing"):
            table.describe()
    with psycopg.connect(database, autocommit=True) as connection:
        connection.execute("CREATE TABLE notes (id bigint PRIMARY KEY, body text)")
    with (
        contextlib.closing(open_table(database, "notes", FORM)) as table,
        pytest.raises(Refused, match="has no column embedding; it has id, body"),
    ):
        table.describe()
