"""Cohere, Voyage and Ollama, each over real HTTP with a server that speaks its protocol."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from limosa.embedders.find import find
from limosa.errors import Refused, RowRefused, Unanswered
from limosa.model.batch import Allowance
from limosa.model.space import Endpoint, Space
from limosa.ports.embedder import Embedder
from tests.providers.faults import Fault
from tests.providers.quota import Quota
from tests.providers.server import ProviderServer
from tests.providers.vectors import vector_of

_TEXTS = ["first text", "second text", "third"]
_PROTOCOLS = ["cohere", "google", "ollama", "openai", "voyage"]

Start = Callable[..., ProviderServer]


def _open(server: ProviderServer, provider: str, *, key: str | None = None, **space: Any) -> Embedder:
    fields: dict[str, Any] = {"provider": provider, "model": "m", "dimensions": 8} | space
    endpoint = Endpoint(base_url=server.base_url, key=key, tokenizer=fields.pop("tokenizer", None))
    return find(Space(**fields), endpoint)


class TestCohere:
    @pytest.mark.parametrize(("kind", "task"), [("document", "search_document"), ("query", "search_query")])
    def test_the_request(self, provider_server: Start, kind: Any, task: str) -> None:
        server = provider_server(protocol="cohere")
        answer = _open(server, "cohere", model="embed-v4.0", dimensions=512).embed(_TEXTS, kind)
        assert server.seen[-1][1] == {
            "model": "embed-v4.0",
            "texts": _TEXTS,
            "input_type": task,
            "embedding_types": ["float"],
            "truncate": "NONE",
            "output_dimension": 512,
        }
        np.testing.assert_array_equal(
            answer.vectors, np.stack([vector_of(text, model="embed-v4.0", d=512) for text in _TEXTS])
        )
        assert (answer.tokens, answer.model) == (server.tokens, "embed-v4.0")

    def test_a_model_of_one_size_is_not_asked_for_it(self, provider_server: Start) -> None:
        server = provider_server(protocol="cohere")
        _open(server, "cohere", model="embed-english-v3.0").embed(["x"], "document")
        assert "output_dimension" not in server.seen[-1][1]

    def test_another_task_is_sent_and_the_space_says_which_was(self, provider_server: Start) -> None:
        server = provider_server(protocol="cohere")
        embedder = _open(server, "cohere", task="clustering")
        embedder.embed(["x"], "document")
        assert server.seen[-1][1]["input_type"] == "clustering"
        assert (embedder.space.task, embedder.space.query_task) == ("clustering", "search_query")

    def test_limits(self, provider_server: Start) -> None:
        server = provider_server(protocol="cohere")
        fourth, third = (_open(server, "cohere", model=name).limits for name in ("embed-v4.0", "embed-english-v3.0"))
        assert (fourth.batch, fourth.tokens, fourth.request_tokens) == (96, 128_000, 128_000)
        assert (third.batch, third.tokens) == (96, 512)


class TestVoyage:
    def test_the_request(self, provider_server: Start) -> None:
        server = provider_server(protocol="voyage")
        answer = _open(server, "voyage", model="voyage-3.5", dimensions=256).embed(_TEXTS, "document")
        assert server.seen[-1][1] == {
            "model": "voyage-3.5",
            "input": _TEXTS,
            "truncation": False,
            "encoding_format": "base64",
            "output_dimension": 256,
        }
        np.testing.assert_array_equal(
            answer.vectors, np.stack([vector_of(text, model="voyage-3.5", d=256) for text in _TEXTS])
        )
        assert (answer.tokens, answer.model) == (server.tokens, "voyage-3.5")

    @pytest.mark.parametrize("kind", ["document", "query"])
    def test_the_task_is_the_spaces_own(self, provider_server: Start, kind: Any) -> None:
        server = provider_server(protocol="voyage")
        _open(server, "voyage", task="document", query_task="query").embed(["x"], kind)
        assert server.seen[-1][1]["input_type"] == kind
        assert "output_dimension" not in server.seen[-1][1]

    @pytest.mark.parametrize("how", ["shuffle", "floats"])
    def test_other_orders_and_lists_of_numbers_are_understood(self, provider_server: Start, how: Any) -> None:
        server = provider_server(protocol="voyage")
        server.fail(Fault(how=how))
        vectors = _open(server, "voyage").embed(_TEXTS, "document").vectors
        np.testing.assert_array_equal(vectors, np.stack([vector_of(text, model="m", d=8) for text in _TEXTS]))

    @pytest.mark.parametrize(
        ("model", "tokens", "together"),
        [
            ("voyage-4-lite", 32_000, 1_000_000),
            ("voyage-3.5", 32_000, 320_000),
            ("voyage-4-large", 32_000, 120_000),
            ("voyage-law-2", 16_000, 120_000),
            ("voyage-99", 32_000, 120_000),
        ],
    )
    def test_limits(self, provider_server: Start, model: str, tokens: int, together: int) -> None:
        limits = _open(provider_server(protocol="voyage"), "voyage", model=model).limits
        assert (limits.batch, limits.tokens, limits.request_tokens) == (1000, tokens, together)


class TestOllama:
    def test_the_request(self, provider_server: Start) -> None:
        server = provider_server(protocol="ollama")
        answer = _open(server, "ollama", model="nomic-embed-text").embed(_TEXTS, "query")
        assert server.seen[-1][1] == {
            "model": "nomic-embed-text",
            "input": _TEXTS,
            "truncate": False,
            "dimensions": 8,
        }
        np.testing.assert_array_equal(
            answer.vectors, np.stack([vector_of(text, model="nomic-embed-text", d=8) for text in _TEXTS])
        )
        assert (answer.tokens, answer.model) == (server.tokens, "nomic-embed-text")

    def test_it_is_free_and_needs_no_key(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.delenv("OLLAMA_API_KEY", raising=False)
        embedder = find(Space(provider="ollama", model="m", dimensions=8), Endpoint())
        assert embedder.destination == "localhost:11434"
        assert embedder.price is not None
        assert embedder.price.usd_per_million_tokens == 0

    def test_the_file_may_give_it_a_price(self) -> None:
        space = Space(provider="ollama", model="m", dimensions=8)
        price = find(space, Endpoint(usd_per_million_tokens=0.5)).price
        assert price is not None
        assert price.usd_per_million_tokens == 0.5

    @pytest.mark.parametrize("tasks", [("t", ""), ("", "t")])
    def test_tasks_are_refused(self, tasks: tuple[str, str]) -> None:
        space = Space(provider="ollama", model="m", dimensions=8, task=tasks[0], query_task=tasks[1])
        with pytest.raises(Refused, match="takes no task"):
            find(space, Endpoint())


@pytest.mark.parametrize("protocol", _PROTOCOLS)
class TestAll:
    def test_every_complaint_has_its_error(self, provider_server: Start, protocol: str) -> None:
        server = provider_server(protocol=protocol)
        embedder = _open(server, protocol, oversize="skip")
        for how, kind in (("refused", RowRefused), ("long", RowRefused), ("retired", Refused), ("key", Refused)):
            server.fail(Fault(how=how, about="m", limit=512))  # type: ignore[arg-type]
            with pytest.raises(kind) as caught:
                embedder.embed(["x"], "document")
            assert type(caught.value) is kind, how
            assert caught.value.what.startswith("skipped: ") == (how == "long"), how
        assert server.requests == 4

    @pytest.mark.parametrize("how", ["rate", "drop", "hangup", "garbage"])
    def test_what_may_pass_is_asked_once(self, provider_server: Start, protocol: str, how: Any) -> None:
        server = provider_server(protocol=protocol)
        server.fail(Fault(how=how, limit=100, retry_after_s=3.0 if how == "rate" else None))
        embedder = _open(server, protocol)
        with pytest.raises(Unanswered) as caught:
            embedder.embed(["x"], "document")
        assert caught.value.limited == (how == "rate")
        assert caught.value.retry_after_s == (3.0 if how == "rate" else None)
        assert server.requests == 1
        assert embedder.embed(["x"], "document").vectors.shape == (1, 8)

    def test_the_key_is_never_shown(
        self, provider_server: Start, protocol: str, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setenv("GODWIT_KEY", "very-secret")
        server = provider_server(protocol=protocol, key="very-secret")
        embedder = _open(server, protocol, key="env:GODWIT_KEY")
        assert embedder.embed(["x"], "document").vectors.shape == (1, 8)
        server.renew_key("another")
        with pytest.raises(Refused) as caught:
            embedder.embed(["x"], "document")
        server.renew_key("very-secret")
        server.fail(Fault(status=400, message="not with very-secret"))
        with pytest.raises(RowRefused) as quoted:
            embedder.embed(["x"], "document")
        assert "very-secret" not in f"{caught.value} {quoted.value}"
        assert "very-secret" not in embedder.destination

    def test_tokens_are_counted_by_the_files_tokenizer(
        self, provider_server: Start, protocol: str, tokenizer_file: str
    ) -> None:
        server = provider_server(protocol=protocol)
        embedder = _open(server, protocol, prefix="passage: ", tokenizer=tokenizer_file)
        assert embedder.count(["one two", ""]) == [5, 3]
        assert _open(server, protocol).count(["one two"]) is None
        assert server.requests == 0

    def test_a_tokenizer_that_is_none_is_refused(self, provider_server: Start, protocol: str) -> None:
        with pytest.raises(Refused, match="no tokenizer at nowhere"):
            _open(provider_server(protocol=protocol), protocol, tokenizer="nowhere/tokenizer.json")


def test_what_is_left_comes_with_the_answer(provider_server: Start) -> None:
    server = provider_server(protocol="openai", quota=Quota(requests_per_minute=100, headers=True))
    left = _open(server, "openai").embed(["x"], "document").allowances
    assert [each.unit for each in left] == ["requests"]
    assert 0 < left[0].left < 100
    assert isinstance(left[0], Allowance)


@pytest.fixture(scope="module")
def tokenizer_file(tmp_path_factory: pytest.TempPathFactory) -> str:
    """A tokenizer of words and single signs that puts two special tokens around each text, and would cut at four."""
    from tokenizers import Tokenizer, models, pre_tokenizers, processors

    tokenizer = Tokenizer(models.WordLevel({"[CLS]": 0, "[SEP]": 1, "[UNK]": 2}, unk_token="[UNK]"))
    tokenizer.pre_tokenizer = pre_tokenizers.WhitespaceSplit()
    tokenizer.post_processor = processors.TemplateProcessing(
        single="[CLS] $A [SEP]", special_tokens=[("[CLS]", 0), ("[SEP]", 1)]
    )
    tokenizer.enable_truncation(4)
    file = tmp_path_factory.mktemp("tokenizer") / "tokenizer.json"
    tokenizer.save(str(file))
    return str(file)
