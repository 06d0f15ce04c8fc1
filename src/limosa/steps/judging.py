"""Judging: queries that people judged are embedded by both models, searched on both sides, and held together."""

from __future__ import annotations

import csv
import gzip
import json
import time
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import IO

from limosa.errors import LimosaError, Refused
from limosa.model.batch import Vectors
from limosa.model.checking import JudgedFiles
from limosa.model.proof import Proof
from limosa.model.vectors import faults, require_shape
from limosa.ports.embedder import Embedder
from limosa.ports.search import Search
from limosa.steps.voyage import Voyage
from limosa.verify.judged import K, ndcg, prove_judged

__all__ = ["MOST", "Judgements", "judge", "read_judgements"]

MOST = 500
"""Queries that both models embed at most, at every verify; of more, every second, third and so on by id."""

PATIENCE_S = 60.0
"""After a minute no further query is searched for; without an index each reads the whole table."""


@dataclass(frozen=True, slots=True)
class Judgements:
    """What people judged: queries by id, and of each the ids of texts with their gains, above 0."""

    queries: Mapping[str, str]
    gains: Mapping[str, Mapping[str, int]]


def judge(voyage: Voyage, old: Search, new: Search, files: JudgedFiles) -> Proof:
    """The proof ``judged queries``; the queries are sent to both providers, as documents are."""
    try:
        judgements = read_judgements(files)
        known = _known((old, new), judgements, width=len(voyage.migration.target.place.key))
        queries = sorted(known)
        chosen = queries[:: -(-len(queries) // MOST)] if queries else queries
        texts = [judgements.queries[each] for each in chosen]
        embedded = [_embedded(voyage.asking(end), texts) for end in ("source", "target")]
        (before, paid), (after, more) = embedded
        worth = list(_worth(old, new, zip(before, after, strict=True), [known[each] for each in chosen]))
    except LimosaError as error:
        return Proof(name="judged queries", verdict="unchecked", said=f"they could not be asked: {error.what}")
    facts = {
        "queries_in_the_file": len(judgements.queries),
        "queries_with_an_answer": len(queries),
        "queries_embedded": 2 * len(texts),
        "tokens": paid + more,
    }
    ranks = [one for one, _ in worth], [two for _, two in worth]
    return prove_judged(*ranks, tolerance=files.tolerance, facts=facts)


def _worth(
    old: Search, new: Search, vectors: Iterable[tuple[Vectors, Vectors]], gains: Sequence[Mapping[str, int]]
) -> Iterator[tuple[float, float]]:
    """nDCG@10 of each query on both sides, until time is over."""
    started = time.monotonic()
    for (before, after), judged in zip(vectors, gains, strict=True):
        if time.monotonic() - started > PATIENCE_S:
            return
        yield ndcg(_ranked(old, before), judged), ndcg(_ranked(new, after), judged)


def read_judgements(files: JudgedFiles) -> Judgements:
    """Reads lines of JSON with ``_id`` or ``id`` and ``text``, and a table of query, text and score; gzipped or not.

    Raises:
        Refused: a file is not there, or not of this form.
    """
    queries: dict[str, str] = {}
    for number, line in enumerate(_lines(files.queries), 1):
        if line.strip():
            queries.update([_query(files.queries, number, line)])
    gains: dict[str, dict[str, int]] = {}
    for number, row in enumerate(csv.reader(_lines(files.qrels), delimiter="\t"), 1):
        judged = _judgement(files.qrels, number, row)
        if judged is not None and judged[2] > 0:
            gains.setdefault(judged[0], {})[judged[1]] = judged[2]
    return Judgements(queries, gains)


def _query(path: str, number: int, line: str) -> tuple[str, str]:
    try:
        row = json.loads(line)
        found = str(row["_id"] if "_id" in row else row["id"]), str(row["text"])
    except (ValueError, KeyError, TypeError) as error:
        raise Refused(f"Line {number} of {Path(path).name} has no _id and text.", needed="Lines of JSON.") from error
    return found


def _judgement(path: str, number: int, row: Sequence[str]) -> tuple[str, str, int] | None:
    try:
        query, text, score = row
        return query, text, int(score)
    except ValueError as error:
        if number == 1:
            return None  # The names of the columns.
        needed = "Query, key of a row and a whole number, parted by tabs."
        raise Refused(f"Line {number} of {Path(path).name} is no judgement.", needed=needed) from error


def _lines(path: str) -> Iterator[str]:
    try:
        with _opened(Path(path)) as lines:
            yield from lines
    except (OSError, UnicodeDecodeError) as error:
        why = "it is not UTF-8" if isinstance(error, UnicodeDecodeError) else error.strerror or type(error).__name__
        raise Refused(f"{path} cannot be read: {why}.", do="Check the paths in [verify.judged].") from error


def _opened(path: Path) -> IO[str]:
    if path.suffix == ".gz":
        return gzip.open(path, "rt", encoding="utf-8")
    return path.open(encoding="utf-8")


def _known(sides: Iterable[Search], judgements: Judgements, *, width: int) -> dict[str, Mapping[str, int]]:
    """Queries that have a text, and of each the judged rows that hold a vector on every side.

    What a side has no vector of it cannot find: held against that side alone, it would hide how the models rank.

    Args:
        width: columns of the key; several stand in an id with slashes between.
    """
    wanted = {query: gains for query, gains in judgements.gains.items() if judgements.queries.get(query, "").strip()}
    ids = sorted({text for gains in wanted.values() for text in gains})
    keys = [tuple(each.split("/")) if width > 1 else (each,) for each in ids]
    fitting = [key for key in keys if len(key) == width]
    held = set(ids)
    for side in sides:
        held &= {"/".join(row.key) for row in side.rows(fitting) if row.vector is not None}
    kept = {query: {text: gain for text, gain in gains.items() if text in held} for query, gains in wanted.items()}
    return {query: gains for query, gains in kept.items() if gains}


def _embedded(embedder: Embedder, texts: Sequence[str]) -> tuple[list[Vectors], int]:
    """The vectors of queries across the same border as every other vector, and the tokens that they took."""
    found: list[Vectors] = []
    tokens, size = 0, embedder.limits.batch
    for start in range(0, len(texts), size):
        part = texts[start : start + size]
        answer = embedder.embed(part, "query")
        vectors = require_shape(answer, n=len(part), d=embedder.space.dimensions)
        for why in faults(vectors).values():
            raise Refused(f"A query has no vector: {why}.")
        found += list(vectors)
        tokens += answer.tokens or 0
    return found, tokens


def _ranked(search: Search, vector: Vectors) -> list[str]:
    return ["/".join(each.key) for each in search.nearest(vector, K)]
