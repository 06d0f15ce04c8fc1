"""Proofs that are judged from figures alone: each comes out proved, different and unchecked where it should."""

from __future__ import annotations

from dataclasses import replace
from typing import Literal

import pytest

from limosa.model.conservation import Conservation
from limosa.model.proof import Proof, Verdict
from limosa.model.space import Space
from limosa.ports.carried import Asked, Beside
from limosa.ports.evidence import IndexUse, Measured
from limosa.ports.search import Neighbour
from limosa.verify.beside import prove_beside
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


TEN = tuple((str(number),) for number in range(10))


def _beside(*, new: int = 10, old: bool = True, elapsed_ms: float = 1.0, **where: str) -> Beside:
    """A query for which ten rows are there, and so many of them are given."""
    rows = TEN if old else ()
    return Beside(old=rows, new=TEN[:new], exact=TEN, ties=frozenset(), elapsed_ms=elapsed_ms, where=where)


def _asked(asked: Asked, *, same: bool = True) -> list[Proof]:
    return prove_beside(asked, same=same, goal_p95_ms=5)


def test_a_field_whose_filter_comes_back_short_is_not_outvoted_by_others() -> None:
    filtered = [_beside(kind="common")] * 45 + [_beside(new=2, tenant="rare")] * 5
    overlap, filters, latency = _asked(Asked(plain=[_beside()] * 9, filtered=filtered))
    assert (overlap.verdict, filters.verdict, latency.verdict) == ("proved", "different", "proved")
    assert (filters.evidence["overlap"], filters.evidence["short"]) == (0.92, 5)
    assert "by tenant it is 0.200" in filters.said
    assert "5 answers of the new store are short, one of them with 2 of 10 rows" in filters.said
    assert "hnsw.iterative_scan" in filters.said
    whole = _asked(Asked(plain=[_beside()], filtered=[_beside(kind="a")], passed={"n": "no"}))[1]
    assert (whole.verdict, whole.said.partition("; ")[2]) == ("proved", "not asked by n (no)")


def test_an_index_that_misses_rows_is_told_from_rows_that_are_elsewhere() -> None:
    [missed, _] = _asked(Asked(plain=[_beside(new=4)] * 20))
    assert (missed.verdict, "gives 0.400 (0.335 to 0.469) of what an exact search" in missed.said) == (
        "different",
        True,
    )
    away = replace(_beside(new=4), exact=TEN[:4])
    [elsewhere, _] = _asked(Asked(plain=[away] * 20))
    assert (elsewhere.verdict, "index is what" in elsewhere.said) == ("different", False)


def test_what_the_old_side_misses_is_no_fault_of_the_new_one_where_the_points_are_the_same() -> None:
    found = replace(_beside(), old=(*TEN[:5], *((str(number),) for number in range(90, 95))))
    plain, filtered = [found] * 20, [replace(found, where={"kind": "a"})] * 20
    for same, verdict in ((True, "proved"), (False, "different")):
        overlap, filters, _ = _asked(Asked(plain=plain, filtered=filtered), same=same)
        assert (overlap.verdict, overlap.evidence["overlap"]) == (verdict, 0.5)
        assert ("the old store is what misses them" in overlap.said) is same
        assert filters.verdict == "different", "it may be that the two filter by something else"


def test_filters_are_judged_by_an_exact_search_where_the_old_side_is_not_asked() -> None:
    plain = [_beside(old=False)] * 5
    for new, verdict in ((10, "proved"), (3, "different")):
        filters, latency = _asked(Asked(plain=plain, filtered=[_beside(old=False, new=new, kind="a")] * 20))
        assert (filters.name, filters.verdict, latency.name) == ("filters", verdict, "latency")
    empty = Beside(old=(), new=(), exact=(), ties=frozenset(), elapsed_ms=1.0, where={"kind": "a"})
    assert _asked(Asked(plain=plain, filtered=[empty]))[0].verdict == "unchecked"


def test_a_search_that_is_slow_with_a_filter_alone_is_too_slow() -> None:
    slow = [_beside(elapsed_ms=50, kind="a")] * 20
    latency = _asked(Asked(plain=[_beside()] * 20, filtered=slow))[-1]
    assert (latency.verdict, latency.evidence["new_p95_ms"], latency.evidence["filtered_p95_ms"]) == (
        "different",
        1,
        50,
    )


def test_why_no_filter_was_asked_is_told() -> None:
    [overlap, _] = _asked(Asked(plain=[_beside()]))
    assert overlap.said.endswith("no payload index at the source: asked without filters")
    [overlap, _] = _asked(Asked(plain=[_beside()], passed={"n": "time was over"}))
    assert overlap.said.endswith("asked without filters, not by n (time was over)")
    [nothing] = _asked(Asked(plain=[]))
    assert nothing.verdict == "unchecked"
