"""The contract of a store, for limosa's own and for those of third parties.

A test that covers an adapter calls ``check_store(world)`` with a table of at least forty rows on its
real engine. Every sentence of the ports that can be checked from outside is checked; the first that
does not hold is raised as an AssertionError that says which.
"""

from __future__ import annotations

import threading
from collections.abc import Sequence
from typing import Protocol

from limosa import flow
from limosa.app import App
from limosa.backfill.follow import drain
from limosa.backfill.worker import Bench, Haul, settle_batch
from limosa.errors import Fenced
from limosa.model.batch import Key, Row
from limosa.model.chunk import Claim, Outcomes
from limosa.model.strain import Limits
from limosa.steps.backfill import bench_for
from limosa.steps.expand import expand
from limosa.steps.voyage import Voyage

__all__ = ["StoreWorld", "check_store"]

PAGE_ROWS = 3
"""Rows read at once here: few, so that ranges have several pages."""


class StoreWorld(Protocol):
    """A table that is in use, and a migration of it that has not begun.

    ``app`` may be called several times; every other method does what an application would do, by
    connections of its own.
    """

    def app(self) -> App:
        """The migration, opened anew; its file sets ``batch_rows`` to at most 10."""
        ...

    def keys(self) -> list[Key]:
        """Keys of the rows that are to be migrated, as limosa writes them, in the store's order."""
        ...

    def insert(self) -> Key:
        """A new row; its key."""
        ...

    def edit(self, key: Key) -> None:
        """Changes what decides the row's vector."""
        ...

    def delete(self, key: Key) -> None:
        """Takes the row away."""
        ...

    def dump(self) -> object:
        """Everything but limosa's own; equal for equal databases."""
        ...


def check_store(world: StoreWorld) -> None:
    """Checks everything that the ports promise and that can be seen from outside.

    Raises:
        AssertionError: a promise does not hold; the message says which.
    """
    before = world.dump()
    app = world.app()
    try:
        plan = app.plan()
        _expect(world.dump() == before, "inspect changes nothing")
        flow.begin(app.voyage, plan)
        expand(app.voyage)
        _check_strain(app.voyage)
        _check_operations(app.voyage)
        _check_alone(world, app.voyage)
        claims = _check_ranges(world, app.voyage)
        _check_writes(world, app.voyage, claims)
        _check_capture(world, app.voyage)
        _check_fence(app.voyage, claims)
        _check_snapshot(world, app.voyage)
        app.rollback()
        for operation in plan.operations:
            if operation.undo:
                _expect(not app.voyage.store.runner.stands(operation), f"{operation.id} is gone after a rollback")
    finally:
        app.close()


def _check_strain(voyage: Voyage) -> None:
    def asked(sql: str | None) -> str:
        return voyage.store.strain(Limits(wait_while=sql))

    _expect(asked(None) == "", "where nothing is asked about, nothing is a reason to wait")
    for sql in ("SELECT 1 = 0", "SELECT NULL", "SELECT 1 WHERE 1 = 0", "SELECT 1 = 0 -- quiet"):
        _expect(asked(sql) == "", f"{sql} is no reason to wait")
    for sql in ("SELECT 1 = 1", "SELECT 1", "SELECT 'yes'", "SELECT nothing"):
        _expect(asked(sql) != "", f"{sql} is a reason to wait")
    _expect(asked("SELECT 1 = 0") == "", "one that failed leaves nothing behind")


def _check_operations(voyage: Voyage) -> None:
    states = voyage.records.states()
    for operation in voyage.record().operations:
        if operation.step == "expand" and operation.probe != "SELECT false":
            _expect(states.get(operation.id) == "done", f"{operation.id} is noted as done")
            _expect(voyage.store.runner.stands(operation), f"{operation.id} stands when it was done")
        elif operation.step == "cutover":
            _expect(not voyage.store.runner.stands(operation), f"{operation.id} does not stand before it is done")


