"""When the next request to a provider may start, and how many may be in flight: decisions without threads or clock."""

from __future__ import annotations

import math
import random
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Literal

from limosa.errors import Unanswered
from limosa.lane.closure import Closure
from limosa.lane.rate import Rate
from limosa.lane.window import Window
from limosa.model.batch import Allowance

__all__ = ["Pace", "Sent"]

LOST_IN_A_ROW = 5
"""So many requests lost with no answer between them are an outage: fewer happen by chance."""

LIMITED_FIRST_S = 0.5
"""A bucket of 600 a minute refills a request in 0.1 s."""

TRIES_APART = 20
"""Single tries against a limit come at most as often as one in so many answers until now: 5 % of all."""

LONGEST_PAUSE_S = (1.0, 5.0)
"""The bounds of that: the end of a fixed window should not be missed by more than a twelfth of it."""

LIMITED_SHARE = 0.03
"""Pauses between tries against a limit, as a share of how long it lasts: one by the day is tried once a minute."""

ILL_PAUSES_S, ILL_SHARE = (1.0, 5.0), 0.2
"""A restart takes seconds; the end of an outage is seen after a fifth of its length."""


CONFIRMED = 5
"""So many requests after the first success make sure that refusals are over."""

STEADIER = 1.5
"""A unit whose estimates spread so much more than the other's is not the one that binds; a hundredth is noise."""

