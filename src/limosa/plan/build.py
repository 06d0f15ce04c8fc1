"""Building a plan from what the store says and what the embedders answer."""

from __future__ import annotations

from limosa.model.migration import Migration
from limosa.model.plan import Plan
from limosa.ports.embedder import Embedder
from limosa.ports.store import Facts

__all__ = ["build_plan"]


def build_plan(migration: Migration, facts: Facts, *, old: Embedder, new: Embedder) -> Plan:
    """What will be done, with checks, counts, estimates and the very operations that the flow runs."""
    return Plan(
        migration=migration.id,
        name=migration.name,
        shape=migration.shape,
        counts=facts.counts,
        estimates={},
        checks=facts.checks,
        operations=facts.operations,
    )
