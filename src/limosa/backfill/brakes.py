"""Brakes: while there is a reason to wait, no worker of this process begins another batch."""

from __future__ import annotations

import threading
from collections.abc import Callable, Sequence
from types import TracebackType
from typing import Self

from limosa.errors import LimosaError
from limosa.model.wish import Settings, Wished

__all__ = ["LOOK_S", "Brakes"]

LOOK_S = 1.0
"""Between two looks. Batches in flight take about as long, so a shorter pause would stop nothing earlier."""

HEED_S = 0.2
"""How often a worker that waits looks whether the run is to end."""


LEAVE_S = 5.0
"""How long the last look is waited for."""


class Brakes:
    """Looks once a second, in a thread of its own, whether there is a reason to wait; shared by all workers.

    As a context manager it has looked once when the block begins, so that a run that begins paused
    does not read a single row. Without the thread it is what the last ``look`` found.

    Args:
        wished: what people ask of the migration now; its pause is the first reason.
        strains: each says why to wait, or nothing; the first that says something is asked no further.
        changed: is told the reason whenever it becomes another one; empty where the run goes on.
        settings: is told all settings whenever one of them has changed, and first where there are any.
    """

    def __init__(
        self,
        wished: Callable[[], Wished] = Wished,
        strains: Sequence[Callable[[], str]] = (),
        *,
        changed: Callable[[str], None] = lambda reason: None,
        settings: Callable[[Settings], None] = lambda values: None,
    ) -> None:
        self.reason = ""
        self._wished = wished
        self._strains = strains
        self._changed = changed
        self._set = settings
        self._settings: Settings = {}
        self._failed: Exception | None = None
        self._free = threading.Event()
        self._free.set()
        self._over = threading.Event()
        self._thread = threading.Thread(target=self._watch, name="limosa-brakes", daemon=True)

    def look(self) -> None:
        """Looks once. A database that does not answer changes nothing: workers meet that themselves."""
        try:
            wished = self._wished()
            said = wished.pause.said if wished.pause is not None else self._strained()
        except LimosaError:
            return
        if wished.settings != self._settings:
            self._settings = wished.settings
            self._set(wished.settings)
        if said == self.reason:
            return
        self.reason = said
        if said:
            self._free.clear()
        else:
            self._free.set()
        self._changed(said)

    def wait(self, stop: threading.Event) -> None:
        """Returns once there is no reason to wait, or ``stop`` is set; at once where there is none.

        Raises:
            Exception: looking failed in a way that is a bug; nobody would ever say that the run may go on.
        """
        while not (self._free.is_set() or stop.is_set()):
            self._free.wait(HEED_S)
        if self._failed is not None:
            raise self._failed

    def __enter__(self) -> Self:
        self.look()
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._over.set()
        # A look at a server that hangs must not hold the end of the run up.
        self._thread.join(LEAVE_S)

    def _strained(self) -> str:
        return next((said for strain in self._strains if (said := strain())), "")

    def _watch(self) -> None:
        try:
            while not self._over.wait(LOOK_S):
                self.look()
        except Exception as error:
            self._failed = error
            self._free.set()
