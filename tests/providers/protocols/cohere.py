"""Cohere: ``POST /v2/embed``."""

from __future__ import annotations

import uuid
from typing import Any

from tests.providers.dialect import Dialect, retry_after
from tests.providers.exchange import Answer, Problem, Question, Request, Result
from tests.providers.faults import Fault
from tests.providers.vectors import written

__all__ = ["Cohere"]

# Seen in threads of cohere-python and its users; the statuses are those of docs.cohere.com/reference/errors.
_SAID = {
    "rate": (429, "token rate limit exceeded, limit is {limit} {param} per minute"),
    "quota": (402, "your organization has reached its billing limit, please update your payment method"),
    "key": (401, "invalid api token"),
    "retired": (
        404,
        "model '{about}' not found, make sure the correct model ID was used and that you have access to the model.",
    ),
    "refused": (400, "a text is refused"),
    "long": (400, "invalid request: too many tokens: an input is longer than {limit} tokens"),
    "many": (400, "invalid request: total number of texts must be at most {limit}"),
}


class Cohere(Dialect):
    """The second version of Cohere's API."""

    most = 96
    base64 = True

    def question(self, request: Request) -> Question | None:
        """``texts``, or the texts of ``inputs``."""
        if (request.method, request.path) != ("POST", "/v2/embed"):
            return None
        body = request.json()
        texts = body.get("texts") or [_joined(each) for each in body.get("inputs") or []]
        if not texts or not isinstance(body.get("model"), str):
            raise _invalid("invalid request: model and at least one of texts, images or inputs must be provided")
        if not body.get("input_type"):
            raise _invalid("invalid request: valid input_type must be provided with the provided model")
        types = body.get("embedding_types") or ["float"]
        if not set(types) <= {"float", "base64"}:
            raise _invalid("invalid request: this server gives embedding_types float and base64")
        return Question(
            texts=texts,
            model=body["model"],
            d=body.get("output_dimension"),
            cut=body.get("truncate", "END") != "NONE",
            base64="base64" in types,
        )

    def write(self, question: Question, result: Result) -> object:
        """The embeddings by type, in the order of the texts, and the tokens that are billed."""
        kind = "base64" if question.base64 else "float"
        vectors = [written(vector, as_base64=question.base64) for vector in result.vectors]
        return {
            "id": str(uuid.uuid4()),
            "texts": question.texts,
            "embeddings": {kind: vectors},
            "meta": {"api_version": {"version": "2"}, "billed_units": {"input_tokens": result.tokens}},
            "response_type": "embeddings_by_type",
        }

    def error(self, fault: Fault) -> Answer:
        """``{"id", "message"}``."""
        status, message = fault.status, fault.message
        if fault.how in _SAID:
            status, told = _SAID[fault.how]
            message = told.format(about=fault.about, limit=fault.limit, param=fault.param or "requests")
        body = {"id": str(uuid.uuid4()), "message": message}
        return Answer(status=status, body=body, headers=retry_after(fault))


def _joined(given: dict[str, Any]) -> str:
    return "".join(str(part.get("text", "")) for part in given.get("content", []))


def _invalid(message: str) -> Problem:
    return Problem(Fault(status=400, message=message))
