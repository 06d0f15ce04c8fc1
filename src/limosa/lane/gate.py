"""The gate to one provider: requests of all threads pass it one at a time, as fast as the pace allows."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from dataclasses import dataclass

from limosa.errors import Transient, Unanswered
from limosa.lane.pace import Pace, Sent
from limosa.model.batch import Embedded

__all__ = ["Gate", "Reading"]

HEED_S = 0.2
"""How often the thread at the gate looks whether the run is to end."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Reading:
    """One look at the gate.

    Attributes:
        in_flight: requests under way; window: as many as may be.
        rate_per_s: requests a second that may start; infinite where nothing limits them.
        answered, limited, lost: requests by outcome since the start.
        waiting: why nothing goes out now, for a person; empty where requests do.
    """

    in_flight: int
    window: int
    rate_per_s: float
    answered: int
    limited: int
    lost: int
    waiting: str


class Gate:
    """Blocks threads until their request may start; safe to use from any number of them.

    Args:
        destination: names the provider in what a person reads.
        most: requests in flight, never more.
        stop: ends all waiting.
    """

    def __init__(self, destination: str, *, most: int, stop: threading.Event) -> None:
        self.destination = destination
        self.stop = stop
        self._pace = Pace(most)
        self._changed = threading.Condition()
        # Whoever holds it is next; the others sleep until it is free, however many they are.
        self._turn = threading.Lock()
        self._error: Unanswered | None = None
        self._closed_s: float | None = None

    def limit(
        self,
        *,
        requests_in_flight: int | None = None,
        requests_per_minute: float | None = None,
        tokens_per_minute: float | None = None,
    ) -> None:
        """Sets what the user wants at most, from now on; None for no wish."""
        with self._changed:
            self._pace.limit(
                in_flight=requests_in_flight,
                requests_per_minute=requests_per_minute,
                tokens_per_minute=tokens_per_minute,
            )
            self._changed.notify_all()

    def read(self) -> Reading:
        """How it stands now."""
        with self._changed:
            pace, now_s = self._pace, time.monotonic()
            return Reading(
                in_flight=pace.in_flight,
                window=pace.window,
                rate_per_s=pace.rate_per_s(now_s),
                answered=pace.answered_count,
                limited=pace.limited_count,
                lost=pace.lost_count,
                waiting=self._waiting(now_s),
            )

    def enter(self, tokens: float, *, patience_s: float) -> Sent:
        """Waits until a request of about so many tokens may start; every one must be reported afterwards.

        Raises:
            Unanswered: the provider has answered nothing for ``patience_s``.
            Transient: the run is to end.
        """
        with self._turn, self._changed:
            while True:
                now_s = time.monotonic()
                self._require_patience(now_s, patience_s)
                wait_s = self._pace.wait_s(now_s)
                if wait_s <= 0:
                    return self._pace.start(tokens, now_s)
                self._changed.wait(min(wait_s, HEED_S))

    def answered(self, sent: Sent, answer: Embedded) -> None:
        """Reports an answer."""
        self._report(lambda now_s: self._pace.answered(sent, now_s, tokens=answer.tokens, allowances=answer.allowances))

    def refused(self, sent: Sent) -> None:
        """Reports that the provider refused the request for what it is."""
        self._report(lambda now_s: self._pace.refused(sent, now_s))

    def dropped(self, sent: Sent) -> None:
        """Reports a request of which nothing is known."""
        self._report(lambda now_s: self._pace.dropped(sent))

    def failed(self, sent: Sent, error: Unanswered) -> bool:
        """Reports a request that was not answered; whether the provider answers others."""
        self._error = error
        self._report(lambda now_s: self._pace.failed(sent, now_s, error))
        return not (error.limited or self._pace.closed)

    def _report(self, what: Callable[[float], None]) -> None:
        with self._changed:
            now_s = time.monotonic()
            what(now_s)
            if not self._pace.closed:
                self._closed_s = None
            elif self._closed_s is None:
                self._closed_s = now_s
            self._changed.notify_all()

    def _require_patience(self, now_s: float, patience_s: float) -> None:
        if self.stop.is_set():
            raise Transient("The run was stopped on request.", do="limosa run FILE goes on where it ended.")
        if self._closed_s is not None and self._error is not None and now_s - self._closed_s > patience_s:
            raise self._error

    def _waiting(self, now_s: float) -> str:
        if not self._pace.closed or self._error is None:
            return ""
        try_s = self._pace.next_try_s(now_s)
        if self._pace.ill:
            return f"{self._error.what.rstrip('.')}; next try in {try_s:.0f} s"
        asks = "asks to wait" if self._pace.asked else "lets nothing more through for now"
        return f"{self.destination} {asks}; next try in {try_s:.0f} s"
