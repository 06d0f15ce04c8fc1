"""Match function: callers of either space get the rows that a direct search of that space finds."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np

from limosa.errors import Refused
from limosa.model.batch import Vectors
from limosa.model.proof import Proof
from limosa.ports.evidence import Answered, Evidence, Matched
from limosa.ports.search import OldOrNew, Stored

__all__ = ["CALLS", "Caller", "prove_match"]

CALLS = 5
"""Calls for each kind of caller: the index may miss a nearest row now and then, and must not in most of them."""

K = 10

TIE = 1e-6
"""Similarities this near are equal: both come from one operator on one stored vector."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Caller:
    """One kind of caller.

    Attributes:
        sample: rows of its side; their vectors are the queries.
        named: passes the side's name, as must be where both spaces have one size.
    """

    side: OldOrNew
    dimensions: int
    evidence: Evidence
    sample: Sequence[Stored]
    named: bool


def prove_match(function: str, callers: Sequence[Caller]) -> Proof:
    """Different where a caller is refused or gets a row that the direct search does not put first.

    The function may go through an index that misses rows: its first row must be, with its true similarity, among
    the k nearest or among what a direct search through the index finds, each time; and it must be the very
    nearest in at least half of the calls.
    """
    evidence: dict[str, object] = {"function": function}
    wrong: list[str] = []
    quoted: list[str] = []
    for caller in callers:
        name = f"{caller.side} space{' by name' if caller.named else ''}"
        calls = first = 0
        fault = answer = ""
        for vector in _queries(caller):
            calls += 1
            try:
                found = caller.evidence.match(vector, K, named=caller.named)
            except Refused as error:
                fault = answer = f"the call fails: {error.what}"
                break
            first += _same(found.answered.similarities[:1], found.exact.similarities[:1])
            fault = fault or _fault(found)
        if not fault and first * 2 < calls:
            fault = f"only {first} of {calls} calls answered the nearest row first"
        evidence[name] = {"calls": calls, "nearest_first": first, "fault": fault}
        if fault:
            # What the function itself answered, behind a colon, may quote a text: it comes last, to be cut off.
            (quoted if answer else wrong).append(f"for callers of the {name} {fault}")
    if wrong or quoted:
        said = f"{function}, {'; '.join([*wrong, *quoted])}"
        return Proof(name="match function", verdict="different", said=said, evidence=evidence)
    sides = " and of the ".join(dict.fromkeys(f"{caller.side} space" for caller in callers))
    said = f"{function} answers callers of the {sides} as a direct search does"
    return Proof(name="match function", verdict="proved", said=said, evidence=evidence)


def _queries(caller: Caller) -> Iterator[Vectors]:
    """Vectors of sampled rows; where there is none, any vector must be answered with no row."""
    held = [row.vector for row in caller.sample if row.vector is not None and np.any(row.vector)][:CALLS]
    if held:
        yield from held
        return
    unit = np.zeros(caller.dimensions, dtype=np.float32)
    unit[0] = 1.0
    yield unit


def _fault(found: Matched) -> str:
    if not found.answered.rows:
        return "no row was answered" if found.exact.rows else ""
    # Far from every other row an index misses all of the nearest now and then: recall says how often.
    if _first_among(found.answered, found.exact) or _first_among(found.answered, found.by_index):
        return ""
    return "its first row is not among the nearest rows of a direct search, or has another similarity there"


def _first_among(answered: Answered, direct: Answered) -> bool:
    """The first row is there with this similarity, or as near as all of them, so that more rows tie than were asked."""
    row, top = answered.rows[0], answered.similarities[0]
    listed = zip(direct.rows, direct.similarities, strict=True)
    near = [each for each, similarity in listed if abs(similarity - top) <= _tolerance(top)]
    return row in near or len(near) == K


def _same(a: tuple[float, ...], b: tuple[float, ...]) -> bool:
    return len(a) == len(b) and all(abs(x - y) <= _tolerance(y) for x, y in zip(a, b, strict=True))


def _tolerance(value: float) -> float:
    return TIE * max(1.0, abs(value))
