"""Index: it stands, it is valid, and nearest-neighbour queries go through it."""

from __future__ import annotations

from limosa.model.proof import Proof
from limosa.ports.evidence import IndexUse

__all__ = ["prove_index"]


def prove_index(found: IndexUse | None, *, asked: bool) -> Proof | None:
    """None where no index was asked for and none stands.

    In a small table the planner rightly reads every row; then it is enough that the index is used
    when reading every row is forbidden.
    """
    if found is None:
        if not asked:
            return None
        return Proof(name="index", verdict="different", said="no vector index stands on the column")
    evidence: dict[str, object] = {
        "name": found.name,
        "kind": found.kind,
        "valid": found.valid,
        "used": found.used,
        "setting": found.setting,
    }
    if not found.valid:
        said = f"{found.kind} {found.name} is not valid: its build did not end"
        return Proof(name="index", verdict="different", said=said, evidence=evidence)
    if found.used == "never":
        said = f"{found.kind} {found.name} is valid, but no nearest-neighbour query can use it"
        return Proof(name="index", verdict="different", said=said, evidence=evidence)
    said = f"{found.kind} {found.name} is valid and the planner uses it"
    if found.used == "forced":
        said = f"{found.kind} {found.name} is valid; the table is so small that the planner reads all of it instead"
    return Proof(name="index", verdict="proved", said=said, evidence=evidence)
