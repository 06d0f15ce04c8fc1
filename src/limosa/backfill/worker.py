"""A worker: reads a batch, embeds it outside any transaction, writes vector and outcome in one."""

from __future__ import annotations

import threading
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np

from limosa.backfill.embedding import Answer, Patience, embed_rows
from limosa.backfill.meter import Meter
from limosa.backfill.pace import Stride
from limosa.errors import Refused
from limosa.model.batch import Key, Row, Vectors, Written
from limosa.model.chunk import Claim, Outcomes
from limosa.ports.embedder import Embedder
from limosa.ports.ledger import Ledger
from limosa.ports.store import Ends, Store
from limosa.ports.tx import Tx

__all__ = ["Bench", "Haul", "blank", "fill_chunk", "settle_batch"]


@dataclass(slots=True)
class Bench:
    """What workers of one process share.

    Attributes:
        touches: rows that land are listed for a rollback (fill always, upgrade after the switch).
        budget_usd: hard stop; None for no limit.
        limit: how many rows this run may still fill; None for all.
        usd_per_token: price; zero where it is free or not known.
    """

    store: Store
    ledger: Ledger
    embedder: Embedder
    batch_rows: int
    fill: bool
    budget_usd: float | None = None
    limit: int | None = None
    usd_per_token: float = 0.0
    meter: Meter = field(default_factory=Meter)
    stop: threading.Event = field(default_factory=threading.Event)
    patience: Patience = field(init=False)
    stride: Stride = field(init=False)

    def __post_init__(self) -> None:
        self.patience = Patience(stop=self.stop)
        self.batch_rows = min(self.batch_rows, self.embedder.limits.batch)
        self.stride = Stride(self.batch_rows)

    def afford(self, rows: Sequence[Row]) -> None:
        """Asks the ledger before money is spent, so that all workers together stay within the budget.

        Raises:
            Refused: this batch would pass the budget.
        """
        if self.budget_usd is None or not self.usd_per_token:
            return
        # Three characters a token is more than most texts need: the stop comes early rather than late.
        ahead = sum(len(row.text or "") for row in rows) / 3 * self.usd_per_token * self.embedder.limits.concurrency
        spent = self.ledger.spent_usd()
        if spent + ahead > self.budget_usd:
            raise Refused(
                f"The budget of ${self.budget_usd:.2f} is used up: ${spent:.4f} are spent.",
                needed=f"About ${ahead:.4f} for the next requests.",
                do="Raise budget_usd in [backfill] and run again; everything done stands.",
            )


def blank(text: str | None) -> str | None:
    """Why a text cannot be embedded; None where it can."""
    if text is None:
        return "the text is NULL"
    return None if text.strip() else "the text is blank"


def fill_chunk(bench: Bench, claim: Claim) -> None:
    """Fills one chunk from its cursor to its upper edge, batch by batch.

    Raises:
        Fenced: another worker has the chunk; what was committed stands.
    """
    assert claim.upper is not None  # noqa: S101 - only the follower's claim has no edge
    ends = _ends(bench, claim)
    cursor = claim.cursor
    while not bench.stop.is_set():
        rows = _read(bench, claim, ends, cursor)
        finished = len(rows) < bench.batch_rows
        cursor = claim.upper if finished else rows[-1].key
        settle_batch(bench, claim, ends, Haul(rows=rows, cursor=cursor, finished=finished))
        if finished:
            return
        if bench.limit is not None and bench.meter.read().rows >= bench.limit:
            bench.stop.set()


@dataclass(frozen=True, slots=True, kw_only=True)
class Haul:
    """Rows of one batch and what is settled with them.

    Attributes:
        changes: ids of the change rows that each key settles.
        gone: keys of those that are no longer in the table or the filter.
        cursor: where the chunk stands afterwards; None for the follower.
        finished: the chunk is read to its upper edge.
    """

    rows: Sequence[Row]
    changes: Mapping[Key, Sequence[int]] = field(default_factory=dict)
    gone: Sequence[Key] = ()
    cursor: Key | None = None
    finished: bool = False


@dataclass(slots=True)
class _Verdicts:
    """What is known of the rows of a haul before they are written."""

    vectors: Vectors
    places: dict[Key, int]
    skipped: dict[Key, str]
    dead: dict[Key, str]
    tokens: int


