"""The one gate through which all threads of a process reach one provider account, each when its turn comes."""

from __future__ import annotations

import math
import random
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass

from limosa.errors import Transient, Unanswered
from limosa.lane.pace import Pace, Sent
from limosa.model.batch import Embedded

__all__ = ["Gate", "Pass", "Reading", "Turn"]

LOOK_S = 0.1
"""The first in the line looks so often whether anybody was told to stop: an Event cannot be waited for beside a
Condition."""

OWN_AFTER = 2
"""A request that was refused for the rate so often, while others pass, is refused for what it is: one that is larger
than the limit itself. It tells nothing about the rate."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Reading:
    """One look at a gate.

    Attributes:
        in_flight: requests that wait for their answer.
        window: most that may.
        rate_per_s: requests a second that may start; None where only the window limits them.
        answered, limited, lost: requests until now by outcome: answered; refused as too many (429); failed.
        waiting: for a person; empty where nothing holds requests back.
    """

    in_flight: int
    window: int
    rate_per_s: float | None
    answered: int
    limited: int
    lost: int
    waiting: str


@dataclass(slots=True, kw_only=True)
class Turn:
    """What a caller wants of the gate for one request, kept over all its tries.

    Attributes:
        tokens: expected tokens of the request.
        stop: set when the caller must not wait any longer.
        patience_s: longest wait while the provider lets nothing through.
        urgent: goes before all that are not.
        failures: tries until now; while single tries go out, those that failed least go first.
        error: why the last try failed.
        refusals: tries until now that were refused for the rate.
        since_s, failed_s: when the first try asked for leave, and when the last one failed; set by the gate.
    """

    tokens: float
    stop: threading.Event
    patience_s: float = math.inf
    urgent: bool = False
    failures: int = 0
    error: Unanswered | None = None
    refusals: int = 0
    since_s: float = math.inf
    failed_s: float = -math.inf


class Pass:
    """Leave for one try of a request. Its outcome is told once; without one, nothing is known of it.

    Attributes:
        error: why it was not answered; None where it was.
        others_answered: others were answered since this request's last failure, or since this try began.
    """

    def __init__(self, pace: Pace, sent: Sent, turn: Turn) -> None:
        self._pace, self._sent, self._turn = pace, sent, turn
        self.error: Unanswered | None = None
        self._outcome: Callable[[float], None] = lambda now_s: pace.dropped(sent)
        self.others_answered = False

    def answered(self, answer: Embedded) -> None:
        """The request was answered."""
        self._outcome = lambda now_s: self._pace.answered(
            self._sent, now_s, tokens=answer.tokens, allowances=answer.allowances
        )

    def refused(self) -> None:
        """The request was refused for what it is; the provider is well."""
        self._outcome = lambda now_s: self._pace.refused(self._sent, now_s)

    def failed(self, error: Unanswered) -> None:
        """The request was not answered."""
        self.error = error
        self._outcome = lambda now_s: self._fail(error, now_s)

    def tell(self, now_s: float) -> None:
        """Passes the outcome on; for the gate, under its lock, once."""
        self._outcome(now_s)
        # It holds the answer, and this pass: a circle in which vectors would wait until Python looks for such.
        del self._outcome

    def _fail(self, error: Unanswered, now_s: float) -> None:
        turn = self._turn
        last_s = turn.failed_s if turn.failures else self._sent.sent_s
        self.others_answered = self._pace.answered_s > last_s
        if error.limited and turn.refusals >= OWN_AFTER and self.others_answered:
            self._pace.refused_alone(self._sent)
        else:
            self._pace.failed(self._sent, now_s, error)
        turn.error, turn.failed_s = error, now_s
        turn.failures += 1
        turn.refusals += error.limited


@dataclass(slots=True, eq=False)
class _Waiter:
    turn: Turn
    number: int
    awake: threading.Condition


class Gate:
    """Lets requests through at the pace of one provider account; shared by all who send there.

    Safe to use from any number of threads. One lock guards the pace; each thread waits on a condition of its own,
    and only the first in the line is woken when something changes.

    Args:
        destination: of the provider, for a person.
        most: requests in flight, never more.
        chance: for the jitter of pauses.
    """

    def __init__(self, destination: str, *, most: int, chance: random.Random | None = None) -> None:
        self.destination = destination
        self._pace = Pace(most, chance=chance)
        self._lock = threading.Lock()
        self._line: list[_Waiter] = []
        self._counted = 0
        self._clock = time.monotonic
        self._error: Unanswered | None = None

    @contextmanager
    def enter(self, turn: Turn) -> Iterator[Pass]:
        """Waits for the turn; the request is in flight until the block ends.

        Raises:
            Unanswered: the provider let nothing through for as long as the turn has patience.
            Transient: ``stop`` was set.
        """
        with self._lock:
            leave = Pass(self._pace, self._wait(turn), turn)
        try:
            yield leave
        finally:
            with self._lock:
                leave.tell(self._clock())
                self._error = leave.error or self._error
                self._wake_first()

    def limit(
        self,
        *,
        requests_in_flight: int | None = None,
        tokens_per_minute: float | None = None,
        requests_per_minute: float | None = None,
    ) -> None:
        """Sets what the user wants at most, from now on; None for no wish."""
        with self._lock:
            self._pace.limit(
                in_flight=requests_in_flight,
                tokens_per_minute=tokens_per_minute,
                requests_per_minute=requests_per_minute,
            )
            self._wake_first()

    @property
    def waiting(self) -> str:
        """Why nothing is sent, for a person; empty where nothing holds requests back."""
        with self._lock:
            return self._why(self._clock())

    @property
    def closed(self) -> bool:
        """The provider lets nothing but single tries through."""
        with self._lock:
            return self._pace.closed

    def read(self) -> Reading:
        """One look at it."""
        with self._lock:
            now_s = self._clock()
            rate = self._pace.rate_per_s(now_s)
            return Reading(
                in_flight=self._pace.window.in_flight,
                window=self._pace.window.size,
                rate_per_s=None if math.isinf(rate) else rate,
                answered=self._pace.answered_count,
                limited=self._pace.limited_count,
                lost=self._pace.lost_count,
                waiting=self._why(now_s),
            )

    def _wait(self, turn: Turn) -> Sent:
        self._counted += 1
        mine = _Waiter(turn, self._counted, threading.Condition(self._lock))
        turn.since_s = min(turn.since_s, self._clock())
        self._line.append(mine)
        try:
            while True:
                now_s = self._clock()
                self._give_up(mine, now_s)
                first = self._first()
                wait_s = self._pace.wait_s(now_s)
                if first is mine and wait_s <= 0:
                    return self._pace.start(turn.tokens, now_s)
                # All but the first are woken: by the one before them, or because they were told to stop.
                mine.awake.wait(min(wait_s, LOOK_S) if first is mine else None)
                if first is mine:
                    self._wake_the_stopped(mine)
        finally:
            self._line.remove(mine)
            self._wake_first()

    def _first(self) -> _Waiter:
        if self._pace.closed:
            return min(self._line, key=lambda each: (each.turn.failures, not each.turn.urgent, each.number))
        return min(self._line, key=lambda each: (not each.turn.urgent, each.number))

    def _wake_first(self) -> None:
        if self._line:
            self._first().awake.notify()

    def _wake_the_stopped(self, mine: _Waiter) -> None:
        now_s = self._clock()
        for each in self._line:
            if each is not mine and (each.turn.stop.is_set() or self._tired(each, now_s)):
                each.awake.notify()

    def _tired(self, waiter: _Waiter, now_s: float) -> bool:
        if not self._pace.closed:
            return False
        since_s = max(waiter.turn.since_s, self._pace.answered_s)
        return now_s - since_s >= waiter.turn.patience_s

    def _give_up(self, mine: _Waiter, now_s: float) -> None:
        if mine.turn.stop.is_set():
            raise mine.turn.error or Transient(
                f"Stopped while a request waited for {self.destination}.", do="Repeating the command is safe."
            )
        if self._tired(mine, now_s):
            raise mine.turn.error or Unanswered(
                f"{self._why(now_s) or self.destination + ' lets nothing through'}.",
                do="Repeating is safe; check the provider's state if it goes on.",
                limited=self._pace.shut != "ill",
            )

    def _why(self, now_s: float) -> str:
        if not self._pace.closed:
            return ""
        wait_s = self._pace.next_try_s(now_s)
        when = f"next try in {math.ceil(wait_s)} s" if wait_s > 0 else "trying"
        if self._pace.shut == "ill":
            # The adapter's sentence: "host answered 503: ..." or "host did not answer (...)."
            what = self._error.what.partition(": ")[0].rstrip(".") if self._error else "no answer"
            return f"{what}; {when}"
        if self._pace.shut == "asked" and wait_s > 0:
            return f"{self.destination} asks to wait {math.ceil(wait_s)} s"
        return f"{self.destination} asks for fewer requests; {when}"
