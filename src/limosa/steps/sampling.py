"""Sampling: while a run works, the ledger is told every few seconds how far it is and how long things take."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress

from limosa.control.samples import Samples
from limosa.errors import LimosaError
from limosa.steps.voyage import Voyage

__all__ = ["sampling"]

_FIRST_S, _SAMPLE_S = 0.25, 5.0
"""The first sample, and from when on they are as far apart: each pause is twice the one before, so that a run of
seconds leaves a curve too. A sample is one statement that sums the chunks, ten thousand for a hundred million rows."""

_LEAVE_S = 5.0
"""How long the last look is waited for: a server that hangs must not hold the end of a run up."""


@contextmanager
def sampling(voyage: Voyage) -> Iterator[None]:
    """While the block runs, and when it ends, what was done since the last look is kept."""
    sampler = _Sampler(voyage)
    over = threading.Event()
    thread = threading.Thread(target=sampler.watch, args=(over,), name="limosa-sampling", daemon=True)
    thread.start()
    try:
        yield
    finally:
        over.set()
        thread.join(_LEAVE_S)


class _Sampler:
    """Looks at what this process did; a database that does not answer costs a sample, and no run."""

    def __init__(self, voyage: Voyage) -> None:
        self._meter = voyage.meter
        self._samples = Samples(voyage.store.begin, voyage.migration.id)
        self._looked_s = time.monotonic()
        self._rows = self._meter.read().rows

    def watch(self, over: threading.Event) -> None:
        """Looks again and again; a last time when it is over."""
        with suppress(LimosaError):
            if not self._samples.all():
                # Where everything is counted from.
                self._samples.note(elapsed_s=0.0, writes={}, requests={})
        pause_s = _FIRST_S
        while not over.wait(pause_s):
            pause_s = min(_SAMPLE_S, 2 * pause_s)
            self._look()
        self._look()

    def _look(self) -> None:
        now_s, rows = time.monotonic(), self._meter.read().rows
        elapsed_s, self._looked_s = now_s - self._looked_s, now_s
        writes, requests = self._meter.taken()
        worked, self._rows = rows != self._rows, rows
        if worked or writes or requests:
            with suppress(LimosaError):
                self._samples.note(elapsed_s=elapsed_s, writes=writes, requests=requests)
