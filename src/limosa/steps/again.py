"""Again: texts of rows are embedded a second time, past everything that is kept on this machine."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np

from limosa.backfill.embedding import embed_rows
from limosa.model.batch import Row
from limosa.ports.embedder import Embedder
from limosa.ports.search import Stored
from limosa.verify.canary import Again

__all__ = ["embedding_again"]


def embedding_again(embedder: Embedder) -> Callable[[Sequence[Stored]], Again]:
    """Embeds rows that all have a text, in batches that the provider takes; its errors are the caller's."""

    def embed(rows: Sequence[Stored]) -> Again:
        good: list[int] = []
        parts = [np.zeros((0, embedder.space.dimensions), dtype=np.float32)]
        tokens = 0
        size = embedder.limits.batch
        for start in range(0, len(rows), size):
            batch = [Row(row.key, row.text, ()) for row in rows[start : start + size]]
            answer = embed_rows(embedder, batch)
            good += [start + place for place in answer.good]
            parts.append(answer.vectors)
            tokens += answer.paid.tokens
        return Again(good, np.concatenate(parts), tokens)

    return embed
