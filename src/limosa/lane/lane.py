"""The way of one process to its providers: each embedder is fitted, remembered, paid for and paced, in this order."""

from __future__ import annotations

import threading
from collections.abc import Callable, Sequence

from limosa.errors import Refused
from limosa.lane.cache import Cache, default_path, keys_of, open_cache
from limosa.lane.fitted import Fitted
from limosa.lane.gate import Gate
from limosa.lane.paced import Paced
from limosa.lane.prefetch import Prefetch
from limosa.lane.purse import Paying, Purse
from limosa.lane.remembered import Remembered
from limosa.lane.timed import Timed
from limosa.lane.tokens import Counter
from limosa.model.wish import Settings
from limosa.ports.batches import batches_of
from limosa.ports.embedder import HERE, Embedder

__all__ = ["Lane"]

WORK_PATIENCE_S = 3600.0
"""How long a run waits for a provider that answers nothing: most outages are over sooner, and a night is not lost."""

PATIENCE_S = 20.0
"""How long a person waits at a terminal."""


class Lane:
    """What the embedders of one process share.

    Args:
        purse: pays.
        stop: ends all waiting for a provider.
        cache_bytes: bound of the vectors that are kept on this machine; 0 keeps none.
        say: is told what happens, one line for a person.
        took: is told the seconds of each request of the work that was answered.
    """

    def __init__(
        self,
        purse: Purse,
        *,
        stop: threading.Event,
        cache_bytes: int,
        say: Callable[[str], None],
        took: Callable[[float], None] = lambda seconds: None,
    ) -> None:
        self.purse = purse
        self._took = took
        self._stop = stop
        self._gates: dict[str, Gate] = {}
        self._limits: Settings = {}
        self._cache_bytes = cache_bytes
        self._say = say
        self._cache: Cache | None = None

    def through(self, embedder: Embedder, *, stops: bool = True) -> Fitted:
        """The embedder as the work uses it: texts of any length, none twice, paid for.

        Args:
            stops: the budget ends it; on the way back nothing does.
        """
        counter = Counter(embedder)
        paced = self._paced(Timed(embedder, self._took), WORK_PATIENCE_S)
        paying = Paying(paced, counter, self.purse, stops=stops)
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
        """The embedder for which a person waits: it is asked every time, whatever is kept and whatever the budget."""
        counter = Counter(embedder)
        paced = self._paced(embedder, PATIENCE_S, urgent=True)
        return Fitted(Paying(paced, counter, self.purse, stops=False, guesses=False), counter)

    def limit(self, settings: Settings) -> None:
        """Sets what people want of the requests at most, for all providers."""
        self._limits = settings
        for gate in self._gates.values():
            _limit(gate, settings)

    def waiting(self) -> str:
        """Why no request goes out now; empty where some do."""
        return next((said for gate in self._gates.values() if (said := gate.read().waiting)), "")

    def _paced(self, embedder: Embedder, patience_s: float, *, urgent: bool = False) -> Embedder:
        if embedder.destination == HERE:
            return embedder
        gate = self._gates.get(embedder.destination)
        if gate is None:
            gate = Gate(embedder.destination, most=embedder.limits.concurrency)
            _limit(gate, self._limits)
            self._gates[embedder.destination] = gate
        return Paced(embedder, gate, patience_s=patience_s, stop=self._stop, urgent=urgent)

    def known(self, embedder: Embedder, texts: Sequence[str]) -> int:
        """How many of the texts have a vector that is kept on this machine."""
        cache = self._kept_for(embedder)
        if cache is None:
            return 0
        keys = keys_of(embedder.space, embedder.destination, "document", texts)
        return sum(key in found for found in [cache.find(keys)] for key in keys)

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


def _limit(gate: Gate, settings: Settings) -> None:
    def wanted(name: str) -> float | None:
        value = settings.get(name)
        return None if value is None else float(value)

    in_flight = wanted("requests_in_flight")
    gate.limit(
        requests_in_flight=None if in_flight is None else int(in_flight),
        requests_per_minute=wanted("requests_per_minute"),
        tokens_per_minute=wanted("tokens_per_minute"),
    )
