"""Points into rows and back: nothing of a payload or a vector is lost or added on the way."""

from __future__ import annotations

import json
from io import BytesIO

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from limosa.model.point import Json, Point
from limosa.stores.crossing.points import digest, same
from limosa.stores.postgres.landing.cells import Unfit
from limosa.stores.postgres.landing.columns import Arrived, Field, parted, put_back
from limosa.stores.postgres.landing.rows import blocks, packed
from limosa.stores.qdrant.ids import id_of, key_of, order, successor, valid

NAMES = st.sampled_from(["a", "b", "c", "d", "e"])

VALUES: st.SearchStrategy[Json] = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(NAMES, inner, max_size=3),
    max_leaves=10,
)

PAYLOADS = st.dictionaries(NAMES, VALUES, max_size=5)

SOURCES = ["a", "b.c", "b.d", "c.a.e"]


@given(PAYLOADS)
def test_a_payload_that_was_parted_is_put_back_as_it_was(payload: dict[str, Json]) -> None:
    values, rest = parted(payload, SOURCES)
    whole = put_back(rest, zip(SOURCES, values, strict=True))
    assert json.dumps(whole, sort_keys=True) == json.dumps(payload, sort_keys=True)
    # What went to a column is not told a second time.
    for source, value in zip(SOURCES, values, strict=True):
        assert value is None or parted(rest, [source])[0] == [None]


@given(st.integers(0, 2**64 - 1) | st.uuids(), st.integers(0, 2**64 - 1) | st.uuids())
def test_ids_are_in_the_order_of_the_engine(one: object, other: object) -> None:
    keys = [key_of(each) for each in (one, other)]  # type: ignore[arg-type]
    first, second = sorted(keys, key=order)
    assert all(valid(key) and key_of(id_of(key)) == key for key in keys)
    following = successor(first)
    if first != second:
        assert following is not None
        assert order(key_of(following)) <= order(second)


ARRIVED = Arrived(
    (
        Field("id", "text", "key"),
        Field("flag", "boolean", "field", "a"),
        Field("size", "bigint", "field", "b"),
        Field("score", "double precision", "field", "c"),
        Field("body", "text", "field", "d"),
        Field("rest", "jsonb", "rest"),
        Field("embedding", "vector", "vector", "", 3),
    )
)


@given(PAYLOADS, st.lists(st.floats(width=32), min_size=2, max_size=4) | st.none())
def test_a_row_is_whole_or_says_why_it_cannot_be(payload: dict[str, Json], vector: list[float] | None) -> None:
    vectors = {} if vector is None else {"": np.asarray(vector, dtype=np.float32)}
    point = Point(key=("7",), vectors=vectors, payload=payload)
    row, why = _packed(point)
    if why:
        fields = [_unfit(each, value) for each, value in _typed(payload) if value is not None]
        odd = vector is not None and (len(vector) != 3 or not np.isfinite(vector).all())
        text = json.dumps(payload)
        assert any(fields) or odd or "\\u0000" in text or "\\ud" in text, why
        return
    stream = b"".join(blocks([row, row]))
    assert stream.startswith(b"PGCOPY\n\xff\r\n\0")
    reader = BytesIO(row)
    assert int.from_bytes(reader.read(2), "big") == len(ARRIVED.fields)
    for _ in ARRIVED.fields:
        size = int.from_bytes(reader.read(4), "big", signed=True)
        reader.read(max(0, size))
    assert reader.read() == b""


def _packed(point: Point) -> tuple[bytes, str]:
    [row] = packed([point], ARRIVED)
    return (b"", str(row)) if isinstance(row, Unfit) else (row, "")


def _unfit(column: Field, value: Json) -> bool:
    allowed = {"boolean": (bool,), "bigint": (int,), "double precision": (int, float), "text": (str,)}[column.type]
    wrong = isinstance(value, bool) != (column.type == "boolean") or not isinstance(value, allowed)
    bound = 2**53 if column.type == "double precision" else 2**63 - 1
    return wrong or (isinstance(value, int) and abs(value) > bound)


def _typed(payload: dict[str, Json]) -> list[tuple[Field, Json]]:
    fields = ARRIVED.of("field")
    return list(zip(fields, parted(payload, [each.source for each in fields])[0], strict=True))


@given(PAYLOADS, PAYLOADS, st.lists(st.floats(-2, 2, width=32), min_size=3, max_size=3))
def test_equal_points_have_equal_digests(one: dict[str, Json], other: dict[str, Json], vector: list[float]) -> None:
    made = [
        Point(key=("7",), vectors={"": np.asarray(vector, dtype=np.float32)}, payload=each) for each in (one, other)
    ]
    assert (digest(made[0]) == digest(made[1])) == all(same(made[0], made[1]))
    moved = np.asarray(vector, dtype=np.float32).copy()
    moved[1] = np.nextafter(moved[1], np.float32(9))
    assert not same(made[0], Point(key=("7",), vectors={"": moved}, payload=one))[0]
