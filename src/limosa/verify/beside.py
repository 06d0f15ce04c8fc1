"""Beside: the same queries, filtered and not, find the same rows on both stores, and the new one answers in time."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence

from limosa.model.interval import Interval, wilson
from limosa.model.proof import Proof, Verdict
from limosa.ports.carried import Asked, Beside
from limosa.verify.latency import percentile

__all__ = ["K", "QUERIES", "prove_beside"]

K = 10
"""Neighbours asked for: a first page of results."""

QUERIES = 50
"""Five hundred neighbours bound an overlap of 0.95 to within 0.02."""

LEAST = 0.9
"""Below this, one of the ten nearest is another on average: pages of results visibly differ."""

_SHORT = (
    "an index finds its candidates first, and the filter throws some of them away. In pgvector, from 0.8 on,"
    " ALTER DATABASE ... SET hnsw.iterative_scan = strict_order lets the search go on; for IVFFlat it is"
    " ivfflat.iterative_scan = relaxed_order"
)
"""Source: pgvector's documentation, "Filtering" and "Iterative Index Scans" (read 2026-11)."""


_MISSED = (
    "the new store gives {} of what an exact search of it finds, so its index is what misses them:"
    " ALTER DATABASE ... SET hnsw.ef_search to more than 40, or larger m and ef_construction in [target.index]"
)

_OLD = "every point is the same on both sides and the new store finds the nearest, so the old store is what misses them"


def prove_beside(asked: Asked, *, same: bool, goal_p95_ms: float) -> list[Proof]:
    """Whether both sides answer alike, with filters and without, and whether the new one does in time.

    Where both hold the same points, and the new side answers as an exact search of them does, it is the old side's
    index that misses rows, or its quantisation: then the sides may differ. With a filter it may as well be that the
    two filter by something else, so that there they may not.

    Args:
        asked: queries that were asked on both sides.
        same: every point was found equal on both sides.
    """
    if not asked.plain:
        return [Proof(name="overlap", verdict="unchecked", said="there are no vectors to ask with")]
    compared = not asked.alone and any(each.old for each in asked.plain)
    proofs = [_overlap(asked, same)] if compared else []
    if asked.alone:
        proofs.append(Proof(name="overlap", verdict="unchecked", said=asked.alone))
    if asked.filtered:
        proofs.append(_filters(asked, compared=compared))
    return [*proofs, _latency(asked, goal_p95_ms)]


def _share(found: Iterable[Beside], *, compared: bool) -> tuple[int, int]:
    """How many rows are found, and how many should be.

    What the old side found counts as found by the new one where it is as near as the last of its ten. Where the old one
    was not asked, an exact search of the new one says what should be found.
    """
    rows = [(each.old if compared else each.exact, each) for each in found]
    met = sum(sum(key in each.new or key in each.ties for key in wanted) for wanted, each in rows)
    return met, sum(len(wanted) for wanted, _ in rows)


def _figures(found: Sequence[Beside], *, compared: bool = True) -> tuple[dict[str, object], Interval | None]:
    met, wanted = _share(found, compared=compared)
    figures: dict[str, object] = {"queries": len(found), "k": K, "found": met, "wanted": wanted, "least": LEAST}
    if not wanted:
        return figures, None
    interval = wilson(met, wanted)
    return {**figures, "overlap": interval.share, "low": interval.low, "high": interval.high}, interval


def _overlap(asked: Asked, same: bool) -> Proof:
    """Different where even the upper end of the 95 % interval lies below 0.9, and not by the old side's doing."""
    evidence, interval = _figures(asked.plain)
    assert interval is not None  # noqa: S101 - asked where the old side found something
    said = f"overlap@{K} of both stores is {interval} over {len(asked.plain)} queries"
    if not asked.filtered:
        said += f"; {_unfiltered(asked.passed)}"
    if interval.high >= LEAST:
        return Proof(name="overlap", verdict="proved", said=said, evidence=evidence)
    _, exact = _figures(asked.plain, compared=False)
    if exact is not None and exact.high < LEAST:
        said += f"; {_MISSED.format(exact)}"
    elif same and all(len(each.exact) >= len(each.old) for each in asked.plain):
        said += f"; {_OLD}"
        return Proof(name="overlap", verdict="proved", said=said, evidence=evidence)
    return Proof(name="overlap", verdict="different", said=said, evidence=evidence)


