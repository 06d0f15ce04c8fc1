"""Decimal texts become float32: what is read exactly, and what is no vector, with its reason."""

from __future__ import annotations

import json
import sys
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest

from limosa.stores.sqlite.decimals import NotAVector, Vector, floats

HUGE = 123456789012345678901234567890
"""Beyond 64 bits: a text with it takes the other way through the module."""

TINIEST = 2.0**-149
LARGEST = float(np.finfo(np.float32).max)

# Exact decimals: format() prints all digits of a double.
TIE = format((1.0 + (1.0 + 2.0**-23)) / 2, ".60f")
ODD_TIE = format(((1.0 + 2.0**-23) + (1.0 + 2.0**-22)) / 2, ".60f")
HALF_OF_TINIEST = format(2.0**-150, ".160f")
SUBNORMAL_TIE = format(2.0**-149 * 4.5, ".160f")
LAST_SUBNORMAL_TIE = format(2.0**-126 - 2.0**-150, ".160f")
OVERFLOW = format(2.0**128 - 2.0**103, ".0f")
BELOW_OVERFLOW = str(int(OVERFLOW) - 1)

EXACT = {
    "an integer": ("7", 7.0),
    "a negative number": ("-0.5", -0.5),
    "an exponent": ("25E-1", 2.5),
    "zero": ("0", 0.0),
    "minus zero": ("-0.0", -0.0),
    "minus zero as an integer": ("-0", -0.0),
    "minus zero with an exponent": ("-0e7", -0.0),
    "zero with a huge exponent": ("0e99999999999999999999", 0.0),
    "smaller than float32 has": ("1e-60", 0.0),
    "smaller than float32 has, negative": ("-1e-60", -0.0),
    "smaller than a double has": ("1e-400", 0.0),
    "smaller than a double has, negative": ("-1e-400", -0.0),
    "a huge exponent below zero": ("-1e-99999999999999999999", -0.0),
    "many zeros undone by the exponent": ("0." + "0" * 3000 + "1e3001", 1.0),
    "many digits undone by the exponent": ("1" + "0" * 6000 + "e-6000", 1.0),
    "the smallest subnormal": ("1.4e-45", TINIEST),
    "the largest": (repr(LARGEST), LARGEST),
    "the largest as an integer": (str(int(LARGEST)), LARGEST),
    "an integer beyond 64 bits": (str(HUGE), float(np.float32(HUGE))),
    "the largest of 64 bits": ("18446744073709551615", 2.0**64),
    "one more": ("18446744073709551616", 2.0**64),
    "the least of 64 bits": ("-9223372036854775808", -(2.0**63)),
    "one less": ("-9223372036854775809", -(2.0**63)),
    "a tie goes to even, down": (TIE, 1.0),
    "just above a tie": (TIE + "1", 1.0 + 2.0**-23),
    "just above a negative tie": ("-" + TIE + "1", -1.0 - 2.0**-23),
    "a tie goes to even, up": (ODD_TIE, 1.0 + 2.0**-22),
    "just below a tie": (ODD_TIE.rstrip("0")[:-1] + "4999999999", 1.0 + 2.0**-23),
    "an integer tie": ("16777217", 16777216.0),
    "just above an integer tie": ("16777217.000000000000001", 16777218.0),
    "an integer tie beyond a double's digits": (str(2**60 + 2**36), 2.0**60),
    "just above it": (str(2**60 + 2**36 + 1), 2.0**60 + 2**37),
    "the same beyond 64 bits": (str(2**90 + 2**66 + 1), 2.0**90 + 2.0**67),
    "half of the smallest subnormal": (HALF_OF_TINIEST, 0.0),
    "half of the smallest subnormal, negative": ("-" + HALF_OF_TINIEST, -0.0),
    "just above half of it": (HALF_OF_TINIEST + "1", TINIEST),
    "just above half of it, negative": ("-" + HALF_OF_TINIEST + "1", -TINIEST),
    "just below half of it": (HALF_OF_TINIEST.rstrip("0")[:-1] + "49", 0.0),
    "a tie of subnormals": (SUBNORMAL_TIE, 4 * TINIEST),
    "just above a tie of subnormals": (SUBNORMAL_TIE + "1", 5 * TINIEST),
    "the last tie before the normal ones": (LAST_SUBNORMAL_TIE, 2.0**-126),
    "just below it": (LAST_SUBNORMAL_TIE.rstrip("0")[:-1] + "4999", 2.0**-126 - TINIEST),
    "just below infinity": (BELOW_OVERFLOW, LARGEST),
    "just below minus infinity": ("-" + BELOW_OVERFLOW + ".9", -LARGEST),
}


def same(vector: Vector, *expected: float) -> None:
    assert vector.dtype == np.float32
    assert vector.shape == (len(expected),)
    assert vector.flags["C_CONTIGUOUS"]
    assert vector.tobytes() == np.array(expected, dtype=np.float32).tobytes(), vector


@pytest.mark.parametrize("name", EXACT)
def test_a_number_becomes_the_nearest(name: str) -> None:
    literal, value = EXACT[name]
    same(floats(f"[{literal}]".encode()), value)
    same(floats(f"[0.25, {literal} ,0]".encode()), 0.25, value, 0.0)
    same(floats(f"[{literal},{HUGE}]".encode()), value, float(np.float32(HUGE)))


