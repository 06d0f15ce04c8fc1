"""Money: what was paid, and the stop before the budget is passed."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, replace

from limosa.errors import Refused
from limosa.lane.around import Around
from limosa.lane.tokens import Counter
from limosa.model.batch import Embedded, Kind
from limosa.ports.embedder import Embedder

__all__ = ["Paying", "Purse"]

_LOOK_S = 0.5
"""Between two looks at what other processes have spent: they overdraw by no more than they do in that time."""


@dataclass(slots=True, kw_only=True)
class Purse:
    """What one process pays, beside what the ledger says that everybody paid.

    Attributes:
        budget_usd: the hard stop as it is now; None for no limit.
        ledger_usd: what all processes have paid and committed.
        committed_usd: of that, what this process has.
    """

    budget_usd: Callable[[], float | None]
    ledger_usd: Callable[[], float]
    committed_usd: Callable[[], float]
    paid_usd: float = 0.0
    _held_usd: float = 0.0
    _seen_usd: float = 0.0
    _seen_s: float = float("-inf")
    _guard: threading.Lock = field(default_factory=threading.Lock)

    @contextmanager
    def hold(self, about_usd: float, *, stops: bool = True, job: bool = False) -> Iterator[Callable[[float], None]]:
        """Sets money aside for one request; the value is called with what it really cost.

        Args:
            job: it is for a batch job, which the ledger counts from when this block ends: many requests' worth, so
                the ledger is looked at before, and before whatever is paid after it.

        Raises:
            Refused: the budget does not hold it.
        """
        with self._guard:
            if job:
                self._seen_s = float("-inf")
            budget_usd = self.budget_usd()
            if stops and budget_usd is not None and about_usd:
                self._require(about_usd, budget_usd)
            self._held_usd += about_usd
        paid: list[float] = []
        try:
            yield paid.append
        finally:
            # Together: in between another thread would find both, and stop before the budget is used up.
            with self._guard:
                self._held_usd -= about_usd
                self.paid_usd += sum(paid)
                if job:
                    self._seen_s = float("-inf")

    def pay(self, cost_usd: float) -> None:
        """Notes what was paid."""
        with self._guard:
            self.paid_usd += cost_usd

    def _require(self, about_usd: float, budget_usd: float) -> None:
        if time.monotonic() - self._seen_s > _LOOK_S or self._spent() + about_usd > budget_usd:
            # Before it: what is committed in between counts twice, and never not at all.
            committed = self.committed_usd()
            self._seen_usd = max(0.0, self.ledger_usd() - committed)
            self._seen_s = time.monotonic()
        if self._spent() + about_usd > budget_usd:
            raise Refused(
                f"The budget of ${budget_usd:.2f} is used up: ${self._spent():.4f} are spent or on their way.",
                needed=f"About ${about_usd:.4f} for the next request.",
                do="Raise budget_usd in [backfill], or by limosa set FILE, and run again; everything done stands.",
            )

    def _spent(self) -> float:
        """By others and committed, by this process whether committed or not, and on its way."""
        return self._seen_usd + self.paid_usd + self._held_usd


class Paying(Around):
    """An embedder whose requests are paid from a purse.

    Args:
        stops: whether the budget ends it; otherwise what it costs is only noted.
        guesses: tokens are told as estimated where the provider does not count; otherwise as None.
    """

    def __init__(
        self, inner: Embedder, counter: Counter, purse: Purse, *, stops: bool = True, guesses: bool = True
    ) -> None:
        super().__init__(inner)
        self._guesses = guesses
        self._stops = stops
        self._counter = counter
        self._purse = purse
        self.usd_per_token = inner.price.usd_per_million_tokens / 1e6 if inner.price is not None else 0.0

    def embed(self, texts: Sequence[str], kind: Kind) -> Embedded:
        """What the inner one answers, with its tokens estimated where it does not say.

        Raises:
            Refused: the budget does not hold the request.
        """
        about = sum(self._counter.count(texts))
        with self._purse.hold(about * self.usd_per_token, stops=self._stops) as pay:
            answer = self._inner.embed(texts, kind)
            self._counter.learn(texts, answer.tokens)
            tokens = about if answer.tokens is None else answer.tokens
            cost_usd = tokens * self.usd_per_token
            pay(cost_usd)
        told = tokens if self._guesses else answer.tokens
        return replace(answer, tokens=told, cost_usd=cost_usd, asked=len(texts))
