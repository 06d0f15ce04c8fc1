"""Batch jobs as a way into the cache: texts go out by their cache keys, and their vectors lie there when they come."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from contextlib import AbstractContextManager
from itertools import islice

import numpy as np

from limosa.lane.cache import Cache, Kept, keys_of
from limosa.lane.fitted import Fitted
from limosa.lane.purse import Purse
from limosa.model.batch import Embedded, Kind
from limosa.model.job import Load
from limosa.model.vectors import faults, require_shape
from limosa.ports.batches import Batches, JobState, Result

__all__ = ["JOB_BYTES", "Prefetch"]

JOB_BYTES = 16 * 2**20
"""Texts of one job, in bytes; a process is to stay under 256 MB.

Sending a job takes up to five times its texts: 30 MB of them took 140 MB, fetching 10,000 vectors of 1536 nothing that
could be seen (measured 2026-11-21, both providers).
"""

_AT_ONCE = 256
"""Results put into the cache in one transaction: 3 MB at 3072 dimensions."""

_KIND: Kind = "document"


class Prefetch:
    """The batch endpoint of one embedder, and where its vectors are kept.

    Args:
        fitted: the embedder as the work uses it; cuts texts as it will when the rows are written.
        purse: pays.
    """

    def __init__(self, batches: Batches, fitted: Fitted, cache: Cache, purse: Purse) -> None:
        self.batches = batches
        self._fitted = fitted
        self._cache = cache
        self._purse = purse
        price, factor = fitted.price, batches.limits.price_factor
        direct = price.usd_per_million_tokens if price is not None else 0.0
        known = price.batch_usd_per_million_tokens if price is not None else None
        self._usd_per_token = (known if known is not None else direct * factor) / 1e6

    def missing(self, texts: Sequence[str]) -> dict[str, str]:
        """Of the texts as they are sent, those that are not kept, by the name under which they go out."""
        parts = self._fitted.parts(texts)
        sent = dict(zip(self._keys(parts), parts, strict=True))
        kept = self._cache.find(list(sent))
        return {key.hex(): text for key, text in sent.items() if key not in kept}

    def load(self, texts: Mapping[str, str]) -> Load:
        """What a job of these texts will cost, about."""
        tokens = sum(self.counts(texts).values())
        return Load(len(texts), tokens, tokens * self._usd_per_token)

    def room(self, texts: int, *, size_bytes: int) -> bool:
        """Whether one job holds so many texts, and bytes of them."""
        limits = self.batches.limits
        # A request is its text and about as much again: names, quotes, escapes.
        return texts <= limits.requests and size_bytes <= min(JOB_BYTES, limits.size_bytes // 4)

    def hold(self, load: Load) -> AbstractContextManager[Callable[[float], None]]:
        """Sets the price aside until the ledger counts it.

        Raises:
            Refused: the budget does not hold it.
        """
        return self._purse.hold(load.cost_usd, job=True)

    def submit(self, texts: Mapping[str, str], *, tag: str) -> str:
        """Makes a job; the provider's name for it."""
        return self.batches.submit(texts, _KIND, tag=tag)

    def look(self, job: str) -> JobState:
        """How a job stands."""
        return self.batches.look(job)

    def counts(self, texts: Mapping[str, str]) -> dict[str, int]:
        """Tokens of each text, estimated where no tokenizer is at hand."""
        return dict(zip(texts, self._fitted.count(list(texts.values())), strict=True))

    def collect(self, job: str, wanted: Mapping[str, int]) -> tuple[Load, set[str]]:
        """Puts what a job made into the cache, and says what it cost in all, and which texts have a vector now.

        A vector that must not be stored is left out: the text is asked for directly, which names the reason.

        Args:
            wanted: names of those that are needed, with their tokens about; the others are paid for and not kept.

        Raises:
            WrongShape: vectors have another size than the space; nothing of it is kept.
            Unanswered: the results broke off; those before it are kept, and a second call goes on.
        """
        texts = tokens = 0
        got: set[str] = set()
        results = (each for each in self.batches.fetch(job) if each.vector is not None)
        while part := list(islice(results, _AT_ONCE)):
            # Where the provider does not say what a text came to and nobody wants it any more, it counts as one token.
            counted = [wanted.get(each.id, 1) if each.tokens is None else each.tokens for each in part]
            texts, tokens = texts + len(part), tokens + sum(counted)
            got |= self._keep(part, counted, wanted)
        return Load(texts, tokens, tokens * self._usd_per_token), got

    def _keep(self, part: list[Result], counted: list[int], wanted: Mapping[str, int]) -> set[str]:
        space = self._fitted.space
        vectors = [each.vector for each in part if each.vector is not None]
        odd = next((each for each in vectors if len(each) != space.dimensions), vectors[0])
        require_shape(Embedded(odd[np.newaxis], None, space.model), n=1, d=space.dimensions)
        stacked = np.stack(vectors)
        bad = faults(stacked)
        fresh = {
            bytes.fromhex(each.id): Kept(stacked[i], counted[i], counted[i] * self._usd_per_token)
            for i, each in enumerate(part)
            if each.id in wanted and i not in bad
        }
        # What is kept already was paid for once: a second fetch does not owe it again.
        kept = self._cache.find(list(fresh))
        self._cache.keep({key: each for key, each in fresh.items() if key not in kept})
        return {key.hex() for key in fresh}

    def _keys(self, texts: Sequence[str]) -> list[bytes]:
        return keys_of(self._fitted.space, self._fitted.destination, _KIND, texts)