@pytest.mark.parametrize(
    "text",
    [b"[1,2]", b" [1,2]", b"\n\t\r [\n1\t,\r\n 2 ]\r\n", b"[1.0,2.0]  ", b"[1e0,0.2E+01]"],
)
def test_space_and_spelling_do_not_matter(text: bytes) -> None:
    same(floats(text), 1.0, 2.0)


@pytest.mark.parametrize("text", [b"[0,-0]", b"[ 0 , -0 ]", b"[\n0,\n-0\n]", b"[0,-0e-0]"])
def test_only_the_zero_with_a_sign_has_one(text: bytes) -> None:
    same(floats(text), 0.0, -0.0)


@pytest.mark.parametrize(
    "text",
    [
        b"",
        b" ",
        b"[",
        b"]",
        b"[1",
        b"[1,",
        b"[1,]",
        b"[,1]",
        b"[1,,2]",
        b"[1 2]",
        b"[1]]",
        b"[1] x",
        b"[1][2]",
        b"[1]\x00",
        b"[1]\xc2\xa0",
        b"[1\x0c]",
        b"[01]",
        b"[-01]",
        b"[+1]",
        b"[.5]",
        b"[1.]",
        b"[1e]",
        b"[-]",
        b"[0x1]",
        b"[1_0]",
        b"[nan]",
        b"[inf]",
        b"1, 2",
        b"[\xff]",
        b"[1]\xff",
        b'["\xff"]',
        b"\xef\xbb\xbf[1]",
        b"[1]\xef\xbb\xbf",
        "[1]".encode("utf-16"),
        "[\N{ARABIC-INDIC DIGIT ONE}]".encode(),
    ],
)
def test_broken_json_is_said_to_be_broken(text: bytes) -> None:
    with pytest.raises(NotAVector, match=r"^broken JSON: "):
        floats(text)


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        (b"null", "null, not an array of numbers"),
        (b"true", "a boolean, not an array of numbers"),
        (b"1.5", "a number, not an array of numbers"),
        (b'"[1]"', "a string, not an array of numbers"),
        (b'{"a": [1]}', "an object, not an array of numbers"),
        (b"NaN", "NaN, not an array of numbers"),
        (b"[]", "an empty array"),
        (b" [ ] ", "an empty array"),
        (b"[null]", "element 0 is null, not a number"),
        (b"[1, false]", "element 1 is a boolean, not a number"),
        (b'[1, "2"]', "element 1 is a string, not a number"),
        (b'[1, "["]', "element 1 is a string, not a number"),
        (b"[[1, 2]]", "element 0 is an array, not a number"),
        (b"[1, 2, []]", "element 2 is an array, not a number"),
        (b"[1, {}]", "element 1 is an object, not a number"),
        (b"[1, NaN]", "element 1 is NaN"),
        (b"[Infinity]", "element 0 is infinity"),
        (b"[0, 0, -Infinity]", "element 2 is minus infinity"),
        (b"[1, 1e39]", "element 1 (1e39) is infinity in float32"),
        (b"[ -1e39 , 1]", "element 0 (-1e39) is infinity in float32"),
        (b"[0, 1e400]", "element 1 (1e400) is infinity in float32"),
        (b"[3.5e38]", "element 0 (3.5e38) is infinity in float32"),
        (b"[3.4028236e38]", "element 0 (3.4028236e38) is infinity in float32"),
        (str([2**128 + 2**104 - 1]).encode(), f"element 0 ({2**128 + 2**104 - 1}) is infinity in float32"),
        (OVERFLOW.join("[]").encode(), f"element 0 ({OVERFLOW}) is infinity in float32"),
        (f"[1, -{OVERFLOW}.1]".encode(), f"element 1 (-{OVERFLOW}...) is infinity in float32"),
        (b"[" + b"7" * 5000 + b"]", f"element 0 ({'7' * 40}...) is infinity in float32"),
    ],
)
def test_what_is_no_vector_says_why(text: bytes, reason: str) -> None:
    with pytest.raises(NotAVector) as caught:
        floats(text)
    assert str(caught.value) == reason
    assert isinstance(caught.value, ValueError)


@pytest.mark.parametrize("depth", [2, 1000, 100_000])
@pytest.mark.parametrize("ends", ["", "]"])
def test_arrays_in_arrays_do_not_end_the_process(depth: int, ends: str) -> None:
    with pytest.raises(NotAVector):
        floats(("[" * depth + ends * depth).encode())


def test_a_broken_text_leaves_nothing_behind() -> None:
    errors = []
    for text in (b"[1,null]", b"[1", b"{}"):
        with pytest.raises(NotAVector) as caught:
            floats(text)
        errors.append(caught.value)  # and with it all frames on its way
        same(floats(b"[1,2]"), 1.0, 2.0)


def test_a_vector_is_the_callers_own() -> None:
    first = floats(b"[1,2]")
    floats(b"[3,4]")
    same(first, 1.0, 2.0)
    assert first.flags["WRITEABLE"]
    assert first.flags["OWNDATA"]


def test_threads_do_not_disturb_each_other() -> None:
    rng = np.random.default_rng(1)
    vectors = [rng.standard_normal(100 + i).astype(np.float32) for i in range(40)]
    texts = [json.dumps(vector.tolist()).encode() for vector in vectors]
    interval = sys.getswitchinterval()
    sys.setswitchinterval(1e-6)
    try:
        with ThreadPoolExecutor(4) as pool:
            found = list(pool.map(floats, texts * 20))
    finally:
        sys.setswitchinterval(interval)
    assert [each.tobytes() for each in found] == [each.tobytes() for each in vectors] * 20
