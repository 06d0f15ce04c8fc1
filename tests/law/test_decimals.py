"""Laws of decimal texts: every number becomes the nearest float32, and only JSON's arrays of numbers are read."""

from __future__ import annotations

import json
import math
from decimal import Decimal, localcontext
from fractions import Fraction

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from limosa.stores.sqlite.decimals import NotAVector, Vector, floats, plain_floats

THOROUGH = settings(max_examples=300, deadline=None)
INFINITY = 0x7F800000
"""Infinity's bits in float32; what is below it, in order, are the finite values."""

HUGE = "123456789012345678901234567890"
"""Beyond 64 bits: a text with it takes the other way through the module."""

SIGNS = st.sampled_from(["", "-"])
DIGITS = st.text("0123456789", min_size=1, max_size=30)
INTEGERS = st.one_of(st.integers(-(2**64), 2**64), st.integers(-(10**45), 10**45)).map(str)
DOUBLES = st.floats(allow_nan=False, allow_infinity=False).map(repr)
SINGLES = st.floats(width=32, allow_nan=False, allow_infinity=False).map(repr)


@st.composite
def decimals(draw: st.DrawFn) -> str:
    """Any spelling that JSON has for a number."""
    whole = str(int(draw(DIGITS)))
    fraction = draw(st.one_of(st.just(""), DIGITS.map(".{}".format)))
    exponent = draw(
        st.one_of(st.just(""), st.integers(-80, 20).map("e{}".format), st.integers(-420, 420).map("E{:+}".format))
    )
    return draw(SIGNS) + whole + fraction + exponent


@st.composite
def ties(draw: st.DrawFn) -> str:
    """The decimal exactly between two neighbours in float32, or beside it by less than a double can tell."""
    below = draw(st.one_of(st.integers(0, INFINITY - 1), st.integers(0, 1 << 24), st.sampled_from(EDGES)))
    with localcontext() as exact:
        exact.prec = 2000
        midpoint = (Decimal(value(below)) + Decimal(value(below + 1))) / 2
        places = -int(midpoint.as_tuple().exponent)
        last = Decimal(1).scaleb(-max(places, 0) - draw(st.integers(1, 60)))
        number = midpoint + draw(st.sampled_from([-1, 0, 1])) * last
        return draw(SIGNS) + format(number, draw(st.sampled_from("fe")))


EDGES = [0, 1, 2, (1 << 23) - 1, 1 << 23, (1 << 23) + 1, INFINITY - 2, INFINITY - 1]
NUMBERS = st.one_of(ties(), decimals(), INTEGERS, DOUBLES, SINGLES)
SPACES = st.text(" \t\r\n", max_size=2)


def value(bits: int) -> float:
    """The float32 with these bits; for infinity's, what would stand there if the exponent went on."""
    return 2.0**128 if bits == INFINITY else float(np.array(bits, dtype=np.uint32).view(np.float32))


def nearest(literal: str) -> float:
    """The nearest float32 by rational arithmetic alone, ties to even; infinity where that is nearest."""
    sign = -1.0 if literal.startswith("-") else 1.0
    number = Decimal(literal)
    if not number or abs(number.adjusted()) > 1000:  # out of reach, and too long for a fraction
        return math.copysign(math.inf if number and number.adjusted() > 0 else 0.0, sign)
    exact = abs(Fraction(literal))
    exponent = exact.numerator.bit_length() - exact.denominator.bit_length()
    exponent -= Fraction(2) ** exponent > exact
    unit = Fraction(2) ** (max(exponent, -126) - 23)
    size = round(exact / unit) * unit  # of a fraction, round() is exact and takes ties to even
    return math.copysign(math.inf if size >= 2**128 else float(size), sign)


def check(text: bytes, literals: list[str]) -> None:
    expected = [nearest(literal) for literal in literals]
    infinite = [i for i, number in enumerate(expected) if math.isinf(number)]
    if infinite:
        with pytest.raises(NotAVector, match=rf"^element {infinite[0]} \(.*\) is infinity in float32$"):
            floats(text)
    else:
        found = floats(text)
        assert found.dtype == np.float32
        assert found.shape == (len(literals),)
        assert found.tobytes() == np.array(expected, dtype=np.float32).tobytes()


