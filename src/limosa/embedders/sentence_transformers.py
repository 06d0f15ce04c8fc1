"""A model that the library sentence-transformers loads, on this machine."""

from __future__ import annotations

import threading
from collections.abc import Sequence
from typing import Any

import numpy as np

from limosa.embedders.local import Local
from limosa.embedders.prefix import prefixed
from limosa.embedders.remote import refuse_tasks
from limosa.errors import Refused, RowRefused
from limosa.model.batch import Embedded, Kind, Vectors
from limosa.model.space import Endpoint, Space
from limosa.model.vectors import normalised
from limosa.ports.embedder import Limits

__all__ = ["SentenceTransformersEmbedder", "open_embedder"]


class SentenceTransformersEmbedder(Local):
    """Any model of the library, by its name on the hub or by its folder; on the processor or card that it finds.

    Texts over the model's limit are refused, where the library itself would cut them silently. Prompts that the
    model's own settings name are not used: what is put before a text is the space's ``prefix`` and ``query_prefix``.
    """

    def __init__(self, space: Space) -> None:
        refuse_tasks(space, why="the library has prompts")
        super().__init__(space)
        self._model = _load(space)
        # Tokenizer and model keep state of their own while they run.
        self._running = threading.Lock()

    @property
    def limits(self) -> Limits:
        """One request uses every core, or the card, already; tokens as the model's settings say."""
        tokens = self._model.max_seq_length
        return Limits(batch=256, tokens=int(tokens) if tokens else None, concurrency=1)

    def count(self, texts: Sequence[str]) -> list[int] | None:
        """Tokens of each text with the prefix for documents, special ones included."""
        return self._count(prefixed(self._space, texts, "document"))

    def embed(self, texts: Sequence[str], kind: Kind) -> Embedded:
        """Vectors of the texts, shape (n, d); tokens include the special ones.

        Raises:
            RowRefused: a text is over the token limit.
        """
        inputs = prefixed(self._space, texts, kind)
        if not inputs:
            return Embedded(np.empty((0, self._space.dimensions), dtype=np.float32), 0, self._space.model)
        lengths = self._count(inputs)
        self._require_length(max(lengths))
        with self._running:
            # An empty prompt keeps the model's own default prompt out.
            made = self._model.encode(inputs, prompt="", convert_to_numpy=True, show_progress_bar=False)
        vectors: Vectors = np.asarray(made, dtype=np.float32)
        return Embedded(normalised(vectors) if self._space.normalise else vectors, sum(lengths), self._space.model)

    def _count(self, inputs: list[str]) -> list[int]:
        if not inputs:
            return []
        with self._running:
            ids = self._model.tokenizer(inputs, truncation=False, padding=False, verbose=False)["input_ids"]
        return [len(each) for each in ids]

    def _require_length(self, longest: int) -> None:
        limit = self.limits.tokens
        if limit is None or longest <= limit:
            return
        skip = "skipped: " if self._space.oversize == "skip" else ""
        raise RowRefused(
            f"{skip}A text has {longest} tokens; the model takes {limit}.",
            needed=f"At most {limit} tokens.",
            do='Shorten the text, or set oversize = "truncate" or "pool".',
        )


def open_embedder(space: Space, endpoint: Endpoint) -> SentenceTransformersEmbedder:
    """Loads ``space.model`` at ``space.revision``; the endpoint is not used. A name that is no folder is downloaded.

    Raises:
        Refused: the model cannot be loaded, or the space names a task.
        ModuleNotFoundError: sentence-transformers is not installed.
    """
    return SentenceTransformersEmbedder(space)


def _load(space: Space) -> Any:
    from sentence_transformers import SentenceTransformer

    try:
        return SentenceTransformer(space.model, revision=space.revision or None)
    except Exception as exc:  # the library and what it stands on raise a dozen unrelated kinds
        reason = (str(exc).splitlines() or [type(exc).__name__])[0][:200]
        raise Refused(
            f"sentence-transformers cannot load {space.model}: {reason}",
            needed="The name of a model, or a folder that the library saved.",
            do="Check model and revision in the space.",
        ) from exc
