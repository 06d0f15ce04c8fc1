"""The ledger's batch jobs: what was handed to a provider, for which part of which chunk, and how it stands."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Literal

from limosa.control.schema import as_key, run, tables
from limosa.model.batch import Key
from limosa.model.chunk import Claim
from limosa.model.job import NO_JOBS, JobsOut, Load
from limosa.ports.tx import Begin, Tx

__all__ = ["Job", "JobStage", "Jobs"]

JobStage = Literal["sending", "out", "cancelling", "fetched", "closed"]
"""``sending``: nobody knows yet whether the provider has it. ``fetched``: it has ended, its results may be fetched."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Job:
    """One part of a chunk that was handed to a provider.

    Attributes:
        tag: under which the provider finds it.
        job: the provider's name for it; empty while it is not known.
        upto: the last key of the part, which begins after the job before it.
        tries: how often it was sent.
        reason: why it ended otherwise than well; empty where it did not.
        submitted_s: when it was sent, in seconds since 1970 by the database's clock.
        age_s: how long ago that was.
    """

    tag: str
    job: str
    stage: JobStage
    upto: Key
    tries: int
    reason: str
    submitted_s: float
    age_s: float


class Jobs:
    """The jobs of one migration.

    Args:
        begin: opens transactions where the ledger lies.
        migration: the migration's id.
        fence: fails where a chunk is no longer its claim's; a ledger's own.
    """

    def __init__(
        self, begin: Begin, migration: str, *, fence: Callable[[Claim, Tx], None] = lambda claim, tx: None
    ) -> None:
        self._begin = begin
        self._migration = migration
        self._fence = fence

    def of(self, claim: Claim) -> list[Job]:
        """The jobs of a chunk that are not closed, in the order of its keys."""
        return [_job(row) for row in self._do("of_chunk", chunk=claim.id)]

    def intend(self, claim: Claim, upto: Key, tag: str, load: Load, *, again: Job | None = None) -> None:
        """Notes that a job is about to be sent; nothing is sent before this returned.

        Args:
            again: the job whose missing texts are sent once more, instead of a new part; it counts as a try
                where it has a name.

        Raises:
            Fenced: the chunk is no longer this claim's.
        """
        params = {"tag": tag, "texts": load.texts, "tokens": load.tokens, "cost_usd": load.cost_usd}
        with self._begin() as tx:
            self._fence(claim, tx)
            if again is None:
                self._run(tx, "intend", {**params, "chunk": claim.id, "upto": list(upto)})
            else:
                self._run(tx, "intend_again", {**params, "old": again.tag, "counts": int(bool(again.job))})

    def note(self, job: Job, stage: JobStage, *, name: str | None = None, reason: str = "") -> None:
        """Notes how a job stands, and the provider's name for it where that is new."""
        self._do("note", tag=job.tag, state=stage, job=name, reason=reason)

    def note_fetched(self, job: Job, load: Load, reason: str) -> None:
        """Notes that a job has ended, with what was really made and paid."""
        self._do("fetched", tag=job.tag, reason=reason, tokens=load.tokens, cost_usd=load.cost_usd)

    def park(self, claim: Claim, pause_s: float) -> None:
        """Nobody claims the chunk for so long."""
        self._do("park", chunk=claim.id, pause_s=pause_s)

    def wake(self) -> None:
        """Every job that is out is to be looked at now."""
        self._do("wake")

    def out(self) -> JobsOut:
        """How many jobs are with the provider; none where the ledger knows no jobs."""
        if not self._stand():
            return NO_JOBS
        count, texts, oldest_s, next_s = self._do("out")[0]
        return JobsOut(int(count), int(texts), float(oldest_s or 0.0), max(0.0, float(next_s or 0.0)))

    def promised_usd(self) -> float:
        """What jobs cost or will cost that is in no chunk's costs yet; nothing where the ledger knows no jobs."""
        return float(self._do("promised")[0][0]) if self._stand() else 0.0

    def settled(self) -> list[tuple[str, str]]:
        """Tag and provider's name of the jobs whose chunk is filled."""
        return [(tag, job or "") for tag, job in self._do("settled")]

    def left(self) -> list[tuple[str, str, float]]:
        """Tag, provider's name and time of every job that is not closed."""
        return [] if not self._stand() else [(tag, job or "", float(at)) for tag, job, at in self._do("left")]

    def close(self, tag: str) -> None:
        """Notes that nobody needs a job any more."""
        self._do("note", tag=tag, state="closed", job=None, reason="")

    def _stand(self) -> bool:
        """Whether the ledger has the table: there may be no ledger yet, or an older version's."""
        with self._begin(snapshot=True) as tx:
            wanted = {name for name in tables(tx.dialect) if name.endswith("job")}
            return wanted <= {name for (name,) in run(tx, "migrations", "tables", {})}

    def _do(self, name: str, **params: object) -> list[tuple[Any, ...]]:
        with self._begin() as tx:
            return self._run(tx, name, params)

    def _run(self, tx: Tx, name: str, params: Mapping[str, object]) -> list[tuple[Any, ...]]:
        return run(tx, "jobs", name, {"migration": self._migration, **params})


def _job(row: tuple[Any, ...]) -> Job:
    tag, job, stage, upto, tries, reason, submitted_s, age_s = row
    return Job(
        tag=tag,
        job=job or "",
        stage=stage,
        upto=as_key(upto) or (),
        tries=tries,
        reason=reason,
        submitted_s=float(submitted_s),
        age_s=float(age_s),
    )