def _check_alone(world: StoreWorld, voyage: Voyage) -> None:
    other, entered = world.app(), threading.Event()

    def enter() -> None:
        with other.voyage.store.runner.alone():
            entered.set()

    thread = threading.Thread(target=enter)
    with voyage.store.runner.alone():
        thread.start()
        _expect(not entered.wait(1.0), "one process at a time carries out operations")
    _expect(entered.wait(30.0), "who waits for its turn gets it")
    thread.join()
    other.close()


def _check_ranges(world: StoreWorld, voyage: Voyage) -> list[Claim]:
    """Every chunk, claimed; together they cover every key once."""
    ledger, source = voyage.ledger(), voyage.store.ends(0).source
    claims: list[Claim] = []
    while (claim := ledger.claim()) is not None:
        claims.append(claim)
    _expect(len(claims) > 1, "a table of forty rows has several chunks at ten rows each")
    seen: list[Key] = []
    edge: Key | None = None
    for claim in claims:
        _expect(claim.lower == edge, "a chunk begins where the one before it ends")
        after, edge = claim.lower, claim.upper
        _expect(edge is not None, "a chunk of the first pass has an upper edge")
        while rows := source.read(after, edge or (), limit=PAGE_ROWS):
            seen += [row.key for row in rows]
            after = rows[-1].key
            if len(rows) < PAGE_ROWS:
                break
    keys = world.keys()
    _expect(seen == keys, "ranges cover every key once, in the store's order")
    _expect(source.top() == keys[-1], "top is the largest key")
    _expect(source.count() == len(keys), "count counts the rows of the filter")
    again = {row.key for row in source.reread([keys[0], keys[-1]])}
    _expect(again == {keys[0], keys[-1]}, "reread gives the rows of these keys")
    _expect(_classes(voyage)["pending"] == len(keys), "what no chunk has settled is pending")
    return claims


def _check_writes(world: StoreWorld, voyage: Voyage, claims: Sequence[Claim]) -> None:
    ledger, ends = voyage.ledger(), voyage.store.ends(0)
    bench = bench_for(voyage, ledger)
    first = claims[0]
    rows = ends.source.read(first.lower, first.upper or (), limit=1000)
    settle_batch(bench, first, ends, Haul(rows=rows, cursor=first.upper, finished=True))
    classes = _classes(voyage)
    settled = classes["done"] + classes["skipped"] + classes["dead"]
    _expect(settled == len(rows), "what was settled has an outcome")
    _expect(classes["lost"] == 0, "nothing is lost")
    moved = _moving(world, voyage, bench, claims[1])
    classes = _classes(voyage)
    _expect(classes["lost"] == 0, "a row that changed meanwhile is not lost")
    _expect(_class_of(world, voyage, moved) == "pending", "a row that changed since it was read is pending")


def _moving(world: StoreWorld, voyage: Voyage, bench: Bench, claim: Claim) -> Key:
    """One row of a batch is edited between reading and writing."""
    ends = voyage.store.ends(0)
    rows = ends.source.read(claim.lower, claim.upper or (), limit=1000)
    verdicts = bench.judge(rows)
    chosen: list[Row] = [row for row in rows if row.key in verdicts.places]
    world.edit(chosen[0].key)
    landed: set[Key] = set()
    with ends.target.begin() as tx:
        bench.ledger.fence(claim, tx)
        for places, vectors in verdicts.writes(chosen):
            sent = [chosen[i] for i in places]
            written = ends.target.write(sent, vectors, tx)
            landed |= {sent[i].key for i in written.landed}
            voyage.store.capture.note([sent[i].key for i in written.moved], tx)
    _expect(chosen[0].key not in landed, "a row that changed since it was read is not written")
    _expect(landed == {row.key for row in chosen[1:]}, "the rest of its batch is")
    with ends.target.begin() as tx:
        held = {row.key: row for row in ends.target.hold([row.key for row in chosen], tx)}
        _expect(set(held) == {row.key for row in chosen}, "hold gives rows that nobody has locked, as they are now")
    rest = [row for row in rows if row.key != chosen[0].key]
    settle_batch(bench, claim, ends, Haul(rows=rest, cursor=claim.upper, finished=True))
    return chosen[0].key


