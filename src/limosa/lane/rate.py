"""How many units a second go to a provider: the smallest of what is learned, told and wanted, evenly spaced."""

from __future__ import annotations

import math

from limosa.lane.learned import Learned
from limosa.lane.told import Told

__all__ = ["Rate"]

BURST_S = 0.3
"""What was not sent in this time may be made up for at once: a thread wakes a little late."""

SLOWEST = 1e-3
"""Units a second; a rate of nothing at all would never be corrected."""


class Rate:
    """Spaces one unit, requests or tokens.

    Attributes:
        learned: the limit as refusals show it.
        told: the limit as answers tell it.
        budget: most units a second that the user wants; infinite for no wish.
        spent: units sent until now.
    """

    def __init__(self) -> None:
        self.learned = Learned()
        self.told = Told()
        self.budget = math.inf
        self.heeded = True
        self.spent = 0.0
        self._credit = 0.0
        self._seen_s = -math.inf

    def per_s(self, now_s: float) -> float:
        """Units a second at this time; may be infinite."""
        learned = self.learned.rate if self.heeded else math.inf
        return max(SLOWEST, min(learned, self.told.rate(now_s, self.spent), self.budget))

    def wait_s(self, now_s: float) -> float:
        """Seconds until the next request may start; 0 for now."""
        self._catch_up(now_s)
        behind_s = 0.0 if self._credit >= 0 else -self._credit / self.per_s(now_s)
        return max(min(behind_s, self.told.renewed_s(now_s)), self.told.shut_s(now_s, self.spent))

    def spend(self, amount: float, now_s: float) -> None:
        """Notes a request of so many units that starts now."""
        self._catch_up(now_s)
        self.learned.begin(now_s)
        self.spent += amount
        self._credit -= amount

    def correct(self, amount: float) -> None:
        """Notes that so many units more than was thought had been spent; negative for fewer."""
        self.spent += amount
        self._credit -= amount

    def _catch_up(self, now_s: float) -> None:
        passed_s, self._seen_s = now_s - self._seen_s, max(now_s, self._seen_s)
        rate = self.per_s(now_s)
        if math.isinf(rate) or math.isinf(passed_s):
            self._credit = 0.0
            return
        credit, most = self._credit + rate * max(0.0, passed_s), rate * BURST_S
        self._credit = min(credit, most)
        if rate >= self.learned.rate:
            idle_s = min(passed_s, max(0.0, credit - most) / rate)
            self.learned.use(passed_s - idle_s, idle_s)
