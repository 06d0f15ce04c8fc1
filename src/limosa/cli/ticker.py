"""A ticker: looks at a migration again and again in a thread of its own, and hands each look to a painter."""

from __future__ import annotations

import threading
from collections.abc import Callable
from contextlib import suppress

from limosa.cli.watch import Look, Watch
from limosa.errors import LimosaError

__all__ = ["Ticker"]


class Ticker:
    """Runs beside a run, which has the main thread because signals arrive there.

    Args:
        paint: is given every look, in the ticker's thread; the last one at the end, in the caller's.
        pause_s: seconds between two looks.
    """

    def __init__(self, watch: Watch, paint: Callable[[Look], None], pause_s: float) -> None:
        self.last = Look(phase="plan")
        self._watch = watch
        self._paint = paint
        self._pause_s = pause_s
        self._over = threading.Event()
        self._thread = threading.Thread(target=self._loop, name="limosa-progress", daemon=True)

    def __enter__(self) -> Ticker:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._over.set()
        self._thread.join()
        self._look()

    def _loop(self) -> None:
        self._look()
        while not self._over.wait(self._pause_s):
            self._look()

    def _look(self) -> None:
        # A database that is away for a moment is the run's concern; it says so itself.
        with suppress(LimosaError):
            self.last = self._watch.look()
            self._paint(self.last)
