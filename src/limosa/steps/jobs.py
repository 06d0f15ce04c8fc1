"""Batch jobs of a backfill: a chunk's texts go out before it is filled, and it rests until their vectors are here."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass, field, replace
from uuid import uuid4

from limosa.backfill.verdicts import wants
from limosa.backfill.worker import Bench, rows_of
from limosa.control.jobs import Job, Jobs
from limosa.control.ledger import ChunkLedger
from limosa.errors import LimosaError, Refused, Unanswered
from limosa.model.batch import Key
from limosa.model.chunk import Claim
from limosa.ports.batches import JobState
from limosa.steps.voyage import Voyage

__all__ = ["Waiting", "call_off"]

SOONEST_S = 0.5
"""Before the first look at a job: small ones are done in seconds."""

LATEST_S = 60.0
"""Between two looks at a job that takes long: providers take minutes to hours, and ask for no more."""

REST_S = 5.0
"""Between two looks of a worker at the ledger while nothing is to be done: another process may leave a chunk."""

SETTLED_S = 5.0
"""After which a job that the list does not have was never made: no provider promises that its list is new at once."""

PATIENCE_S = 900.0
"""A provider that does not answer for so long ends the run; its jobs go on, and so does the next run."""

_CROWDED = "crowded"

TRIES = 2
"""A job that ran out of time is sent once more; what is missing then is asked for directly."""


@dataclass(slots=True, kw_only=True)
class Waiting:
    """The jobs of one run: whether a chunk may be filled now, and how long there is nothing to do.

    Attributes:
        trial: only a few rows are wanted, and now: nothing new is sent, and what is out stays out.
    """

    voyage: Voyage
    bench: Bench
    ledger: ChunkLedger
    jobs: Jobs
    trial: bool = False
    _silent: dict[str, float] = field(default_factory=dict)
    _busy: int = 0
    # Whether this process met a job; until then there is nothing to tidy.
    _used: bool = False
    _guard: threading.Lock = field(default_factory=threading.Lock)
    # One job at a time is put together: its texts are held in memory.
    _sending: threading.Lock = field(default_factory=threading.Lock)
    _tidying: threading.Lock = field(default_factory=threading.Lock)

    def claim(self) -> Claim | None:
        """A chunk that is to be filled, sent or looked at."""
        claim = self.ledger.claim(fresh=self._fresh())
        if claim is not None:
            with self._guard:
                self._busy += 1
                self.bench.meter.waiting = ""
        return claim

    def claim_follow(self) -> Claim | None:
        """The right to follow the change table; None while another process has it."""
        return self.ledger.claim_follow()

    def release(self, claims: Sequence[Claim]) -> None:
        """Gives chunks back."""
        with self._guard:
            self._busy -= sum(not claim.follows for claim in claims)
        self.ledger.release(claims)

    def renew(self) -> None:
        """Renews every lease of this process."""
        self.ledger.renew()

    def rest(self) -> float | None:
        """How long a worker that found no chunk rests; None where nothing is out."""
        out = self.jobs.out()
        if not out.count or self.trial:
            return None
        if self.voyage.lane == "direct":
            self.jobs.wake()
            return SOONEST_S
        if not self._busy:
            jobs = "1 batch job" if out.count == 1 else f"{out.count} batch jobs"
            self.bench.meter.waiting = f"waiting for {jobs}, next look in {out.next_look_s:.0f} s"
        return min(max(out.next_look_s, SOONEST_S / 5), REST_S)

    def ready(self, claim: Claim) -> bool:
        """Whether the chunk is to be filled now; otherwise its texts are out and it rests.

        Raises:
            Refused: the provider refuses a job as a whole, or the budget does not hold it.
            Unanswered: the provider did not answer for long.
        """
        if self.voyage.migration.carries:
            return True
        jobs = self.jobs.of(claim)
        self._used |= bool(jobs)
        if not jobs and (self.trial or self.voyage.lane == "direct"):
            return True
        try:
            ready = self._advance(claim, jobs)
        except Unanswered as error:
            self._bear(claim, error)
            return False
        self._silent.pop(str(claim.id), None)
        return ready

    def tidy(self) -> None:
        """Takes the texts and results of filled chunks away from the provider, as far as it lets us."""
        if not self._used:
            return
        with self._tidying:
            for tag, name in self.jobs.settled():
                if name:
                    with suppress(LimosaError):
                        self.voyage.prefetch().batches.forget(name)
                self.jobs.close(tag)

    def _fresh(self) -> bool:
        """Whether chunks without a job may be claimed: there is a bound of jobs that are out."""
        return (
            self.trial
            or self.voyage.lane == "direct"
            or self.jobs.out().count < self.voyage.prefetch().batches.limits.jobs
        )

    def _advance(self, claim: Claim, jobs: list[Job]) -> bool:
        jobs = [each for job in jobs if (each := self._known(claim, job)) is not None]
        states = {job.tag: self._look(claim, job) for job in jobs if job.stage in {"out", "cancelling"}}
        if any(job.stage == "sending" for job in jobs) or any(state.state == "running" for state in states.values()):
            youngest_s = min((job.age_s for job in jobs if job.stage != "fetched"), default=0.0)
            # Whoever had no room waits longer: every try uploads the texts again.
            self._park(claim, LATEST_S if any(state.crowded for state in states.values()) else youngest_s / 2)
            return False
        missing = self._collect(claim, jobs, states)
        sent = False
        if self.voyage.lane == "batch" and not self.trial:
            for job in jobs:
                if job.tries < TRIES and missing and _unfinished(job, states):
                    sent |= self._send(claim, jobs, again=job)
            if not jobs or jobs[-1].upto != claim.upper:
                sent |= self._send(claim, jobs)
        if sent:
            self._park(claim, 0.0)
        return not (sent or self.bench.stop.is_set())

    def _known(self, claim: Claim, job: Job) -> Job | None:
        """A job whose sender died about to send it: as the provider knows it, or sent now; None for none."""
        if job.stage != "sending":
            return job
        if job.reason == _CROWDED:
            return self._again(claim, job)
        name = self.voyage.prefetch().batches.find(job.tag, since_s=job.submitted_s)
        if name is not None:
            self.jobs.note(job, "out", name=name)
            return replace(job, job=name, stage="out")
        if job.age_s < SETTLED_S:
            return job
        return self._again(claim, job)

    def _again(self, claim: Claim, job: Job) -> Job | None:
        """Sends what was never taken once more, where jobs are sent at all."""
        if self.voyage.lane == "batch" and self._send(claim, self.jobs.of(claim), again=replace(job, job="")):
            return next((each for each in self.jobs.of(claim) if each.upto == job.upto), None)
        self.jobs.close(job.tag)
        return None

    def _look(self, claim: Claim, job: Job) -> JobState:
        """How a job stands; where texts travel directly now, it is asked to end."""
        if job.stage == "out" and self.voyage.lane == "direct":
            self.voyage.prefetch().batches.cancel(job.job)
            self.jobs.note(job, "cancelling")
        state = self.voyage.prefetch().look(job.job)
        if state.state != "failed":
            return state
        if not state.crowded:
            self.jobs.close(job.tag)
            raise Refused(
                f"The provider refused the batch job of chunk {claim.id} as a whole: {state.reason or 'no reason'}",
                needed="A job that it takes; nothing of this one was made or paid.",
                do='Correct what it says and run again, or set lane = "direct" in [backfill].',
            )
        # The queue is full of earlier jobs: the same texts go out again when there is room.
        self.jobs.note(job, "sending", reason=_CROWDED)
        return replace(state, state="running")

    def _collect(self, claim: Claim, jobs: list[Job], states: dict[str, JobState]) -> bool:
        """Fetches what the chunk still needs of its jobs; whether something is missing afterwards."""
        if not jobs:
            return False
        wanted: dict[str, int] = {}
        for _, texts in self._texts(claim, claim.cursor):
            wanted |= self.voyage.prefetch().counts(texts)
        for job in jobs:
            state = states.get(job.tag)
            if state is not None and state.state in {"failed", "gone"}:
                self.jobs.note(job, "fetched", reason=state.state)
            elif wanted:
                load, got = self.voyage.prefetch().collect(job.job, wanted)
                wanted = {key: tokens for key, tokens in wanted.items() if key not in got}
                if state is not None:
                    self.jobs.note_fetched(job, load, "" if state.state == "done" else state.state)
            elif state is not None:
                self.jobs.note(job, "fetched")
        return bool(wanted)

    def _send(self, claim: Claim, jobs: Sequence[Job], *, again: Job | None = None) -> bool:
        """Hands in what is missing of a part, or of everything after the last one; whether there was anything."""
        edges = [job.upto for job in jobs]
        after = claim.cursor
        if again is not None:
            place = edges.index(again.upto)
            after = edges[place - 1] if place else claim.cursor
        elif edges:
            after = edges[-1]
        part = claim if again is None else replace(claim, upper=again.upto)
        sent = False
        with self._sending:
            for upto, texts in self._parts(part, after):
                self._submit(claim, upto, texts, again)
                sent = True
                if again is not None:
                    # Texts that grew beyond one job meanwhile are asked for directly.
                    break
        return sent

    def _submit(self, claim: Claim, upto: Key, texts: dict[str, str], again: Job | None) -> None:
        prefetch, tag = self.voyage.prefetch(), f"limosa-{self.voyage.migration.id}-{uuid4().hex}"
        load = prefetch.load(texts)
        with prefetch.hold(load):
            self.jobs.intend(claim, upto, tag, load, again=again)
        job = next(each for each in self.jobs.of(claim) if each.tag == tag)
        try:
            name = prefetch.submit(texts, tag=tag)
        except Refused:
            self.jobs.close(tag)
            raise
        self.jobs.note(job, "out", name=name)
        self.voyage.say(f"Batch job of {load.texts:,} texts is out (about {load.tokens:,} tokens)")

    def _parts(self, claim: Claim, after: Key | None) -> Iterator[tuple[Key, dict[str, str]]]:
        """What is missing after a key, in parts that one job holds, each with its last key; less at a stop."""
        part: dict[str, str] = {}
        size, last = 0, after
        for key, texts in self._texts(claim, after):
            if (
                part
                and last
                and not self.voyage.prefetch().room(len(part) + len(texts), size_bytes=size + _bytes(texts))
            ):
                yield last, part
                part, size = {}, 0
            part |= texts
            size, last = size + _bytes(texts), key
        if part and not self.bench.stop.is_set():
            yield claim.upper or (), part

    def _texts(self, claim: Claim, after: Key | None) -> Iterator[tuple[Key, dict[str, str]]]:
        """The chunk's texts that are not kept here, batch by batch, with the last key of each batch."""
        fill, nested = self.voyage.migration.shape == "fill", self.voyage.embedder("target").limits.nested
        for rows in rows_of(self.bench, claim, after=after):
            # A vector that is only shortened needs no provider.
            asked = [row for row in rows if wants(row, fill=fill) and not (nested and row.vector is not None)]
            yield rows[-1].key, self.voyage.prefetch().missing([row.text or "" for row in asked])

    def _park(self, claim: Claim, pause_s: float) -> None:
        self.jobs.park(claim, min(max(pause_s, SOONEST_S), LATEST_S))

    def _bear(self, claim: Claim, error: Unanswered) -> None:
        """A provider that does not answer is waited for, up to a point."""
        now = time.monotonic()
        since = self._silent.setdefault(str(claim.id), now)
        if now - since > PATIENCE_S:
            raise error
        pause_s = error.retry_after_s if error.retry_after_s is not None else max(SOONEST_S, (now - since) / 2)
        self._park(claim, pause_s)
        self.bench.meter.waiting = error.what


def _bytes(texts: dict[str, str]) -> int:
    return sum(len(text.encode(errors="replace")) for text in texts.values())


def _unfinished(job: Job, states: dict[str, JobState]) -> bool:
    """Whether the job ended before all of its texts were tried."""
    reason = states[job.tag].state if job.tag in states else job.reason
    return reason in {"expired", "cancelled", "gone"}


def call_off(voyage: Voyage) -> None:
    """Cancels every job that is out and forgets it, as far as the provider lets us: nobody will fetch it."""
    jobs = Jobs(voyage.store.begin, voyage.migration.id)
    for tag, name, since_s in jobs.left():
        with suppress(LimosaError):
            batches = voyage.prefetch().batches
            found = name or batches.find(tag, since_s=since_s)
            if found:
                batches.cancel(found)
                batches.forget(found)
                voyage.say(f"Batch job {found} was called off")
        jobs.close(tag)
