"""Reads an answer of the OpenAI embeddings protocol into numpy."""

from __future__ import annotations

import json
from binascii import a2b_base64
from typing import Any

import numpy as np
import orjson
from numpy.typing import NDArray

from limosa.errors import Unanswered
from limosa.model.batch import Embedded
from limosa.model.vectors import WrongShape

__all__ = ["read_answer"]


def read_answer(body: bytes, *, n: int, model: str) -> Embedded:
    """The vectors in the order of the texts, whatever order they came in.

    Args:
        body: the whole answer, status 200.
        n: texts sent. Another number of vectors is handed on as it is, for the border to refuse.
        model: what to call the model where the answer does not name it.

    Raises:
        Unanswered: it is not what the protocol says.
        WrongShape: the vectors differ in size, or their indexes do not name each text once.
    """
    answer = _parsed(body)
    try:
        data = answer["data"]
        name = str(answer.get("model") or model)
        vectors = [_vector(each["embedding"]) for each in data]
        indexes = [int(each.get("index", i)) for i, each in enumerate(data)]
        tokens = (answer.get("usage") or {}).get("prompt_tokens")
    except (AttributeError, KeyError, TypeError, ValueError) as exc:
        raise _strange(f"it has no readable vectors ({type(exc).__name__})") from exc
    if len({len(each) for each in vectors}) > 1:
        raise WrongShape(f"{name} answered vectors of different sizes.", do="Check the model's name and base_url.")
    if len(vectors) == n and sorted(indexes) != list(range(n)):
        raise WrongShape(
            f"{name} answered indexes that do not name each text once.",
            needed="One vector for each text.",
            do="Check base_url; nothing of this batch was written.",
        )
    if not vectors:
        return Embedded(np.empty((0, 0), dtype=np.float32), tokens, name)
    out = np.empty((len(vectors), len(vectors[0])), dtype=np.float32)
    # Not as many as texts: places have no meaning then, and the border refuses the count.
    places = indexes if len(vectors) == n else range(len(vectors))
    for place, vector in zip(places, vectors, strict=True):
        out[place] = vector
    return Embedded(out, int(tokens) if tokens is not None else None, name)


def _vector(embedding: str | list[float | None]) -> NDArray[np.float32]:
    if isinstance(embedding, str):
        return np.frombuffer(a2b_base64(embedding, strict_mode=True), dtype="<f4")
    # Values over float32 become infinity and null becomes NaN; the border names both.
    with np.errstate(over="ignore"):
        vector = np.asarray(embedding, dtype=np.float64).astype(np.float32)
    if vector.ndim != 1:
        raise ValueError("not a vector")
    return vector


def _parsed(body: bytes) -> dict[str, Any]:
    try:
        answer = orjson.loads(body)
    except ValueError:
        try:
            # Servers written in Python may print NaN, which is not JSON; the border is to name the row.
            answer = json.loads(body)
        except ValueError as exc:
            raise _strange("it is not JSON") from exc
    if not isinstance(answer, dict):
        raise _strange("it is not an object")
    return answer


def _strange(why: str) -> Unanswered:
    return Unanswered(
        f"The provider's answer is not what the embeddings protocol says: {why}.",
        do="Check base_url; repeating is safe.",
    )