def _unfiltered(passed: Mapping[str, str]) -> str:
    """Why no query had a filter."""
    if not passed:
        return "no payload index at the source: asked without filters"
    return f"asked without filters, not by {_listed(passed)}"


def _filters(asked: Asked, *, compared: bool) -> Proof:
    """The same with a filter, for each field by itself: the one whose values few rows have is the one that fails."""
    fields = sorted({field for each in asked.filtered for field in each.where})
    told = {
        field: _figures([each for each in asked.filtered if field in each.where], compared=compared) for field in fields
    }
    short = [each for each in asked.filtered if len(each.new) < len(each.exact)]
    evidence, whole = _figures(asked.filtered, compared=compared)
    evidence |= {"fields": {field: figures for field, (figures, _) in told.items()}, "passed": dict(asked.passed)}
    evidence["short"] = len(short)
    if whole is None:
        return Proof(name="filters", verdict="unchecked", said="no row was found with a filter", evidence=evidence)
    low = [field for field, (_, interval) in told.items() if interval is not None and interval.high < LEAST]
    of = "both stores" if compared else "the new store and an exact search"
    said = [f"overlap@{K} of {of} is {whole} over {len(asked.filtered)} queries with a filter by {', '.join(fields)}"]
    said += [f"by {field} it is {told[field][1]}" for field in low if len(fields) > 1]
    said += [f"not asked by {_listed(asked.passed)}"] if asked.passed else []
    said += _cut(short)
    verdict: Verdict = "different" if low else "proved"
    return Proof(name="filters", verdict=verdict, said="; ".join(said), evidence=evidence)


def _cut(short: Sequence[Beside]) -> list[str]:
    """Says which answers lack rows that are there, and what to do."""
    if not short:
        return []
    worst = min(short, key=lambda each: len(each.new) / len(each.exact))
    rows = f"{len(worst.new)} of {len(worst.exact)} rows"
    return [f"{len(short)} answers of the new store are short, one of them with {rows}: {_SHORT}"]


def _listed(passed: Mapping[str, str]) -> str:
    return ", ".join(f"{field} ({why})" for field, why in passed.items())


def _latency(asked: Asked, goal_p95_ms: float) -> Proof:
    """Different where the new side is over the goal, with filters or without."""
    taken = [each.elapsed_ms for each in asked.plain]
    p50, p95 = percentile(taken, 0.5), percentile(taken, 0.95)
    evidence: dict[str, object] = {"queries": len(taken), "k": K, "goal_p95_ms": goal_p95_ms}
    evidence |= {"new_p50_ms": p50, "new_p95_ms": p95}
    said = f"the new store over {len(taken)} queries: p50 {p50:.1f} ms, p95 {p95:.1f} ms"
    worst = p95
    if asked.filtered:
        taken = [each.elapsed_ms for each in asked.filtered]
        p50, p95 = percentile(taken, 0.5), percentile(taken, 0.95)
        evidence |= {"filtered_queries": len(taken), "filtered_p50_ms": p50, "filtered_p95_ms": p95}
        said += f"; over {len(taken)} with a filter: p50 {p50:.1f} ms, p95 {p95:.1f} ms"
        worst = max(worst, p95)
    if worst <= goal_p95_ms:
        said += f"; the goal is {goal_p95_ms:g} ms"
        return Proof(name="latency", verdict="proved", said=said, evidence=evidence)
    said += f"; over the goal of {goal_p95_ms:g} ms, which is latency_p95_ms in [verify]"
    return Proof(name="latency", verdict="different", said=said, evidence=evidence)
