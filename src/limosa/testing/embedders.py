"""The contract of an embedder, for limosa's own and for those of third parties.

A test that covers an adapter calls ``check_embedder(open_embedder(space, endpoint))``; every
sentence of the port that can be checked from outside is checked, and the first that does not
hold is raised as an AssertionError that says which.
"""

from __future__ import annotations

from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor

import numpy as np

from limosa.model.batch import Embedded, Kind, Vectors
from limosa.model.vectors import faults, require_shape
from limosa.ports.embedder import Embedder

__all__ = ["TEXTS", "TOLERANCE", "check_embedder"]

TOLERANCE = 1e-3
"""Largest cosine distance between two embeddings of one text; float16 servers stay well below it."""

TEXTS: tuple[str, ...] = (
    "The godwit flies from Alaska to New Zealand without landing.",
    "How do I change the embedding model of a table that is in use?",
    "Zażółć gęślą jaźń",
    "渡り鳥は秋に南へ飛ぶ",
    "def recall(found, relevant): return len(found & relevant) / len(relevant)",
    "short",
    "A sentence of middling length that is much like others, save for its last word: kestrel",
    "A sentence of middling length that is much like others, save for its last word: harrier",
)
"""Texts of several lengths and scripts, no two alike."""


def check_embedder(embedder: Embedder, texts: Sequence[str] = TEXTS) -> None:
    """Checks everything that the port promises and that can be seen from outside.

    Args:
        embedder: makes about seven times ``len(texts)`` embeddings.
        texts: at least two, no two alike, each within the model's limits.

    Raises:
        AssertionError: a promise does not hold; the message says which.
    """
    _check_facts(embedder)
    base = _check_answer(embedder, texts)
    _check_empty(embedder)
    _check_order(embedder, texts, base)
    _check_company(embedder, texts, base)
    _check_threads(embedder, texts, base)
    _check_kinds(embedder, texts, base)


def _check_facts(embedder: Embedder) -> None:
    limits, price = embedder.limits, embedder.price
    _expect(embedder.space.dimensions >= 1, "the space has at least one dimension")
    _expect(limits.batch >= 1 and limits.concurrency >= 1, "limits allow one text in one request")
    _expect(limits.tokens is None or limits.tokens >= 1, "the token limit is None or at least 1")
    _expect(price is None or (price.usd_per_million_tokens >= 0 and price.source != ""), "a price names its source")
    _expect(embedder.destination != "", "the destination says where texts are sent")
    _expect("@" not in embedder.destination, "the destination holds no name or password")


def _check_answer(embedder: Embedder, texts: Sequence[str]) -> Vectors:
    answer = _embed(embedder, texts, "document")
    vectors = require_shape(answer, n=len(texts), d=embedder.space.dimensions)
    _expect(answer.vectors.dtype == np.float32, "vectors are float32")
    _expect(not faults(vectors), "vectors are finite and not zero")
    _expect(answer.model != "", "the answer names its model")
    _expect(answer.tokens is None or answer.tokens > 0, "tokens are counted, or None")
    if embedder.space.normalise:
        norms = np.linalg.norm(vectors.astype(np.float64), axis=1)
        _expect(bool(np.allclose(norms, 1.0, atol=1e-5)), "normalise gives vectors of L2 norm 1")
    for i in range(len(texts)):
        # Texts that share a vector would let any order pass.
        _expect(int((_distance(vectors, vectors[i]) <= 0).sum()) <= 1, "different texts have different vectors")
    return vectors


def _check_empty(embedder: Embedder) -> None:
    for kind in _KINDS:
        answer = embedder.embed([], kind)
        _expect(answer.vectors.shape == (0, embedder.space.dimensions), f"no {kind} gives vectors of shape (0, d)")
        _expect(answer.vectors.dtype == np.float32, "vectors are float32")


def _check_order(embedder: Embedder, texts: Sequence[str], base: Vectors) -> None:
    again = _embed(embedder, texts, "document").vectors
    _expect_same(again, base, "the same texts give the same vectors again")
    turned = _embed(embedder, list(reversed(texts)), "document").vectors
    _expect_same(turned[::-1], base, "vectors come in the order of the texts")


def _check_company(embedder: Embedder, texts: Sequence[str], base: Vectors) -> None:
    alone = np.vstack([_embed(embedder, [text], "document").vectors for text in texts])
    _expect_same(alone, base, "a text has the same vector alone and in company")


def _check_threads(embedder: Embedder, texts: Sequence[str], base: Vectors) -> None:
    with ThreadPoolExecutor(2) as threads:
        for answer in threads.map(lambda kind: _embed(embedder, texts, kind), ["document", "document"]):
            _expect_same(answer.vectors, base, "two threads at once get the vectors that one gets")


def _check_kinds(embedder: Embedder, texts: Sequence[str], base: Vectors) -> None:
    answer = _embed(embedder, texts, "query")
    queries = require_shape(answer, n=len(texts), d=embedder.space.dimensions)
    _expect(not faults(queries), "vectors of queries are finite and not zero")
    space = embedder.space
    if (space.prefix, space.task) == (space.query_prefix, space.query_task):
        _expect_same(queries, base, "a query is a document where the space has no prefix or task of its own for it")
    elif space.prefix != space.query_prefix:
        far = bool((_paired(queries, base) > TOLERANCE).any())
        _expect(far, "queries are embedded with the query prefix, documents with the document prefix")


_KINDS: tuple[Kind, ...] = ("document", "query")


def _embed(embedder: Embedder, texts: Sequence[str], kind: Kind) -> Embedded:
    """The answer, asked for in pieces that the limits allow."""
    size = embedder.limits.batch
    parts = [embedder.embed(texts[i : i + size], kind) for i in range(0, len(texts), size)]
    if len(parts) == 1:
        return parts[0]
    counted = [part.tokens for part in parts if part.tokens is not None]
    tokens = sum(counted) if len(counted) == len(parts) else None
    return Embedded(np.vstack([part.vectors for part in parts]), tokens, parts[0].model)


def _distance(vectors: Vectors, one: Vectors) -> Vectors:
    return np.asarray(np.abs(vectors - one).max(axis=1), dtype=np.float32)


def _paired(a: Vectors, b: Vectors) -> Vectors:
    """Cosine distance of row i of a to row i of b, shape (n,)."""
    x, y = a.astype(np.float64), b.astype(np.float64)
    cosine = (x * y).sum(axis=1) / (np.linalg.norm(x, axis=1) * np.linalg.norm(y, axis=1))
    return np.asarray(1.0 - cosine, dtype=np.float32)


def _expect_same(a: Vectors, b: Vectors, promise: str) -> None:
    _expect(a.shape == b.shape, f"{promise}: shapes are {a.shape} and {b.shape}")
    worst = float(_paired(a, b).max(initial=0.0))
    _expect(worst <= TOLERANCE, f"{promise}: cosine distance {worst:.5f}")


def _expect(holds: bool, promise: str) -> None:
    if not holds:
        raise AssertionError(f"The embedder breaks a promise of the port: {promise}.")
