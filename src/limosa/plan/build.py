"""Building a plan from what the store says and what the embedders answer."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from limosa.model.migration import Migration
from limosa.model.operation import Operation
from limosa.model.plan import Check, Plan
from limosa.plan.estimates import estimates, layout_checks, slow_checks
from limosa.plan.lanes import in_lane, lane_checks
from limosa.plan.lengths import length_checks
from limosa.plan.models import new_model_checks, old_model_checks, sent_checks, space_checks
from limosa.plan.money import Savings, bill, budget_checks
from limosa.plan.probe import Probe, probe
from limosa.ports.embedder import Embedder
from limosa.ports.store import Facts

__all__ = ["build_plan"]

PROBE_ROWS = 32
"""Texts of the timed probe call, at most a batch: enough to time, too few to cost anything."""


def build_plan(
    migration: Migration,
    facts: Facts,
    *,
    embedder: Callable[[str], Embedder],
    known: Callable[[Sequence[str]], int] = lambda texts: 0,
    locked: tuple[Operation, ...] = (),
) -> Plan:
    """What will be done, with checks, counts, estimates and the very operations that the flow runs.

    Both models are called with a few of the sampled texts.

    Args:
        embedder: opens the embedder of ``source`` or ``target``; what it raises becomes a check.
        known: how many of some texts have a vector that is kept on this machine.
        locked: the operations of a migration that has begun; they stay what they were.
    """
    if migration.carries:
        return _plan(migration, facts, locked, list(facts.checks), dict(facts.sizes))
    most = min(PROBE_ROWS, migration.backfill.batch_rows)
    new = probe(lambda: embedder("target"), facts.texts, most=most)
    checks = [*facts.checks, *new_model_checks(migration, new)]
    old = None
    if migration.asks_old:
        # One text is enough to see that it answers; the sampled rows below tell the rest.
        old = probe(lambda: embedder("source"), facts.stored_texts, most=1)
        checks += old_model_checks(migration, old)
    source = old if old is not None else new
    if source.embedder is not None and source.error is None:
        checks += space_checks(migration, source.embedder, facts.stored_texts, facts.stored_vectors)
    cost = bill(
        rows=facts.counts.get("to_embed", 0),
        characters=facts.characters,
        per_token=new.characters_per_token if facts.texts else None,
        price=new.embedder.price if new.embedder is not None else None,
        error=new.per_token_error,
        savings=_savings(migration, facts, new, known),
    )
    estimated = estimates(migration, facts, new, old, cost)
    if new.embedder is not None:
        checks += budget_checks(migration, in_lane(migration.backfill.lane, new, cost))
        checks += length_checks(migration, new.embedder, facts.longest)
    checks += lane_checks(migration, new)
    checks += sent_checks(migration, new.embedder, old.embedder if old is not None else None)
    checks += layout_checks(migration, estimated) + slow_checks(estimated)
    return _plan(migration, facts, locked, checks, estimated)


def _savings(migration: Migration, facts: Facts, new: Probe, known: Callable[[Sequence[str]], int]) -> Savings:
    counts = facts.counts
    nested = migration.shortens and new.embedder is not None and new.embedder.limits.nested
    shortened = min(counts.get("with_vector", 0), counts.get("to_embed", 0)) if nested else 0
    share = known(facts.texts) / len(facts.texts) if facts.texts else 0.0
    # Of rows that are shortened none is asked for, whether its text is another's too or not.
    repeated = 0 if shortened else counts.get("repeated_texts", 0)
    return Savings(repeated=repeated, shortened=shortened, kept_share=share)


def _plan(
    migration: Migration,
    facts: Facts,
    locked: tuple[Operation, ...],
    checks: list[Check],
    estimated: dict[str, object],
) -> Plan:
    order = ("refused", "accept", "note", "ok")
    return Plan(
        migration=migration.id,
        name=migration.name,
        shape=migration.shape,
        counts=facts.counts,
        estimates=estimated,
        checks=tuple(sorted(checks, key=lambda check: order.index(check.verdict))),
        operations=locked or facts.operations,
    )
