"""Whose fault an answer is, provider by provider, on bodies as they were seen."""

from __future__ import annotations

from collections.abc import Callable
from datetime import date
from typing import Any

import orjson
import pytest

from limosa.embedders import cohere, google_errors, ollama, openai, voyage
from limosa.embedders.http import Reply, Wire
from limosa.embedders.refusal import Said, refusal
from limosa.errors import LimosaError, Refused, RowRefused, Unanswered
from limosa.model.space import Space

_KEY = "very-secret-key"

READ: dict[str, Callable[[Reply], Said]] = {
    "cohere": cohere.read_error,
    "google": google_errors.read_error,
    "ollama": ollama.read_error,
    "openai": openai.read_error,
    "voyage": voyage.read_error,
}


def _error(
    provider: str, status: int, body: object, *, model: str = "m", oversize: str = "refuse", **headers: str
) -> LimosaError:
    wire = Wire("http://127.0.0.1:9/v1", key=_KEY, timeout_s=1.0)
    whole = body if isinstance(body, bytes) else orjson.dumps(body)
    space = Space(provider=provider, model=model, dimensions=8, oversize=oversize)
    named = {name.replace("_", "-"): value for name, value in headers.items()}
    return refusal(Reply(status, named, whole), wire, space, READ[provider])


def _google(status: int, word: str, message: str = "said", *details: dict[str, Any]) -> dict[str, Any]:
    return {"error": {"code": status, "status": word, "message": message, "details": list(details)}}


def _quota(name: str) -> dict[str, Any]:
    return {"violations": [{"quotaMetric": "generativelanguage.googleapis.com/embed_content", "quotaId": name}]}


_MINUTE = _quota("EmbedContentRequestsPerMinutePerUserPerProjectPerModel-FreeTier")
_DAY = _quota("EmbedContentRequestsPerDayPerUserPerProjectPerModel-FreeTier")
_RETRY = {"@type": "type.googleapis.com/google.rpc.RetryInfo", "retryDelay": "34s"}
_BAD_KEY = {"@type": "type.googleapis.com/google.rpc.ErrorInfo", "reason": "API_KEY_INVALID"}
_FIELD = {"fieldViolations": [{"field": "requests[0].task_type", "description": "Invalid value"}]}
_LONG_VOYAGE = (
    "Request to model 'voyage-4' failed. The example at index 1 in your batch has too many tokens and does not fit "
    "into the model's context window of 32000 tokens. Please lower the number of tokens in the listed example(s)."
)
_BATCH_VOYAGE = "The max allowed tokens per submitted batch is 120000. Your batch has 124417 tokens after truncation."

CASES: list[tuple[str, int, object, str]] = [
    ("google", 400, _google(400, "INVALID_ARGUMENT", f"API key not valid: {_KEY}", _BAD_KEY), "key"),
    ("google", 403, _google(403, "PERMISSION_DENIED"), "key"),
    ("google", 401, _google(401, "UNAUTHENTICATED"), "key"),
    ("google", 429, _google(429, "RESOURCE_EXHAUSTED", "said", _MINUTE, _RETRY), "busy"),
    ("google", 429, _google(429, "RESOURCE_EXHAUSTED", "said", _DAY, _RETRY), "quota"),
    ("google", 429, _google(429, "RESOURCE_EXHAUSTED"), "busy"),
    ("google", 429, b"<html>", "busy"),
    ("google", 404, _google(404, "NOT_FOUND", "models/m is not found for API version v1beta"), "request"),
    ("google", 400, _google(400, "INVALID_ARGUMENT", "Invalid value", _FIELD), "request"),
    ("google", 400, _google(400, "FAILED_PRECONDITION", "User location is not supported for the API use."), "request"),
    ("google", 400, _google(400, "INVALID_ARGUMENT", "at most 100 requests can be in one batch"), "request"),
    ("google", 400, _google(400, "INVALID_ARGUMENT", "content is empty"), "row"),
    ("google", 400, _google(400, "INVALID_ARGUMENT", "input token count exceeds the maximum of tokens"), "long"),
    ("google", 500, _google(500, "INTERNAL"), "ill"),
    ("google", 503, _google(503, "UNAVAILABLE", "The model is overloaded."), "ill"),
    ("google", 400, [], "row"),
    ("google", 400, {"error": {"message": 3, "details": [3, {"violations": 3}]}}, "row"),
    ("cohere", 401, {"message": "invalid api token"}, "key"),
    ("cohere", 402, {"message": "billing limit"}, "quota"),
    ("cohere", 404, {"message": "model 'm' not found, make sure the correct model ID was used"}, "request"),
    ("cohere", 400, {"message": "invalid request: valid input_type must be provided"}, "request"),
    ("cohere", 400, {"message": "invalid request: total number of texts must be at most 96"}, "request"),
    ("cohere", 400, {"message": "too many tokens: size limit exceeded by 11326 tokens."}, "long"),
    ("cohere", 400, {"message": "invalid request: a text is not acceptable"}, "row"),
    ("cohere", 422, {"message": "unprocessable"}, "row"),
    ("cohere", 498, {"message": "invalid token"}, "row"),
    ("cohere", 499, {"message": "cancelled"}, "ill"),
    ("cohere", 429, {"message": "You are using a Trial key, which is limited to 100 API calls / minute."}, "busy"),
    ("cohere", 429, {"message": "You are using a Trial key, which is limited to 1000 API calls / month."}, "quota"),
    ("cohere", 503, {"message": "unavailable"}, "ill"),
    ("voyage", 401, {"detail": "Provided API key is invalid."}, "key"),
    ("voyage", 400, {"detail": "Model voyage-9 is not supported. Supported models are ['voyage-4']."}, "request"),
    ("voyage", 400, {"detail": "The batch size limit is 1000. Your batch has 1001."}, "request"),
    ("voyage", 400, {"detail": _LONG_VOYAGE}, "long"),
    ("voyage", 400, {"detail": _BATCH_VOYAGE}, "long"),
    ("voyage", 422, {"detail": "a text is refused"}, "row"),
    ("voyage", 429, {"detail": "You have not yet added your payment method: 3 RPM and 10K TPM."}, "busy"),
    ("voyage", 502, b"Bad Gateway", "ill"),
    ("ollama", 404, {"error": 'model "m" not found, try pulling it first'}, "request"),
    ("ollama", 400, {"error": "the input length exceeds the context length"}, "long"),
    ("ollama", 413, {"error": "the input length exceeds the context length"}, "long"),
    ("ollama", 500, {"error": "input length exceeds maximum context length"}, "long"),
    ("ollama", 500, {"error": "failed to create new sequence"}, "ill"),
    ("ollama", 400, {"error": "this model does not support embeddings"}, "request"),
    ("ollama", 400, {"error": "invalid input type"}, "row"),
    ("ollama", 503, {"error": "server busy, please try again.  maximum pending requests exceeded"}, "busy"),
    ("ollama", 429, {"error": "you have reached your usage limit"}, "quota"),
    ("openai", 429, {"error": {"code": "insufficient_quota", "message": "said"}}, "quota"),
    ("openai", 429, {"error": {"code": "rate_limit_exceeded", "message": "said"}}, "busy"),
    ("openai", 400, {"error": {"message": "This model's maximum context length is 8192 tokens, however"}}, "long"),
    ("openai", 400, {"error": {"message": "Invalid 'input[0]': maximum input length is 8192 tokens."}}, "long"),
    ("openai", 400, {"error": {"message": "Requested 300001 tokens, max 300000 tokens per request"}}, "long"),
    (
        "openai",
        413,
        {"message": "Input validation error: `inputs` must have less than 512 tokens. Given: 1038"},
        "long",
    ),
    ("openai", 400, {"error": {"message": "content policy"}}, "row"),
    ("openai", 400, {"error": "a bare text"}, "row"),
    ("openai", 429, [_google(429, "RESOURCE_EXHAUSTED", "said", _DAY)], "quota"),
    ("openai", 429, [_google(429, "RESOURCE_EXHAUSTED", "said", _MINUTE, _RETRY)], "busy"),
    ("openai", 400, [_google(400, "INVALID_ARGUMENT", "API key not valid.", _BAD_KEY)], "key"),
    ("openai", 307, b"", "request"),
]


