"""The turn to write: threads of one process queue here, and short work goes before batches of vectors."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager

__all__ = ["Turn"]


class Turn:
    """A lock with two queues.

    A worker that wants its next chunk must not wait for everybody's batches: it would read only when
    all others have written, and then all would read at once.
    """

    def __init__(self) -> None:
        self._changed = threading.Condition()
        self._taken = False
        self._short = 0

    @contextmanager
    def hold(self, *, bulk: bool) -> Iterator[None]:
        """Waits until nobody writes, and with ``bulk`` until nobody with short work waits either."""
        with self._changed:
            if bulk:
                self._changed.wait_for(lambda: not self._taken and not self._short)
            else:
                self._short += 1
                try:
                    self._changed.wait_for(lambda: not self._taken)
                finally:
                    self._short -= 1
            self._taken = True
        try:
            yield
        finally:
            with self._changed:
                self._taken = False
                self._changed.notify_all()
