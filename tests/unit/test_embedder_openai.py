"""The OpenAI protocol, spoken over real HTTP with a server on loopback."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from typing import Any

import numpy as np
import pytest

from limosa.embedders.openai import open_embedder
from limosa.embedders.remote import RemoteEmbedder
from limosa.errors import Refused, RowRefused
from limosa.model.batch import Vectors
from limosa.model.space import Endpoint, Space
from limosa.model.vectors import WrongShape, faults, require_shape
from tests.providers.openai_server import Fault, OpenAIServer, vector_of

_TEXTS = [f"text number {i}" for i in range(7)]


def _open(server: OpenAIServer, *, key: str | None = None, timeout_s: float = 60.0, **space: Any) -> RemoteEmbedder:
    fields: dict[str, Any] = {"provider": "openai", "model": "m", "dimensions": 8} | space
    return open_embedder(Space(**fields), Endpoint(base_url=server.base_url, key=key, timeout_s=timeout_s))


def _expected(texts: list[str], *, model: str = "m", d: int = 8) -> Vectors:
    return np.stack([vector_of(text, model=model, d=d) for text in texts])


def test_vectors_arrive_bit_for_bit(openai_server: OpenAIServer) -> None:
    answer = _open(openai_server).embed(_TEXTS, "document")
    np.testing.assert_array_equal(answer.vectors, _expected(_TEXTS))
    assert answer.vectors.dtype == np.float32
    assert answer.vectors.flags.c_contiguous
    assert (answer.tokens, answer.model) == (28, "m")
    assert openai_server.seen[-1][1]["encoding_format"] == "base64"


@pytest.mark.parametrize("how", ["shuffle", "floats"])
def test_other_orders_and_lists_of_numbers_are_understood(openai_server: OpenAIServer, how: Any) -> None:
    openai_server.fail(Fault(how=how))
    np.testing.assert_array_equal(_open(openai_server).embed(_TEXTS, "document").vectors, _expected(_TEXTS))
    assert openai_server.requests == 1


def test_nothing_is_asked_for_no_texts(openai_server: OpenAIServer) -> None:
    assert _open(openai_server).embed([], "query").vectors.shape == (0, 8)
    assert openai_server.requests == 0


def test_prefixes_go_to_their_kind(openai_server: OpenAIServer) -> None:
    embedder = _open(openai_server, prefix="passage: ", query_prefix="query: ")
    np.testing.assert_array_equal(embedder.embed(["x"], "document").vectors, _expected(["passage: x"]))
    np.testing.assert_array_equal(embedder.embed(["x"], "query").vectors, _expected(["query: x"]))


@pytest.mark.parametrize(("normalise", "length"), [(True, 1.0), (False, 5.0)])
def test_normalise_is_done_here(openai_server: OpenAIServer, normalise: bool, length: float) -> None:
    openai_server.length = 5.0
    vectors = _open(openai_server, normalise=normalise).embed(_TEXTS, "document").vectors
    np.testing.assert_allclose(np.linalg.norm(vectors, axis=1), length, rtol=1e-6)


class TestDimensions:
    def test_a_model_that_takes_them_is_asked_at_once(self, openai_server: OpenAIServer) -> None:
        answer = _open(openai_server, model="text-embedding-3-large", dimensions=5).embed(["x"], "document")
        np.testing.assert_array_equal(answer.vectors, _expected(["x"], model="text-embedding-3-large", d=5))
        assert openai_server.requests == 1

    def test_a_model_of_the_right_size_is_not_asked(self, openai_server: OpenAIServer) -> None:
        _open(openai_server).embed(["x"], "document")
        assert "dimensions" not in openai_server.seen[-1][1]

    def test_another_model_is_asked_when_its_own_size_is_another(self, openai_server: OpenAIServer) -> None:
        embedder = _open(openai_server, dimensions=5)
        first = embedder.embed(["two words"], "document")
        assert (first.vectors.shape, first.tokens, openai_server.requests) == ((1, 5), 6, 2)
        second = embedder.embed(["two words"], "document")
        assert (second.vectors.shape, second.tokens, openai_server.requests) == ((1, 5), 3, 3)

    def test_a_server_that_cannot_is_left_to_the_border(self) -> None:
        with OpenAIServer(sized=False) as server:
            embedder = _open(server, dimensions=5)
            for _ in range(2):
                with pytest.raises(WrongShape, match="8 dimensions"):
                    require_shape(embedder.embed(["x"], "document"), n=1, d=5)
            assert server.requests == 3

    def test_a_sized_model_on_a_server_that_cannot_is_refused_whole(self) -> None:
        with OpenAIServer(sized=False) as server, pytest.raises(Refused, match="refuses") as caught:
            _open(server, model="text-embedding-3-small").embed(["x"], "document")
        assert not isinstance(caught.value, RowRefused)


class TestBorder:
    def test_fewer_vectors_than_texts(self, openai_server: OpenAIServer) -> None:
        openai_server.fail(Fault(how="fewer"))
        with pytest.raises(WrongShape, match="6 vectors for 7 texts"):
            require_shape(_open(openai_server).embed(_TEXTS, "document"), n=7, d=8)

    def test_no_vectors_at_all(self, openai_server: OpenAIServer) -> None:
        openai_server.fail(Fault(how="fewer"), times=2)
        with pytest.raises(WrongShape, match="0 vectors for 1 texts"):
            require_shape(_open(openai_server).embed(["x"], "document"), n=1, d=8)

    @pytest.mark.parametrize(("how", "said"), [("ragged", "different sizes"), ("twice", "name each text once")])
    def test_vectors_that_cannot_be_told_apart(self, openai_server: OpenAIServer, how: Any, said: str) -> None:
        openai_server.fail(Fault(how=how))
        with pytest.raises(WrongShape, match=said):
            _open(openai_server).embed(_TEXTS, "document")

    @pytest.mark.parametrize("floats", [False, True], ids=["base64", "list"])
    @pytest.mark.parametrize("normalise", [False, True])
    @pytest.mark.parametrize(("how", "reason"), [("nan", "NaN"), ("inf", "infinity"), ("zero", "all-zero")])
    def test_a_bad_vector_names_its_row(
        self, openai_server: OpenAIServer, how: Any, reason: str, normalise: bool, floats: bool
    ) -> None:
        openai_server.plain = floats
        openai_server.fail(Fault(how=how))
        answer = _open(openai_server, normalise=normalise).embed(_TEXTS, "document")
        bad = faults(require_shape(answer, n=7, d=8))
        assert list(bad) == [0]
        assert reason in bad[0]


class TestKey:
    def test_it_goes_into_the_header(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setenv("GODWIT_KEY", "sk-godwit")
        with OpenAIServer(key="sk-godwit") as server:
            assert _open(server, key="env:GODWIT_KEY").embed(["x"], "document").vectors.shape == (1, 8)

    def test_a_wrong_one_is_refused_at_once_and_never_shown(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setenv("GODWIT_KEY", "sk-very-secret")
        with OpenAIServer(key="sk-godwit") as server:
            with pytest.raises(Refused, match="does not accept the key") as caught:
                _open(server, key="env:GODWIT_KEY").embed(["x"], "document")
            assert server.requests == 1
        assert "secret" not in str(caught.value)

    def test_a_provider_that_repeats_it_is_not_quoted(
        self, openai_server: OpenAIServer, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setenv("GODWIT_KEY", "sk-very-secret")
        openai_server.fail(Fault(status=400, message="bad request by sk-very-secret"))
        with pytest.raises(RowRefused, match=r"bad request by \*\*\*"):
            _open(openai_server, key="env:GODWIT_KEY").embed(["x"], "document")

    def test_another_address_needs_none(self, openai_server: OpenAIServer, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setenv("OPENAI_API_KEY", "sk-very-secret")
        _open(openai_server).embed(["x"], "document")
        assert "Authorization" not in openai_server.seen[-1][0]

    def test_the_default_address_needs_the_default_one(self, monkeypatch: pytest.MonkeyPatch) -> None:
        space = Space(provider="openai", model="text-embedding-3-small", dimensions=1536)
        monkeypatch.delenv("OPENAI_API_KEY", raising=False)
        with pytest.raises(Refused, match="OPENAI_API_KEY"):
            open_embedder(space, Endpoint())
        monkeypatch.setenv("OPENAI_API_KEY", "sk-very-secret")
        assert open_embedder(space, Endpoint()).destination == "api.openai.com"

    @pytest.mark.parametrize("status", [301, 302, 307, 308])
    def test_redirects_are_not_followed(
        self, openai_server: OpenAIServer, monkeypatch: pytest.MonkeyPatch, status: int
    ) -> None:
        monkeypatch.setenv("GODWIT_KEY", "sk-very-secret")
        with OpenAIServer() as elsewhere:
            location = {"Location": f"{elsewhere.base_url}/embeddings"}
            openai_server.fail(Fault(status=status, headers=location))
            with pytest.raises(Refused, match="another address"):
                _open(openai_server, key="env:GODWIT_KEY").embed(["x"], "document")
            assert elsewhere.requests == 0


class TestAddress:
    def test_the_destination_is_the_host_alone(self, openai_server: OpenAIServer) -> None:
        destination = _open(openai_server).destination
        assert destination == openai_server.base_url.removeprefix("http://").removesuffix("/v1")

    def test_a_slash_at_the_end_changes_nothing(self, openai_server: OpenAIServer) -> None:
        space = Space(provider="openai", model="m", dimensions=8)
        answer = open_embedder(space, Endpoint(base_url=openai_server.base_url + "/")).embed(["x"], "document")
        assert answer.vectors.shape == (1, 8)

    def test_a_wrong_path_is_refused(self, openai_server: OpenAIServer) -> None:
        space = Space(provider="openai", model="m", dimensions=8)
        with pytest.raises(Refused, match="404"):
            open_embedder(space, Endpoint(base_url=openai_server.base_url + "/v2")).embed(["x"], "document")

    @pytest.mark.parametrize("url", ["", "ftp://host/v1", "host/v1", "http://", "https://me:very-secret@host/v1"])
    def test_what_is_no_address_is_refused_without_showing_it(self, url: str) -> None:
        space = Space(provider="openai", model="m", dimensions=8)
        with pytest.raises(Refused, match="base_url") as caught:
            open_embedder(space, Endpoint(base_url=url))
        assert "very-secret" not in str(caught.value)


def test_threads_share_one_embedder(openai_server: OpenAIServer) -> None:
    embedder = _open(openai_server)
    batches = [[f"batch {b} text {i}" for i in range(20)] for b in range(40)]
    with ThreadPoolExecutor(12) as threads:
        answers = list(threads.map(lambda batch: embedder.embed(batch, "document"), batches))
    for batch, answer in zip(batches, answers, strict=True):
        np.testing.assert_array_equal(answer.vectors, _expected(batch))
    assert (openai_server.requests, openai_server.texts) == (40, 800)
    assert openai_server.connections <= embedder.limits.concurrency


@pytest.mark.parametrize("oversize", ["refuse", "skip", "truncate", "pool"])
def test_what_happens_to_long_texts_is_decided_elsewhere(openai_server: OpenAIServer, oversize: str) -> None:
    assert _open(openai_server, oversize=oversize).embed(["x"], "document").vectors.shape == (1, 8)


def test_a_text_that_is_not_unicode_is_that_rows_fault(openai_server: OpenAIServer) -> None:
    with pytest.raises(RowRefused, match="surrogate"):
        _open(openai_server).embed(["fine", "not \udfff fine"], "document")
    assert openai_server.requests == 0


def test_retirement_and_price_come_with_the_model(openai_server: OpenAIServer) -> None:
    assert _open(openai_server, model="text-embedding-004").retired is not None
    price = _open(openai_server, model="text-embedding-3-small").price
    assert price is not None
    assert price.usd_per_million_tokens == 0.02
    assert _open(openai_server).price is None
