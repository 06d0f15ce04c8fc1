"""An embedder that keeps the provider's pace and repeats what is worth repeating."""

from __future__ import annotations

import random
import threading
from collections.abc import Sequence
from dataclasses import dataclass

from limosa.errors import Refused, Stubborn, Unanswered
from limosa.lane.around import Around
from limosa.lane.gate import Gate, Turn
from limosa.model.batch import Embedded, Kind
from limosa.ports.embedder import Embedder

__all__ = ["Paced"]

TRIES = 6
"""Failures of one request while others are answered: at 5 % chance failures, one request in 60 million meets six."""

LIMITED_WEIGHT = 1 / 3
"""A refusal for the rate counts so much less: with others on the account every second request may meet one."""

FIRST_PAUSE_S, LONGEST_PAUSE_S = 0.5, 30.0

CHARACTERS_A_TOKEN = 4
"""English text with common tokenizers; the pace learns the true ratio from what the provider counts."""


@dataclass(frozen=True, slots=True)
class _Failure:
    error: Unanswered
    alone: bool


class Paced(Around):
    """Another embedder behind a gate.

    Args:
        inner: sends one request for each call.
        gate: of that provider account; shared by all embedders that send there.
        patience_s: how long a request waits while the provider lets nothing through.
        stop: ends all waits at once.
        urgent: requests of this embedder go first, as a search that a person waits for.
    """

    def __init__(
        self,
        inner: Embedder,
        gate: Gate,
        *,
        patience_s: float,
        stop: threading.Event | None = None,
        urgent: bool = False,
    ) -> None:
        super().__init__(inner)
        self._gate = gate
        self._patience_s, self._urgent = patience_s, urgent
        self._stop = stop or threading.Event()

    def embed(self, texts: Sequence[str], kind: Kind) -> Embedded:
        """Vectors of the texts, in their order, as the provider gave them; repeated while that may help.

        Raises:
            RowRefused: the provider refuses a text of this batch and not the batch as such.
            Refused: repeating will not help.
            Stubborn: this request failed again and again while others were answered.
            Unanswered: the provider let nothing through for as long as there was patience.
            Transient: ``stop`` was set before the first try.
        """
        turn = Turn(
            tokens=sum(map(len, texts)) / CHARACTERS_A_TOKEN,
            stop=self._stop,
            patience_s=self._patience_s,
            urgent=self._urgent,
        )
        spent = 0.0
        while True:
            answer = self._try(turn, texts, kind)
            if not isinstance(answer, _Failure):
                return answer
            if answer.alone:
                spent += LIMITED_WEIGHT if answer.error.limited else 1.0
            if spent >= TRIES - 1e-9:
                raise Stubborn.of(answer.error) from answer.error
            self._pause(turn.failures, answer.error)

    def _try(self, turn: Turn, texts: Sequence[str], kind: Kind) -> Embedded | _Failure:
        with self._gate.enter(turn) as leave:
            try:
                answer = self._inner.embed(texts, kind)
            except Unanswered as error:
                failed = error
                leave.failed(error)
            except Refused:
                leave.refused()
                raise
            else:
                leave.answered(answer)
                return answer
        return _Failure(failed, leave.others_answered)

    def _pause(self, failures: int, error: Unanswered) -> None:
        """A request's own pause, where the gate has none for all."""
        if self._gate.closed:
            return
        pause_s = min(LONGEST_PAUSE_S, FIRST_PAUSE_S * 2 ** min(failures - 1, 10))
        asked_s = min(LONGEST_PAUSE_S, error.retry_after_s or 0.0)
        self._stop.wait(max(asked_s, pause_s * random.uniform(0.5, 1.5)))  # noqa: S311
