"""Batches: texts handed to a provider as a job, to be embedded within a day and cheaper."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Literal, Protocol

from limosa.model.batch import Kind, Vectors

__all__ = ["BatchLimits", "Batches", "JobState", "Result", "batches_of"]


@dataclass(frozen=True, slots=True, kw_only=True)
class BatchLimits:
    """What the provider takes as a job.

    Attributes:
        requests: most texts in one job.
        size_bytes: most bytes in one job, as they are sent.
        jobs: most jobs worth having out at once.
        price_factor: what a token costs in a job, as a part of what it costs when it is answered at once.
        window_s: seconds within which the provider ends a job, well or not.
        source: the page that says so, with the day on which it was seen.
    """

    requests: int
    size_bytes: int
    jobs: int
    price_factor: float
    window_s: float
    source: str


@dataclass(frozen=True, slots=True, kw_only=True)
class JobState:
    """How a job stands.

    Attributes:
        state: ``running``; or it has ended: ``done``, ``failed`` as a whole, with nothing made, ``expired`` or
            ``cancelled``, with what was made until then, or ``gone``: the provider does not know it any more.
        done, failed, total: requests of the job.
        reason: why it failed, in the provider's words.
        crowded: it failed because others were before it; the same job may be taken later.
    """

    state: Literal["running", "done", "failed", "expired", "cancelled", "gone"]
    done: int = 0
    failed: int = 0
    total: int = 0
    reason: str = ""
    crowded: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Result:
    """What became of one text of a job.

    Attributes:
        id: the text's, as it was submitted.
        vector: shape (d,) float32 as ``embed`` would give it; None where there is none.
        tokens: input tokens as the provider counted them; None where it does not say.
        reason: why there is no vector; empty where there is one.
    """

    id: str
    vector: Vectors | None
    tokens: int | None = None
    reason: str = ""


class Batches(Protocol):
    """What an embedder has in ``batches`` where its provider takes jobs; safe to call from several threads.

    Every call but ``fetch`` is a request or a few, never repeated here. All raise Refused where repeating will not
    help, and Unanswered where it may.
    """

    @property
    def limits(self) -> BatchLimits:
        """What it takes as a job."""
        ...

    def submit(self, texts: Mapping[str, str], kind: Kind, *, tag: str) -> str:
        """Makes a job of texts by their ids; the provider's name for it. A second call makes a second job.

        Args:
            texts: ids of 32 hexadecimal digits, and texts as ``Embedder.embed`` takes them.
            kind: ``document`` or ``query``.
            tag: at most 64 characters under which ``find`` finds it.
        """
        ...

    def find(self, tag: str, *, since_s: float) -> str | None:
        """The job with this tag; None where there is none.

        Args:
            since_s: seconds since 1970 before which it was surely not made.
        """
        ...

    def look(self, job: str) -> JobState:
        """How the job stands."""
        ...

    def fetch(self, job: str) -> Iterator[Result]:
        """Results of a job that has ended, in any order, one after another as they arrive; safe to call again."""
        ...

    def cancel(self, job: str) -> None:
        """Asks for the job's end, which comes later; safe to call again and for a job that has ended."""
        ...

    def forget(self, job: str) -> None:
        """Removes the job's texts and results from the provider, as far as it lets us; safe to call again."""
        ...


def batches_of(embedder: object) -> Batches | None:
    """The embedder's way of handing in jobs; None where it has none."""
    found: Batches | None = getattr(embedder, "batches", None)
    return found
