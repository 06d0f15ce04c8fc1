"""The numbers of a JSON text as float32, each the nearest to the decimal that was written.

A parser gives the nearest double, and rounding that to float32 gives the nearest float32 too, but for
one case: where the double is exactly the midpoint between two neighbouring float32 values, the decimal
may have stood on either side of it. Such elements are decided by the digits of their text.
"""

from __future__ import annotations

import json
import re
import threading
from collections.abc import Iterable, Iterator, Sequence
from decimal import Decimal

import numpy as np
import simdjson
from numpy.typing import NDArray

__all__ = ["NotAVector", "Vector", "floats", "plain_floats"]

Vector = NDArray[np.float32]
"""Shape (d,), float32, C order."""

_Doubles = NDArray[np.float64]

_BOM = b"\xef\xbb\xbf"
"""The parser steps over it; JSON does not allow it (RFC 8259, section 8.1)."""

_SMALLEST_NORMAL = 2.0**-126
"""Below it the distance between neighbouring float32 values no longer shrinks (IEEE 754 binary32)."""

_OVERFLOW = 2.0**128 - 2.0**103
"""The midpoint between the largest float32 and what would follow it: from here on, infinity is nearest."""

_HALVES = 2.0**150
"""Halves of the smallest float32 in 1: what is smaller than normal and a midpoint is an odd number of them."""

_TOGETHER = 8192
"""Numbers that are rounded together: enough to make the calls' own cost small, few enough for the processor's cache."""

_SHOWN = 40
"""Characters of a number that a reason repeats."""

# A double has 29 bits of mantissa more than a float32: at a midpoint the first of them is 1 and the rest are 0.
# The numbers are arrays because numpy takes longer over a scalar than over a short row's values.
_KEPT = np.array(64 - 29, dtype=np.uint64)
_HALF = np.array(1 << 63, dtype=np.uint64)

# Shifted by its sign, a double's bits keep the order of sizes, and one subtraction tells what lies outside a range.
_SIGN = np.array(1, dtype=np.uint64)
_LEAST = np.asarray(np.array(_SMALLEST_NORMAL).view(np.uint64) << _SIGN)
_RANGE = np.asarray((np.array(_OVERFLOW).view(np.uint64) << _SIGN) - _LEAST)

_MINUS_ZERO = re.compile(rb"-0[,\]\s]")
"""Minus zero without a point or exponent: the parser reads an integer, which has no sign (it matches 1e-0 too)."""


class NotAVector(ValueError):
    """The text is no array of numbers that float32 can hold; the message is the reason, for a person.

    Positions in it count from 0.
    """


class _Local(threading.local):
    """One parser a thread: a parser is of no use to others while an array of it is being read."""

    def __init__(self) -> None:
        self.parser = simdjson.Parser()


_LOCAL = _Local()


class _Number(str):
    """A number as it was written."""

    __slots__ = ()


class _Constant(str):
    """NaN, Infinity or -Infinity, as Python's own json writes them and JSON does not know them."""

    __slots__ = ()


def floats(text: bytes) -> Vector:
    """The numbers of a JSON array as float32, every one the nearest to what is written, ties to even.

    Minus zero keeps its sign, and what is nearest to zero becomes zero. Safe to call from several threads;
    they take turns, because the parser holds the interpreter's lock.

    Args:
        text: a JSON array of at least one number, UTF-8 without a byte order mark.

    Raises:
        NotAVector: broken JSON, another kind of value, an empty array, an element that is no finite number,
            or one that float32 cannot hold.

    Source: the nearest double decides everywhere but on midpoints, because rounding is monotonic; simdjson
    reads the nearest double (Lemire, Number parsing at a gigabyte per second, 2021).
    """
    doubles = _parsed(text)
    if doubles is None:
        literals = _literals(text)
        return _decided(np.array([float(literal) for literal in literals]), literals)
    if _plain(doubles) or _settled(doubles, text):
        return doubles.astype(np.float32)
    # The parser found one array of nothing but numbers: every comma stands between two of them.
    return _decided(doubles, text[text.index(b"[") + 1 : text.index(b"]")].decode("ascii").split(","))


def plain_floats(texts: Iterable[bytes]) -> dict[bytes, Vector]:
    """What ``floats`` answers for those of the texts that need no closer look; their numbers are rounded together."""
    vectors: dict[bytes, Vector] = {}
    group: list[tuple[bytes, _Doubles]] = []
    size = 0
    for text in texts:
        doubles = _parsed(text)
        if doubles is None:
            continue
        group.append((text, doubles))
        size += len(doubles)
        if size >= _TOGETHER:
            vectors.update(_rounded(group))
            group, size = [], 0
    vectors.update(_rounded(group))
    return vectors


def _rounded(group: list[tuple[bytes, _Doubles]]) -> Iterator[tuple[bytes, Vector]]:
    if not group:
        return
    together = np.concatenate([doubles for _, doubles in group])
    if not _plain(together):
        # One zero is enough to come here: the others must not be parsed again for it.
        for text, doubles in group:
            if _plain(doubles) or _settled(doubles, text):
                yield text, doubles.astype(np.float32)
        return
    singles, end = together.astype(np.float32), 0
    for text, doubles in group:
        start, end = end, end + len(doubles)
        yield text, singles[start:end]


