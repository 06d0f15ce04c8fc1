"""Search is judged better after an upgrade to a better model, and as good through the index as exact."""

from __future__ import annotations

from pathlib import Path

import pytest
from bench.judged import ndcg, read_judged, recall_at_precision, sampled
from bench.quality import MODEL, STORE, compare_pairs, compare_ranks


@pytest.mark.realdata
def test_answers_are_ranked_better_after_the_upgrade(
    shared_data: Path, database: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(STORE, database)
    whole = sampled(read_judged(shared_data / "data/medquad_qa"), queries=60, rows=400)
    # A sentence or two of each answer, so that the test takes seconds and not minutes.
    short = type(whole)({key: text[:250] for key, text in whole.texts.items()}, whole.queries, whole.relevant)
    found = compare_ranks(short, model=shared_data / MODEL)
    print(found)
    assert found.after > found.before
    assert abs(found.after - found.exact) <= 0.01


@pytest.mark.realdata
def test_more_duplicates_are_found_at_equal_precision(
    shared_data: Path, database: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(STORE, database)
    judged = sampled(read_judged(shared_data / "data/rqe"), queries=200, rows=200)
    found = compare_pairs(judged, model=shared_data / MODEL)
    print(found)
    assert found.found_after > found.found_before > 0


def test_a_ranking_is_worth_what_the_formula_says() -> None:
    assert ndcg(["a", "b", "c"], frozenset("a")) == 1.0
    assert ndcg(["b", "a"], frozenset("a")) == pytest.approx(0.6309, abs=1e-4)
    assert ndcg(["b"], frozenset("a")) == 0.0
    assert ndcg(["a", "x", "b"], frozenset("ab")) == pytest.approx((1 + 0.5) / (1 + 0.6309), abs=1e-4)


def test_the_longest_beginning_that_is_precise_enough() -> None:
    right = [True, True, False, True, False, False]
    assert recall_at_precision(right, total=5, precision=0.75) == (3, 4)
    assert recall_at_precision(right, total=5, precision=1.0) == (2, 2)
    assert recall_at_precision([False], total=5, precision=0.5) == (0, 0)
