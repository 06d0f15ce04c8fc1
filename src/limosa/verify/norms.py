"""Norms: the lengths of the stored vectors are those that the model gives."""

from __future__ import annotations

from limosa.model.proof import Proof
from limosa.ports.evidence import Norms

__all__ = ["LENGTH", "prove_norms"]

LENGTH = 0.05
"""A stored vector that is longer or shorter than the model's by more than this was not stored as it came: half
precision costs 0.0005, and servers that quantise by the batch a few thousandths."""

_BULK = 0.9
"""From this share of unit vectors on they are taken for normalised, and the others for another way of making them."""


def prove_norms(found: Norms, *, normalise: bool, canary: Proof) -> Proof:
    """Different where vectors have another length than they should have.

    They should have the length 1 where the space normalises, or where the model gave only such ones to the canary; else
    the length that the model gave. Where the model could not be asked, the bulk of the vectors speaks for the rest.

    Args:
        normalise: the space says that vectors are L2-normalised.
        canary: its evidence says how long the vectors were that the model gave again.
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
    share, off = found.unit / found.rows, found.rows - found.unit
    evidence["unit_share"] = share
    asked = canary.evidence.get("model_unit")
    why = "as the space says" if normalise else "as the model gives them"
    if off and (normalise or asked is True or (asked is None and share >= _BULK)):
        should = why if normalise or asked is True else "as the others have"
        said = f"{off:,} of {_looked(found)} do not have the length 1, {should}: {_range(found)}"
        return Proof(name="norms", verdict="different", said=said, evidence=evidence)
    ratios = [canary.evidence.get(name) for name in ("least_length_ratio", "greatest_length_ratio")]
    wrong = [each for each in ratios if isinstance(each, float) and not abs(each - 1) <= LENGTH]
    if wrong:
        said = f"a sampled vector is {wrong[0]:.3g} times as long as the model gives it: {_range(found)}"
        return Proof(name="norms", verdict="different", said=said, evidence=evidence)
    if not off:
        return Proof(name="norms", verdict="proved", said=f"{_looked(found)} have the length 1", evidence=evidence)
    if asked is None:
        said = f"lengths are {_range(found)}, and the model could not be asked for its own"
        return Proof(name="norms", verdict="unchecked", said=said, evidence=evidence)
    said = f"{_looked(found)} are as long as the model gives them: {_range(found)}"
    return Proof(name="norms", verdict="proved", said=said, evidence=evidence)


def _looked(found: Norms) -> str:
    return f"{found.rows:,} vectors" if found.whole else f"{found.rows:,} sampled vectors"


def _range(found: Norms) -> str:
    return f"{found.minimum:.4g} to {found.maximum:.4g}, median {found.median:.4g}"
