"""Batches judged ahead: in order, no more than asked for, and nothing that left is lost."""

from __future__ import annotations

import gc
import threading
import weakref
from collections.abc import Callable, Generator, Iterator
from concurrent.futures import Executor, Future, ThreadPoolExecutor, wait
from contextlib import closing
from typing import Any, TypeVar

import pytest

from limosa.backfill.ahead import in_order

T = TypeVar("T")
V = TypeVar("V")


def ordered(batches: Iterator[T], judge: Callable[[T], V], pool: Executor, **how: Any) -> Generator[tuple[T, V]]:
    for ready in in_order(batches, lambda batch: pool.submit(judge, batch), **how):
        yield from ready


@pytest.fixture
def pool() -> Iterator[ThreadPoolExecutor]:
    with ThreadPoolExecutor(4) as pool:
        yield pool


def never() -> bool:
    return False


def test_the_order_is_kept_whoever_is_first(pool: ThreadPoolExecutor) -> None:
    gates = [threading.Event() for _ in range(4)]

    def judge(batch: int) -> int:
        gates[batch].wait()
        if batch:
            gates[batch - 1].set()
        return batch * batch

    gates[3].set()
    assert list(ordered(iter(range(4)), judge, pool, ahead=4, halted=never)) == [(i, i * i) for i in range(4)]


@pytest.mark.parametrize("ahead", [1, 2, 5])
def test_no_more_is_read_than_may_be_ahead(pool: ThreadPoolExecutor, ahead: int) -> None:
    read = handed = 0

    def batches() -> Iterator[int]:
        nonlocal read
        for i in range(20):
            assert read - handed < ahead
            read += 1
            yield i

    for _ in ordered(batches(), lambda batch: batch, pool, ahead=ahead, halted=never):
        handed += 1
    assert (read, handed) == (20, 20)


def test_nothing_to_judge_is_nothing(pool: ThreadPoolExecutor) -> None:
    assert list(ordered(iter(()), lambda batch: batch, pool, ahead=3, halted=never)) == []


def test_an_error_comes_after_all_before_it(pool: ThreadPoolExecutor) -> None:
    failed = threading.Event()

    def judge(batch: int) -> int:
        if batch == 2:
            failed.set()
            raise ValueError("two")
        if batch < 2:
            failed.wait()
        return batch

    got: list[int] = []
    with pytest.raises(ValueError, match="two"):
        got.extend(batch for batch, _ in ordered(iter(range(9)), judge, pool, ahead=4, halted=never))
    assert got == [0, 1]


def test_an_error_of_reading_comes_after_all_that_were_read(pool: ThreadPoolExecutor) -> None:
    def batches() -> Iterator[int]:
        yield from range(3)
        raise ValueError("unread")

    got: list[int] = []
    with pytest.raises(ValueError, match="unread"):
        got.extend(batch for batch, _ in ordered(batches(), lambda batch: batch, pool, ahead=8, halted=never))
    assert got == [0, 1, 2]


def test_once_halted_what_has_left_is_handed_on_and_nothing_else_leaves(pool: ThreadPoolExecutor) -> None:
    begun: list[int] = []
    gate, four = threading.Event(), threading.Semaphore(0)
    halt = threading.Event()

    def judge(batch: int) -> int:
        begun.append(batch)
        four.release()
        gate.wait()
        return batch

    def batches() -> Iterator[int]:
        yield from range(10)
        for _ in range(4):
            four.acquire()
        halt.set()
        gate.set()

    got = [batch for batch, _ in ordered(batches(), judge, pool, ahead=20, halted=halt.is_set)]
    assert got == sorted(begun)
    assert len(got) < 10


def test_every_batch_that_began_is_handed_on_however_the_halt_falls() -> None:
    for round_ in range(200):
        begun: list[int] = []
        halt = threading.Event()

        def judge(batch: int, begun: list[int] = begun, halt: threading.Event = halt, at: int = round_ % 8) -> int:
            begun.append(batch)
            if batch == at:
                halt.set()
            return batch

        with ThreadPoolExecutor(2) as pool:
            got = [batch for batch, _ in ordered(iter(range(8)), judge, pool, ahead=16, halted=halt.is_set)]
        assert got == sorted(begun)


def test_one_that_is_closed_early_lets_nothing_more_leave() -> None:
    begun: list[int] = []
    gate = threading.Event()

    def judge(batch: int) -> int:
        begun.append(batch)
        if batch:
            gate.wait()
        return batch

    with ThreadPoolExecutor(1) as pool:
        with closing(ordered(iter(range(9)), judge, pool, ahead=5, halted=never)) as judged:
            assert next(judged) == (0, 0)
        gate.set()
    assert len(begun) <= 2


def test_what_is_ready_is_handed_on_together(pool: ThreadPoolExecutor) -> None:
    begun: list[Future[int]] = []

    def submit(batch: int) -> Future[int]:
        begun.append(pool.submit(int, batch))
        return begun[-1]

    def all_done() -> Iterator[int]:
        for batch in range(9):
            yield batch
            wait(begun)

    groups = list(in_order(all_done(), submit, ahead=6, together=3, halted=never))
    assert [batch for group in groups for batch, _ in group] == list(range(9))
    assert max(map(len, groups)) == 3


def test_a_failed_one_ends_what_is_handed_on_together(pool: ThreadPoolExecutor) -> None:
    begun: list[Future[float]] = []

    def submit(batch: int) -> Future[float]:
        begun.append(pool.submit(lambda: 1 / (batch - 2)))
        return begun[-1]

    got: list[int] = []
    groups = in_order(iter(range(6)), submit, ahead=6, together=6, halted=never)
    with pytest.raises(ZeroDivisionError):
        got.extend(batch for group in groups for batch, _ in group)
    assert got == [0, 1]


class _Batch:
    """Something that can be missed."""


def test_the_last_batch_is_gone_when_it_was_handed_on(pool: ThreadPoolExecutor) -> None:
    missed: list[weakref.ref[_Batch]] = []

    def batches() -> Iterator[_Batch]:
        for _ in range(3):
            batch = _Batch()
            missed.append(weakref.ref(batch))
            yield batch
            del batch

    gc.disable()
    try:
        for _ in ordered(batches(), id, pool, ahead=2, halted=never):
            pass
        del _
        assert [each() for each in missed] == [None] * 3
    finally:
        gc.enable()
