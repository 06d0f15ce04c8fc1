"""Estimates: seconds, dollars, tokens and memory, each with what it rests on."""

from __future__ import annotations

import math

from limosa.model.migration import Migration
from limosa.model.plan import Check
from limosa.plan.lanes import in_lane, lanes
from limosa.plan.models import columns_sent
from limosa.plan.money import Bill
from limosa.plan.probe import Probe
from limosa.ports.embedder import HERE
from limosa.ports.store import Facts

__all__ = ["ACCEPTED_S", "AHEAD_BYTES", "estimates", "layout_checks", "slow_checks"]

ACCEPTED_S = 6 * 3600.0
"""A longer migration asks first: it is a night's work no more, and the old index is slower all that while."""

MUCH = 2.0
WORTH_S = 600.0
"""The other layout is named where it takes half the time at most, and spares ten minutes at least: below that a table
of its own is not worth a thought."""

AHEAD_BYTES = 32 * 2**20
"""Vectors that are read ahead or wait to be written, all workers together: with them a process stays under 256 MB."""

AT_ONCE = 8
"""Requests in flight that are taken for granted before the pace has found how many the provider takes."""

_CLIENT_BASE_BYTES = 60 * 2**20
"""What a process with numpy and psycopg holds before the first batch (66 MB were measured with batches of 1,000)."""


def estimates(migration: Migration, facts: Facts, new: Probe, old: Probe | None, bill: Bill) -> dict[str, object]:
    """What the migration costs; every unit rides in the key, and None is what could not be said."""
    rows = facts.counts.get("to_embed", 0)
    embed_per_s = _embed_rows_per_s(new)
    write_per_s = facts.sizes.get("write_rows_per_s")
    rates = {
        name: float(rate)
        for name, rate in (("the new model", embed_per_s), ("the database", write_per_s))
        if isinstance(rate, int | float) and rate > 0
    }
    slowest = min(rates, key=lambda name: rates[name]) if rates else None
    backfill_s = rows / rates[slowest] if slowest is not None else None
    build = facts.sizes.get("index_build_s", 0.0)
    build_s = float(build) if isinstance(build, int | float) else 0.0
    price = bill.price
    ways = lanes(new, bill, direct_s=round(backfill_s, 1) if backfill_s is not None else None)
    if migration.backfill.lane == "batch":
        # How long a provider takes for its jobs nobody knows before.
        backfill_s = None
    return {
        **facts.sizes,
        "rows_to_embed": rows,
        "texts_to_pay": bill.texts,
        "tokens": bill.tokens,
        "tokens_basis": bill.basis,
        "cost_usd": in_lane(migration.backfill.lane, new, bill).cost_usd,
        "sum": bill.sum,
        **{f"saved_by_{name}_usd": usd for name, usd in bill.saved_usd.items()},
        "price_usd_per_million_tokens": price.usd_per_million_tokens if price is not None else None,
        "price_source": price.source if price is not None else None,
        "price_seen": price.seen.isoformat() if price is not None else None,
        "embed_rows_per_s": round(embed_per_s, 1) if embed_per_s is not None else None,
        "backfill_s": round(backfill_s, 1) if backfill_s is not None else None,
        "slowest": slowest,
        "total_s": round(backfill_s + build_s, 1) if backfill_s is not None else None,
        "client_memory_bytes": _client_bytes(migration, facts, new),
        "sends_to": new.embedder.destination if new.embedder is not None else None,
        "columns_sent": list(columns_sent(migration.target.place.text)),
        "new_model_answers": new.error is None,
        "lanes": ways,
        "layouts": _layouts(facts, embed_per_s, build_s),
        "old_model_answers": old.error is None if old is not None else None,
    }


def _layouts(facts: Facts, embed_per_s: float | None, build_s: float) -> dict[str, dict[str, object]]:
    """What each layout takes, in seconds of backfill and index, and bytes; empty where there is no choice."""
    ways = facts.sizes.get("layouts")
    found: dict[str, dict[str, object]] = {}
    for name, way in ways.items() if isinstance(ways, dict) else ():
        rate = min(float(way["write_rows_per_s"]), embed_per_s or math.inf)
        time_s = round(facts.counts.get("to_embed", 0) / rate + build_s, 1)
        found[name] = {"time_s": time_s, "wal_bytes": way["wal_bytes"], "added_bytes": way["added_bytes"]}
    return found


def layout_checks(migration: Migration, estimated: dict[str, object]) -> list[Check]:
    """Says which layout to take where the other one is much faster."""
    ways = estimated.get("layouts")
    if migration.layout != "column" or not isinstance(ways, dict) or not ways:
        return []
    ours, beside = float(ways["column"]["time_s"]), float(ways["side_table"]["time_s"])
    if ours < MUCH * beside or ours - beside < WORTH_S:
        return []
    said = (
        f"The layout side_table takes about {beside / 3600:.1f} hours instead of {ours / 3600:.1f}: the table itself is"
        " not rewritten, and its rows enter no old index again."
    )
    do = 'Set layout = "side_table" in [target]; the application then searches by match function or view.'
    return [Check(name="layout", verdict="note", said=said, do=do)]


def _embed_rows_per_s(new: Probe) -> float | None:
    """As many requests at a time as the provider is worth; on this machine they share its processors."""
    if new.rows_per_s is None or new.embedder is None:
        return None
    return new.rows_per_s * (1 if new.embedder.destination == HERE else min(AT_ONCE, new.embedder.limits.concurrency))


def _client_bytes(migration: Migration, facts: Facts, new: Probe) -> int:
    """A process's base, and for every batch that is read ahead its texts, and twice its vectors, on their way."""
    if new.embedder is None:
        return _CLIENT_BASE_BYTES
    batch = min(migration.backfill.batch_rows, new.embedder.limits.batch)
    row = 4 * facts.characters + 2 * 4 * migration.target.space.dimensions
    fitting = max(1, AHEAD_BYTES // (4 * batch * migration.target.space.dimensions))
    ahead = min(new.embedder.limits.concurrency, fitting)
    return int(_CLIENT_BASE_BYTES + ahead * batch * row)


def slow_checks(estimated: dict[str, object]) -> list[Check]:
    """Asks before a migration that takes longer than ``ACCEPTED_S``."""
    total = estimated["total_s"]
    if not isinstance(total, float) or total <= ACCEPTED_S:
        return []
    rows = estimated["rows_to_embed"]
    return [
        Check(
            name="slow",
            verdict="accept",
            said=f"{rows:,} rows take longer than {ACCEPTED_S / 3600:.0f} hours; {estimated['slowest']} is slowest.",
            needed="Your word that it may take so long; it can be stopped and goes on where it stood.",
            do=(
                'Set layout = "side_table" in [target], which enters no row into the old index again.'
                if estimated["slowest"] == "the database"
                else "Ask the provider for a higher limit, or raise batch_rows in [backfill]."
            ),
            flag="--accept-slow",
        )
    ]
