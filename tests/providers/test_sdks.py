"""The official SDKs understand the servers: vectors, sizes, errors."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

import cohere
import numpy as np
import ollama
import openai
import pytest
import requests
import voyageai
import voyageai.error
from cohere.core.api_error import ApiError
from google import genai
from google.genai import types
from google.genai.errors import APIError, ClientError
from numpy.typing import NDArray
from voyageai.client import Client

from tests.providers.faults import Fault
from tests.providers.server import ProviderServer
from tests.providers.service import Setup
from tests.providers.vectors import vector_of

_TEXTS = ["the godwit flies", "über den Ozean", "a third text, longer than the others by some words"]

Ask = Callable[[ProviderServer, Sequence[str], int | None], list[list[float]]]


@dataclass(frozen=True)
class Sdk:
    """How one SDK asks, and what it raises.

    Attributes:
        model: one with nested sizes, where the SDK can ask for a size.
        size: a smaller size than the model's own.
        limited, denied, gone: what is raised for 429, a wrong key and a model that is not there.
    """

    ask: Ask
    model: str
    size: int
    limited: type[Exception]
    denied: type[Exception]
    gone: type[Exception]


def _ask_openai(server: ProviderServer, texts: Sequence[str], d: int | None) -> list[list[float]]:
    with openai.OpenAI(api_key="right", base_url=server.base_url, max_retries=0) as client:
        size = openai.omit if d is None else d
        answer = client.embeddings.create(model="text-embedding-3-small", input=list(texts), dimensions=size)
    assert answer.usage.total_tokens == server.tokens
    return [each.embedding for each in answer.data]


def _ask_google(server: ProviderServer, texts: Sequence[str], d: int | None) -> list[list[float]]:
    with genai.Client(api_key="right", http_options=types.HttpOptions(base_url=server.address)) as client:
        config = types.EmbedContentConfig(task_type="RETRIEVAL_DOCUMENT", output_dimensionality=d)
        contents: list[types.ContentUnion] = list(texts)
        answer = client.models.embed_content(model="gemini-embedding-001", contents=contents, config=config)
    return [each.values or [] for each in answer.embeddings or []]


def _ask_cohere(server: ProviderServer, texts: Sequence[str], d: int | None) -> list[list[float]]:
    with cohere.ClientV2(api_key="right", base_url=server.address) as client:
        answer = client.embed(
            model="embed-v4.0",
            input_type="search_document",
            texts=list(texts),
            output_dimension=d,
            embedding_types=["float"],
            request_options={"max_retries": 0},
        )
    assert answer.meta is not None
    assert answer.meta.billed_units is not None
    assert answer.meta.billed_units.input_tokens == server.tokens
    return answer.embeddings.float_ or []


def _ask_voyage(server: ProviderServer, texts: Sequence[str], d: int | None) -> list[list[float]]:
    voyageai.api_base = server.base_url
    # The SDK keeps a session for each thread and never closes it: ours, in a thread of its own.
    with requests.Session() as session, ThreadPoolExecutor(1) as pool:
        voyageai.requestssession = session
        client = Client(api_key="right", max_retries=1)
        answer = pool.submit(
            client.embed, list(texts), model="voyage-3-large", input_type="document", output_dimension=d
        ).result()
    assert answer.total_tokens == server.tokens
    return [list(map(float, each)) for each in answer.embeddings]


def _ask_ollama(server: ProviderServer, texts: Sequence[str], d: int | None) -> list[list[float]]:
    with ollama.Client(host=server.address, headers={"Authorization": "Bearer right"}) as client:
        answer = client.embed(model="nomic-embed-text", input=list(texts), dimensions=d)
    assert answer.prompt_eval_count == server.tokens
    return [list(each) for each in answer.embeddings]


_SDKS = {
    "openai": Sdk(
        _ask_openai, "text-embedding-3-small", 512,
        openai.RateLimitError, openai.AuthenticationError, openai.NotFoundError,
    ),
    "google": Sdk(_ask_google, "gemini-embedding-001", 768, ClientError, ClientError, ClientError),
    "cohere": Sdk(
        _ask_cohere, "embed-v4.0", 256,
        cohere.TooManyRequestsError, cohere.UnauthorizedError, cohere.NotFoundError,
    ),
    "voyage": Sdk(
        _ask_voyage, "voyage-3-large", 256,
        voyageai.error.RateLimitError, voyageai.error.AuthenticationError, voyageai.error.APIError,
    ),
    "ollama": Sdk(
        _ask_ollama, "nomic-embed-text", 64, ollama.ResponseError, ollama.ResponseError, ollama.ResponseError
    ),
}  # fmt: skip


@pytest.fixture(params=sorted(_SDKS))
def name(request: pytest.FixtureRequest) -> str:
    return str(request.param)


def test_a_batch_gets_its_vectors(name: str) -> None:
    sdk = _SDKS[name]
    with ProviderServer(Setup(protocol=name, key="right")) as server:
        d = server.size_of(sdk.model)
        np.testing.assert_allclose(sdk.ask(server, _TEXTS, None), _expected(sdk.model, d), rtol=1e-6)
        assert (server.requests, server.texts, server.answered) == (1, 3, 1)
        assert server.embedded == server.paid == dict.fromkeys(_TEXTS, 1)


def test_a_size_can_be_asked_for(name: str) -> None:
    sdk = _SDKS[name]
    with ProviderServer(Setup(protocol=name, key="right")) as server:
        vectors = sdk.ask(server, _TEXTS, sdk.size)
    np.testing.assert_allclose(vectors, _expected(sdk.model, sdk.size), rtol=1e-6)


@pytest.mark.parametrize(("how", "status"), [("rate", 429), ("key", 401), ("retired", 404)])
def test_errors_are_the_sdks_own(name: str, how: str, status: int) -> None:
    sdk = _SDKS[name]
    kind = {"rate": sdk.limited, "key": sdk.denied, "retired": sdk.gone}[how]
    # Google knows no 401 for a wrong key.
    status = 400 if (name, how) == ("google", "key") else status
    key = "another" if how == "key" else "right"
    retired = frozenset({sdk.model}) if how == "retired" else frozenset[str]()
    with ProviderServer(Setup(protocol=name, key=key, retired=retired)) as server:
        if how == "rate":
            server.fail(Fault(how="rate"))
        with pytest.raises(kind) as caught:
            sdk.ask(server, _TEXTS, None)
        assert _status(caught.value) == status
        assert server.statuses == {status: 1}
        assert server.limited == (status == 429)
        assert not server.paid


def test_a_key_that_ends_is_denied(name: str) -> None:
    sdk = _SDKS[name]
    with ProviderServer(Setup(protocol=name, key="right")) as server:
        sdk.ask(server, ["x"], None)
        server.expire_key()
        with pytest.raises(sdk.denied):
            sdk.ask(server, ["x"], None)
        server.renew_key("right")
    assert server.requests == 2


def test_one_text_refuses_its_batch(name: str) -> None:
    with ProviderServer(Setup(protocol=name)) as server:
        with pytest.raises(Exception, match="a text is refused") as caught:
            _SDKS[name].ask(server, ["x", "[refuse me]"], None)
        assert _status(caught.value) == 400
        assert not server.embedded


@pytest.mark.parametrize("how", ["drop", "hangup"])
def test_a_lost_answer_is_an_error(name: str, how: str) -> None:
    fault = Fault(how="drop") if how == "drop" else Fault(how="hangup")
    with ProviderServer(Setup(protocol=name)) as server:
        server.fail_always(fault)
        with pytest.raises(Exception, match=r".") as caught:
            _SDKS[name].ask(server, ["x"], None)
        assert not isinstance(caught.value, AssertionError)
        assert not server.embedded
        # What was lost on its way back was worked for all the same.
        assert server.paid.total() == (server.requests if how == "drop" else 0)


class TestGoogle:
    def test_a_model_that_was_shut_down(self) -> None:
        with (
            ProviderServer(Setup(protocol="google")) as server,
            genai.Client(api_key="k", http_options=types.HttpOptions(base_url=server.address)) as client,
            pytest.raises(ClientError, match="is not found for API version v1beta") as caught,
        ):
            client.models.embed_content(model="text-embedding-004", contents="x")
        assert (caught.value.code, caught.value.status) == (404, "NOT_FOUND")

    def test_the_pause_that_is_asked_for(self) -> None:
        with ProviderServer(Setup(protocol="google")) as server:
            server.fail(Fault(how="rate", retry_after_s=12.5, limit=3000))
            with pytest.raises(ClientError) as caught:
                _ask_google(server, ["x"], None)
        details = caught.value.details["error"]["details"]
        assert details[-1] == {"@type": "type.googleapis.com/google.rpc.RetryInfo", "retryDelay": "12.5s"}
        assert caught.value.status == "RESOURCE_EXHAUSTED"

    def test_a_shorter_vector_is_the_beginning_of_the_long_one(self) -> None:
        with ProviderServer(Setup(protocol="google")) as server:
            long = np.asarray(_ask_google(server, ["x"], None)[0], dtype=np.float32)
            short = np.asarray(_ask_google(server, ["x"], 768)[0], dtype=np.float32)
        np.testing.assert_array_equal(short, long[:768])
        assert np.linalg.norm(long) == pytest.approx(1.0, abs=1e-5)
        assert np.linalg.norm(short) < 0.6

    def test_more_texts_than_a_batch_takes(self) -> None:
        with ProviderServer(Setup(protocol="google")) as server, pytest.raises(ClientError, match="at most 100"):
            _ask_google(server, ["x"] * 101, None)


def test_ollama_tells_what_a_model_takes() -> None:
    setup = Setup(protocol="ollama", longest=512, dimensions=384)
    with ProviderServer(setup) as server, ollama.Client(host=server.address) as client:
        shown = client.show("all-minilm")
    assert shown.modelinfo is not None
    assert shown.modelinfo["bert.context_length"] == 512
    assert shown.modelinfo["bert.embedding_length"] == 384


def test_a_long_text_is_cut_or_refused_as_it_was_wished() -> None:
    setup = Setup(protocol="ollama", longest=2)
    with ProviderServer(setup) as server, ollama.Client(host=server.address) as client:
        cut = client.embed(model="m", input="eight chr and more")
        np.testing.assert_allclose(cut.embeddings[0], vector_of("eight ch", model="m", d=8), rtol=1e-6)
        with pytest.raises(ollama.ResponseError, match="exceeds the context length"):
            client.embed(model="m", input="eight chr and more", truncate=False)


def _expected(model: str, d: int) -> NDArray[np.float32]:
    return np.stack([vector_of(text, model=model, d=d) for text in _TEXTS])


def _status(error: BaseException) -> int | None:
    if isinstance(error, APIError):
        return error.code
    if isinstance(error, ApiError | openai.APIStatusError | ollama.ResponseError):
        return error.status_code
    status: int | None = getattr(error, "http_status", None)
    return status
