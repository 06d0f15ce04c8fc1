"""Judged queries: nDCG@10 of the old side against the new one, on queries whose answers people have judged."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence

import numpy as np

from limosa.model.proof import Proof, Verdict
from limosa.verify.resampling import bootstrap

__all__ = ["K", "LEAST_QUERIES", "ndcg", "prove_judged"]

K = 10

LEAST_QUERIES = 20
"""Below this the draws of a bootstrap repeat each other too often for its interval to hold what it says."""


def ndcg(found: Sequence[str], gains: Mapping[str, int], *, k: int = K) -> float:
    """Normalised discounted cumulative gain of a ranking: its gain over that of the best one.

    Args:
        found: ids, best first.
        gains: id to its gain, above 0; at least one.

    Source: K. Jaervelin and J. Kekaelaeinen, "Cumulated gain-based evaluation of IR techniques", ACM Transactions on
    Information Systems 20 (2002), 422-446; gain as judged and discount log2(rank + 1), as trec_eval has them.
    """
    gain = sum(gains.get(each, 0) / math.log2(rank + 1) for rank, each in enumerate(found[:k], 1))
    ideal = sorted(gains.values(), reverse=True)[:k]
    return gain / sum(each / math.log2(rank + 1) for rank, each in enumerate(ideal, 1))


def prove_judged(old: Sequence[float], new: Sequence[float], *, tolerance: float, facts: Mapping[str, object]) -> Proof:
    """Go where the interval of the difference lies above -tolerance, no-go where all of it lies below.

    Where it holds -tolerance, nothing is decided: more judged queries are needed.

    Args:
        old, new: nDCG@10 of the same queries, in the same order.
        tolerance: how much the mean may fall.
        facts: what more is evidence: queries and tokens.
    """
    evidence: dict[str, object] = {**facts, "queries": len(old), "k": K, "tolerance": tolerance}
    if len(old) < LEAST_QUERIES:
        said = f"{len(old)} judged queries have an answer in the table; {LEAST_QUERIES} are needed"
        return Proof(name="judged queries", verdict="unchecked", said=said, evidence=evidence)
    difference = np.array(new) - np.array(old)
    low, high = bootstrap(len(difference), lambda places: float(difference[places].mean()))
    before, after = float(np.mean(old)), float(np.mean(new))
    evidence |= {"old_ndcg": before, "new_ndcg": after, "difference": after - before, "low": low, "high": high}
    verdict, ruling = _ruled(low, high, tolerance)
    evidence["ruling"] = ruling
    figures = f"nDCG@{K} {before:.3f} before, {after:.3f} now, {after - before:+.3f} ({low:+.3f} to {high:+.3f})"
    said = f"{ruling}; {figures} over {len(old)} queries, tolerance {tolerance:g}"
    return Proof(name="judged queries", verdict=verdict, said=said, evidence=evidence)


def _ruled(low: float, high: float, tolerance: float) -> tuple[Verdict, str]:
    if high < -tolerance:
        return "different", "no-go"
    if low > -tolerance:
        return "proved", "go"
    return "unchecked", "not decided, more judged queries are needed"
