"""Batch jobs as numbers: what one carries, and how many are out."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

__all__ = ["NO_JOBS", "JobsOut", "LaneName", "Load"]

LaneName = Literal["direct", "batch"]
"""How texts travel to the provider: asked and answered, or handed in as jobs at a lower price."""


@dataclass(frozen=True, slots=True)
class Load:
    """What a job carries: texts, their tokens, and what they cost in dollars."""

    texts: int
    tokens: int
    cost_usd: float


@dataclass(frozen=True, slots=True)
class JobsOut:
    """Jobs that are with the provider.

    Attributes:
        count: how many; texts: of all of them.
        oldest_s: seconds since the first of them was sent.
        next_look_s: seconds until one of them is to be looked at; 0 where one is due.
    """

    count: int
    texts: int
    oldest_s: float
    next_look_s: float


NO_JOBS = JobsOut(0, 0, 0.0, 0.0)
"""Nothing is with a provider."""
