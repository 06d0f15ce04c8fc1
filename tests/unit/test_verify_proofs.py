"""Proofs that are judged from figures alone: each comes out proved, different and unchecked where it should."""

from __future__ import annotations

from typing import Literal

import pytest

from limosa.model.conservation import Conservation
from limosa.model.proof import Proof, Verdict
from limosa.model.space import Space
from limosa.ports.evidence import IndexUse, Measured
from limosa.ports.search import Neighbour
from limosa.verify.conservation import prove_conservation
from limosa.verify.index import prove_index
from limosa.verify.recall import hits
from limosa.verify.space import prove_one_space
from limosa.verify.vectors import prove_vectors

SPACE = Space(provider="hashing", model="words-1", dimensions=8)
CLASSES = Conservation(rows=10, done=10, skipped=0, dead=0, pending=0, lost=0)


def test_a_lost_key_is_different_and_a_pending_one_is_told() -> None:
    lost = prove_conservation(Conservation(rows=3, done=2, skipped=0, dead=0, pending=0, lost=1))
    assert lost.verdict == "different"
    pending = prove_conservation(Conservation(rows=3, done=2, skipped=0, dead=0, pending=1, lost=0))
    assert (pending.verdict, pending.evidence["pending"]) == ("proved", 1)
    assert "1 pending" in pending.said


def test_classes_that_do_not_add_up_are_different() -> None:
    assert prove_conservation(Conservation(rows=4, done=2, skipped=0, dead=0, pending=0, lost=0)).verdict == "different"


@pytest.mark.parametrize("kind", ["wrong_size", "not_finite", "zero"])
def test_one_bad_vector_is_enough(kind: str) -> None:
    good = Measured(vectors=9)
    assert prove_vectors(good, dimensions=8).verdict == "proved"
    counts: dict[str, int] = {kind: 1}
    bad = Measured(vectors=1, examples=(("7", "a"),), **counts)
    proof = prove_vectors(good + bad, dimensions=8)
    assert proof.verdict == "different"
    assert (proof.evidence["vectors"], proof.evidence[kind], proof.evidence["examples"]) == (10, 1, [["7", "a"]])
    assert "7/a" in proof.said


def test_ranges_add_up_and_keep_three_examples() -> None:
    one = Measured(vectors=2, outside=1, excepted=1, zero=2, examples=(("1",), ("2",)))
    assert one + one == Measured(vectors=4, outside=2, excepted=2, zero=4, examples=(("1",), ("2",), ("1",)))


def test_an_index_that_nobody_asked_for_gives_no_proof() -> None:
    assert prove_index(None, asked=False) is None
    missing = prove_index(None, asked=True)
    assert missing is not None
    assert missing.verdict == "different"


@pytest.mark.parametrize(
    ("valid", "used", "verdict"),
    [
        (True, "planned", "proved"),
        (True, "forced", "proved"),
        (True, "never", "different"),
        (False, "planned", "different"),
    ],
)
def test_an_index_must_be_valid_and_usable(
    valid: bool, used: Literal["planned", "forced", "never"], verdict: Verdict
) -> None:
    use = IndexUse(name="i", kind="hnsw", valid=valid, used=used, setting="hnsw.ef_search = 40")
    proof = prove_index(use, asked=True)
    assert proof is not None
    assert (proof.verdict, proof.evidence["used"]) == (verdict, used)


def test_ties_with_the_last_neighbour_count_as_found() -> None:
    exact = [Neighbour((str(i),), d, 1 - d) for i, d in enumerate([0.1, 0.2, 0.3])]
    other = [Neighbour((str(i + 5),), d, 1 - d) for i, d in enumerate([0.1, 0.3, 0.3 + 1e-8])]
    assert hits(other, exact) == 3
    assert hits([*other[:2], Neighbour(("9",), 0.4, 0.6)], exact) == 2
    assert hits([], exact) == 0
    assert hits([*other, Neighbour(("9",), 0.05, 0.95)], exact) == 3, "more than k cannot be found"
    assert hits(other, []) == 0


def test_one_space_follows_the_canary_and_the_ledger() -> None:
    def verdict(found: Measured, canary: Verdict, *, fill: bool = False) -> Verdict:
        proof = Proof(name="canary", verdict=canary, said="as it is")
        return prove_one_space(SPACE, found, CLASSES, proof, fill=fill).verdict

    assert verdict(Measured(vectors=10), "proved") == "proved"
    assert verdict(Measured(vectors=10), "unchecked") == "unchecked"
    assert verdict(Measured(vectors=10), "different") == "different"
    assert verdict(Measured(vectors=10, wrong_size=1), "unchecked") == "different"
    assert verdict(Measured(vectors=10, excepted=1), "proved") == "different"
    assert verdict(Measured(vectors=10, excepted=1), "proved", fill=True) == "proved"
    assert verdict(Measured(vectors=10, outside=3), "proved") == "proved"
