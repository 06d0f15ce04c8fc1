"""Points into rows and back: nothing of a payload or a vector is lost or added on the way."""

from __future__ import annotations

import json
from io import BytesIO

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from limosa.model.point import Json, Point
from limosa.stores.crossing.equality import same, trace_of
from limosa.stores.postgres.landing.cells import Unfit, json_bytes
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
    made = packed([point], ARRIVED)
    if made.unfit:
        [why] = made.unfit.values()
        fields = [_unfit(each, value) for each, value in _typed(payload) if value is not None]
        odd = vector is not None and (len(vector) != 3 or not np.isfinite(vector).all())
        text = json.dumps(payload)
        assert any(fields) or odd or "\\u0000" in text or "\\ud" in text, why
        return
    row = b"".join(made.rows[0])
    stream = b"".join(blocks([made, made]))
    assert stream.startswith(b"PGCOPY\n\xff\r\n\0")
    assert stream[19:] == row + row + b"\xff\xff"
    reader = BytesIO(row)
    assert int.from_bytes(reader.read(2), "big") == len(ARRIVED.fields)
    for _ in ARRIVED.fields:
        size = int.from_bytes(reader.read(4), "big", signed=True)
        reader.read(max(0, size))
    assert reader.read() == b""


def _unfit(column: Field, value: Json) -> bool:
    allowed = {"boolean": (bool,), "bigint": (int,), "double precision": (int, float), "text": (str,)}[column.type]
    wrong = isinstance(value, bool) != (column.type == "boolean") or not isinstance(value, allowed)
    bound = 2**53 if column.type == "double precision" else 2**63 - 1
    return wrong or (isinstance(value, int) and abs(value) > bound)


def _typed(payload: dict[str, Json]) -> list[tuple[Field, Json]]:
    fields = ARRIVED.of("field")
    return list(zip(fields, parted(payload, [each.source for each in fields])[0], strict=True))


VECTORS = st.lists(st.floats(width=32), min_size=2, max_size=4) | st.none()


@given(st.lists(st.tuples(PAYLOADS, VECTORS), max_size=6))
def test_points_are_packed_together_as_each_alone(drawn: list[tuple[dict[str, Json], list[float] | None]]) -> None:
    points = [
        Point(key=(str(i),), payload=payload, vectors={} if vector is None else {"": np.asarray(vector, np.float32)})
        for i, (payload, vector) in enumerate(drawn)
    ]
    together, alone = packed(points, ARRIVED), [packed([point], ARRIVED) for point in points]
    assert dict(together.unfit) == {place: each.unfit[0] for place, each in enumerate(alone) if each.unfit}
    assert list(together.places) == [place for place, each in enumerate(alone) if not each.unfit]
    assert [b"".join(row) for row in together.rows] == [b"".join(row) for each in alone for row in each.rows]


@given(VALUES)
def test_json_is_written_as_it_is_or_not_at_all(value: Json) -> None:
    try:
        written = json_bytes(value)
    except Unfit:
        assert "\\u0000" in json.dumps(value) or "\\ud" in json.dumps(value)
        return
    assert written[:1] == b"\x01"
    assert canonical_text(json.loads(written[1:])) == canonical_text(value)


@pytest.mark.parametrize("value", [float("nan"), {"a": [1, float("inf")]}, [None, float("-inf")]])
def test_what_is_no_number_is_not_written_as_null(value: Json) -> None:
    with pytest.raises(Unfit, match="not finite"):
        json_bytes(value)


def canonical_text(value: Json) -> str:
    """Equal for equal values alone: 1.0 is 1, and a truth value is no number."""
    return json.dumps(_plain(value), sort_keys=True)


def _plain(value: Json) -> Json:
    if isinstance(value, float) and value.is_integer():
        return int(value)
    if isinstance(value, list):
        return [_plain(each) for each in value]
    return {name: _plain(each) for name, each in value.items()} if isinstance(value, dict) else value


ALIKE: st.SearchStrategy[Json] = st.sampled_from([0, 0.0, -0.0, False, 1, 1.0, True, "1", None, [], {}])
"""Values that Python or JSON takes for equal where the other does not."""


@given(st.dictionaries(NAMES, ALIKE | VALUES, max_size=2), st.dictionaries(NAMES, ALIKE | VALUES, max_size=2))
def test_payloads_are_equal_as_json_is(one: dict[str, Json], other: dict[str, Json]) -> None:
    made = [Point(key=("7",), vectors={}, payload=each) for each in (one, other)]
    alike = canonical_text(one) == canonical_text(other)
    assert same(*made)[1] == alike
    assert (trace_of(made[0]) == trace_of(made[1])) == alike


@given(st.lists(st.floats(-2, 2, width=32), min_size=3, max_size=3))
def test_every_bit_of_a_vector_counts(vector: list[float]) -> None:
    first = np.asarray(vector, dtype=np.float32)
    moved = first.copy()
    moved[1] = np.nextafter(moved[1], np.float32(9))
    turned = np.where(first == 0, -first, first)
    found = [
        same(*(Point(key=("7",), vectors={"": each}, payload={}) for each in (first, other)))[0]
        for other in (first.copy(), moved, turned)
    ]
    assert found == [True, False, not (first == 0).any()]
    traces = [trace_of(Point(key=("7",), vectors={"": each}, payload={})) for each in (first, moved, turned)]
    assert [traces[0] == each for each in traces] == found
