"""Hashed word or character n-grams: vectors of any size, the same everywhere, that need no model."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Any

import numpy as np

from limosa.embedders.local import Local
from limosa.embedders.prefix import prefixed
from limosa.errors import Refused
from limosa.model.batch import Embedded, Kind
from limosa.model.space import Endpoint, Space
from limosa.model.vectors import normalised
from limosa.ports.embedder import Limits

__all__ = ["HashingEmbedder", "open_embedder"]

_MODEL = re.compile(r"(?P<unit>words|chars)-(?P<n>[1-9])")


class HashingEmbedder(Local):
    """Counts n-grams into d signed buckets and L2-normalises (feature hashing, Weinberger et al. 2009).

    ``words-N`` takes word 1- to N-grams, ``chars-N`` character N-grams within words; both lower-case.
    A text without a word becomes the zero vector, which the border turns into a dead letter.
    """

    def __init__(self, space: Space) -> None:
        super().__init__(space)
        self._vectoriser = _vectoriser(space)

    @property
    def limits(self) -> Limits:
        """A thousand texts keep one call under a second; more threads gain little under one interpreter lock."""
        return Limits(batch=1000, tokens=None, concurrency=2)

    def count(self, texts: Sequence[str]) -> list[int] | None:
        """Words parted by white space."""
        return [len(text.split()) for text in texts]

    def embed(self, texts: Sequence[str], kind: Kind) -> Embedded:
        """Vectors of the texts, shape (n, d); tokens are words parted by white space.

        Raises:
            RowRefused: a text is not valid Unicode.
        """
        inputs = prefixed(self._space, texts, kind)
        if not inputs:
            return Embedded(np.empty((0, self._space.dimensions), dtype=np.float32), 0, self._space.model)
        vectors = np.ascontiguousarray(self._vectoriser.transform(inputs).toarray(), dtype=np.float32)
        if self._space.normalise:
            vectors = normalised(vectors)
        return Embedded(vectors, sum(len(text.split()) for text in inputs), self._space.model)


def open_embedder(space: Space, endpoint: Endpoint) -> HashingEmbedder:
    """A hashing embedder; the endpoint is not used.

    Raises:
        Refused: the model's name is not ``words-N`` or ``chars-N``, or the size is below 1.
        ModuleNotFoundError: scikit-learn is not installed.
    """
    return HashingEmbedder(space)


def _vectoriser(space: Space) -> Any:
    found = _MODEL.fullmatch(space.model)
    if found is None:
        raise Refused(
            f"The provider 'hashing' has no model {space.model!r}.",
            needed="words-N (word 1- to N-grams) or chars-N (character N-grams), N from 1 to 9.",
            do='Set model in the space, e.g. model = "words-2".',
        )
    if space.dimensions < 1:
        raise Refused(f"A vector cannot have {space.dimensions} dimensions.", do="Set dimensions to 1 or more.")
    from sklearn.feature_extraction.text import HashingVectorizer

    n = int(found["n"])
    words = found["unit"] == "words"
    return HashingVectorizer(
        n_features=space.dimensions,
        analyzer="word" if words else "char_wb",
        ngram_range=(1, n) if words else (n, n),
        # The default pattern drops words of one letter, and with them texts such as "C".
        token_pattern=r"(?u)\b\w+\b" if words else None,
        lowercase=True,
        alternate_sign=True,
        norm="l2",
        dtype=np.float32,
    )
