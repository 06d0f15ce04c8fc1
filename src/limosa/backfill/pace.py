"""How many rows one write transaction takes, so that no row stays locked for long."""

from __future__ import annotations

import threading
from dataclasses import dataclass, field

__all__ = ["COMMIT_S", "Stride"]

COMMIT_S = 0.025
"""Wanted length of a write transaction. The application may have to wait for a row that long and must not wait
0.1 s; a transaction that the machine slows down threefold still fits."""

LEAST_ROWS = 4
"""Below this the commits themselves would be most of the work."""

_LEAST_S = 0.001
"""Differences of times may come out below zero; no transaction takes less."""


@dataclass(slots=True)
class Stride:
    """Rows a transaction, found by watching how long they take; shared by the threads of a process.

    Attributes:
        most: never more than so many.
        timed: False where transactions are to be of exactly ``most`` rows.
    """

    most: int
    timed: bool = True
    rows: int = field(init=False)
    _guard: threading.Lock = field(default_factory=threading.Lock)

    def __post_init__(self) -> None:
        # The first transaction meets indexes of unknown cost.
        self.rows = min(self.most, 16) if self.timed else self.most

    def took(self, rows: int, seconds: float) -> None:
        """Notes one transaction; grows at most twofold at a time, shrinks at most to a quarter.

        One transaction that the machine held up says little; costs that are there to stay show in the next ones.

        Args:
            seconds: without the way to the server and back, which fewer rows make no shorter.
        """
        if rows == 0 or not self.timed:
            return
        fitting = rows * COMMIT_S / max(seconds, _LEAST_S)
        with self._guard:
            if fitting < self.rows:
                self.rows = max(LEAST_ROWS, int(fitting), self.rows // 4)
            elif rows >= self.rows:
                self.rows = min(self.most, int(min(fitting, self.rows * 2)))
