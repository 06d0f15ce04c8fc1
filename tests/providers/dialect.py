"""What a protocol has to say for the servers to speak it."""

from __future__ import annotations

import math
from abc import ABC, abstractmethod
from collections.abc import Mapping
from typing import Protocol

from tests.providers.exchange import Answer, Question, Request, Result
from tests.providers.faults import Fault

__all__ = ["Aside", "Backroom", "Dialect", "bearer", "retry_after"]


class Backroom(Protocol):
    """What a server lends to what stands beside its embeddings.

    Attributes:
        longest: tokens that a text may have; None for as many as there are.
    """

    longest: int | None

    def size_of(self, model: str) -> int:
        """The size of a model's vectors where a request names none."""


class Aside(Protocol):
    """Answers what is not about embedding at once, such as batch jobs."""

    def knows(self, request: Request) -> bool:
        """Whether it answers this."""

    def answer(self, request: Request) -> Answer:
        """The answer.

        Raises:
            Problem: an error, to be told in the protocol's shape.
        """


class Dialect(ABC):
    """One provider's protocol, without any state.

    Attributes:
        prefix: the path that belongs to ``base_url``.
        most: the most texts in one request; None for as many as come.
        indexed: vectors carry the index of their text.
        base64: vectors can be had as base64.
        retired: models that are no longer there.
    """

    prefix: str = ""
    most: int | None = None
    indexed: bool = False
    base64: bool = False
    retired: frozenset[str] = frozenset()

    @abstractmethod
    def question(self, request: Request) -> Question | None:
        """What is to be embedded; None where the request is about something else.

        Raises:
            Problem: the request is about embedding, and wrong.
        """

    @abstractmethod
    def write(self, question: Question, result: Result) -> object:
        """The answer's body."""

    @abstractmethod
    def error(self, fault: Fault) -> Answer:
        """An error in the provider's own shape."""

    def aside(self, backroom: Backroom) -> Aside | None:
        """What the provider has beside its embeddings; None for nothing."""
        return None

    def key(self, request: Request) -> str | None:
        """The key that came with a request; None for none."""
        return bearer(request)


def bearer(request: Request) -> str | None:
    """The token of the Authorization header."""
    sent = request.header("Authorization")
    return None if sent is None else sent.removeprefix("Bearer ")


def retry_after(fault: Fault) -> Mapping[str, str]:
    """The fault's own headers, and ``Retry-After`` in whole seconds where a pause is asked for."""
    if fault.retry_after_s is None:
        return fault.headers
    return {"Retry-After": str(math.ceil(fault.retry_after_s)), **fault.headers}
