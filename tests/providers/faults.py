"""What can be wrong with an answer, and what that does to its vectors."""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Literal

import numpy as np
from numpy.typing import NDArray

__all__ = ["COMPLAINTS", "SPOILED", "Fault", "Faults", "How", "spoil"]

Vectors = list[NDArray[np.float32]]

How = Literal[
    "status", "rate", "quota", "key", "retired", "refused", "long", "many",
    "slow", "drop", "hangup", "hang", "garbage",
    "fewer", "size", "ragged", "nan", "inf", "zero", "shuffle", "twice", "floats",
]  # fmt: skip

COMPLAINTS = {"status", "rate", "quota", "key", "retired", "refused", "long", "many"}
"""Faults that are answered as an error."""

SPOILED = {"slow", "fewer", "size", "ragged", "nan", "inf", "zero", "shuffle", "twice", "floats"}
"""Faults that answer vectors all the same, unless the request itself is refused."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Fault:
    """What is wrong with one answer.

    Attributes:
        how: ``status`` answers the error below; ``rate`` (limit passed), ``quota`` (used up), ``key`` (not or no
            longer known), ``retired`` (model), ``refused`` (one text), ``long`` (one text), ``many`` (texts) answer
            what that provider says of it. ``slow`` answers rightly after ``delay_s``; ``drop`` closes the
            connection in the middle of the body, ``hangup`` before the answer; ``hang`` stays silent until the
            server stops; ``garbage`` is not JSON. ``fewer`` leaves the last vector out; ``size`` adds one
            dimension, ``ragged`` to the first vector only; ``nan``, ``inf`` and ``zero`` spoil the first vector;
            ``shuffle`` reverses the order and keeps the indexes, where there are any, right; ``twice`` gives every
            vector index 0; ``floats`` ignores base64.
        delay_s: how long to wait before whatever is answered.
        retry_after_s: of an error: the pause to ask for, in the provider's own way; None for none.
        about: of an error: the model, or the key that was sent.
        limit: of an error: the number that was passed.
        status, code, param, message, headers: of the error; code, param and message only of ``status``, save that
            ``param`` names what is limited (``requests``, ``tokens``) for ``rate``.
        wrapped: the error object comes in a list, as Google sends it.
    """

    how: How = "status"
    status: int = 500
    code: str = "server_error"
    param: str | None = None
    message: str = "a fault on demand"
    headers: Mapping[str, str] = field(default_factory=dict)
    wrapped: bool = False
    delay_s: float = 0.0
    retry_after_s: float | None = None
    about: str = ""
    limit: int = 0


class Faults:
    """Faults in the order in which they were asked for; safe for threads."""

    def __init__(self) -> None:
        self._queue: deque[Fault] = deque()
        self._always: Fault | None = None
        self._lock = threading.Lock()

    def fail(self, fault: Fault, *, times: int) -> None:
        """The next answers are faults."""
        with self._lock:
            self._queue.extend([fault] * times)

    def always(self, fault: Fault | None) -> None:
        """Every answer is this fault once the queued ones are used up; None ends it."""
        with self._lock:
            self._always = fault

    def take(self) -> Fault | None:
        """The fault of the answer that is due now."""
        with self._lock:
            return self._queue.popleft() if self._queue else self._always


def spoil(vectors: Vectors, how: How | None) -> tuple[Vectors, list[int]]:
    """The vectors with the fault in them, and the indexes that are given out."""
    vectors, indexes = list(vectors), list(range(len(vectors)))
    if how in {"nan", "inf", "zero"}:
        value = {"nan": np.nan, "inf": np.inf, "zero": 0.0}[str(how)]
        vectors[0] = np.full_like(vectors[0], value)
    if how == "ragged":
        vectors[0] = np.append(vectors[0], np.float32(1))
    if how == "size":
        vectors = [np.append(vector, np.float32(1)) for vector in vectors]
    if how == "fewer":
        vectors, indexes = vectors[:-1], indexes[:-1]
    if how == "shuffle":
        vectors, indexes = vectors[::-1], indexes[::-1]
    if how == "twice":
        indexes = [0] * len(vectors)
    return vectors, indexes
