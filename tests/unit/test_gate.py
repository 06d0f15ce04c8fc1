"""The gate, with real threads: who waits, why, and what wakes them."""

from __future__ import annotations

import gc
import threading
import weakref
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor

import numpy as np
import pytest

from limosa.errors import Transient, Unanswered
from limosa.lane.gate import Gate, Pass, Turn
from limosa.model.batch import Embedded

LONG_S = 60.0
"""Nothing here takes so long: a test that waits for it has failed."""

ANSWER = Embedded(np.zeros((1, 2), dtype=np.float32), 3, "m")


@pytest.fixture
def pool() -> Iterator[ThreadPoolExecutor]:
    with ThreadPoolExecutor(128) as threads:
        yield threads


def turn(stop: threading.Event | None = None, *, patience_s: float = LONG_S, failures: int = 0) -> Turn:
    return Turn(tokens=3, stop=stop or threading.Event(), patience_s=patience_s, failures=failures)


def answered(leave: Pass) -> None:
    leave.answered(ANSWER)


def failed(*, limited: bool = False, retry_after_s: float | None = None) -> Callable[[Pass], None]:
    error = Unanswered("host answered 503: busy", limited=limited, retry_after_s=retry_after_s)
    return lambda leave: leave.failed(error)


def once(gate: Gate, outcome: Callable[[Pass], None], wanted: Turn | None = None) -> None:
    with gate.enter(wanted or turn()) as leave:
        outcome(leave)


def an_outage(gate: Gate) -> None:
    """Five requests in flight are lost; at the pauses of an outage the next try is a second away."""
    gate.limit(requests_in_flight=1)
    for _ in range(5):
        once(gate, failed())


def waiting_for(condition: Callable[[], bool]) -> None:
    """Until something is so that another thread is about to do."""
    pause = threading.Event()
    for _ in range(int(LONG_S * 100)):
        if condition():
            return
        pause.wait(0.01)
    raise AssertionError("it never came")


def test_all_threads_get_their_turn_and_never_more_than_wanted_are_in_flight(pool: ThreadPoolExecutor) -> None:
    gate = Gate("host", most=128)
    gate.limit(requests_in_flight=5)
    most, guard, now = 0, threading.Lock(), 0

    def work() -> None:
        nonlocal most, now
        with gate.enter(turn()) as leave:
            with guard:
                now += 1
                most = max(most, now)
            leave.answered(ANSWER)
            with guard:
                now -= 1

    for future in [pool.submit(work) for _ in range(1000)]:
        future.result(LONG_S)
    assert most <= 5
    reading = gate.read()
    assert (reading.answered, reading.in_flight, reading.waiting, reading.rate_per_s) == (1000, 0, "", None)


def test_stop_wakes_everybody_who_waits(pool: ThreadPoolExecutor) -> None:
    gate, stop, other = Gate("host", most=8), threading.Event(), threading.Event()
    gate.limit(requests_in_flight=1)
    with gate.enter(turn()):
        stopped = [pool.submit(once, gate, answered, turn(stop)) for _ in range(40)]
        spared = pool.submit(once, gate, answered, turn(other))
        stop.set()
        for future in stopped:
            with pytest.raises(Transient, match="Stopped while a request waited for host"):
                future.result(LONG_S)
        assert not spared.done()
    spared.result(LONG_S)


def test_who_is_told_to_stop_after_a_failure_raises_that_failure() -> None:
    stopped = threading.Event()
    stopped.set()
    wanted = turn(stopped)
    wanted.error = Unanswered("the last failure")
    with pytest.raises(Unanswered, match="the last failure"):
        once(Gate("host", most=8), answered, wanted)


def test_a_pause_that_the_provider_asks_for_is_said(pool: ThreadPoolExecutor) -> None:
    gate, stop = Gate("host", most=8), threading.Event()
    once(gate, answered)
    once(gate, failed(limited=True, retry_after_s=3000))
    assert gate.closed
    assert gate.waiting.startswith("host asks to wait 30")
    future = pool.submit(once, gate, answered, turn(stop))
    stop.set()
    with pytest.raises(Transient):
        future.result(LONG_S)
    assert gate.read().limited == 1


