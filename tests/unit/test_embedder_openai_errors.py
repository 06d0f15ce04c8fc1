"""What goes wrong at a provider, and whose fault it is: the row's, the request's, or the hour's."""

from __future__ import annotations

import pickle

import pytest

from limosa.embedders.openai import open_embedder
from limosa.embedders.remote import RemoteEmbedder
from limosa.errors import Refused, RowRefused, TooLong, Transient, Unanswered
from limosa.model.space import Endpoint, Space
from tests.providers.openai_server import Fault, OpenAIServer


def _open(server: OpenAIServer, *, timeout_s: float = 60.0, oversize: str = "refuse") -> RemoteEmbedder:
    space = Space(provider="openai", model="m", dimensions=8, oversize=oversize)
    return open_embedder(space, Endpoint(base_url=server.base_url, timeout_s=timeout_s))


_PASSING = [
    Fault(status=408),
    Fault(status=409),
    Fault(status=429, code="rate_limit_exceeded", headers={"Retry-After": "0"}),
    Fault(status=429, code="rate_limit_exceeded"),
    Fault(status=500),
    Fault(status=503),
    Fault(status=529),
    Fault(how="drop"),
    Fault(how="garbage"),
]


def _name(fault: Fault) -> str:
    return f"{fault.how}-{fault.status}"


@pytest.mark.parametrize("fault", _PASSING, ids=_name)
def test_what_may_pass_is_transient_and_asked_once(openai_server: OpenAIServer, fault: Fault) -> None:
    openai_server.fail(fault)
    embedder = _open(openai_server)
    with pytest.raises(Unanswered) as caught:
        embedder.embed(["x"], "document")
    assert caught.value.do != ""
    assert caught.value.limited == (fault.status == 429)
    assert openai_server.requests == 1
    assert embedder.embed(["x"], "document").vectors.shape == (1, 8)


def test_a_silent_server_is_transient(openai_server: OpenAIServer) -> None:
    openai_server.fail_always(Fault(how="hang"))
    with pytest.raises(Transient, match="ReadTimeoutError"):
        _open(openai_server, timeout_s=0.05).embed(["x"], "document")
    assert openai_server.requests == 1


def test_a_server_that_is_gone_is_transient() -> None:
    with OpenAIServer() as server:
        embedder = _open(server)
        embedder.embed(["x"], "document")
    with pytest.raises(Transient, match="did not answer"):
        embedder.embed(["x"], "document")


@pytest.mark.parametrize(
    "fault",
    [
        Fault(status=401, code="invalid_api_key"),
        Fault(status=402),
        Fault(status=403),
        Fault(status=404, code="model_not_found"),
        Fault(status=405),
        Fault(status=410),
        Fault(status=429, code="insufficient_quota"),
        Fault(status=400, param="model"),
        Fault(status=400, code="model_not_found"),
        Fault(status=400, message="API key not valid. Please pass a valid API key."),
    ],
    ids=lambda fault: f"{fault.status}-{fault.code}-{fault.param}",
)
def test_what_repeating_does_not_help_is_refused_at_once(openai_server: OpenAIServer, fault: Fault) -> None:
    openai_server.fail_always(fault)
    with pytest.raises(Refused) as caught:
        _open(openai_server).embed(["x"], "document")
    assert not isinstance(caught.value, RowRefused)
    assert caught.value.do != ""
    assert openai_server.requests == 1


def test_a_request_that_no_minute_has_room_for_is_not_repeated(openai_server: OpenAIServer) -> None:
    said = "Request too large for small in organization x on tokens per min (TPM): Limit 1000, Requested 4000."
    openai_server.fail_always(Fault(status=429, code="rate_limit_exceeded", message=said))
    with pytest.raises(TooLong, match="Request too large"):
        _open(openai_server).embed(["x", "y"], "document")
    assert openai_server.requests == 1


