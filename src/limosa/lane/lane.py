"""The way of one process to its providers: each embedder is fitted, remembered and paid for, in this order."""

from __future__ import annotations

from collections.abc import Callable

from limosa.errors import Refused
from limosa.lane.cache import Cache, default_path, open_cache
from limosa.lane.fitted import Fitted
from limosa.lane.prefetch import Prefetch
from limosa.lane.purse import Paying, Purse
from limosa.lane.remembered import Remembered
from limosa.lane.tokens import Counter
from limosa.ports.batches import batches_of
from limosa.ports.embedder import HERE, Embedder

__all__ = ["Lane"]


class Lane:
    """What the embedders of one process share.

    Args:
        purse: pays.
        cache_bytes: bound of the vectors that are kept on this machine; 0 keeps none.
        say: is told what happens, one line for a person.
    """

    def __init__(self, purse: Purse, *, cache_bytes: int, say: Callable[[str], None]) -> None:
        self.purse = purse
        self._cache_bytes = cache_bytes
        self._say = say
        self._cache: Cache | None = None

    def through(self, embedder: Embedder, *, stops: bool = True) -> Fitted:
        """The embedder as the work uses it: texts of any length, none twice, paid for.

        Args:
            stops: the budget ends it; on the way back nothing does.
        """
        counter = Counter(embedder)
        paying = Paying(embedder, counter, self.purse, stops=stops)
        return Fitted(Remembered(paying, self._kept_for(embedder), recovered=self.purse.pay), counter)

    def prefetch(self, embedder: Embedder, fitted: Fitted) -> Prefetch:
        """The way of the same texts by batch jobs into what is kept here, from where ``fitted`` finds them.

        Raises:
            Refused: the provider takes no jobs, or nothing is kept on this machine.
        """
        batches = batches_of(embedder)
        if batches is None:
            raise Refused(
                f"{embedder.destination} takes no batch jobs.",
                needed="A provider with a batch endpoint: openai or google.",
                do='Set lane = "direct" in [backfill].',
            )
        cache = self._kept_for(embedder)
        if cache is None:
            raise Refused(
                "Vectors are not kept on this machine, and a batch job's results come by what is kept.",
                needed="A cache_mb above 0 in [backfill], and a cache folder that can be written.",
                do='Correct it, or set lane = "direct" in [backfill].',
            )
        return Prefetch(batches, fitted, cache, self.purse)

    def asking(self, embedder: Embedder) -> Fitted:
        """The embedder as a plan uses it: it is asked every time, whatever is kept and whatever the budget."""
        counter = Counter(embedder)
        return Fitted(Paying(embedder, counter, self.purse, stops=False), counter)

    def close(self) -> None:
        """Closes what is open; safe to call again."""
        if self._cache is not None:
            self._cache.close()

    def _kept_for(self, embedder: Embedder) -> Cache | None:
        # What this machine makes costs nothing to make again.
        if embedder.destination == HERE or not self._cache_bytes:
            return None
        if self._cache is None:
            self._cache = open_cache(default_path(), limit_bytes=self._cache_bytes, say=self._say)
        return self._cache