def settle_batch(bench: Bench, claim: Claim, ends: Ends, haul: Haul) -> None:
    """Embeds the rows that need it and commits vectors, outcomes, changes and cursor together.

    One batch is one request to the provider and one or more transactions, each short enough for the
    application that waits for a row of it.

    Raises:
        Fenced: nothing of what was not committed yet was written.
    """
    verdicts = _judge(bench, haul.rows)
    rest, first = list(haul.rows), True
    while rest or first:
        size = bench.stride.rows
        part, rest = rest[:size], rest[size:]
        last, gone = not rest, haul.gone if first else ()
        slice_ = Haul(
            rows=part,
            changes={key: haul.changes.get(key, ()) for key in [*(row.key for row in part), *gone]},
            gone=gone,
            cursor=haul.cursor if last else (part[-1].key if haul.cursor is not None else None),
            finished=haul.finished and last,
        )
        _commit(bench, claim, ends, slice_, verdicts, tokens=verdicts.tokens if first else 0)
        first = False


def _judge(bench: Bench, rows: Sequence[Row]) -> _Verdicts:
    skipped = {row.key: why for row in rows if (why := blank(row.text)) is not None}
    # A vector that stands is fresh: the guard trigger clears it when the text outruns it. Not so in a fill.
    wanted = [row for row in rows if row.key not in skipped and (bench.fill or not row.filled)]
    answer = _embed(bench, wanted)
    return _Verdicts(
        vectors=answer.vectors,
        places={wanted[i].key: place for place, i in enumerate(answer.good)},
        skipped=skipped,
        dead={wanted[i].key: why for i, why in answer.dead},
        tokens=answer.tokens,
    )


def _commit(bench: Bench, claim: Claim, ends: Ends, haul: Haul, verdicts: _Verdicts, *, tokens: int) -> None:
    good = [row for row in haul.rows if row.key in verdicts.places]
    cost_usd = tokens * bench.usd_per_token
    started = time.monotonic()
    with ends.target.begin() as tx:
        bench.ledger.fence(claim, tx)
        written = Written(())
        if good:
            written = ends.target.write(good, verdicts.vectors[[verdicts.places[row.key] for row in good]], tx)
        landed = [good[i] for i in written.landed]
        refused = {row.key: verdicts.dead[row.key] for row in haul.rows if row.key in verdicts.dead}
        refused |= {good[i].key: why for i, why in written.rejected}
        outrun = _outrun(ends, [row for row in haul.rows if row.key in verdicts.skipped or row.key in refused], tx)
        moved = [*(good[i].key for i in written.moved), *outrun]
        outcomes = Outcomes(
            done=[row.key for row in landed] + [row.key for row in haul.rows if _stands(row, verdicts)],
            skipped=[
                (row.key, verdicts.skipped[row.key])
                for row in haul.rows
                if row.key in verdicts.skipped and row.key not in outrun
            ],
            dead=[(key, why) for key, why in refused.items() if key not in outrun],
            gone=[*haul.gone, *moved],
            cursor=haul.cursor,
            finished=haul.finished,
            tokens=tokens,
            cost_usd=cost_usd,
        )
        if bench.fill or claim.epoch % 2:
            bench.ledger.touch([row.key for row in landed if not (bench.fill and row.filled)], tx)
        bench.store.capture.settle([number for ids in haul.changes.values() for number in ids], tx)
        bench.store.capture.note(moved, tx)
        bench.ledger.settle(claim, outcomes, tx)
    bench.stride.took(len(good), time.monotonic() - started)
    bench.meter.add(
        done=len(landed),
        skipped=len(outcomes.skipped),
        dead=len(outcomes.dead),
        moved=len(moved),
        tokens=tokens,
        cost_usd=cost_usd,
    )


def _outrun(ends: Ends, rows: Sequence[Row], tx: Tx) -> set[Key]:
    """Of rows that are to be listed as skipped or dead, those whose text is no longer the one that was read.

    The others stay locked until the commit: whoever changes them then is noted after the list, and the
    follower takes them off it.
    """
    held = {row.key: row.text for row in ends.target.hold([row.key for row in rows], tx)}
    return {row.key for row in rows if row.key not in held or held[row.key] != row.text}


def _stands(row: Row, verdicts: _Verdicts) -> bool:
    return row.key not in verdicts.places and row.key not in verdicts.skipped and row.key not in verdicts.dead


def _embed(bench: Bench, rows: Sequence[Row]) -> Answer:
    if not rows:
        return Answer([], np.zeros((0, bench.embedder.space.dimensions), dtype=np.float32), [], 0)
    bench.afford(rows)
    return embed_rows(bench.embedder, rows, bench.patience)


def _ends(bench: Bench, claim: Claim) -> Ends:
    return bench.store.ends(claim.epoch)


def _read(bench: Bench, claim: Claim, ends: Ends, cursor: Key | None) -> list[Row]:
    assert claim.upper is not None  # noqa: S101
    try:
        return ends.source.read(cursor, claim.upper, limit=bench.batch_rows)
    except Refused:
        # After a switch the column has another name; then the claim is void too, and that is what is raised.
        with bench.store.begin() as tx:
            bench.ledger.fence(claim, tx)
        raise