@THOROUGH
@given(number=st.one_of(ties(), NUMBERS), beside=st.sampled_from([None, "0.5", "-0", HUGE]))
def test_a_number_becomes_the_nearest_whatever_stands_beside_it(number: str, beside: str | None) -> None:
    literals = [number] if beside is None else [beside, number]
    check(f"[{','.join(literals)}]".encode(), literals)


@THOROUGH
@given(numbers=st.lists(st.tuples(SPACES, NUMBERS, SPACES), min_size=1, max_size=30))
def test_every_element_becomes_the_nearest(numbers: list[tuple[str, str, str]]) -> None:
    text = "[" + ",".join(map("".join, numbers)) + "]"
    check(text.encode(), [number for _, number, _ in numbers])


@THOROUGH
@given(
    vector=hnp.arrays(np.float32, st.integers(1, 400), elements=st.floats(-4, 4, width=32)),
    sprinkled=st.dictionaries(st.integers(0, 399), ties(), max_size=5),
)
def test_a_few_ties_among_many_numbers_are_found(vector: Vector, sprinkled: dict[int, str]) -> None:
    literals = [repr(number) for number in vector.tolist()]
    for i, tie in sprinkled.items():
        literals[i % len(literals)] = tie
    check(f"[{', '.join(literals)}]".encode(), literals)


PLAIN = st.integers(1 << 23, INFINITY - 1).map(lambda bits: repr(value(bits)))
PAGES = st.lists(
    st.one_of(st.lists(NUMBERS, max_size=4), st.lists(PLAIN, min_size=1, max_size=4), st.just(["0.25"] * 9000)),
    max_size=8,
)


@THOROUGH
@given(page=PAGES)
def test_texts_that_are_rounded_together_are_what_each_is_alone(page: list[list[str]]) -> None:
    texts = [f"[{', '.join(literals)}]".encode() for literals in page]
    for text, found in plain_floats(texts).items():
        assert found.dtype == np.float32
        assert found.tobytes() == floats(text).tobytes()


@given(page=st.lists(st.lists(PLAIN, min_size=1, max_size=40), max_size=20), zeros=st.sets(st.integers(0, 19)))
def test_plain_texts_need_no_second_look_whoever_stands_beside_them(page: list[list[str]], zeros: set[int]) -> None:
    texts = [
        f"[{', '.join([*literals, '0.0'] if i in zeros else literals)}]".encode() for i, literals in enumerate(page)
    ]
    tie = b"[1.0000000596046448]"
    assert set(plain_floats([*texts, tie, b"[1, 2"])) == set(texts)


@given(
    vector=hnp.arrays(
        np.float32, st.integers(1, 200), elements=st.floats(width=32, allow_nan=False, allow_infinity=False)
    )
)
def test_what_json_writes_comes_back_bit_for_bit(vector: Vector) -> None:
    assert floats(json.dumps(vector.tolist()).encode()).tobytes() == vector.tobytes()


@THOROUGH
@given(
    numbers=st.lists(st.one_of(decimals(), INTEGERS, st.sampled_from(["-0", "[1]", "NaN", "null"])), max_size=5),
    edits=st.lists(
        st.tuples(st.integers(0, 200), st.sampled_from(list(b'[]{},.:-+eE0123 \n\x00\x0c"\xef\xbb\xbf\xff'))),
        max_size=3,
    ),
)
def test_only_arrays_of_numbers_are_read(numbers: list[str], edits: list[tuple[int, int]]) -> None:
    damaged = bytearray(f"[{','.join(numbers)}]".encode())
    for at, byte in edits:
        place = at % len(damaged)
        damaged[place : place + at % 2] = bytes([byte])
    text = bytes(damaged)
    literals = literals_of(text)
    if literals:
        check(text, literals)
    else:
        with pytest.raises(NotAVector):
            floats(text)


def literals_of(text: bytes) -> list[str] | None:
    """The literals of a JSON array of numbers, by the standard library; None where the text is something else."""
    try:
        found = json.loads(text.decode(), parse_float=lambda s: ("n", s), parse_int=lambda s: ("n", s))
    except ValueError:
        return None
    if not isinstance(found, list) or not all(isinstance(each, tuple) for each in found):
        return None
    return [literal for _, literal in found]
