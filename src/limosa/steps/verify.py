"""Verify: proves what was done, and keeps what it found."""

from __future__ import annotations

from limosa.model.conservation import Conservation
from limosa.model.proof import Proof
from limosa.steps.voyage import Voyage
from limosa.verify.conservation import count, prove_conservation

__all__ = ["conserve", "verify"]


def verify(voyage: Voyage) -> list[Proof]:
    """Makes every proof; the step is complete when none came out different."""
    proofs = [prove_conservation(conserve(voyage))]
    voyage.records.set_proofs(proofs)
    if voyage.record().step == "index" and not any(proof.verdict == "different" for proof in proofs):
        voyage.records.set_step("verify")
    return proofs


def conserve(voyage: Voyage) -> Conservation:
    """The conservation line, counted range by range."""
    record = voyage.record()
    return count(voyage.store, record.epoch, voyage.records.edges(), at_expand=record.at_expand)
