"""While a provider lets nothing through, single requests ask at growing pauses whether it does again."""

from __future__ import annotations

import random

__all__ = ["Closure"]

LONGEST_ASKED_S = 3600.0
"""A provider that asks for a longer pause than an hour is asked again after an hour all the same."""

LONGEST_S = 60.0
"""Without a wish of the provider's it is asked at least once a minute."""


class Closure:
    """Closed or open, and when the next single try is due.

    Args:
        first_s: the first pause.
        longest_s: where pauses stop doubling.
        share: of the time it has been closed; as long as that a pause may be all the same, up to a minute.
        chance: spreads the pauses, so that several processes do not ask at once.

    Attributes:
        closed: nothing but single tries may be sent.
        next_s: when the next one may be.
        asked: the last pause was the provider's own wish.
        since_s: when it closed.
    """

    def __init__(self, first_s: float, longest_s: float, share: float, chance: random.Random) -> None:
        self._first_s, self.longest_s, self._share, self._chance = first_s, longest_s, share, chance
        self.closed = False
        self.asked = False
        self.next_s = 0.0
        self.since_s = self._began_s = 0.0
        self._pause_s = first_s

    def close(self, now_s: float, asked_s: float | None) -> None:
        """Closes; the first try comes after the first pause, or after ``asked_s`` where that is longer."""
        self.closed, self.since_s, self._began_s = True, now_s, now_s
        self._pause_s, self.next_s = self._first_s, now_s
        self.again(now_s, asked_s)

    def reclose(self, now_s: float, asked_s: float | None) -> None:
        """Closes as if it had never been open: pauses go on growing, and only what is sent from now on opens it."""
        self.closed, self.since_s = True, now_s
        self.longest_s = min(2 * self.longest_s, LONGEST_S)
        self.again(now_s, asked_s)

    def again(self, now_s: float, asked_s: float | None) -> None:
        """Notes that a try failed; the next one comes later."""
        self.asked = asked_s is not None
        pause_s = self._pause_s
        if asked_s is None:
            pause_s = max(pause_s, min(LONGEST_S, self._share * (now_s - self._began_s)))
        self._pause_s = min(self.longest_s, self._pause_s * 2)
        pause_s *= self._chance.uniform(0.75, 1.25)
        if asked_s is not None:
            # A bucket asks to wait for one request's refill: after that alone the next one would be refused again.
            pause_s = max(pause_s, min(asked_s, LONGEST_ASKED_S) * self._chance.uniform(1.0, 1.01) + 0.02)
        self.next_s = now_s + pause_s

    def later(self, now_s: float, asked_s: float | None) -> None:
        """Notes one more refusal that tells nothing new, but may ask for a longer pause."""
        if asked_s is not None:
            self.asked = True
            self.next_s = max(self.next_s, now_s + min(asked_s, LONGEST_ASKED_S))

    def open(self) -> None:
        """Opens again."""
        self.closed = False
