"""Texts with human judgements: samples that hold every relevant row, and what a ranking is worth."""

from __future__ import annotations

import csv
import gzip
import json
import math
import random
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

__all__ = ["Judged", "ndcg", "read_judged", "recall_at_precision", "sampled"]


@dataclass(frozen=True, slots=True)
class Judged:
    """A collection in BEIR layout.

    Attributes:
        texts: id to text of what is searched.
        queries: id to text of what is asked.
        relevant: query id to the ids that answer it.
    """

    texts: Mapping[str, str]
    queries: Mapping[str, str]
    relevant: Mapping[str, frozenset[str]]


def read_judged(folder: Path) -> Judged:
    """Reads ``corpus.jsonl.gz``, ``queries.jsonl.gz`` and ``qrels.tsv.gz``."""
    texts = {row["id"]: row["text"] for row in _rows(folder / "corpus.jsonl.gz")}
    queries = {row["id"]: row["text"] for row in _rows(folder / "queries.jsonl.gz")}
    relevant: dict[str, set[str]] = {}
    with gzip.open(folder / "qrels.tsv.gz", "rt", encoding="utf-8") as lines:
        for query, text, score in list(csv.reader(lines, delimiter="\t"))[1:]:
            if int(score) > 0:
                relevant.setdefault(query, set()).add(text)
    return Judged(texts, queries, {query: frozenset(found) for query, found in relevant.items()})


def sampled(judged: Judged, *, queries: int, rows: int, seed: int = 7) -> Judged:
    """Some queries, every row that answers one of them, and other rows drawn at random up to a number of rows."""
    draw = random.Random(seed)
    chosen = draw.sample(sorted(query for query in judged.queries if query in judged.relevant), queries)
    wanted = sorted(frozenset().union(*(judged.relevant[query] for query in chosen)))
    others = sorted(judged.texts.keys() - set(wanted))
    kept = [*wanted, *draw.sample(others, min(len(others), max(0, rows - len(wanted))))]
    return Judged(
        {each: judged.texts[each] for each in kept},
        {each: judged.queries[each] for each in chosen},
        {each: judged.relevant[each] for each in chosen},
    )


def ndcg(found: Sequence[str], relevant: frozenset[str], *, k: int = 10) -> float:
    """Normalised discounted cumulative gain of a ranking, with gains of 0 and 1.

    Source: K. Jaervelin and J. Kekaelaeinen, "Cumulated gain-based evaluation of IR techniques",
    ACM Transactions on Information Systems 20 (2002), 422-446; discount log2(rank + 1).
    """
    gain = sum(1 / math.log2(rank + 1) for rank, each in enumerate(found[:k], 1) if each in relevant)
    best = sum(1 / math.log2(rank + 1) for rank in range(1, min(k, len(relevant)) + 1))
    return gain / best


def recall_at_precision(ranked: Sequence[bool], *, total: int, precision: float) -> tuple[int, int]:
    """The longest beginning of a ranking whose precision still holds.

    Args:
        ranked: whether each is right, best first.
        total: how many right ones there are.

    Returns:
        How many right ones it holds, and how many it takes; recall is the first over ``total``.
    """
    right, best = 0, (0, 0)
    for taken, each in enumerate(ranked, 1):
        right += each
        if right / taken >= precision:
            best = (right, taken)
    assert best[0] <= total
    return best


def _rows(path: Path) -> Iterator[dict[str, str]]:
    with gzip.open(path, "rt", encoding="utf-8") as lines:
        yield from map(json.loads, lines)
