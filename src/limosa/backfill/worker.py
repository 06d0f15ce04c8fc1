"""A worker: reads a batch, embeds it outside any transaction, writes vector and outcome in one."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator, Mapping, Sequence, Set
from concurrent.futures import Executor
from contextlib import closing
from dataclasses import dataclass, field
from typing import Literal

from limosa.backfill.ahead import in_order
from limosa.backfill.brakes import Brakes
from limosa.backfill.meter import Meter
from limosa.backfill.pace import Stride
from limosa.backfill.verdicts import Judge, Verdicts, joined
from limosa.errors import Refused
from limosa.model.batch import UNPAID, Key, Row, Written
from limosa.model.chunk import Claim, Outcomes
from limosa.ports.ledger import Ledger, Usage
from limosa.ports.store import Ends, Store
from limosa.ports.tx import Tx

__all__ = ["Bench", "Haul", "Touches", "fill_chunk", "rows_of", "settle_batch"]


Touches = Literal["always", "followed", "switched", "never"]
"""Which rows are listed for a rollback."""


@dataclass(slots=True, kw_only=True)
class Bench:
    """What workers of one process share.

    Attributes:
        judge: says what is to become of the rows of a batch.
        batch_rows: rows read and judged at once.
        stride: rows of one write transaction.
        usage: notes what was paid in a table of the user's; None where the file names none.
        touches: rows are listed for a rollback: always when they land, those that changed since expand, those that
            land or changed after the switch, or never.
        apart: vectors lie in rows of their own, which go when their source row does.
        limit: how many rows this run may still read; None for all.
        threads: workers worth having in this process.
        pool: where batches are judged while the worker writes; None judges them one after another.
        ahead: batches that one worker may have read and not yet written.
    """

    store: Store
    ledger: Ledger
    judge: Judge
    batch_rows: int
    stride: Stride
    usage: Usage | None = None
    touches: Touches = "switched"
    apart: bool = False
    limit: int | None = None
    threads: int = 1
    pool: Executor | None = None
    ahead: int = 1
    meter: Meter = field(default_factory=Meter)
    brakes: Brakes = field(default_factory=Brakes)
    stop: threading.Event = field(default_factory=threading.Event)
    _taken: int = 0
    _guard: threading.Lock = field(default_factory=threading.Lock)

    @property
    def page_rows(self) -> int:
        """Rows that are read at once: several batches where several are on their way."""
        return self.batch_rows * min(4, self.ahead)

    @property
    def full(self) -> bool:
        """As many rows as ``limit`` allows were read."""
        return self.limit is not None and self._taken >= self.limit

    def take(self) -> bool:
        """Whether another batch may be read; it counts as a whole one until ``put_back`` says that it was less.

        Asked before the batch is read: workers that read at once would all find the limit far away.
        """
        with self._guard:
            if self.full:
                return False
            self._taken += self.batch_rows
            return True

    def put_back(self, rows: int) -> None:
        """Notes that a batch had so many rows less than it might."""
        with self._guard:
            self._taken -= rows

    def go_on(self) -> bool:
        """Whether another batch is to be begun; waits first while there is a reason to."""
        self.brakes.wait(self.stop)
        return not self.stop.is_set()


def fill_chunk(bench: Bench, claim: Claim) -> None:
    """Fills one chunk from its cursor to its upper edge, batch by batch.

    Raises:
        Fenced: another worker has the chunk; what was committed stands.
    """
    ends = _ends(bench, claim)
    hauls = _hauls(bench, claim, ends)
    if bench.pool is None:
        for haul in hauls:
            settle_batch(bench, claim, ends, haul)
    else:
        _fill_ahead(bench, claim, ends, hauls, bench.pool)


def _fill_ahead(bench: Bench, claim: Claim, ends: Ends, hauls: Iterator[Haul], pool: Executor) -> None:
    judged = in_order(
        hauls,
        lambda haul: pool.submit(bench.judge, haul.rows),
        ahead=bench.ahead,
        # A write transaction costs as much as writing some hundred rows: what is there already goes into one.
        together=max(1, bench.stride.most // bench.batch_rows),
        halted=bench.stop.is_set,
        held=lambda: bool(bench.brakes.reason),
    )
    with closing(judged):
        for ready in judged:
            hauls_, verdicts = zip(*ready, strict=True)
            _settle(bench, claim, ends, _one(hauls_), joined(verdicts))


def _one(hauls: Sequence[Haul]) -> Haul:
    """Batches of one chunk that follow each other, as one."""
    if len(hauls) == 1:
        return hauls[0]
    last = hauls[-1]
    return Haul(rows=[row for haul in hauls for row in haul.rows], cursor=last.cursor, finished=last.finished)


def _hauls(bench: Bench, claim: Claim, ends: Ends) -> Iterator[Haul]:
    """The chunk's batches from its cursor on, until its end, a stop, or the run's limit."""
    assert claim.upper is not None  # noqa: S101 - only the follower's claim has no edge
    cursor, finished = claim.cursor, False
    page: list[Row] = []
    most = bench.page_rows
    while not (finished or bench.full) and bench.go_on() and bench.take():
        if not page:
            page = _read(bench, claim, ends, cursor, limit=most)
            # Edges are keys that were there when the chunk was cut: most pages end on one.
            last = len(page) < most or page[-1].key == claim.upper
        rows, page = page[: bench.batch_rows], page[bench.batch_rows :]
        finished = last and not page
        cursor = claim.upper if finished else rows[-1].key
        bench.put_back(bench.batch_rows - len(rows))
        yield Haul(rows=rows, cursor=cursor, finished=finished)


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


def settle_batch(bench: Bench, claim: Claim, ends: Ends, haul: Haul) -> None:
    """Embeds the rows that need it and commits vectors, outcomes, changes and cursor together.

    One batch is one request to the provider and one or more transactions, each short enough for the
    application that waits for a row of it.

    Raises:
        Fenced: nothing of what was not committed yet was written.
    """
    _settle(bench, claim, ends, haul, bench.judge(haul.rows))


def _settle(bench: Bench, claim: Claim, ends: Ends, haul: Haul, verdicts: Verdicts) -> None:
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
        _commit(bench, claim, ends, slice_, verdicts, pays=first)
        if first:
            # Their price is in the ledger now, and must not come there again if this process dies before the rest.
            verdicts.committed()
        first = False


def _commit(bench: Bench, claim: Claim, ends: Ends, haul: Haul, verdicts: Verdicts, *, pays: bool) -> None:
    good = [row for row in haul.rows if row.key in verdicts.places]
    paid = verdicts.paid if pays else UNPAID
    started = time.monotonic()
    with ends.target.begin() as tx:
        bench.ledger.fence(claim, tx)
        written = _write(ends, good, verdicts, tx)
        landed = [good[i] for i in written.landed]
        refused = {row.key: verdicts.dead[row.key] for row in haul.rows if row.key in verdicts.dead}
        refused |= {good[i].key: why for i, why in written.rejected}
        outrun = _outrun(ends, [row for row in haul.rows if row.key in verdicts.skipped or row.key in refused], tx)
        moved = [*(good[i].key for i in written.moved), *outrun]
        outcomes = Outcomes(
            done=[row.key for row in (*landed, *(good[i] for i in written.stood))]
            + [row.key for row in haul.rows if _stands(row, verdicts)],
            skipped=[
                (row.key, verdicts.skipped[row.key])
                for row in haul.rows
                if row.key in verdicts.skipped and row.key not in outrun
            ],
            dead=[(key, why) for key, why in refused.items() if key not in outrun],
            traces=_traces([row for row in haul.rows if row.key in verdicts.skipped or row.key in refused], outrun),
            gone=[*haul.gone, *moved],
            cursor=haul.cursor,
            finished=haul.finished,
            marked=[(row.key, verdicts.marks[row.key]) for row in landed if row.key in verdicts.marks],
            paid=paid,
        )
        bench.ledger.touch([row.key for row in _touched(bench, claim, haul, landed)], tx)
        if bench.apart and claim.follows:
            # The first pass meets every key once: only the follower can find what a row was before.
            ends.target.erase([*haul.gone, *(key for key, _ in (*outcomes.skipped, *outcomes.dead))], tx)
        bench.store.capture.settle([number for ids in haul.changes.values() for number in ids], tx)
        bench.store.capture.note(moved, tx)
        bench.ledger.settle(claim, outcomes, tx)
        if bench.usage is not None and paid.texts:
            bench.usage.note(paid, tx)
        settled = time.monotonic()
    # What the commit takes is the way to the server and back, which writing took too: fewer rows make it no shorter.
    committed = time.monotonic()
    bench.stride.took(len(good), 2 * settled - started - committed)
    bench.meter.wrote(committed - started)
    bench.meter.add(
        done=len(landed),
        skipped=len(outcomes.skipped),
        dead=len(outcomes.dead),
        moved=len(moved),
        tokens=paid.tokens,
        cost_usd=paid.usd,
    )


def _traces(rows: Sequence[Row], outrun: Set[Key]) -> list[tuple[Key, str]]:
    """What rows were like that are skipped or dead, where their store tells."""
    return [(row.key, trace) for row in rows if row.key not in outrun and (trace := row.trace)]


def _write(ends: Ends, rows: Sequence[Row], verdicts: Verdicts, tx: Tx) -> Written:
    landed: list[int] = []
    moved: list[int] = []
    rejected: list[tuple[int, str]] = []
    stood: list[int] = []
    for places, vectors in verdicts.writes(rows):
        written = ends.target.write([rows[i] for i in places], vectors, tx)
        landed += [places[i] for i in written.landed]
        moved += [places[i] for i in (*written.moved, *written.gone)]
        rejected += [(places[i], why) for i, why in written.rejected]
        stood += [places[i] for i in written.stood]
    return Written(landed, moved=moved, rejected=rejected, stood=stood)


def _touched(bench: Bench, claim: Claim, haul: Haul, landed: Sequence[Row]) -> Sequence[Row]:
    """The rows of a batch that a rollback has to put right.

    Whatever the follower meets has changed since: its old vector is that of another text, also where no new one is
    written because the application wrote it, or because there is none.
    """
    if bench.touches == "always":
        return [row for row in landed if not row.filled]
    if bench.touches == "never" or (bench.touches == "switched" and not claim.epoch % 2):
        return []
    if claim.follows:
        return haul.rows
    return landed if bench.touches == "switched" else []


def _outrun(ends: Ends, rows: Sequence[Row], tx: Tx) -> set[Key]:
    """Of rows that are to be listed as skipped or dead, those that are no longer what was read.

    The others stay locked until the commit: whoever changes them then is noted after the list, and the
    follower takes them off it.
    """
    held = {row.key: (row.text, row.raw) for row in ends.target.hold([row.key for row in rows], tx)}
    return {row.key for row in rows if held.get(row.key) != (row.text, row.raw)}


def _stands(row: Row, verdicts: Verdicts) -> bool:
    return row.key not in verdicts.places and row.key not in verdicts.skipped and row.key not in verdicts.dead


def rows_of(bench: Bench, claim: Claim, *, after: Key | None) -> Iterator[list[Row]]:
    """The chunk's rows after a key, batch by batch up to its edge; ends early where the run is to stop."""
    ends = _ends(bench, claim)
    while after != claim.upper and not bench.stop.is_set():
        rows = _read(bench, claim, ends, after, limit=bench.batch_rows)
        if rows:
            yield rows
        after = rows[-1].key if len(rows) == bench.batch_rows else claim.upper


def _ends(bench: Bench, claim: Claim) -> Ends:
    return bench.store.ends(claim.epoch)


def _read(bench: Bench, claim: Claim, ends: Ends, cursor: Key | None, *, limit: int) -> list[Row]:
    assert claim.upper is not None  # noqa: S101
    try:
        return ends.source.read(cursor, claim.upper, limit=limit)
    except Refused:
        # After a switch the column has another name; then the claim is void too, and that is what is raised.
        with bench.store.begin() as tx:
            bench.ledger.fence(claim, tx)
        raise
