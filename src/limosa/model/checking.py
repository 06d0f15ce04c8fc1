"""Checking: what the file asks of verify beyond what every migration is asked; no part of what is done."""

from __future__ import annotations

from dataclasses import dataclass

__all__ = ["Checking", "JudgedFiles", "Role"]


@dataclass(frozen=True, slots=True, kw_only=True)
class JudgedFiles:
    """Queries that people judged, in the form of BEIR.

    Attributes:
        queries: path of lines of JSON with ``_id`` (or ``id``) and ``text``.
        qrels: path of a table parted by tabs: query, key of a row, score.
        tolerance: how much nDCG@10 may fall before it is a loss.

    Source: N. Thakur et al., "BEIR: A Heterogeneous Benchmark for Zero-shot Evaluation of Information Retrieval
    Models", NeurIPS 2021 (Datasets and Benchmarks).
    """

    queries: str
    qrels: str
    tolerance: float = 0.02


@dataclass(frozen=True, slots=True, kw_only=True)
class Role:
    """A role of the database as which the application asks.

    Attributes:
        name: the role's.
        settings: what the application sets for its session, such as ``request.jwt.claims``, name and value.
    """

    name: str
    settings: tuple[tuple[str, str], ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Checking:
    """What verify is asked; may be changed at any time.

    Attributes:
        latency_p95_ms: how long the application's own query may take, in 95 of 100 cases.
        thresholds: similarities that were tuned for the old space.
        judged: None for none.
        roles: as which the application asks; empty for those that may read the table.
    """

    latency_p95_ms: float = 500.0
    thresholds: tuple[float, ...] = ()
    judged: JudgedFiles | None = None
    roles: tuple[Role, ...] = ()
