"""Reads an answer of the OpenAI embeddings protocol, which others speak too, into numpy."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from limosa.embedders.decoding import from_base64, from_numbers, readable, stacked
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

    def read(answer: Any) -> Embedded:
        name = str(answer.get("model") or model)
        data = answer["data"]
        vectors = [_vector(each["embedding"]) for each in data]
        indexes = [int(each.get("index", i)) for i, each in enumerate(data)]
        if len(vectors) == n and sorted(indexes) != list(range(n)):
            raise WrongShape(
                f"{name} answered indexes that do not name each text once.",
                needed="One vector for each text.",
                do="Check base_url; nothing of this batch was written.",
            )
        # Not as many as texts: places have no meaning then, and the border refuses the count.
        return Embedded(stacked(vectors, name, indexes if len(vectors) == n else None), _tokens(answer), name)

    return readable(body, read, read)


def _vector(embedding: Any) -> NDArray[np.float32]:
    return from_base64(embedding) if isinstance(embedding, str) else from_numbers(embedding)


def _tokens(answer: Any) -> int | None:
    usage = answer.get("usage") or {}
    # Voyage says the total alone; where both stand they are equal for embeddings.
    tokens = usage.get("prompt_tokens", usage.get("total_tokens"))
    return int(tokens) if tokens is not None else None
