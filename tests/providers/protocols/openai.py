"""OpenAI: ``POST /v1/embeddings``."""

from __future__ import annotations

import math

from tests.providers.dialect import Dialect, retry_after
from tests.providers.exchange import Answer, Problem, Question, Request, Result
from tests.providers.faults import Fault
from tests.providers.vectors import written

__all__ = ["OpenAI"]

# Status, type, code and message of what OpenAI says; seen in threads of openai-python and its own error guide.
_SAID = {
    "rate": (
        429, "{param}", "rate_limit_exceeded",
        "Rate limit reached for {about} in organization org-test on {param} per min: Limit {limit}. "
        "Please try again in {wait}.",
    ),
    "quota": (
        429, "insufficient_quota", "insufficient_quota",
        "You exceeded your current quota, please check your plan and billing details. For more information on this "
        "error, read the docs: https://platform.openai.com/docs/guides/error-codes/api-errors.",
    ),
    "key": (
        401, "invalid_request_error", "invalid_api_key",
        "Incorrect API key provided: {about}. You can find your API key at "
        "https://platform.openai.com/account/api-keys.",
    ),
    "retired": (
        404, "invalid_request_error", "model_not_found",
        "The model `{about}` does not exist or you do not have access to it.",
    ),
    "refused": (400, "invalid_request_error", None, "a text is refused"),
    "long": (
        400, "invalid_request_error", None,
        "This model's maximum context length is {limit} tokens, however you requested more tokens. "
        "Please reduce your prompt; or completion length.",
    ),
    "many": (400, "invalid_request_error", None, "'$.input' is invalid. Please check the API reference: {limit}."),
}  # fmt: skip

_PARAMS = {"refused": "input", "many": None}


class OpenAI(Dialect):
    """The embeddings protocol that many servers speak."""

    prefix = "/v1"
    most = 2048
    indexed = True
    base64 = True

    def question(self, request: Request) -> Question | None:
        """The texts of ``input``, one or many."""
        if (request.method, request.path) != ("POST", "/v1/embeddings"):
            return None
        body = request.json()
        given = body.get("input")
        texts = [given] if isinstance(given, str) else given
        if not isinstance(texts, list) or not texts or not all(isinstance(text, str) and text for text in texts):
            message = "'$.input' is invalid. Please check the API reference."
            raise Problem(Fault(status=400, code="invalid_request_error", message=message))
        if not isinstance(body.get("model"), str):
            message = "you must provide a model parameter"
            raise Problem(Fault(status=400, code="invalid_request_error", param="model", message=message))
        wants_base64 = body.get("encoding_format") == "base64"
        return Question(texts=texts, model=body["model"], d=body.get("dimensions"), base64=wants_base64)

    def write(self, question: Question, result: Result) -> object:
        """A list of embeddings with their indexes, and the usage."""
        data = [
            {"object": "embedding", "index": index, "embedding": written(vector, as_base64=question.base64)}
            for index, vector in zip(result.indexes, result.vectors, strict=True)
        ]
        usage = {"prompt_tokens": result.tokens, "total_tokens": result.tokens}
        return {"object": "list", "data": data, "model": question.model, "usage": usage}

    def error(self, fault: Fault) -> Answer:
        """``{"error": {message, type, param, code}}``; a pause is asked for twice, in ms and in seconds."""
        status, kind, code, message = fault.status, fault.code, fault.code, fault.message
        param = fault.param
        if fault.how in _SAID:
            status, kind, told, message = _SAID[fault.how]
            wait = f"{math.ceil((fault.retry_after_s or 0) * 1000)}ms"
            limited = fault.param or "requests"
            kind = kind.format(param=limited)
            message = message.format(about=fault.about, param=limited, limit=fault.limit, wait=wait)
            param = _PARAMS.get(fault.how)
            error = {"message": message, "type": kind, "param": param, "code": told}
        else:
            error = {"message": message, "type": kind, "param": param, "code": code}
        headers = dict(retry_after(fault))
        if fault.retry_after_s is not None:
            headers["retry-after-ms"] = str(math.ceil(fault.retry_after_s * 1000))
        whole: object = [{"error": error}] if fault.wrapped else {"error": error}
        return Answer(status=status, body=whole, headers=headers)
