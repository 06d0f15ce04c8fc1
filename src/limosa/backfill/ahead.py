"""Batches judged several at a time, and handed on in the order in which they were read."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Generator, Iterator
from concurrent.futures import Executor, Future
from typing import TypeVar

__all__ = ["in_order"]

T = TypeVar("T")
V = TypeVar("V")


def in_order(
    batches: Iterator[T],
    judge: Callable[[T], V],
    pool: Executor,
    *,
    ahead: int,
    halted: Callable[[], bool],
    held: Callable[[], bool] = lambda: False,
) -> Generator[tuple[T, V]]:
    """Each batch with its verdict; up to ``ahead`` batches are read and on their way meanwhile.

    Once ``halted`` says so, what has not left yet never does; what is on its way is still waited for and
    handed on: it is paid for. While ``held`` says so, nothing more is read before all of that is handed on.

    Raises:
        Exception: what ``judge`` raises for a batch, or ``batches``, after all before it were handed on.
    """
    waiting: deque[tuple[T, Future[V]]] = deque()
    unread: Exception
    try:
        while True:
            try:
                batch = next(batches)
            except Exception as error:
                unread = error
                break
            waiting.append((batch, pool.submit(judge, batch)))
            while waiting and (len(waiting) >= ahead or held()):
                yield _next(waiting)
        while waiting:
            # The newest first: what was handed in before one that has left has left too.
            while waiting and halted() and waiting[-1][1].cancel():
                waiting.pop()
            if waiting:
                yield _next(waiting)
        if not isinstance(unread, StopIteration):
            raise unread
    finally:
        for _, future in waiting:
            future.cancel()


def _next(waiting: deque[tuple[T, Future[V]]]) -> tuple[T, V]:
    batch, future = waiting.popleft()
    return batch, future.result()