LEARNING = 0.05
"""Share of the newest answer in what is known about tokens: texts of one table are much alike."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Sent:
    """A request in flight.

    Attributes:
        number: counts requests from 0.
        sent_s: when it started.
        expected: tokens as the caller counted them.
        tokens: as many as the provider will probably count.
        spent: requests and tokens sent until then, this one included.
        pressed: the window was about full.
    """

    number: int
    sent_s: float
    expected: float
    tokens: float
    spent: tuple[float, float]
    pressed: bool


class Pace:
    """One provider account's pace. Every method takes the time; none waits.

    Args:
        most: requests in flight, never more.
        chance: for the jitter of pauses.

    Attributes:
        window: how many requests are in flight, and may be.
        answered_count, limited_count, lost_count: requests by outcome until now.
        answered_s: when the last answer came; minus infinity before the first.
    """

    def __init__(self, most: int, *, chance: random.Random | None = None) -> None:
        chance = chance or random.Random()  # noqa: S311
        self._most = most
        self.window = Window(most)
        self._requests, self._tokens = Rate(), Rate()
        self._limited = Closure(LIMITED_FIRST_S, LONGEST_PAUSE_S[1], LIMITED_SHARE, chance)
        self._ill = Closure(*ILL_PAUSES_S, ILL_SHARE, chance)
        self._probe: Sent | None = None
        self._by_expected = 1.0
        self._lost_in_a_row = 0
        self._settled_s = -math.inf
        self._since_settled = CONFIRMED
        self.answered_count = self.limited_count = self.lost_count = 0
        self.answered_s = -math.inf
        self._number = 0
        self._begun_s = 0.0

    def limit(
        self, *, in_flight: int | None, tokens_per_minute: float | None, requests_per_minute: float | None
    ) -> None:
        """Sets what the user wants at most, from now on; None for no wish."""
        self.window.most = self._most if in_flight is None else max(1, min(self._most, in_flight))
        self._tokens.budget = math.inf if tokens_per_minute is None else tokens_per_minute / 60
        self._requests.budget = math.inf if requests_per_minute is None else requests_per_minute / 60

    @property
    def closed(self) -> bool:
        """Nothing but single tries goes out: the provider refuses for now, or does not answer."""
        return self._limited.closed or self._ill.closed

    @property
    def shut(self) -> Literal["", "ill", "asked", "limited"]:
        """Why it is closed: no answers, a pause that the provider asks for, refusals without one; empty while open."""
        if self._ill.closed:
            return "ill"
        if not self._limited.closed:
            return ""
        return "asked" if self._limited.asked else "limited"

    def next_try_s(self, now_s: float) -> float:
        """Seconds until the next single try; 0 while open, or while one is in flight."""
        if not self.closed or self._probe is not None:
            return 0.0
        return max(0.0, *(each.next_s - now_s for each in (self._limited, self._ill) if each.closed))

    def rate_per_s(self, now_s: float) -> float:
        """Requests a second that may start; infinite where nothing limits them but the window."""
        return self._requests.per_s(now_s)

    def wait_s(self, now_s: float) -> float:
        """Seconds until a request may start: 0 for now, infinite where an answer must come first."""
        if self.closed:
            return math.inf if self._probe is not None else self.next_try_s(now_s)
        if self.window.in_flight >= self.window.size:
            return math.inf
        return max(self._requests.wait_s(now_s), self._tokens.wait_s(now_s))

    def start(self, tokens: float, now_s: float) -> Sent:
        """Notes that a request starts, expected to be of so many tokens; only when ``wait_s`` is 0."""
        if self._number == 0:
            self._begun_s = now_s
        scaled = tokens * self._by_expected
        self._requests.spend(1, now_s)
        self._tokens.spend(scaled, now_s)
        self.window.in_flight += 1
        sent = Sent(
            number=self._number,
            sent_s=now_s,
            expected=tokens,
            tokens=scaled,
            spent=(self._requests.spent, self._tokens.spent),
            pressed=self.window.pressed,
        )
        self._number += 1
        if self.closed:
            self._probe = sent
        return sent

    def answered(self, sent: Sent, now_s: float, *, tokens: float | None, allowances: Iterable[Allowance] = ()) -> None:
        """Notes an answer.

        Args:
            sent: the request.
            now_s: the time.
            tokens: as many as the provider counted; None where it does not say.
            allowances: what it said is left.
        """
        self._leave(sent)
        self.answered_count += 1
        self.answered_s = now_s
        self._since_settled += sent.sent_s > self._settled_s
        used = sent.tokens if tokens is None else float(tokens)
        if sent.expected > 0 and used > 0:
            self._by_expected += LEARNING * (used / sent.expected - self._by_expected)
        self._tokens.correct(used - sent.tokens)
        self._requests.learned.passed(sent.sent_s, 1)
        self._tokens.learned.passed(sent.sent_s, used)
        self.window.answered(sent.sent_s, now_s, work=used, pressed=sent.pressed)
        self._note(sent, now_s, allowances)
        self._revive(sent)

    def refused(self, sent: Sent, now_s: float) -> None:
        """Notes that the provider refused the request for what it is: it is well, and nothing else is known."""
        self._leave(sent)
        self.answered_s = now_s
        self._revive(sent)

    def refused_alone(self, sent: Sent) -> None:
        """Notes a refusal for the rate (429) that tells nothing about it, as others passed."""
        self._leave(sent)
        self.limited_count += 1

    def dropped(self, sent: Sent) -> None:
        """Notes a request of which nothing is known."""
        self._leave(sent)

    def failed(self, sent: Sent, now_s: float, error: Unanswered) -> None:
        """Notes a request that was not answered, and why."""
        probed = self._probe is sent
        self._leave(sent)
        if error.limited:
            self.limited_count += 1
            self._note_limited(sent, now_s, error.retry_after_s, probed=probed)
            return
        self.lost_count += 1
        self._lost_in_a_row += 1
        self.window.lost(sent.sent_s, now_s)
        if probed:
            for each in (self._limited, self._ill):
                if each.closed:
                    each.again(now_s, error.retry_after_s)
        if self._lost_in_a_row >= LOST_IN_A_ROW and not self._ill.closed:
            self._ill.close(now_s, error.retry_after_s)

    def _note_limited(self, sent: Sent, now_s: float, asked_s: float | None, *, probed: bool) -> None:
        if sent.sent_s <= self._settled_s:
            return
        if not self._limited.closed:
            if self._since_settled < CONFIRMED:
                # Too early for a new episode: the last one is not over.
                for rate in (self._requests, self._tokens):
                    rate.learned.unsettle()
                self._limited.reclose(now_s, asked_s)
            else:
                shortest, longest = LONGEST_PAUSE_S
                mean_s = (now_s - self._begun_s) / max(1, self.answered_count)
                self._limited.longest_s = min(max(shortest, TRIES_APART * mean_s), longest)
                self._limited.close(now_s, asked_s)
        elif probed:
            self._limited.again(now_s, asked_s)
        else:
            self._limited.later(now_s, asked_s)
        for rate in (self._requests, self._tokens):
            rate.learned.refused(sent.sent_s)

    def _note(self, sent: Sent, now_s: float, allowances: Iterable[Allowance]) -> None:
        for each in allowances:
            place = 0 if each.unit == "requests" else 1
            (self._requests, self._tokens)[place].told.note(
                sent.number, sent.spent[place], left=each.left, reset_s=each.reset_s, at_s=(sent.sent_s, now_s)
            )

    def _revive(self, sent: Sent) -> None:
        self._lost_in_a_row = 0
        if self._ill.closed:
            self._ill.open()
            self.window.restart()
        if self._limited.closed and sent.sent_s >= self._limited.since_s:
            for rate in (self._requests, self._tokens):
                rate.learned.settle(sent.sent_s, asked=self._limited.asked)
            self._choose_unit()
            self._limited.open()
            self._settled_s, self._since_settled = sent.sent_s, 0

    def _choose_unit(self) -> None:
        """Where texts differ in size, the unit that binds gives the steadier estimates; the other one would mislead."""
        for one, other in ((self._requests, self._tokens), (self._tokens, self._requests)):
            one.heeded = math.isinf(one.learned.spread) or one.learned.spread <= STEADIER * other.learned.spread + 0.01

    def _leave(self, sent: Sent) -> None:
        self.window.in_flight -= 1
        if self._probe is sent:
            self._probe = None
