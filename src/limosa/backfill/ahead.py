"""Batches judged several at a time, and handed on in the order in which they were read."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Generator, Iterator
from concurrent.futures import Future
from typing import TypeVar

__all__ = ["in_order"]

T = TypeVar("T")
V = TypeVar("V")


def in_order(
    batches: Iterator[T],
    submit: Callable[[T], Future[V]],
    *,
    ahead: int,
    together: int = 1,
    halted: Callable[[], bool],
    held: Callable[[], bool] = lambda: False,
) -> Generator[list[tuple[T, V]]]:
    """Batches with their verdicts, at most ``together`` of those that are ready at once, at least one.

    Up to ``ahead`` batches are read and on their way meanwhile.

    Once ``halted`` says so, what has not left yet never does; what is on its way is still waited for and
    handed on: it is paid for. While ``held`` says so, nothing more is read before all of that is handed on.

    Raises:
        Exception: what came of a batch, or ``batches``, after all before it were handed on.
    """
    waiting: deque[tuple[T, Future[V]]] = deque()
    unread: Exception | None = None
    try:
        while True:
            try:
                batch = next(batches)
            except StopIteration:
                break
            except Exception as error:
                unread = error
                break
            waiting.append((batch, submit(batch)))
            while waiting and (len(waiting) >= ahead or held()):
                yield _ready(waiting, together)
        while waiting:
            # The newest first: what was handed in before one that has left has left too.
            while waiting and halted() and waiting[-1][1].cancel():
                waiting.pop()
            if waiting:
                yield _ready(waiting, together)
        if unread is not None:
            raise unread
    finally:
        for _, future in waiting:
            future.cancel()


def _ready(waiting: deque[tuple[T, Future[V]]], most: int) -> list[tuple[T, V]]:
    """The first, as soon as it is there, and those after it that are there already."""
    ready = [_next(waiting)]
    while waiting and len(ready) < most and _stands(waiting[0][1]):
        ready.append(_next(waiting))
    return ready


def _stands(future: Future[V]) -> bool:
    return future.done() and not future.cancelled() and future.exception() is None


def _next(waiting: deque[tuple[T, Future[V]]]) -> tuple[T, V]:
    batch, future = waiting.popleft()
    return batch, future.result()
