"""Batch jobs and their files, as the providers run them: in their own time, and not always to the end."""

from __future__ import annotations

import itertools
import threading
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, Literal

from tests.providers.counters import Counters
from tests.providers.exchange import Question, Result
from tests.providers.faults import Fault, Faults

__all__ = ["Batches", "Item", "Job", "Outcome", "State", "Stored"]

State = Literal[
    "validating", "running", "finalizing", "done", "failed", "expired", "cancelling", "cancelled"
]  # fmt: skip

_ENDED = {"done", "failed", "expired", "cancelled"}


@dataclass(frozen=True, slots=True)
class Item:
    """One request of a job, under the name that the client gave it."""

    key: str
    question: Question


@dataclass(frozen=True, slots=True)
class Outcome:
    """What became of an item: a result, a fault, or neither where the job ended before it."""

    item: Item
    result: Result | None = None
    fault: Fault | None = None


@dataclass(slots=True, kw_only=True)
class Job:
    """A job.

    Attributes:
        about: what the protocol keeps with it.
        at: when each state was reached, in seconds since 1970.
        complaint: why it failed validation.
        line: of the complaint, counted from 1; None for the whole.
        outcomes: one for each item, in their order; empty until the job ended.
        looks: how often the client looked.
    """

    id: str
    items: list[Item]
    about: dict[str, Any]
    state: State = "validating"
    at: dict[State, int] = field(default_factory=dict)
    complaint: Fault | None = None
    line: int | None = None
    outcomes: list[Outcome] = field(default_factory=list)
    looks: int = 0

    @property
    def ended(self) -> bool:
        """Whether nothing will change any more."""
        return self.state in _ENDED

    def reach(self, state: State) -> None:
        """The job is in this state from now on."""
        self.state = state
        self.at.setdefault(state, int(time.time()))


@dataclass(frozen=True, slots=True, kw_only=True)
class Stored:
    """A file."""

    id: str
    content: bytes
    name: str
    purpose: str
    mime: str
    created: int


class Batches:
    """The jobs and files of one server; safe for threads.

    Args:
        embed: the model.
        refusal: why a question cannot be answered.
        counters: told of jobs, files, texts and tokens.

    Attributes:
        after_looks: a job ends when the client looks for this time; None for not before ``finish`` or ``expire``.
        failing: items with such a text fail, alone.
        shuffled: results that carry a name come in another order than the requests.
        done_when_cancelled: the share of a job's items that were done when its cancel came.
        faults: of the answers about jobs and files.
    """

    def __init__(
        self,
        *,
        embed: Callable[[Question], Result],
        refusal: Callable[[Question], Fault | None],
        counters: Counters,
    ) -> None:
        self.after_looks: int | None = 2
        self.failing: Callable[[str], bool] = lambda _: False
        self.shuffled = True
        self.done_when_cancelled = 0.0
        self.faults = Faults()
        self.jobs: dict[str, Job] = {}
        self.files: dict[str, Stored] = {}
        self._embed, self._refusal, self._counters = embed, refusal, counters
        self._invalid: list[tuple[str, str]] = []
        self._numbers = itertools.count(1)
        self._lock = threading.RLock()

    def finish(self) -> None:
        """Every job that is under way ends well, now."""
        with self._lock:
            for job in self._open():
                self._end(job, "done", share=1.0)

    def expire(self, *, share: float = 0.5) -> None:
        """Every job that is under way runs out of time, with this share of its items done."""
        with self._lock:
            for job in self._open():
                self._end(job, "expired", share=share)

    def invalidate(
        self, message: str = "the whole batch is refused on demand", *, code: str = "invalid_request"
    ) -> None:
        """The next job that is made fails validation as a whole."""
        with self._lock:
            self._invalid.append((message, code))

    def make(self, items: Sequence[Item], *, about: dict[str, Any], complaint: Fault | None, line: int | None) -> Job:
        """A new job; with a complaint it fails when it is looked at."""
        with self._lock:
            if self._invalid and complaint is None:
                message, code = self._invalid.pop(0)
                complaint = Fault(status=400, code=code, message=message)
            job = Job(id=self._id("batch"), items=list(items), about=about, complaint=complaint, line=line)
            job.reach("validating")
            self.jobs[job.id] = job
            self._counters.count_batch(jobs=1)
            return job

    def look(self, job: Job) -> Job:
        """The job as it is at this look, which may be the one that ends it."""
        with self._lock:
            job.looks += 1
            due = self.after_looks
            if job.ended:
                return job
            if job.complaint is not None:
                job.reach("failed")
            elif job.state == "cancelling":
                self._end(job, "cancelled", share=self.done_when_cancelled)
            elif due is not None and job.looks >= due:
                self._end(job, "done", share=1.0)
            else:
                job.reach("finalizing" if due is not None and 1 < due - 1 == job.looks else "running")
            return job

    def cancel(self, job: Job) -> bool:
        """Cancels it; False where it has ended already."""
        with self._lock:
            if not job.ended:
                job.reach("cancelling")
            return not job.ended or job.state == "cancelled"

    def store(self, content: bytes, *, name: str, purpose: str, mime: str, uploaded: bool = True) -> Stored:
        """A new file; only those that a client uploads are counted."""
        with self._lock:
            stored = Stored(
                id=self._id("file"), content=content, name=name, purpose=purpose, mime=mime, created=int(time.time())
            )
            self.files[stored.id] = stored
            self._counters.count_batch(files=int(uploaded))
            return stored

    def _open(self) -> list[Job]:
        return [job for job in self.jobs.values() if not job.ended and job.complaint is None]

    def _end(self, job: Job, state: State, *, share: float) -> None:
        done = round(len(job.items) * share)
        job.outcomes = [self._outcome(item) if place < done else Outcome(item) for place, item in enumerate(job.items)]
        for passed in ("running", "finalizing", state):
            job.reach(passed)

    def _outcome(self, item: Item) -> Outcome:
        fault = self._refusal(item.question)
        if fault is None and any(map(self.failing, item.question.texts)):
            fault = Fault(status=500, code="server_error", message="this request fails on demand")
        if fault is not None:
            return Outcome(item, fault=replace(fault, about=fault.about or item.question.model))
        result = self._embed(item.question)
        self._counters.count_batch(texts=item.question.texts, tokens=result.tokens)
        return Outcome(item, result=result)

    def _id(self, kind: str) -> str:
        return f"{kind}{next(self._numbers):06d}"
