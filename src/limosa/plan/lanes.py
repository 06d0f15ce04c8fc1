"""The ways that texts can go: asked at once, handed in as jobs, or embedded here; what each costs and takes."""

from __future__ import annotations

import time
from dataclasses import replace

from limosa.errors import LimosaError, Refused
from limosa.model.migration import Migration
from limosa.model.plan import Check
from limosa.plan.money import Bill
from limosa.plan.probe import Probe
from limosa.ports.batches import Batches, batches_of
from limosa.ports.embedder import HERE

__all__ = ["in_lane", "lane_checks", "lanes"]

_LOCAL = "A model of your own (provider onnx) costs nothing a token; its vectors are another space."


def lanes(new: Probe, bill: Bill, *, direct_s: float | None) -> dict[str, dict[str, object]]:
    """Cost and time of each way, side by side; None is what is not known, and a way that is not there says why.

    Args:
        direct_s: how long asking at once takes.
    """
    found: dict[str, dict[str, object]] = {"direct": {"cost_usd": bill.cost_usd, "time_s": direct_s}}
    batches = batches_of(new.embedder)
    if batches is not None:
        limits = batches.limits
        found["batch"] = {
            "cost_usd": in_lane("batch", new, bill).cost_usd,
            "within_s": limits.window_s,
            "source": limits.source,
        }
    elif new.embedder is not None and new.embedder.destination != HERE:
        found["batch"] = {"cost_usd": None, "why": f"{new.embedder.destination} takes no batch jobs"}
    if new.embedder is None or new.embedder.destination != HERE:
        found["local"] = {"cost_usd": 0.0, "why": _LOCAL}
    return found


def in_lane(lane: str, new: Probe, bill: Bill) -> Bill:
    """The bill by the way that is asked for."""
    batches, price = batches_of(new.embedder), bill.price
    if lane == "direct" or batches is None or price is None:
        return bill
    known = price.batch_usd_per_million_tokens
    usd = known if known is not None else price.usd_per_million_tokens * batches.limits.price_factor
    return replace(bill, cost_usd=bill.tokens / 1e6 * usd)


def lane_checks(migration: Migration, new: Probe) -> list[Check]:
    """Whether jobs can be handed in, where the file asks for it; the provider's list of jobs is looked at once."""
    if migration.backfill.lane == "direct" or new.embedder is None or new.error is not None:
        return []
    batches = batches_of(new.embedder)
    if batches is None:
        said = f"{new.embedder.destination} takes no batch jobs."
        return [_refused(said, "A provider with a batch endpoint: openai or google.")]
    if not migration.backfill.cache_mb:
        said = "Vectors are not kept on this machine, and a batch job's results come by what is kept."
        return [_refused(said, "A cache_mb above 0 in [backfill].")]
    return _answers(batches)


def _answers(batches: Batches) -> list[Check]:
    try:
        batches.find("limosa-plan", since_s=time.time())
    except Refused as error:
        return [_refused(error.what, error.needed or "A provider with a batch endpoint at this address.")]
    except LimosaError as error:
        return [Check(name="lane", verdict="note", said=f"Whether it takes batch jobs could not be seen: {error.what}")]
    hours = batches.limits.window_s / 3600
    said = f"Texts go out as batch jobs, which end within {hours:.0f} hours; what changes meanwhile is asked at once."
    return [Check(name="lane", verdict="note", said=said, do="limosa run FILE may be stopped meanwhile, and goes on.")]


def _refused(said: str, needed: str) -> Check:
    do = 'Set lane = "direct" in [backfill].'
    return Check(name="lane", verdict="refused", said=said, needed=needed, do=do)
