"""An embedder that asks for no text twice: neither for equal ones, nor for what is kept on this machine."""

from __future__ import annotations

import threading
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import Future

import numpy as np

from limosa.errors import RowRefused
from limosa.lane.around import Around
from limosa.lane.cache import Cache, Kept, keys_of
from limosa.model.batch import Allowance, Embedded, Kind
from limosa.model.vectors import faults, require_shape
from limosa.ports.embedder import Embedder

__all__ = ["Remembered"]


class Remembered(Around):
    """Answers from the cache what it can, and lets equal texts share one answer, from other threads too.

    Args:
        cache: where vectors are kept; None lets texts that are asked for at the same time share.
        recovered: is told of dollars that an earlier process paid, and that no ledger holds yet.
    """

    def __init__(
        self, inner: Embedder, cache: Cache | None, *, recovered: Callable[[float], None] = lambda cost_usd: None
    ) -> None:
        super().__init__(inner)
        self._cache = cache
        self._recovered = recovered
        self._guard = threading.Lock()
        self._under_way: dict[bytes, Future[dict[bytes, Kept]]] = {}
        self._told: set[bytes] = set()

    def embed(self, texts: Sequence[str], kind: Kind) -> Embedded:
        """Vectors of the texts, in their order; ``tokens`` are those that no ledger holds yet.

        Raises:
            LimosaError: what the provider raises for those that had to be asked for.
        """
        if not texts:
            return self._inner.embed(texts, kind)
        keys = self._keys(texts, kind)
        wanted = dict(zip(keys, texts, strict=True))
        found = self._cache.find(list(wanted)) if self._cache is not None else {}
        missing = {key: text for key, text in wanted.items() if key not in found}
        asked: set[bytes] = set()
        refused: dict[bytes, RowRefused] = {}
        allowances: tuple[Allowance, ...] = ()
        model = self.space.model
        while missing:
            mine, theirs = self._divide(missing)
            if mine:
                made, answer = self._ask({key: missing[key] for key in mine}, kind)
                found |= made
                asked |= made.keys()
                refused |= {mine[i]: error for i, error in answer.refused.items()}
                allowances, model = answer.allowances, answer.model
            found |= _waited_for(theirs)
            # What another thread failed to get is asked for here.
            missing = {key: text for key, text in missing.items() if key not in found and key not in refused}
        tokens, cost_usd = self._owed(found, asked)
        nothing = np.zeros(self.space.dimensions, dtype=np.float32)
        return Embedded(
            np.stack([found[key].vector if key in found else nothing for key in keys]),
            tokens,
            model,
            allowances,
            refused={i: refused[key] for i, key in enumerate(keys) if key in refused},
            cost_usd=cost_usd,
            committed=lambda: self._settle(found),
        )

    def _keys(self, texts: Sequence[str], kind: Kind) -> list[bytes]:
        return keys_of(self.space, self.destination, kind, texts)

    def _divide(self, missing: Mapping[bytes, str]) -> tuple[list[bytes], dict[bytes, Future[dict[bytes, Kept]]]]:
        """Which of them this thread asks for, and which another one is asking for already."""
        with self._guard:
            theirs = {key: self._under_way[key] for key in missing if key in self._under_way}
            mine = [key for key in missing if key not in theirs]
            self._under_way.update(dict.fromkeys(mine, Future()))
        return mine, theirs

    def _ask(self, texts: Mapping[bytes, str], kind: Kind) -> tuple[dict[bytes, Kept], Embedded]:
        made: dict[bytes, Kept] = {}
        try:
            answer = self._inner.embed(list(texts.values()), kind)
            vectors = require_shape(answer, n=len(texts), d=self.space.dimensions)
            each, rest = divmod(answer.tokens or 0, len(texts))
            usd = answer.cost_usd / len(texts)
            made = {
                key: Kept(vectors[i], each + (i < rest), usd) for i, key in enumerate(texts) if i not in answer.refused
            }
            if self._cache is not None:
                bad = faults(vectors)
                self._cache.keep({key: made[key] for i, key in enumerate(texts) if key in made and i not in bad})
        finally:
            with self._guard:
                asked = {key: self._under_way.pop(key) for key in texts}
            next(iter(asked.values())).set_result({key: Kept(kept.vector) for key, kept in made.items()})
        return made, answer

    def _owed(self, found: Mapping[bytes, Kept], asked: set[bytes]) -> tuple[int, float]:
        """Tokens and dollars that were paid and that no batch of this process has told yet."""
        with self._guard:
            untold = [key for key, kept in found.items() if kept.owed and key not in self._told]
            self._told.update(untold)
        earlier_usd = sum(found[key].cost_usd for key in untold if key not in asked)
        if earlier_usd:
            self._recovered(earlier_usd)
        return sum(found[key].tokens for key in untold), sum(found[key].cost_usd for key in untold)

    def _settle(self, found: Mapping[bytes, Kept]) -> None:
        owed = [key for key, kept in found.items() if kept.owed]
        if self._cache is not None and owed:
            self._cache.settle(owed)
        with self._guard:
            self._told.difference_update(owed)


def _waited_for(theirs: Mapping[bytes, Future[dict[bytes, Kept]]]) -> dict[bytes, Kept]:
    """What other threads were answered; a text that they were refused is missing."""
    return {key: answered[key] for key, future in theirs.items() if key in (answered := future.result())}
