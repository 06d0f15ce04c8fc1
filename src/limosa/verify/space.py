"""One space: the column holds vectors of the target space alone."""

from __future__ import annotations

from limosa.model.conservation import Conservation
from limosa.model.proof import Proof
from limosa.model.space import Space
from limosa.ports.evidence import Measured

__all__ = ["prove_one_space"]


def prove_one_space(space: Space, found: Measured, classes: Conservation | None, canary: Proof, *, fill: bool) -> Proof:
    """Different where the canary is, where sizes are mixed, or where a vector stands that nobody vouches for.

    Nobody vouches for a vector in a row that the ledger lists as dead or skipped. In a fill that is
    told and not judged, as are rows outside the filter: those vectors are the user's own.

    Args:
        classes: None where the ledger's lists are gone, after finish.
    """
    evidence: dict[str, object] = {
        "space": space.fingerprint,
        "title": space.title,
        "vectors": found.vectors,
        "done": classes.done if classes is not None else None,
        "outside": found.outside,
        "unaccounted": found.excepted,
        "wrong_size": found.wrong_size,
        "canary": canary.verdict,
    }
    wrong: list[str] = []
    if found.wrong_size:
        wrong.append(f"{found.wrong_size:,} vectors have another size")
    if found.excepted and not fill:
        wrong.append(f"{found.excepted:,} vectors stand in rows that the ledger lists as dead or skipped")
    if canary.verdict == "different":
        wrong.append("the canary found vectors that the model does not give")
    if wrong:
        return Proof(name="one space", verdict="different", said="; ".join(wrong), evidence=evidence)
    beside = f", {found.outside:,} of them outside the filter" if found.outside else ""
    counted = f"{found.vectors:,} vectors of {space.title}{beside}"
    if canary.verdict == "unchecked":
        said = f"{counted}, by the ledger alone: {canary.said}"
        return Proof(name="one space", verdict="unchecked", said=said, evidence=evidence)
    return Proof(name="one space", verdict="proved", said=counted, evidence=evidence)