def test_a_refusal_without_a_pause_is_tried_again_and_opens() -> None:
    gate = Gate("host", most=8)
    once(gate, answered)
    once(gate, failed(limited=True))
    assert "host asks for fewer requests" in gate.waiting
    once(gate, answered)
    assert gate.waiting == ""
    assert gate.read().rate_per_s is not None


def test_five_losses_in_a_row_close_the_gate_to_all_but_single_tries(pool: ThreadPoolExecutor) -> None:
    gate = Gate("host", most=8)
    an_outage(gate)
    assert gate.closed
    assert gate.waiting.startswith("host answered 503; ")
    go, inside = threading.Event(), threading.Semaphore(0)

    def probe() -> None:
        with gate.enter(turn()) as leave:
            inside.release()
            go.wait(LONG_S)
            leave.answered(ANSWER)

    futures: list[Future[None]] = [pool.submit(probe) for _ in range(20)]
    assert inside.acquire(timeout=LONG_S)
    assert gate.read().in_flight == 1
    assert gate.waiting == "host answered 503; trying"
    go.set()
    for future in futures:
        future.result(LONG_S)
    assert not gate.closed


def test_an_answer_between_losses_keeps_the_gate_open() -> None:
    gate = Gate("host", most=8)
    for _ in range(4):
        once(gate, failed())
    once(gate, lambda leave: leave.refused())
    for _ in range(4):
        once(gate, failed())
    assert not gate.closed


def test_patience_ends_while_nothing_comes_through() -> None:
    gate = Gate("host", most=8)
    once(gate, answered)
    once(gate, failed(limited=True, retry_after_s=3000))
    with pytest.raises(Unanswered, match="host asks to wait") as caught:
        once(gate, answered, turn(patience_s=0.2))
    assert caught.value.limited


def in_line(gate: Gate, pool: ThreadPoolExecutor, turns: dict[str, Turn]) -> tuple[list[Future[None]], list[str]]:
    """Threads that wait in this order, and the order in which they are let in."""
    order: list[str] = []

    def one(name: str, wanted: Turn) -> None:
        with gate.enter(wanted) as leave:
            order.append(name)
            leave.answered(ANSWER)

    futures = []
    for count, (name, wanted) in enumerate(turns.items(), 1):
        futures.append(pool.submit(one, name, wanted))
        waiting_for(lambda count=count: len(gate._line) == count)  # type: ignore[misc]
    return futures, order


def test_single_tries_go_to_those_that_failed_least(pool: ThreadPoolExecutor) -> None:
    gate = Gate("host", most=8)
    an_outage(gate)
    with gate.enter(turn()) as leave:
        futures, order = in_line(gate, pool, {"failed before": turn(failures=3), "fresh": turn()})
        failed()(leave)
    for future in futures:
        future.result(LONG_S)
    assert order == ["fresh", "failed before"]


def test_who_is_waited_for_by_a_person_goes_first(pool: ThreadPoolExecutor) -> None:
    gate, urgent = Gate("host", most=8), turn()
    urgent.urgent = True
    gate.limit(requests_in_flight=1)
    with gate.enter(turn()) as leave:
        futures, order = in_line(gate, pool, {"work": turn(), "more work": turn(), "a search": urgent})
        answered(leave)
    for future in futures:
        future.result(LONG_S)
    assert order == ["a search", "work", "more work"]


def test_an_error_of_ours_inside_the_block_gives_the_place_back() -> None:
    gate = Gate("host", most=8)
    gate.limit(requests_in_flight=1)
    with pytest.raises(ZeroDivisionError), gate.enter(turn()):
        raise ZeroDivisionError
    once(gate, answered)
    assert gate.read().in_flight == 0


def test_an_answer_is_gone_when_its_pass_is() -> None:
    gate = Gate("host", most=1)
    answer = Embedded(np.zeros((1, 2), dtype=np.float32), 3, "m")
    vectors = weakref.ref(answer.vectors)
    gc.disable()
    try:
        with gate.enter(turn()) as leave:
            leave.answered(answer)
        del leave, answer
        assert vectors() is None
    finally:
        gc.enable()
