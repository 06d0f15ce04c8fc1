"""Beside: the same queries on the old and on the new store find the same rows, and the new one answers in time."""

from __future__ import annotations

from collections.abc import Sequence

from limosa.model.interval import wilson
from limosa.model.proof import Proof, Verdict
from limosa.ports.carried import Beside
from limosa.verify.latency import percentile

__all__ = ["K", "QUERIES", "prove_beside"]

K = 10
"""Neighbours asked for: a first page of results."""

QUERIES = 50
"""Five hundred neighbours bound an overlap of 0.95 to within 0.02."""

LEAST = 0.9
"""Below this, one of the ten nearest is another on average: pages of results visibly differ."""


def prove_beside(found: Sequence[Beside], *, goal_p95_ms: float) -> list[Proof]:
    """Whether both sides answer alike, and whether the new one does in time.

    Args:
        found: queries that were asked on both sides.
    """
    if not found:
        return [Proof(name="overlap", verdict="unchecked", said="there are no vectors to ask with")]
    # Vectors of two models find different rows: there is nothing to hold against each other.
    compared = [_overlap(found)] if any(each.old for each in found) else []
    return [*compared, _latency(found, goal_p95_ms)]


def _overlap(found: Sequence[Beside]) -> Proof:
    """Different where even the upper end of the 95 % interval lies below 0.9.

    What the old side found counts as found by the new one where it is as near as the last of its ten.
    """
    wanted = sum(len(each.old) for each in found)
    met = sum(sum(key in each.new or key in each.ties for key in each.old) for each in found)
    interval = wilson(met, wanted)
    evidence: dict[str, object] = {"queries": len(found), "k": K, "found": met, "wanted": wanted, "least": LEAST}
    evidence |= {"overlap": interval.share, "low": interval.low, "high": interval.high}
    said = f"overlap@{K} of both stores is {interval} over {len(found)} queries"
    verdict: Verdict = "proved" if interval.high >= LEAST else "different"
    return Proof(name="overlap", verdict=verdict, said=said, evidence=evidence)


def _latency(found: Sequence[Beside], goal_p95_ms: float) -> Proof:
    taken = [each.elapsed_ms for each in found]
    p50, p95 = percentile(taken, 0.5), percentile(taken, 0.95)
    evidence: dict[str, object] = {"queries": len(taken), "k": K, "goal_p95_ms": goal_p95_ms}
    evidence |= {"new_p50_ms": p50, "new_p95_ms": p95}
    said = f"the new store over {len(taken)} queries: p50 {p50:.1f} ms, p95 {p95:.1f} ms"
    if p95 <= goal_p95_ms:
        said += f"; the goal is {goal_p95_ms:g} ms"
        return Proof(name="latency", verdict="proved", said=said, evidence=evidence)
    said += f"; over the goal of {goal_p95_ms:g} ms, which is latency_p95_ms in [verify]"
    return Proof(name="latency", verdict="different", said=said, evidence=evidence)
