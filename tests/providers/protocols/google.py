"""Google's Gemini API: ``:batchEmbedContents`` and ``:embedContent``."""

from __future__ import annotations

import re
from typing import Any

from tests.providers.dialect import Dialect
from tests.providers.exchange import Answer, Problem, Question, Request, Result
from tests.providers.faults import Fault

__all__ = ["Google", "question_of", "status_of"]

_PATH = re.compile(r"^/v1(?:beta|alpha)?/models/([^/:]+):(batchEmbedContents|embedContent)$")

# The names of google.rpc.Code for the statuses of HTTP.
_STATUS = {
    400: "INVALID_ARGUMENT", 401: "UNAUTHENTICATED", 403: "PERMISSION_DENIED", 404: "NOT_FOUND", 409: "ABORTED",
    429: "RESOURCE_EXHAUSTED", 499: "CANCELLED", 500: "INTERNAL", 503: "UNAVAILABLE", 504: "DEADLINE_EXCEEDED",
}  # fmt: skip

# Seen in threads of python-genai, gemini-cli and discuss.ai.google.dev, 2025 and 2026.
_EXHAUSTED = (
    "You exceeded your current quota, please check your plan and billing details. For more information on this "
    "error, head to: https://ai.google.dev/gemini-api/docs/rate-limits. "
    "\n* Quota exceeded for metric: generativelanguage.googleapis.com/embed_content_{metric}, limit: {limit}, "
    "model: {about}"
)
_SAID = {
    "rate": (429, _EXHAUSTED),
    "quota": (429, _EXHAUSTED),
    "key": (400, "API key not valid. Please pass a valid API key."),
    "retired": (
        404,
        "models/{about} is not found for API version v1beta, or is not supported for embedContent. "
        "Call ListModels to see the list of available models and their supported methods.",
    ),
    "refused": (400, "a text is refused"),
    "long": (400, "The input token count exceeds the maximum number of tokens allowed ({limit})."),
    "many": (
        400,
        "* BatchEmbedContentsRequest.requests: at most {limit} requests can be in one batch\n",
    ),
}

_UNREGISTERED = (
    "Method doesn't allow unregistered callers (callers without established identity). Please use API Key or other "
    "form of API consumer identity to call this API."
)


class Google(Dialect):
    """The Gemini API as API keys reach it."""

    prefix = "/v1beta"
    most = 100
    # Shut down; see ai.google.dev/gemini-api/docs/deprecations, 2026-01-14 for text-embedding-004.
    retired = frozenset({"text-embedding-004", "embedding-001", "gemini-embedding-exp-03-07"})

    def question(self, request: Request) -> Question | None:
        """The texts of the requests of a batch, or of one."""
        found = _PATH.match(request.path)
        if request.method != "POST" or found is None:
            return None
        model, single = found[1], found[2] == "embedContent"
        body = request.json()
        asked = [body] if single else body.get("requests")
        if not isinstance(asked, list) or not asked:
            raise _invalid("* BatchEmbedContentsRequest.requests: must not be empty\n")
        for i, each in enumerate(asked):
            if not single and each.get("model") != f"models/{model}":
                raise _invalid(f"* BatchEmbedContentsRequest.requests[{i}].model: unexpected model name format\n")
        texts = [text for each in asked for text in question_of(each, model).texts]
        return Question(texts=texts, model=model, d=asked[0].get("outputDimensionality"), cut=True, single=single)

    def write(self, question: Question, result: Result) -> object:
        """Lists of numbers in the order of the requests; no usage."""
        embeddings = [{"values": vector} for vector in result.vectors]
        return {"embedding": embeddings[0]} if question.single and embeddings else {"embeddings": embeddings}

    def error(self, fault: Fault) -> Answer:
        """``{"error": {code, message, status, details}}``."""
        status, message = fault.status, fault.message
        if fault.how == "key" and not fault.about:
            status, message = 403, _UNREGISTERED
        elif fault.how in _SAID:
            status, told = _SAID[fault.how]
            metric = "paid_tier_input_token_count" if fault.param == "tokens" else "paid_tier_requests"
            message = told.format(about=fault.about, limit=fault.limit, metric=metric)
        if fault.how == "rate" and fault.retry_after_s is not None:
            message += f"\nPlease retry in {fault.retry_after_s:.9g}s."
        error: dict[str, Any] = {"code": status, "message": message, "status": status_of(status)}
        if details := _details(fault):
            error["details"] = details
        whole: object = [{"error": error}] if fault.wrapped else {"error": error}
        return Answer(status=status, body=whole, headers=fault.headers)

    def key(self, request: Request) -> str | None:
        """From the header, or from the query."""
        return request.header("x-goog-api-key") or request.query.get("key")


def question_of(asked: dict[str, Any], model: str) -> Question:
    """One EmbedContentRequest; the texts of all parts of a content make one text.

    Raises:
        Problem: it has no content with text.
    """
    parts = (asked.get("content") or {}).get("parts") or []
    text = "".join(part.get("text", "") for part in parts)
    if not text:
        raise _invalid("* EmbedContentRequest.content: contents is not specified\n")
    return Question(texts=[text], model=model, d=asked.get("outputDimensionality"), cut=True, single=True)


def status_of(code: int) -> str:
    """The name that Google gives to a status of HTTP."""
    return _STATUS.get(code, "UNKNOWN")


def _invalid(message: str) -> Problem:
    return Problem(Fault(status=400, message=message))


def _details(fault: Fault) -> list[dict[str, Any]]:
    kind = "type.googleapis.com/google.rpc."
    details: list[dict[str, Any]] = []
    if fault.how in {"rate", "quota"}:
        per = "PerDay" if fault.how == "quota" else "PerMinute"
        what = "InputTokens" if fault.param == "tokens" else "Requests"
        violation = {
            "quotaMetric": "generativelanguage.googleapis.com/embed_content_paid_tier_requests",
            "quotaId": f"EmbedContent{what}{per}PerProjectPerModel",
            "quotaDimensions": {"location": "global", "model": fault.about},
            "quotaValue": str(fault.limit),
        }
        link = {
            "description": "Learn more about Gemini API quotas",
            "url": "https://ai.google.dev/gemini-api/docs/rate-limits",
        }
        details = [
            {"@type": f"{kind}Help", "links": [link]},
            {"@type": f"{kind}QuotaFailure", "violations": [violation]},
        ]
    if fault.how == "key" and fault.about:
        service = {"service": "generativelanguage.googleapis.com"}
        details = [
            {"@type": f"{kind}ErrorInfo", "reason": "API_KEY_INVALID", "domain": "googleapis.com", "metadata": service}
        ]
    if fault.retry_after_s is not None:
        details.append({"@type": f"{kind}RetryInfo", "retryDelay": f"{fault.retry_after_s:.9g}s"})
    return details
