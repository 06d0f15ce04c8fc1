"""Latency: the application's own query answers in time, on the new side as it is asked, with the old one beside it."""

from __future__ import annotations

import math
import time
from collections.abc import Mapping, Sequence

from limosa.errors import LimosaError
from limosa.model.batch import Vectors
from limosa.model.proof import Proof
from limosa.ports.application import Application
from limosa.ports.search import OldOrNew

__all__ = ["QUERIES", "percentile", "prove_latency"]

K = 10
"""Rows asked for: a first page of results."""

QUERIES = 50
"""Queries of a side; of fifty the third slowest is the 95th percentile, so that one stall decides nothing."""

_ROUND = 10
"""Queries of one side in a row before it is the other's turn, so that what slows the machine slows both."""

_WARM = 5
"""Queries before the clock runs: they read the index and the catalogue in, and compile the function."""

_SLOW_MS = 500.0
"""A query that takes so long the first time is not warmed up further, and the sides take turns one by one."""

_PATIENCE_S = 30.0
"""After so long no further round begins; a query of seconds is judged on fewer of them."""

_TRIES = 2
"""What is over the goal is measured a second time, and the better time counts: another's work may have been in it."""

Sides = Mapping[OldOrNew, tuple[Application, Sequence[Vectors]]]


def prove_latency(sides: Sides, *, goal_p95_ms: float) -> Proof:
    """Different where the new side's 95th percentile is over the goal twice.

    Args:
        sides: each with its application, and stored vectors of its own as queries; ``new`` at least.
    """
    if not sides["new"][1]:
        return Proof(name="latency", verdict="unchecked", said="there are no vectors to ask with")
    try:
        tries = [_measured(sides)]
        while len(tries) < _TRIES and percentile(tries[-1]["new"], 0.95) > goal_p95_ms:
            tries.append(_measured(sides))
    except LimosaError as error:
        return Proof(name="latency", verdict="unchecked", said=f"the application's query fails: {error.what}")
    best = min(tries, key=lambda each: percentile(each["new"], 0.95))
    evidence: dict[str, object] = {"asked": sides["new"][0].title, "k": K, "tries": len(tries)}
    evidence["goal_p95_ms"] = goal_p95_ms
    for side, taken in best.items():
        evidence[f"{side}_queries"] = len(taken)
        evidence[f"{side}_p50_ms"] = percentile(taken, 0.5)
        evidence[f"{side}_p95_ms"] = percentile(taken, 0.95)
    said = ", ".join(f"{side} {_said(taken)}" for side, taken in best.items())
    said = f"{sides['new'][0].title} over {len(best['new'])} queries: {said}"
    if percentile(best["new"], 0.95) <= goal_p95_ms:
        return Proof(
            name="latency", verdict="proved", said=f"{said}; the goal is {goal_p95_ms:g} ms", evidence=evidence
        )
    said += f"; over the goal of {goal_p95_ms:g} ms, which is latency_p95_ms in [verify]"
    return Proof(name="latency", verdict="different", said=said, evidence=evidence)


def percentile(taken: Sequence[float], share: float) -> float:
    """The smallest time that ``share`` of all do not exceed (nearest rank).

    Args:
        taken: at least one.
    """
    return sorted(taken)[max(1, math.ceil(share * len(taken))) - 1]


def _said(taken: Sequence[float]) -> str:
    return f"p50 {percentile(taken, 0.5):.1f} ms, p95 {percentile(taken, 0.95):.1f} ms"


def _measured(sides: Sides) -> dict[OldOrNew, list[float]]:
    """Milliseconds of each query, the sides in turn."""
    started = time.monotonic()
    slow = any(application.elapsed_ms(vectors[:1], K)[0] > _SLOW_MS for application, vectors in sides.values())
    if not slow:
        for application, vectors in sides.values():
            application.elapsed_ms(vectors[:_WARM], K)
    found: dict[OldOrNew, list[float]] = {side: [] for side in sides}
    size = 1 if slow else _ROUND
    for first in range(0, QUERIES, size):
        for side, (application, vectors) in sides.items():
            found[side] += application.elapsed_ms(vectors[first : min(QUERIES, first + size)], K)
        if time.monotonic() - started > _PATIENCE_S:
            break
    return found
