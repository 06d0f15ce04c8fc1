"""Voyage AI: ``POST /v1/embeddings`` with its own names."""

from __future__ import annotations

from tests.providers.dialect import Dialect, retry_after
from tests.providers.exchange import Answer, Problem, Question, Request, Result
from tests.providers.faults import Fault
from tests.providers.vectors import written

__all__ = ["Voyage"]

# The statuses are those of docs.voyageai.com/docs/error-codes; the SDK reads the message from ``detail``.
_SAID = {
    "rate": (429, "You have exceeded your rate limit of {limit} {param} per minute."),
    "quota": (
        429,
        "You have not yet added your payment method in the billing page and will have reduced rate limits of 3 RPM "
        "and 10K TPM.",
    ),
    "key": (401, "Provided API key is invalid."),
    "retired": (404, "Model {about} is not supported."),
    "refused": (400, "a text is refused"),
    "long": (400, "Request to a model exceeds its limit of {limit} tokens for one text, and truncation is off."),
    "many": (400, "The batch size limit is {limit}."),
}


class Voyage(Dialect):
    """Voyage's API, which looks like OpenAI's and is not."""

    prefix = "/v1"
    most = 1000
    indexed = True
    base64 = True

    def question(self, request: Request) -> Question | None:
        """The texts of ``input``, one or many."""
        if (request.method, request.path) != ("POST", "/v1/embeddings"):
            return None
        body = request.json()
        given = body.get("input")
        texts = [given] if isinstance(given, str) else given
        if not isinstance(texts, list) or not texts or not isinstance(body.get("model"), str):
            raise _invalid("The request body needs input and model.")
        if unknown := set(body) & {"dimensions"}:
            raise _invalid(f"Argument {sorted(unknown)[0]!r} is not supported by our API.")
        if body.get("input_type") not in {None, "query", "document"}:
            raise _invalid("input_type must be null, query or document.")
        if body.get("output_dtype") not in {None, "float"}:
            raise _invalid("this server gives output_dtype float")
        return Question(
            texts=texts,
            model=body["model"],
            d=body.get("output_dimension"),
            cut=body.get("truncation") is not False,
            base64=body.get("encoding_format") == "base64",
        )

    def write(self, question: Question, result: Result) -> object:
        """A list of embeddings with their indexes, and the total of tokens."""
        data = [
            {"object": "embedding", "embedding": written(vector, as_base64=question.base64), "index": index}
            for index, vector in zip(result.indexes, result.vectors, strict=True)
        ]
        return {"object": "list", "data": data, "model": question.model, "usage": {"total_tokens": result.tokens}}

    def error(self, fault: Fault) -> Answer:
        """``{"detail"}``."""
        status, message = fault.status, fault.message
        if fault.how in _SAID:
            status, told = _SAID[fault.how]
            message = told.format(about=fault.about, limit=fault.limit, param=fault.param or "requests")
        return Answer(status=status, body={"detail": message}, headers=retry_after(fault))


def _invalid(message: str) -> Problem:
    return Problem(Fault(status=400, message=message))
