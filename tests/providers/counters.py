"""What a server counted, truthfully and from many threads."""

from __future__ import annotations

import threading
from collections import Counter, deque
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any

__all__ = ["Counters"]


class Counters:
    """Counts that only grow.

    Attributes:
        requests, texts: how many came to be embedded at once, refused ones included.
        answered: answers with vectors that went out whole, spoiled ones included.
        limited: answers 429.
        statuses: how many answers of each status.
        embedded: how often each text was answered rightly.
        paid: how often each text was billed: rightly answered, spoiled, or lost on the way back.
        tokens: billed, batch jobs left out.
        connections: how many were opened.
        at_once: the most requests that were under way together.
        jobs, files: batch jobs made, files uploaded.
        batched: how often each text was embedded by a batch job.
        batch_tokens: billed to batch jobs.
        seen: the requests to embed as (headers, body), newest last, at most 100.
    """

    def __init__(self) -> None:
        self.requests = self.texts = self.answered = self.limited = 0
        self.connections = self.at_once = self.tokens = 0
        self.jobs = self.files = self.batch_tokens = 0
        self.statuses: Counter[int] = Counter()
        self.embedded: Counter[str] = Counter()
        self.paid: Counter[str] = Counter()
        self.batched: Counter[str] = Counter()
        self.seen: deque[tuple[dict[str, str], dict[str, Any]]] = deque(maxlen=100)
        self._under_way = 0
        self._counting = threading.Lock()

    @contextmanager
    def under_way(self) -> Iterator[None]:
        """One request, from its arrival to the end of its answer."""
        with self._counting:
            self._under_way += 1
            self.at_once = max(self.at_once, self._under_way)
        try:
            yield
        finally:
            with self._counting:
                self._under_way -= 1

    def count_request(self, texts: int, headers: Mapping[str, str], body: dict[str, Any]) -> None:
        """A request to embed came."""
        with self._counting:
            self.requests += 1
            self.texts += texts
            self.seen.append((dict(headers), body))

    def count_status(self, status: int, *, by: int = 1) -> None:
        """An answer goes out; ``by`` is -1 where it turned out that it could not."""
        with self._counting:
            self.statuses[status] += by
            self.limited += by * (status == 429)

    def count_paid(self, texts: Sequence[str], tokens: int) -> None:
        """Texts were embedded and are billed, whatever becomes of the answer."""
        with self._counting:
            self.paid.update(texts)
            self.tokens += tokens

    def count_embedded(self, texts: Sequence[str], *, rightly: bool, by: int = 1) -> None:
        """An answer with vectors goes out whole; ``by`` is -1 where it turned out that it could not."""
        with self._counting:
            self.answered += by
            if rightly and by > 0:
                self.embedded.update(texts)
            elif rightly:
                self.embedded.subtract(texts)

    def count_connection(self) -> None:
        """A connection was opened."""
        with self._counting:
            self.connections += 1

    def count_batch(self, *, jobs: int = 0, files: int = 0, texts: Sequence[str] = (), tokens: int = 0) -> None:
        """A job was made, a file uploaded, texts embedded by a job."""
        with self._counting:
            self.jobs += jobs
            self.files += files
            self.batched.update(texts)
            self.batch_tokens += tokens

    def snapshot(self, *, texts: bool = False) -> dict[str, Any]:
        """Everything but ``seen``, as JSON; the Counters by text only on request, otherwise as sums."""
        with self._counting:
            told: dict[str, Any] = {
                name: getattr(self, name)
                for name in (
                    "requests", "texts", "answered", "limited", "tokens", "connections", "at_once",
                    "jobs", "files", "batch_tokens",
                )
            }  # fmt: skip
            told["statuses"] = {str(status): times for status, times in self.statuses.items()}
            for name in ("embedded", "paid", "batched"):
                counter: Counter[str] = getattr(self, name)
                told[name] = {
                    "sum": counter.total(),
                    "different": sum(times > 0 for times in counter.values()),
                    "more_than_once": sum(times > 1 for times in counter.values()),
                }
                if texts:
                    told[name]["texts"] = dict(counter)
            return told
