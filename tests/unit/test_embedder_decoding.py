"""Numbers out of answers: exactly, fast, and with the reason where they are none."""

from __future__ import annotations

from typing import Any

import numpy as np
import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st

from limosa.embedders.decoding import from_base64, from_numbers, object_of, readable, stacked
from limosa.errors import Unanswered
from limosa.model.batch import Vectors
from limosa.model.vectors import WrongShape


def _vectors(body: bytes) -> Vectors:
    def read(answer: Any) -> Vectors:
        return stacked([from_numbers(each) for each in answer["v"]], "m")

    return readable(body, read, read)


@given(st.lists(st.floats(width=32, allow_nan=False, allow_infinity=False), min_size=1, max_size=8))
def test_every_float32_comes_back_bit_for_bit(values: list[float]) -> None:
    expected = np.asarray(values, dtype=np.float32)
    shortest = "[" + ",".join(str(value) for value in expected) + "]"
    for body in (orjson.dumps({"v": [values]}), f'{{"v": [{shortest}]}}'.encode()):
        np.testing.assert_array_equal(_vectors(body)[0].view(np.uint32), expected.view(np.uint32))


@pytest.mark.parametrize(
    ("numbers", "expected"),
    [
        ("[1, 2, 3.5]", [1.0, 2.0, 3.5]),
        ("[1, null, 3]", [1.0, np.nan, 3.0]),
        ("[NaN, 1, Infinity]", [np.nan, 1.0, np.inf]),
        ("[1e39, -1e39, 1]", [np.inf, -np.inf, 1.0]),
        ("[1e400, 0, 1]", [np.inf, 0.0, 1.0]),
    ],
)
def test_what_is_no_plain_list_of_numbers_reaches_the_border(numbers: str, expected: list[float]) -> None:
    vectors = _vectors(f'{{"v": [{numbers}]}}'.encode())
    np.testing.assert_array_equal(vectors, np.asarray([expected], dtype=np.float32))


@pytest.mark.parametrize(
    "body",
    [b"", b"<html>", b"[]", b"null", b"7", b"{}", b'{"v": 3}', b'{"v": ["a"]}', b'{"v": [{}]}', b'{"v": [[["a"]]]}'],
)
def test_what_is_no_answer_is_transient(body: bytes) -> None:
    with pytest.raises(Unanswered, match="protocol"):
        _vectors(body)


def test_vectors_of_different_sizes_are_refused() -> None:
    with pytest.raises(WrongShape, match="different sizes"):
        _vectors(b'{"v": [[1, 2], [1, 2, 3]]}')


def test_no_vectors_have_no_size() -> None:
    assert _vectors(b'{"v": []}').shape == (0, 0)


def test_places_put_them_in_order() -> None:
    pair = [np.asarray([1.0], dtype=np.float32), np.asarray([2.0], dtype=np.float32)]
    assert stacked(pair, "m", [1, 0]).tolist() == [[2.0], [1.0]]


@pytest.mark.parametrize("text", ["%%%", "AAA=", "AAAA"])
def test_broken_base64_is_a_value_error(text: str) -> None:
    with pytest.raises(ValueError, match=r"."):
        from_base64(text)


def test_an_object_may_hold_what_is_not_json() -> None:
    assert object_of(b'{"a": Infinity}') == {"a": float("inf")}
