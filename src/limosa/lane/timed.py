"""An embedder whose answers are timed."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence

from limosa.lane.around import Around
from limosa.model.batch import Embedded, Kind
from limosa.ports.embedder import Embedder

__all__ = ["Timed"]


class Timed(Around):
    """Another embedder with a clock beside it.

    Args:
        inner: sends one request for each call.
        took: is told the seconds of each call that was answered; by several threads at once.
    """

    def __init__(self, inner: Embedder, took: Callable[[float], None]) -> None:
        super().__init__(inner)
        self._took = took

    def embed(self, texts: Sequence[str], kind: Kind) -> Embedded:
        """Vectors of the texts, in their order."""
        started_s = time.monotonic()
        answer = self._inner.embed(texts, kind)
        self._took(time.monotonic() - started_s)
        return answer