def _check_capture(world: StoreWorld, voyage: Voyage) -> None:
    capture, keys = voyage.store.capture, world.keys()
    _expect(capture.intact() is None, "the triggers stand")
    _settle_all(voyage)
    edited, deleted, born = keys[2], keys[3], world.insert()
    world.edit(edited)
    world.delete(deleted)
    changes = capture.take(1000)
    _expect({change.key for change in changes} >= {edited, deleted, born}, "every change of the application is noted")
    _expect([change.id for change in changes] == sorted(change.id for change in changes), "the oldest come first")
    with voyage.store.begin() as tx:
        before = capture.outstanding(tx)
        capture.settle([changes[0].id], tx)
        _expect(capture.outstanding(tx) == before - 1, "settle removes exactly these changes")
        capture.note([changes[0].key], tx)
        _expect(capture.outstanding(tx) == before, "note queues keys")
    _settle_all(voyage)
    _expect(_class_of(world, voyage, born) in {"done", "pending", "skipped", "dead"}, "a new row is followed")
    _expect(_classes(voyage)["lost"] == 0, "nothing is lost")


def _settle_all(voyage: Voyage) -> None:
    ledger = voyage.ledger()
    claim = ledger.claim_follow()
    _expect(claim is not None, "the change table can be followed")
    if claim is not None:
        drain(bench_for(voyage, ledger), claim)
        ledger.release([claim])
    with voyage.store.begin() as tx:
        _expect(voyage.store.capture.outstanding(tx) == 0, "the follower leaves nothing")


def _check_fence(voyage: Voyage, claims: Sequence[Claim]) -> None:
    ledger = voyage.ledger()
    _expect(ledger.claim() is None, "a chunk under a lease is nobody else's")
    ledger.release([claims[2]])
    taken = ledger.claim()
    _expect(taken is not None and taken.id == claims[2].id, "a chunk that was given back is free")
    done = voyage.reports.tally().done
    for begin in (voyage.store.begin, voyage.store.ends(0).target.begin):
        fenced = False
        try:
            with begin() as tx:
                if taken is not None:
                    ledger.settle(taken, Outcomes(done=[("1",)] * 100), tx)
                ledger.fence(claims[2], tx)
        except Fenced:
            fenced = True
        _expect(fenced, "a chunk that was taken over cannot be written")
        _expect(voyage.reports.tally().done == done, "what a fenced writer did is rolled back with its transaction")


def _check_snapshot(world: StoreWorld, voyage: Voyage) -> None:
    witness = voyage.store.witness(0)
    with voyage.store.begin(snapshot=True) as tx:
        before = sum(witness.classify(None, None, tx).values())
        thread = threading.Thread(target=world.insert)
        thread.start()
        thread.join(5)
        _expect(sum(witness.classify(None, None, tx).values()) == before, "a snapshot sees one instant throughout")
    thread.join()
    _expect(sum(_classes(voyage).values()) == before + 1, "the next one sees what came after")


def _classes(voyage: Voyage) -> dict[str, int]:
    with voyage.store.begin(snapshot=True) as tx:
        return voyage.store.witness(0).classify(None, None, tx)


def _class_of(world: StoreWorld, voyage: Voyage, key: Key) -> str:
    """The class of one key: of the range that ends with it and begins with the key before it."""
    keys = world.keys()
    place = keys.index(key)
    with voyage.store.begin(snapshot=True) as tx:
        witness = voyage.store.witness(0)
        parts = [witness.classify(None, key, tx), witness.classify(key, None, tx)]
        every = witness.classify(None, None, tx)
        found = witness.classify(keys[place - 1] if place else None, key, tx)
    _expect(all(every[name] == sum(part[name] for part in parts) for name in every), "ranges add up")
    _expect(sum(found.values()) == 1, "each key has one class")
    return next(name for name, count in found.items() if count)


def _expect(holds: bool, promise: str) -> None:
    if not holds:
        raise AssertionError(f"The store breaks a promise of the ports: {promise}.")
