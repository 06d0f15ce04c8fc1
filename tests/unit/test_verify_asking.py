"""The proofs that ask as the application does, judged from figures alone: where each verdict begins and ends."""

from __future__ import annotations

import gzip
from pathlib import Path

import numpy as np
import pytest

from limosa.errors import Refused
from limosa.model.checking import JudgedFiles
from limosa.model.proof import Proof, Verdict
from limosa.ports.evidence import Norms
from limosa.steps.judging import read_judgements
from limosa.verify.judged import ndcg, prove_judged
from limosa.verify.latency import percentile
from limosa.verify.norms import prove_norms
from limosa.verify.thresholds import prove_thresholds


def _norms(unit: int, *, low: float = 1.0, high: float = 1.0, rows: int = 100) -> Norms:
    return Norms(rows=rows, whole=True, minimum=low, median=1.0, maximum=high, unit=unit, rule="within 0.01 of 1")


@pytest.mark.parametrize(
    ("unit", "normalise", "again", "verdict"),
    [
        (100, True, None, "proved"),
        (99, True, None, "different"),
        (99, False, {"model_unit": True}, "different"),
        (99, False, {"model_unit": False, "least_length_ratio": 0.99, "greatest_length_ratio": 1.01}, "proved"),
        (99, False, {"model_unit": False, "least_length_ratio": 0.3, "greatest_length_ratio": 1.0}, "different"),
        (100, False, {"model_unit": False, "least_length_ratio": 0.3, "greatest_length_ratio": 0.4}, "different"),
        (95, False, None, "different"),
        (20, False, None, "unchecked"),
    ],
)
def test_norms_are_held_against_the_space_the_model_or_the_others(
    unit: int, normalise: bool, again: dict[str, object] | None, verdict: Verdict
) -> None:
    canary = Proof(name="canary", verdict="proved", said="", evidence=again or {})
    assert prove_norms(_norms(unit, high=2.0), normalise=normalise, canary=canary).verdict == verdict
    if again is None and normalise:
        assert prove_norms(_norms(unit), normalise=True, canary=canary, fill=True).verdict == "proved", "the user's own"
    empty = Norms(rows=0, whole=True, minimum=None, median=None, maximum=None, unit=0, rule="")
    assert prove_norms(empty, normalise=True, canary=canary).verdict == "unchecked"


def test_a_percentile_is_one_of_the_times() -> None:
    times = [float(each) for each in range(1, 51)]
    assert (percentile(times, 0.5), percentile(times, 0.95), percentile([7.0], 0.95)) == (25.0, 48.0, 7.0)


def test_a_ranking_is_worth_its_gain_over_the_best_one() -> None:
    assert ndcg(["a", "b"], {"a": 2, "b": 1}) == 1.0
    assert ndcg(["b", "a"], {"a": 2, "b": 1}) == pytest.approx((1 + 2 * 0.63093) / (2 + 0.63093), abs=1e-5)
    assert ndcg(["x"], {"a": 1}) == 0.0


@pytest.mark.parametrize(
    ("fall", "spread", "verdict", "ruling"),
    [(0.0, 0.001, "proved", "go"), (0.1, 0.001, "different", "no-go"), (0.02, 0.2, "unchecked", "not decided")],
)
def test_go_no_go_and_neither(fall: float, spread: float, verdict: Verdict, ruling: str) -> None:
    noise = np.random.default_rng(1).normal(scale=spread, size=100)
    old = np.full(100, 0.5)
    proofs = [prove_judged(list(old), list(old - fall + noise), tolerance=0.02, facts={}) for _ in range(2)]
    assert proofs[0].verdict == verdict
    assert str(proofs[0].evidence["ruling"]).startswith(ruling)
    assert proofs[0] == proofs[1], "the draws are the same each time"
    assert prove_judged([1.0] * 19, [0.0] * 19, tolerance=0.02, facts={}).verdict == "unchecked"


def test_a_threshold_on_another_scale_is_found_again() -> None:
    old = np.random.default_rng(2).uniform(0.5, 0.9, size=(50, 10))
    proof = prove_thresholds(old, old * 0.5, [0.7])
    assert proof is not None
    assert proof.verdict == "proved"
    mapped = proof.evidence["thresholds"]
    assert isinstance(mapped, dict)
    assert mapped["0.7"]["new"] == pytest.approx(0.35, abs=0.002)
    assert mapped["0.7"]["low"] <= mapped["0.7"]["new"] <= mapped["0.7"]["high"]
    few = old[:19]
    assert prove_thresholds(few, few, []) is None
    asked = prove_thresholds(few, few, [0.7])
    assert asked is not None
    assert asked.verdict == "unchecked"


def test_judgements_in_the_form_of_beir(tmp_path: Path) -> None:
    queries, qrels = tmp_path / "queries.jsonl.gz", tmp_path / "qrels.tsv"
    with gzip.open(queries, "wt", encoding="utf-8") as lines:
        lines.write('{"_id": "q1", "text": "one"}\n\n{"id": 2, "text": "zwei"}\n')
    qrels.write_text("query-id\tcorpus-id\tscore\nq1\ta/1\t2\nq1\tb\t0\n2\tc\t1\n")
    files = JudgedFiles(queries=str(queries), qrels=str(qrels))
    found = read_judgements(files)
    assert found.queries == {"q1": "one", "2": "zwei"}
    assert found.gains == {"q1": {"a/1": 2}, "2": {"c": 1}}
    qrels.write_text("q1\ta\t1\nq1\tb\tgood\n")
    with pytest.raises(Refused, match=r"Line 2 of qrels\.tsv is no judgement"):
        read_judgements(files)
    qrels.write_bytes(b"\xff\xfe")
    with pytest.raises(Refused, match="not UTF-8"):
        read_judgements(files)


@pytest.mark.realdata
def test_judgements_as_they_are_published(shared_data: Path) -> None:
    folder = shared_data / "data/scifact"
    found = read_judgements(JudgedFiles(queries=str(folder / "queries.jsonl.gz"), qrels=str(folder / "qrels.tsv.gz")))
    assert len(found.gains) == 300
    assert found.gains.keys() <= found.queries.keys()