def _parsed(text: bytes) -> _Doubles | None:
    """The nearest doubles, shape (d,), d at least 1; None where a closer look is needed."""
    start = text.find(b"[")
    # The parser would flatten arrays inside the array.
    if text.find(b"[", start + 1) >= 0 or (start and text.startswith(_BOM)):
        return None
    try:
        array = _LOCAL.parser.parse(text)
        if not isinstance(array, simdjson.Array):
            return None
        doubles = np.frombuffer(array.as_buffer(of_type="d"), dtype=np.float64)
    except (ValueError, TypeError, RuntimeError):  # of the parser: broken, not a number, beyond 64 bits or too deep
        return None
    return doubles if len(doubles) else None


def _plain(doubles: _Doubles) -> bool:
    """Whether all are normal in float32 and none is a midpoint: as good as always so."""
    bits = doubles.view(np.uint64)
    outside = ((bits << _SIGN) - _LEAST) >= _RANGE
    return not np.count_nonzero((bits << _KEPT) == _HALF) and not np.count_nonzero(outside)


def _settled(doubles: _Doubles, text: bytes) -> bool:
    """Whether rounding the doubles is right although some are not plain: small ones beside midpoints, and zeros."""
    if (np.abs(doubles) >= _OVERFLOW).any() or _midpoints(doubles).any():
        return False
    return np.count_nonzero(doubles) == len(doubles) or not _MINUS_ZERO.search(text)


def _midpoints(doubles: _Doubles) -> NDArray[np.bool_]:
    """Which doubles lie exactly between two neighbouring float32 values, infinity being one; shape (d,)."""
    size = np.abs(doubles)
    found: NDArray[np.bool_] = ((doubles.view(np.uint64) << _KEPT) == _HALF) & (size <= _OVERFLOW)
    small = np.flatnonzero(size < _SMALLEST_NORMAL)
    found[small] = size[small] * _HALVES % 2 == 1
    return found


def _decided(doubles: _Doubles, literals: Sequence[str]) -> Vector:
    """The float32 nearest to the literals.

    Args:
        doubles: what is nearest to the literals, shape (d,); infinity and zeros without their sign are allowed.
        literals: d numbers as they were written, with or without space around them.

    Raises:
        NotAVector: infinity is nearest to one.
    """
    with np.errstate(over="ignore"):  # infinity has its reason below
        vector = doubles.astype(np.float32)
    for i in np.flatnonzero(doubles == 0).tolist():
        vector[i] = float(literals[i])
    ties = np.flatnonzero(_midpoints(doubles))
    sides = np.array([_side(literals[i], of=float(doubles[i])) for i in ties.tolist()], dtype=np.float32)
    # Rounded to even, a tie went up or down; where its literal lies on the other side, the neighbour there is nearer.
    wrong = (sides != 0) & ((sides > 0) != (vector[ties] > doubles[ties]))
    vector[ties[wrong]] = np.nextafter(vector[ties[wrong]], sides[wrong] * np.float32(np.inf))
    for i in np.flatnonzero(np.isinf(vector)).tolist():
        raise NotAVector(f"element {i} ({_short(literals[i].strip())}) is infinity in float32")
    return vector


def _side(literal: str, *, of: float) -> int:
    """1 where the literal is above a double, -1 where it is below, 0 where it is the same number."""
    # Both are exact, and so is their comparison, however many digits there are.
    written, double = Decimal(literal), Decimal(of)
    return (written > double) - (written < double)


def _literals(text: bytes) -> list[_Number]:
    """The numbers of the array as they were written.

    Raises:
        NotAVector: there is something else, or nothing.
    """
    found = _loaded(text)
    if not isinstance(found, list):
        raise NotAVector(f"{_kind(found)}, not an array of numbers")
    if not found:
        raise NotAVector("an empty array")
    for i, element in enumerate(found):
        if not isinstance(element, _Number):
            what = _kind(element)
            raise NotAVector(f"element {i} is {what}" + ("" if isinstance(element, _Constant) else ", not a number"))
    return found


def _loaded(text: bytes) -> object:
    try:
        # Decoded here: given bytes, the json module would take UTF-16 and a byte order mark as well.
        return json.loads(text.decode("utf-8"), parse_float=_Number, parse_int=_Number, parse_constant=_Constant)
    except UnicodeDecodeError as error:
        raise NotAVector(f"broken JSON: byte {error.start} is not UTF-8") from error
    except json.JSONDecodeError as error:
        raise NotAVector(f"broken JSON: {error.msg} at character {error.pos}") from error
    except RecursionError as error:
        raise NotAVector("arrays or objects nested too deep to be read, not an array of numbers") from error


def _kind(value: object) -> str:
    """What a person would call a value of JSON."""
    if isinstance(value, _Constant):
        return value.replace("Infinity", "infinity").replace("-", "minus ")
    kinds = {_Number: "a number", str: "a string", bool: "a boolean", list: "an array", dict: "an object"}
    return kinds.get(type(value), "null")


def _short(literal: str) -> str:
    return literal if len(literal) <= _SHOWN else literal[:_SHOWN] + "..."