@pytest.mark.parametrize(
    ("provider", "status", "body", "fault"), CASES, ids=[f"{p}-{s}-{f}-{i}" for i, (p, s, _, f) in enumerate(CASES)]
)
def test_whose_fault_it_is(provider: str, status: int, body: object, fault: str) -> None:
    error = _error(provider, status, body, oversize="skip")
    assert type(error) is {"busy": Unanswered, "ill": Unanswered, "row": RowRefused, "long": RowRefused}.get(
        fault, Refused
    )
    assert error.what.startswith("skipped: ") == (fault == "long")
    assert ("quota" in error.what) == (fault == "quota")
    assert ("accept the key" in error.what) == (fault == "key")
    assert error.do != ""
    assert _KEY not in str(error)
    if isinstance(error, Unanswered):
        assert error.limited == (fault == "busy")


def test_a_long_text_is_refused_where_the_space_skips_nothing() -> None:
    assert _error("voyage", 400, {"detail": _LONG_VOYAGE}).what.startswith("The provider refuses the text")


@pytest.mark.parametrize("provider", sorted(READ))
@pytest.mark.parametrize("body", [b"", b"[]", b"null", b"7", b'"text"', b"[3]", b'{"error": 3}', b"<html>"])
def test_bodies_that_say_nothing(provider: str, body: bytes) -> None:
    assert isinstance(_error(provider, 500, body), Unanswered)
    assert isinstance(_error(provider, 400, body), RowRefused)


class TestWaiting:
    def test_google_says_it_in_the_body(self) -> None:
        error = _error("google", 429, _google(429, "RESOURCE_EXHAUSTED", "said", _MINUTE, _RETRY))
        assert isinstance(error, Unanswered)
        assert error.retry_after_s == 34.0

    def test_a_header_goes_first(self) -> None:
        body = _google(429, "RESOURCE_EXHAUSTED", "said", _RETRY)
        error = _error("google", 429, body, **{"Retry_After": "2"})
        assert isinstance(error, Unanswered)
        assert error.retry_after_s == 2.0

    def test_nobody_says_it(self) -> None:
        error = _error("cohere", 429, {"message": "slow down"})
        assert isinstance(error, Unanswered)
        assert error.retry_after_s is None


class TestRetired:
    @pytest.mark.parametrize("provider", ["google", "openai"])
    def test_the_day_is_named(self, provider: str) -> None:
        body = _google(404, "NOT_FOUND", "models/text-embedding-004 is not found for API version v1beta")
        error = _error(provider, 404, body, model="models/text-embedding-004")
        assert type(error) is Refused
        assert date(2026, 1, 14).isoformat() in error.what
        assert "shut down" in error.what

    def test_a_model_that_is_only_unknown_is_not_called_so(self) -> None:
        assert "shut down" not in _error("google", 404, _google(404, "NOT_FOUND"), model="mistyped").what


def test_a_long_message_is_cut_and_the_key_is_taken_out() -> None:
    error = _error("voyage", 400, {"detail": f"{_KEY} " + "word\n" * 1000})
    assert len(error.what) < 300
    assert "\n" not in error.what
    assert _KEY not in error.what
