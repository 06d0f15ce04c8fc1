"""Norms: the lengths of the stored vectors are those that the model gives."""

from __future__ import annotations

from limosa.model.proof import Proof, Verdict
from limosa.ports.evidence import Norms

__all__ = ["LENGTH", "prove_norms"]

LENGTH = 0.05
"""A stored vector that is longer or shorter than the model's by more than this was not stored as it came: half
precision costs 0.0005, and servers that quantise by the batch a few thousandths."""

_BULK = 0.9
"""From this share of unit vectors on they are taken for normalised, and the others for another way of making them."""


def prove_norms(found: Norms, *, normalise: bool, canary: Proof, fill: bool = False) -> Proof:
    """Different where vectors have another length than they should have.

    They should have the length 1 where the space normalises, or where the model gave only such ones to the canary; else
    the length that the model gave. Where the model could not be asked, the bulk of the vectors speaks for the rest.

    Args:
        normalise: the space says that vectors are L2-normalised.
        canary: its evidence says how long the vectors were that the model gave again.
        fill: vectors stood in the column before; that their lengths are others is told and not judged, as they are
            the user's own.
    """
    evidence: dict[str, object] = {
        "looked_at": found.rows,
        "all_rows": found.whole,
        "minimum": found.minimum,
        "median": found.median,
        "maximum": found.maximum,
        "of_unit_length": found.unit,
        "unit_rule": found.rule,
        "normalise": normalise,
    }
    if not found.rows:
        return Proof(name="norms", verdict="unchecked", said="there are no vectors to measure", evidence=evidence)
    evidence["unit_share"] = found.unit / found.rows
    said = _off_unit(found, normalise, canary) if not fill else ""
    said = said or _off_length(found, canary)
    if said:
        return Proof(name="norms", verdict="different", said=said, evidence=evidence)
    verdict, said = _held(found, normalise=normalise, model_unit=canary.evidence.get("model_unit"))
    return Proof(name="norms", verdict=verdict, said=said, evidence=evidence)


def _off_unit(found: Norms, normalise: bool, canary: Proof) -> str:
    """What is wrong with vectors that should have the length 1; empty where nothing is, or they need not."""
    off, asked = found.rows - found.unit, canary.evidence.get("model_unit")
    bulk = asked is None and found.unit / found.rows >= _BULK
    if not off or not (normalise or asked is True or bulk):
        return ""
    should = "as the space says" if normalise else "as the others have" if bulk else "as the model gives them"
    return f"{off:,} of {_looked(found)} do not have the length 1, {should}: {_range(found)}"


def _off_length(found: Norms, canary: Proof) -> str:
    """What is wrong with the vectors of the canary; empty where nothing is."""
    ratios = [canary.evidence.get(name) for name in ("least_length_ratio", "greatest_length_ratio")]
    wrong = [each for each in ratios if isinstance(each, float) and not abs(each - 1) <= LENGTH]
    return f"a sampled vector is {wrong[0]:.3g} times as long as the model gives it: {_range(found)}" if wrong else ""


def _held(found: Norms, *, normalise: bool, model_unit: object) -> tuple[Verdict, str]:
    """What is said where nothing is wrong."""
    if found.unit == found.rows:
        return "proved", f"{_looked(found)} have the length 1"
    if normalise or model_unit is True:
        return "proved", f"{found.unit:,} of {_looked(found)} have the length 1; a fill judges no others"
    if model_unit is None:
        return "unchecked", f"lengths are {_range(found)}, and the model could not be asked for its own"
    return "proved", f"{_looked(found)} are as long as the model gives them: {_range(found)}"


def _looked(found: Norms) -> str:
    return f"{found.rows:,} vectors" if found.whole else f"{found.rows:,} sampled vectors"


def _range(found: Norms) -> str:
    return f"{found.minimum:.4g} to {found.maximum:.4g}, median {found.median:.4g}"
