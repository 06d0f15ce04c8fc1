"""Thresholds: which similarity in the new space lets through as much as one that was tuned in the old space."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

from limosa.model.proof import Proof, Verdict
from limosa.verify.resampling import bootstrap

__all__ = ["K", "LEAST_QUERIES", "QUERIES", "Similarities", "prove_thresholds"]

K = 10
"""Similarities of a query: those of a first page of results, which a threshold cuts."""

QUERIES = 200
"""Two thousand similarities put a quantile to within two hundredths of a rank."""

LEAST_QUERIES = 20
"""Below this, one query more or less moves a quantile by more than its interval says."""

_SHOWN = (0.05, 0.25, 0.5, 0.75, 0.95)

Similarities = npt.NDArray[np.float64]
"""Shape (q, k): for each query the similarities of its nearest rows but itself, best first."""


def prove_thresholds(old: Similarities, new: Similarities, thresholds: Sequence[float]) -> Proof | None:
    """Advice, never different: each threshold is mapped by the share of similarities that it lets through.

    None where no threshold is named and there are too few queries to say anything.

    Args:
        old, new: of the same rows as queries, in the same order.
    """
    queries = len(old)
    evidence: dict[str, object] = {"queries": queries, "k": int(old.shape[1]) if queries else 0}
    if queries < LEAST_QUERIES:
        if not thresholds:
            return None
        said = f"{queries} stored vectors have neighbours on both sides; {LEAST_QUERIES} are needed"
        return Proof(name="thresholds", verdict="unchecked", said=said, evidence=evidence)
    shown = {str(share): [float(np.quantile(each, share)) for each in (old, new)] for share in _SHOWN}
    evidence["quantiles_old_new"] = shown
    if not thresholds:
        listed = ", ".join(f"{before:.3f} → {after:.3f}" for before, after in shown.values())
        said = f"similarities of the {K} nearest, old → new, at 5, 25, 50, 75 and 95 %: {listed}"
        return Proof(name="thresholds", verdict="proved", said=said, evidence=evidence)
    mapped = {f"{each:g}": _mapped(old, new, each) for each in thresholds}
    evidence["thresholds"] = mapped
    told = [_told(name, each) for name, each in mapped.items()]
    verdict: Verdict = "proved" if all(each["new"] is not None for each in mapped.values()) else "unchecked"
    said = f"{'; '.join(told)}, by {queries} stored vectors as queries"
    return Proof(name="thresholds", verdict=verdict, said=said, evidence=evidence)


def _mapped(old: Similarities, new: Similarities, threshold: float) -> dict[str, float | None]:
    passed = float((old > threshold).mean())
    if not 0 < passed < 1:
        return {"passed_share": passed, "new": None, "low": None, "high": None}

    def figure(places: npt.NDArray[np.intp]) -> float:
        below = float((old[places] <= threshold).mean())
        return float(np.quantile(new[places], below))

    low, high = bootstrap(len(old), figure)
    return {"passed_share": passed, "new": figure(np.arange(len(old))), "low": low, "high": high}


def _told(name: str, found: dict[str, float | None]) -> str:
    if found["new"] is None:
        passed = "all" if found["passed_share"] else "none"
        return f"{name} lets {passed} of the old similarities through, so no new one can be told"
    return f"{name} → {found['new']:.3f} ({found['low']:.3f} to {found['high']:.3f})"
