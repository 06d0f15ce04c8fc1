"""A worker: reads a batch, embeds it outside any transaction, writes vector and outcome in one."""

from __future__ import annotations

import threading
from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np

from limosa.backfill.embedding import Answer, Patience, embed_rows
from limosa.backfill.meter import Meter
from limosa.errors import Fenced, LimosaError, Refused
from limosa.model.batch import Key, Row, Written
from limosa.model.chunk import Claim, Outcomes
from limosa.ports.embedder import Embedder
from limosa.ports.ledger import Ledger
from limosa.ports.store import Ends, Store

__all__ = ["Bench", "blank", "fill_chunk", "settle_batch"]


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

    def __post_init__(self) -> None:
        self.patience = Patience(stop=self.stop)
        self.batch_rows = min(self.batch_rows, self.embedder.limits.batch)

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
        settle_batch(bench, claim, ends, rows, cursor=cursor, finished=finished)
        if finished:
            return
        if bench.limit is not None and bench.meter.read().rows >= bench.limit:
            bench.stop.set()


def settle_batch(
    bench: Bench,
    claim: Claim,
    ends: Ends,
    rows: Sequence[Row],
    *,
    changes: Sequence[int] = (),
    gone: Sequence[Key] = (),
    cursor: Key | None = None,
    finished: bool = False,
) -> None:
    """Embeds the rows that need it and commits vectors, outcomes, changes and cursor together.

    Raises:
        Fenced: nothing of the batch was written.
    """
    reasons = {row.key: blank(row.text) for row in rows}
    skipped = [(row.key, why) for row in rows if (why := reasons[row.key]) is not None]
    wanted = [row for row in rows if reasons[row.key] is None and (bench.fill or not row.filled)]
    standing = [row.key for row in rows if reasons[row.key] is None and row.filled and not bench.fill]
    answer = _embed(bench, wanted)
    cost_usd = answer.tokens * bench.usd_per_token
    good = [wanted[i] for i in answer.good]
    target = ends.target
    with target.begin() as tx:
        bench.ledger.fence(claim, tx)
        written = target.write(good, answer.vectors, tx) if good else Written(())
        landed = [good[i].key for i in written.landed]
        moved = [good[i].key for i in written.moved]
        dead = [(wanted[i].key, why) for i, why in answer.dead] + [(good[i].key, why) for i, why in written.rejected]
        if bench.fill or claim.epoch % 2:
            bench.ledger.touch([good[i].key for i in written.landed if not (bench.fill and good[i].filled)], tx)
        bench.store.capture.settle(changes, tx)
        bench.store.capture.note(moved, tx)
        outcomes = Outcomes(
            done=[*landed, *standing],
            skipped=skipped,
            dead=dead,
            gone=[*gone, *moved],
            cursor=cursor,
            finished=finished,
            tokens=answer.tokens,
            cost_usd=cost_usd,
        )
        bench.ledger.settle(claim, outcomes, tx)
    bench.meter.add(
        done=len(landed),
        skipped=len(skipped),
        dead=len(dead),
        moved=len(moved),
        tokens=answer.tokens,
        cost_usd=cost_usd,
    )


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
    except Refused as error:
        # After a switch the column has another name; then the claim is void too.
        try:
            with bench.store.begin() as tx:
                bench.ledger.fence(claim, tx)
        except Fenced as fenced:
            raise fenced from error
        except LimosaError:
            pass
        raise
