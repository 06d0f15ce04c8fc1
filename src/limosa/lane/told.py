"""A limit as a provider's answers tell it, for one unit (requests or tokens)."""

from __future__ import annotations

import math

__all__ = ["Told"]

HORIZON_S = 10.0
"""Below so long a time until renewal an answer is as old as what it says, and the rate would swing with it."""


class Told:
    """The rate in units a second, from what is left and when it is whole again.

    ``left`` spread over ``reset`` holds for a fixed window, whose rest it uses evenly, and for a token bucket
    that tells the time until it is *full*: there the rate equals the limit when the bucket is half full, and is
    above it while there is more, below it while there is less.
    """

    def __init__(self) -> None:
        self._number = -1
        self._left = math.inf
        self._spent = 0.0
        self._reset_at_s = self._shut_until_s = -math.inf
        self._horizon_s = 0.0
        self._usual = math.inf

    def note(self, number: int, spent: float, *, left: float, reset_s: float, at_s: tuple[float, float]) -> None:
        """Notes one answer's allowance; an answer to an older request than the last noted changes nothing.

        Args:
            number: of the request.
            spent: units sent until then, that request included.
            left: units left after it.
            reset_s: time until the allowance is whole.
            at_s: when the request was sent and when its answer came.
        """
        if number < self._number:
            return
        sent_s, answered_s = at_s
        self._number, self._spent, self._left = number, spent, left
        # The provider looked when the request came; an empty allowance is waited out from the answer on, to be sure.
        self._reset_at_s, self._shut_until_s = sent_s + reset_s, answered_s + reset_s
        self._horizon_s = max(self._horizon_s, reset_s)
        if reset_s > self._horizon_s / 4:
            self._usual = left / reset_s

    def rate(self, now_s: float, spent: float) -> float:
        """Units a second that may be sent now; infinite where nothing was told.

        Args:
            now_s: the time.
            spent: units sent until now.
        """
        if self._horizon_s < HORIZON_S:
            return math.inf
        rest_s = self._reset_at_s - now_s
        if rest_s <= 0:
            return max(self._usual, 1 / self._horizon_s)
        return max(0.0, self._left - (spent - self._spent)) / rest_s

    def shut_s(self, now_s: float, spent: float) -> float:
        """Seconds for which nothing is left; 0 where something is."""
        if self._horizon_s < HORIZON_S or self._left - (spent - self._spent) >= 1:
            return 0.0
        return max(0.0, self._shut_until_s - now_s)

    def renewed_s(self, now_s: float) -> float:
        """Seconds until the rate is another one, because the allowance is renewed; infinite where it is not known."""
        return self._reset_at_s - now_s if self._reset_at_s > now_s else math.inf
