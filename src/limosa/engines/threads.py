"""The local engine: worker threads that claim chunks, one follower, one heartbeat."""

from __future__ import annotations

import threading
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Protocol

from limosa.errors import Fenced, LimosaError
from limosa.model.chunk import Claim

__all__ = ["Claims", "Crew"]

HEARTBEAT_S = 5.0
"""A quarter of the shortest lease: three may be lost before another worker takes over."""

FOLLOW_PAUSE_S = 0.2
"""How long the follower rests when there was nothing to do."""


class Claims(Protocol):
    """What the engine needs of the ledger."""

    def claim(self) -> Claim | None:
        """A free chunk."""
        ...

    def claim_follow(self) -> Claim | None:
        """The right to follow."""
        ...

    def renew(self) -> None:
        """Renews every lease of this process."""
        ...

    def release(self, claims: Sequence[Claim]) -> None:
        """Gives chunks back."""
        ...


@dataclass(slots=True)
class Crew:
    """The threads of one process.

    Attributes:
        work: fills one chunk.
        follow: settles the changes that wait now and says how many.
        stop: set from outside, or by the first error, ends every thread after its batch.
        over: no further chunk is wanted.
        rest: seconds that a worker rests when no chunk is free before it asks again; None where it is to end.
    """

    claims: Claims
    work: Callable[[Claim], None]
    follow: Callable[[Claim], int]
    stop: threading.Event
    over: Callable[[], bool] = lambda: False
    rest: Callable[[], float | None] = lambda: None
    _errors: list[BaseException] = field(default_factory=list)
    _idle: threading.Event = field(default_factory=threading.Event)

    def run(self, threads: int) -> None:
        """Works until no chunk is free, following the change table meanwhile.

        Raises:
            LimosaError: the first error of any thread; the others ended after their batch.
        """
        workers = [self._thread(self._fill) for _ in range(threads)]
        beside = [self._thread(self._follow), self._thread(self._beat)]
        try:
            for thread in workers:
                thread.join()
        except BaseException:
            self.stop.set()
            raise
        finally:
            for thread in workers:
                thread.join()
            self._idle.set()
            for thread in beside:
                thread.join()
        if self._errors:
            raise self._errors[0]

    def _thread(self, body: Callable[[], None]) -> threading.Thread:
        def run() -> None:
            try:
                body()
            except BaseException as error:
                self._errors.append(error)
                self.stop.set()

        thread = threading.Thread(target=run, name=f"limosa{body.__name__}", daemon=True)
        thread.start()
        return thread

    def _fill(self) -> None:
        while not (self.stop.is_set() or self.over()):
            claim = self.claims.claim()
            if claim is None:
                pause_s = self.rest()
                if pause_s is None:
                    return
                self.stop.wait(pause_s)
                continue
            try:
                self.work(claim)
            except Fenced:
                continue
            finally:
                # What is not finished goes back at once instead of when its lease runs out.
                with suppress(LimosaError):
                    self.claims.release([claim])

    def _follow(self) -> None:
        claim: Claim | None = None
        while not (self._idle.is_set() or self.stop.is_set()):
            try:
                claim = claim or self.claims.claim_follow()
                if claim is not None and self.follow(claim):
                    continue
            except Fenced:
                claim = None
            self._idle.wait(FOLLOW_PAUSE_S)
        if claim is not None:
            self.claims.release([claim])

    def _beat(self) -> None:
        while not self._idle.wait(HEARTBEAT_S):
            with suppress(LimosaError):
                self.claims.renew()
