"""The Gemini API's protocol, spoken over real HTTP with a server on loopback."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from limosa.embedders.google import BASE_URL, open_embedder
from limosa.embedders.remote import RemoteEmbedder
from limosa.errors import Refused, RowRefused, Unanswered
from limosa.model.space import Endpoint, Space
from limosa.model.vectors import faults, normalised, require_shape
from tests.providers.faults import Fault
from tests.providers.server import ProviderServer
from tests.providers.vectors import vector_of

_TEXTS = ["first text", 'second text, with "quotes" and ü', "third\nof two lines"]

Start = Callable[..., ProviderServer]


@pytest.fixture
def google(provider_server: Start) -> ProviderServer:
    return provider_server(protocol="google")


def _open(server: ProviderServer, *, key: str | None = None, **space: Any) -> RemoteEmbedder:
    fields: dict[str, Any] = {"provider": "google", "model": "gemini-embedding-001", "dimensions": 1536} | space
    return open_embedder(Space(**fields), Endpoint(base_url=server.base_url, key=key))


class TestRequest:
    def test_each_text_is_a_content_of_its_own(self, google: ProviderServer) -> None:
        _open(google).embed(_TEXTS, "document")
        assert google.seen[-1][1] == {
            "requests": [
                {
                    "model": "models/gemini-embedding-001",
                    "content": {"parts": [{"text": text}]},
                    "outputDimensionality": 1536,
                }
                for text in _TEXTS
            ]
        }

    @pytest.mark.parametrize(("kind", "task"), [("document", "RETRIEVAL_DOCUMENT"), ("query", "RETRIEVAL_QUERY")])
    def test_the_task_is_the_spaces_own(self, google: ProviderServer, kind: Any, task: str) -> None:
        embedder = _open(google, task="RETRIEVAL_DOCUMENT", query_task="RETRIEVAL_QUERY")
        embedder.embed(["x"], kind)
        assert google.seen[-1][1]["requests"][0]["taskType"] == task

    @pytest.mark.parametrize("kind", ["document", "query"])
    def test_no_task_is_made_up(self, google: ProviderServer, kind: Any) -> None:
        _open(google).embed(["x"], kind)
        assert "taskType" not in google.seen[-1][1]["requests"][0]

    @pytest.mark.parametrize("field", ["task", "query_task"])
    @pytest.mark.parametrize("model", ["gemini-embedding-2", "models/gemini-embedding-2-preview"])
    def test_a_model_that_ignores_tasks_is_not_given_one(self, google: ProviderServer, model: str, field: str) -> None:
        with pytest.raises(Refused, match="takes no task") as caught:
            _open(google, model=model, **{field: "RETRIEVAL_QUERY"})
        assert "query_prefix" in caught.value.do
        assert google.requests == 0

    def test_prefixes_go_to_their_kind(self, google: ProviderServer) -> None:
        embedder = _open(google, model="gemini-embedding-2", prefix="title: none | text: ", query_prefix="task: q | ")
        embedder.embed(["x"], "document")
        embedder.embed(["x"], "query")
        sent = [body["requests"][0]["content"]["parts"][0]["text"] for _, body in google.seen]
        assert sent == ["title: none | text: x", "task: q | x"]

    def test_the_name_may_carry_googles_prefix(self, google: ProviderServer) -> None:
        plain = _open(google).embed(["x"], "document").vectors
        named = _open(google, model="models/gemini-embedding-001").embed(["x"], "document").vectors
        np.testing.assert_array_equal(plain, named)

    def test_nothing_is_asked_for_no_texts(self, google: ProviderServer) -> None:
        assert _open(google).embed([], "query").vectors.shape == (0, 1536)
        assert google.requests == 0


class TestVectors:
    @pytest.mark.parametrize("d", [768, 1536, 3072])
    def test_they_are_normalised_whatever_the_model_does(self, google: ProviderServer, d: int) -> None:
        answer = _open(google, dimensions=d).embed(_TEXTS, "document")
        given = np.stack([vector_of(text, model="gemini-embedding-001", d=d) for text in _TEXTS])
        assert (abs(np.linalg.norm(given, axis=1) - 1) > 1e-3).all() == (d < 3072)
        np.testing.assert_array_equal(answer.vectors, normalised(given))
        np.testing.assert_allclose(np.linalg.norm(answer.vectors, axis=1), 1, rtol=1e-6)
        assert answer.vectors.dtype == np.float32
        assert (answer.tokens, answer.model) == (None, "gemini-embedding-001")

    @pytest.mark.parametrize(("how", "reason"), [("nan", "NaN"), ("inf", "infinity"), ("zero", "all-zero")])
    def test_a_bad_vector_names_its_row(self, google: ProviderServer, how: Any, reason: str) -> None:
        google.fail(Fault(how=how))
        bad = faults(require_shape(_open(google).embed(_TEXTS, "document"), n=3, d=1536))
        assert list(bad) == [0]
        assert reason in bad[0]


class TestRefusals:
    def test_a_day_used_up_stops_the_run(self, google: ProviderServer) -> None:
        google.fail(Fault(how="quota", limit=1000, retry_after_s=34.0))
        with pytest.raises(Refused, match="quota is used up"):
            _open(google).embed(["x"], "document")

    def test_a_minute_used_up_says_how_long_to_wait(self, google: ProviderServer) -> None:
        google.fail(Fault(how="rate", limit=100, retry_after_s=34.0))
        with pytest.raises(Unanswered) as caught:
            _open(google).embed(["x"], "document")
        assert (caught.value.retry_after_s, caught.value.limited) == (34.0, True)
        assert google.requests == 1

    def test_a_retired_model_names_its_day(self, google: ProviderServer) -> None:
        embedder = _open(google, model="text-embedding-004", dimensions=768)
        assert embedder.retired is not None
        with pytest.raises(Refused, match="text-embedding-004 was shut down on 2026-01-14"):
            embedder.embed(["x"], "document")

    @pytest.mark.parametrize(("how", "kind"), [("refused", RowRefused), ("long", RowRefused), ("many", Refused)])
    def test_whose_fault_it_is(self, google: ProviderServer, how: Any, kind: type[Exception]) -> None:
        google.fail(Fault(how=how, limit=2048))
        with pytest.raises(kind) as caught:
            _open(google, oversize="skip").embed(["x"], "document")
        assert type(caught.value) is kind
        assert str(caught.value).startswith("skipped: ") == (how == "long")


class TestKey:
    def test_it_goes_into_googles_own_header(self, provider_server: Start, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setenv("GODWIT_KEY", "very-secret")
        server = provider_server(protocol="google", key="very-secret")
        _open(server, key="env:GODWIT_KEY").embed(["x"], "document")
        headers = {name.lower(): value for name, value in server.seen[-1][0].items()}
        assert headers["x-goog-api-key"] == "very-secret"
        assert "authorization" not in headers

    @pytest.mark.parametrize("key", ["env:GODWIT_KEY", None])
    def test_a_wrong_one_is_refused_and_never_shown(
        self, provider_server: Start, monkeypatch: pytest.MonkeyPatch, key: str | None
    ) -> None:
        monkeypatch.setenv("GODWIT_KEY", "very-secret")
        server = provider_server(protocol="google", key="another")
        with pytest.raises(Refused, match="does not accept the key") as caught:
            _open(server, key=key).embed(["x"], "document")
        assert "very-secret" not in str(caught.value)

    @pytest.mark.parametrize("name", ["GEMINI_API_KEY", "GOOGLE_API_KEY"])
    def test_the_default_address_takes_either_variable(self, name: str, monkeypatch: pytest.MonkeyPatch) -> None:
        space = Space(provider="google", model="gemini-embedding-001", dimensions=768)
        for each in ("GEMINI_API_KEY", "GOOGLE_API_KEY"):
            monkeypatch.delenv(each, raising=False)
        with pytest.raises(Refused, match="GEMINI_API_KEY"):
            open_embedder(space, Endpoint())
        monkeypatch.setenv(name, "very-secret")
        assert open_embedder(space, Endpoint()).destination in BASE_URL


def test_limits_and_price(google: ProviderServer) -> None:
    first, second = _open(google), _open(google, model="gemini-embedding-2")
    assert (first.limits.batch, first.limits.tokens, second.limits.tokens) == (100, 2048, 8192)
    assert first.price is not None
    assert first.price.batch_usd_per_million_tokens == 0.075
    assert first.retired is None
