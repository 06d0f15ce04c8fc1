"""What passes between the transport, the service and a protocol: requests, questions, results, answers."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from tests.providers.faults import Fault

__all__ = ["Answer", "Problem", "Question", "Request", "Result"]


class Problem(Exception):
    """What a protocol cannot take; answered in its own error shape."""

    def __init__(self, fault: Fault) -> None:
        super().__init__(fault.message)
        self.fault = fault


@dataclass(frozen=True, slots=True, kw_only=True)
class Request:
    """One HTTP request.

    Attributes:
        headers: with the names as they were sent.
        path: without the query.
    """

    method: str
    path: str
    query: Mapping[str, str]
    headers: Mapping[str, str]
    body: bytes

    def header(self, name: str) -> str | None:
        """A header's value, whatever the case of its name."""
        return next((value for each, value in self.headers.items() if each.lower() == name.lower()), None)

    def json(self) -> dict[str, Any]:
        """The body as an object.

        Raises:
            Problem: it is none.
        """
        try:
            body = json.loads(self.body or b"{}")
        except ValueError as exc:
            raise Problem(Fault(status=400, code="invalid_request_error", message="the body is not JSON")) from exc
        if not isinstance(body, dict):
            raise Problem(Fault(status=400, code="invalid_request_error", message="the body is not an object"))
        return body


@dataclass(frozen=True, slots=True, kw_only=True)
class Question:
    """What a request wants embedded.

    Attributes:
        d: the size asked for; None where the request names none.
        cut: texts that are too long are cut, not refused.
        base64: vectors are wanted as base64 of little-endian float32.
        single: one text was asked about, in the form for one.
    """

    texts: list[str]
    model: str
    d: int | None = None
    cut: bool = False
    base64: bool = False
    single: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Result:
    """What the model said.

    Attributes:
        vectors: one of shape (d,) for each text; a fault may have spoiled, dropped or turned them.
        indexes: the text that each vector belongs to.
        tokens: of all texts.
    """

    vectors: list[NDArray[np.float32]]
    indexes: list[int]
    tokens: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Answer:
    """What goes back: bytes as they are, everything else as JSON."""

    status: int = 200
    body: object = b""
    headers: Mapping[str, str] = field(default_factory=dict)
