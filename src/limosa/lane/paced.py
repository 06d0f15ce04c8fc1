"""An embedder that asks as fast as the provider allows, and asks again where that helps."""

from __future__ import annotations

import random
from collections.abc import Sequence

from limosa.errors import LimosaError, Unanswered
from limosa.lane.around import Around
from limosa.lane.gate import Gate
from limosa.lane.tokens import Counter
from limosa.model.batch import Embedded, Kind
from limosa.ports.embedder import Embedder

__all__ = ["Paced"]

TRIES = 6
"""A request that fails so often while others are answered has something in it that the provider cannot take."""

FIRST_PAUSE_S = 0.5
LONGEST_PAUSE_S = 8.0
"""Between the tries of one request, doubling and jittered: about half a minute in all."""


class Paced(Around):
    """One request at a time for each caller, when the gate lets it.

    Args:
        gate: shared by all embedders of one provider.
        patience_s: how long a provider that answers nobody is waited for.
    """

    def __init__(self, inner: Embedder, counter: Counter, gate: Gate, *, patience_s: float) -> None:
        super().__init__(inner)
        self._counter = counter
        self._gate = gate
        self._patience_s = patience_s

    def embed(self, texts: Sequence[str], kind: Kind) -> Embedded:
        """Vectors of the texts, in their order.

        What the provider asks for, and an outage, are waited out and use up no try.

        Raises:
            RowRefused, Refused: repeating will not help.
            Unanswered: nobody was answered for ``patience_s``; or others were and this request was not, then
                ``alone`` is set.
            Transient: the run is to end.
        """
        tokens, tries, pause_s = sum(self._counter.count(texts)), 0, FIRST_PAUSE_S
        while True:
            try:
                return self._once(texts, kind, tokens)
            except _Again as again:
                tries += again.counts
                if tries >= TRIES:
                    again.error.alone = True
                    raise again.error from None
                if again.counts:
                    self._gate.stop.wait(pause_s * random.uniform(0.5, 1.5))  # noqa: S311
                    pause_s = min(LONGEST_PAUSE_S, 2 * pause_s)

    def _once(self, texts: Sequence[str], kind: Kind, tokens: int) -> Embedded:
        sent = self._gate.enter(tokens, patience_s=self._patience_s)
        try:
            answer = self._inner.embed(texts, kind)
        except Unanswered as error:
            raise _Again(error, counts=self._gate.failed(sent, error)) from error
        except LimosaError:
            self._gate.refused(sent)
            raise
        except BaseException:
            self._gate.dropped(sent)
            raise
        self._gate.answered(sent, answer)
        return answer


class _Again(Exception):
    """A request is to be repeated; whether that counts as a try."""

    def __init__(self, error: Unanswered, *, counts: bool) -> None:
        super().__init__(error.what)
        self.error = error
        self.counts = counts