@pytest.mark.parametrize("status", [400, 413, 422])
def test_a_text_that_is_refused_is_the_rows_fault(openai_server: OpenAIServer, status: int) -> None:
    openai_server.fail(Fault(status=status, code="invalid_request_error", message="what the provider says"))
    with pytest.raises(RowRefused, match="what the provider says"):
        _open(openai_server).embed(["x"], "document")
    assert openai_server.requests == 1


def test_one_refused_text_is_found_by_halving(openai_server: OpenAIServer) -> None:
    embedder = _open(openai_server)
    with pytest.raises(RowRefused):
        embedder.embed(["good", "bad [refuse me]"], "document")
    assert embedder.embed(["good"], "document").vectors.shape == (1, 8)
    with pytest.raises(RowRefused):
        embedder.embed(["bad [refuse me]"], "document")


def test_a_long_text_is_told_from_others_that_are_refused(openai_server: OpenAIServer) -> None:
    openai_server.fail(Fault(how="long"))
    with pytest.raises(TooLong, match="maximum context length"):
        _open(openai_server).embed(["x"], "document")
    openai_server.fail(Fault(status=400, message="content policy"))
    with pytest.raises(RowRefused) as caught:
        _open(openai_server).embed(["x"], "document")
    assert not isinstance(caught.value, TooLong)


def test_a_long_message_is_cut(openai_server: OpenAIServer) -> None:
    openai_server.fail(Fault(status=400, message="word\n" * 1000))
    with pytest.raises(RowRefused) as caught:
        _open(openai_server).embed(["x"], "document")
    assert len(caught.value.what) < 300
    assert "\n" not in caught.value.what


class TestRetryAfter:
    @pytest.mark.parametrize(
        ("headers", "wait_s"),
        [
            ({}, None),
            ({"retry-after-ms": "20"}, 0.02),
            ({"Retry-After": "0"}, 0.0),
            ({"Retry-After": "61"}, 61.0),
            ({"x-ratelimit-remaining-tokens": "0", "x-ratelimit-reset-tokens": "6m0s"}, 360.0),
            ({"x-ratelimit-remaining-tokens": "9", "x-ratelimit-reset-tokens": "6m0s"}, None),
        ],
        ids=str,
    )
    def test_the_pause_asked_for_is_the_callers_to_keep(
        self, openai_server: OpenAIServer, headers: dict[str, str], wait_s: float | None
    ) -> None:
        openai_server.fail(Fault(status=429, headers=headers))
        with pytest.raises(Unanswered) as caught:
            _open(openai_server).embed(["x"], "document")
        assert (caught.value.retry_after_s, caught.value.limited) == (wait_s, True)
        assert openai_server.requests == 1

    def test_it_survives_a_worker_process(self) -> None:
        error = pickle.loads(pickle.dumps(Unanswered("what", do="do", retry_after_s=3.0)))  # noqa: S301
        assert (type(error), error.what, error.do, error.retry_after_s) == (Unanswered, "what", "do", 3.0)


def test_a_server_without_encryption_at_an_https_address_is_transient(openai_server: OpenAIServer) -> None:
    space = Space(provider="openai", model="m", dimensions=8)
    url = openai_server.base_url.replace("http://", "https://")
    with pytest.raises(Transient):
        open_embedder(space, Endpoint(base_url=url)).embed(["x"], "document")


@pytest.mark.parametrize("body", [b"[]", b"{}", b'{"data": 3}', b'{"data": [{"embedding": "%%%"}]}', b"null", b"7"])
def test_answers_that_are_not_the_protocol(body: bytes) -> None:
    from limosa.embedders.openai_answer import read_answer

    with pytest.raises(Unanswered, match="protocol"):
        read_answer(body, n=1, model="m")


def test_google_wraps_its_errors_in_a_list(openai_server: OpenAIServer) -> None:
    openai_server.fail(Fault(status=400, message="from a list", wrapped=True))
    with pytest.raises(RowRefused, match="from a list"):
        _open(openai_server).embed(["x"], "document")
