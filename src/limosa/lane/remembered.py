"""An embedder that asks for no text twice: neither for equal ones, nor for what is kept on this machine."""

from __future__ import annotations

import threading
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import Future
from dataclasses import dataclass, field
from functools import partial
from weakref import WeakValueDictionary

import numpy as np

from limosa.errors import RowRefused
from limosa.lane.around import Around
from limosa.lane.cache import Cache, Kept, keys_of
from limosa.model.batch import Allowance, Embedded, Kind, Vectors
from limosa.model.vectors import faults, require_shape
from limosa.ports.embedder import Embedder

__all__ = ["Remembered"]

Coming = Future[dict[bytes, Vectors]]
"""What another thread is asking for: vectors of shape (d,) by key."""


@dataclass(eq=False)
class _Bill:
    """What one answer tells. One that is dropped uncommitted has told nothing: its keys are for another to tell."""

    keys: set[bytes] = field(default_factory=set)
    asked: int = 0
    tokens: int = 0
    cost_usd: float = 0.0


@dataclass(eq=False)
class _Answer:
    """What came for a batch until now.

    Attributes:
        found: for each text of shape (d,).
        whole: the answer to one request for all of the texts, in their order; None where there was none.
    """

    found: dict[bytes, Vectors] = field(default_factory=dict)
    whole: Vectors | None = None
    refused: dict[bytes, RowRefused] = field(default_factory=dict)
    bill: _Bill = field(default_factory=_Bill)
    allowances: tuple[Allowance, ...] = ()
    model: str = ""


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
        self._under_way: dict[bytes, Coming] = {}
        self._books = threading.Lock()
        self._told: WeakValueDictionary[bytes, _Bill] = WeakValueDictionary()
        self._paid: set[bytes] = set()

    def embed(self, texts: Sequence[str], kind: Kind) -> Embedded:
        """Vectors of the texts, in their order; ``tokens`` are those that no ledger holds yet.

        Raises:
            LimosaError: what the provider raises for those that had to be asked for.
        """
        if not texts:
            return self._inner.embed(texts, kind)
        keys = self._keys(texts, kind)
        wanted = dict(zip(keys, texts, strict=True))
        answer = _Answer(model=self.space.model)
        try:
            self._complete(answer, wanted, kind)
        except BaseException:
            # Whoever handles it may ask again while this frame is still there.
            self._drop(answer.bill)
            raise
        bill = answer.bill
        return Embedded(
            self._arranged(answer, keys),
            bill.tokens,
            answer.model,
            answer.allowances,
            refused={i: answer.refused[key] for i, key in enumerate(keys) if key in answer.refused},
            cost_usd=bill.cost_usd,
            asked=bill.asked,
            committed=partial(self._settle, bill),
        )

    def _arranged(self, answer: _Answer, keys: Sequence[bytes]) -> Vectors:
        if answer.whole is not None and len(answer.whole) == len(keys):
            return answer.whole
        nothing = np.zeros(self.space.dimensions, dtype=np.float32)
        return np.stack([answer.found.get(key, nothing) for key in keys])

    def _keys(self, texts: Sequence[str], kind: Kind) -> list[bytes]:
        return keys_of(self.space, self.destination, kind, texts)

    def _complete(self, answer: _Answer, wanted: Mapping[bytes, str], kind: Kind) -> None:
        missing = dict(wanted)
        while missing:
            mine, theirs = self._divide(missing)
            if mine:
                self._answer(answer, mine, kind)
            answer.found |= _waited_for(theirs)
            # What another thread failed to get is asked for here.
            missing = {
                key: text for key, text in missing.items() if key not in answer.found and key not in answer.refused
            }

    def _divide(self, missing: Mapping[bytes, str]) -> tuple[dict[bytes, str], dict[bytes, Coming]]:
        """Which of them this thread asks for, and which another one is asking for already."""
        with self._guard:
            theirs = {key: self._under_way[key] for key in missing if key in self._under_way}
            mine = {key: text for key, text in missing.items() if key not in theirs}
            self._under_way.update(dict.fromkeys(mine, Future()))
        return mine, theirs

    def _answer(self, answer: _Answer, texts: Mapping[bytes, str], kind: Kind) -> None:
        """Finds or asks for what this thread has taken upon itself; nobody else asks for it meanwhile."""
        try:
            answer.found |= self._kept(list(texts), answer.bill)
            rest = {key: text for key, text in texts.items() if key not in answer.found}
            if rest:
                self._ask(answer, rest, kind)
        finally:
            with self._guard:
                under_way = {key: self._under_way.pop(key) for key in texts}
            made = {key: answer.found[key] for key in texts if key in answer.found}
            next(iter(under_way.values())).set_result(made)

    def _kept(self, keys: Sequence[bytes], bill: _Bill) -> dict[bytes, Vectors]:
        if self._cache is None:
            return {}
        with self._books:
            # Before looking: what is found and is settled meanwhile was told. Of these keys nobody else tells now.
            told = {key for key in keys if key in self._told}
        found = self._cache.find(keys)
        with self._books:
            untold = {key: kept for key, kept in found.items() if kept.owed and key not in told}
            self._tell(bill, untold)
            earlier_usd = sum(kept.cost_usd for key, kept in untold.items() if key not in self._paid)
            self._paid |= untold.keys()
        if earlier_usd:
            self._recovered(earlier_usd)
        return {key: kept.vector for key, kept in found.items()}

    def _ask(self, answer: _Answer, texts: Mapping[bytes, str], kind: Kind) -> None:
        came = self._inner.embed(list(texts.values()), kind)
        vectors = require_shape(came, n=len(texts), d=self.space.dimensions)
        made = dict(zip(texts, vectors, strict=True))
        for i, key in enumerate(texts) if came.refused else ():
            if i in came.refused:
                answer.refused[key] = came.refused[i]
                del made[key]
        if made and self._cache is not None:
            bad = faults(vectors)
            spoiled = {key for i, key in enumerate(texts) if i in bad} if bad else set()
            self._keep(self._cache, answer.bill, (came, made), spoiled)
        else:
            answer.bill.asked += len(made)
            answer.bill.tokens += came.tokens or 0
            answer.bill.cost_usd += came.cost_usd
        answer.found |= made
        answer.whole = None if came.refused else vectors
        answer.allowances, answer.model = came.allowances, came.model

    def _keep(
        self, cache: Cache, bill: _Bill, made: tuple[Embedded, Mapping[bytes, Vectors]], spoiled: set[bytes]
    ) -> None:
        came, vectors = made
        # What was refused among them had its part of the price too.
        each, rest = divmod(came.tokens or 0, len(vectors))
        usd = came.cost_usd / len(vectors)
        kept = {key: Kept(vector, each + (n < rest), usd) for n, (key, vector) in enumerate(vectors.items())}
        good = {key: one for key, one in kept.items() if key not in spoiled}
        with self._books:
            self._tell(bill, kept)
            self._paid |= good.keys()
        # Whoever finds it there finds that it is told.
        cache.keep(good)

    def _tell(self, bill: _Bill, kept: Mapping[bytes, Kept]) -> None:
        bill.keys.update(kept)
        bill.asked += len(kept)
        bill.tokens += sum(each.tokens for each in kept.values())
        bill.cost_usd += sum(each.cost_usd for each in kept.values())
        self._told.update(dict.fromkeys(kept, bill))

    def _drop(self, bill: _Bill) -> None:
        with self._books:
            for key in [key for key in bill.keys if self._told.get(key) is bill]:
                del self._told[key]

    def _settle(self, bill: _Bill) -> None:
        if self._cache is not None and bill.keys:
            self._cache.settle(bill.keys)
        with self._books:
            self._paid -= bill.keys
        self._drop(bill)


def _waited_for(theirs: Mapping[bytes, Coming]) -> dict[bytes, Vectors]:
    """What other threads were answered; a text that they were refused is missing."""
    return {key: answered[key] for key, future in theirs.items() if key in (answered := future.result())}
