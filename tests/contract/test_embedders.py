"""The embedder's contract, run on every adapter that limosa brings."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Literal

import numpy as np
import pytest

from limosa.embedders.find import find
from limosa.embedders.hashing import HashingEmbedder
from limosa.model.batch import Embedded, Kind
from limosa.model.space import Endpoint, Space
from limosa.model.vectors import WrongShape
from limosa.testing.embedders import check_embedder
from tests.providers.openai_server import Fault, OpenAIServer
from tests.providers.server import ProviderServer

_MODEL = "models/minilm-l6-v2-int8"


@pytest.mark.parametrize("prefixes", [("", ""), ("passage: ", "query: ")], ids=["bare", "prefixed"])
@pytest.mark.parametrize("model", ["words-1", "words-2", "chars-3"])
def test_hashing(model: str, prefixes: tuple[str, str]) -> None:
    space = Space(
        provider="hashing", model=model, dimensions=512, prefix=prefixes[0], query_prefix=prefixes[1], normalise=True
    )
    check_embedder(find(space, Endpoint()))


@pytest.mark.realdata
def test_onnx(shared_data: Path) -> None:
    folder = shared_data / _MODEL
    if not folder.is_dir():
        pytest.skip("there is no model beside the checkout")
    check_embedder(find(Space(provider="onnx", model=str(folder), dimensions=384, normalise=True), Endpoint()))


@pytest.mark.parametrize("dimensions", [8, 1536], ids=["own-size", "asked-size"])
@pytest.mark.parametrize("model", ["text-embedding-3-small", "other"])
def test_openai(openai_server: OpenAIServer, model: str, dimensions: int) -> None:
    space = Space(provider="openai", model=model, dimensions=dimensions, prefix="p: ", query_prefix="q: ")
    check_embedder(find(space, Endpoint(base_url=openai_server.base_url)))


@pytest.mark.parametrize(
    ("provider", "model", "dimensions"),
    [
        ("google", "gemini-embedding-001", 3072),
        ("google", "gemini-embedding-001", 768),
        ("google", "gemini-embedding-2", 1536),
        ("cohere", "embed-v4.0", 1536),
        ("cohere", "embed-multilingual-v3.0", 8),
        ("voyage", "voyage-3.5", 512),
        ("voyage", "voyage-law-2", 8),
        ("ollama", "nomic-embed-text", 8),
    ],
)
@pytest.mark.parametrize("prefixes", [("", ""), ("p: ", "q: ")], ids=["bare", "prefixed"])
def test_remote_providers(
    provider_server: Callable[..., ProviderServer],
    provider: str,
    model: str,
    dimensions: int,
    prefixes: tuple[str, str],
) -> None:
    server = provider_server(protocol=provider)
    space = Space(provider=provider, model=model, dimensions=dimensions, prefix=prefixes[0], query_prefix=prefixes[1])
    check_embedder(find(space, Endpoint(base_url=server.base_url)))


@pytest.mark.parametrize("fault", [Fault(how="shuffle"), Fault(how="floats")], ids=lambda fault: fault.how)
def test_openai_from_servers_that_answer_otherwise(openai_server: OpenAIServer, fault: Fault) -> None:
    openai_server.fail_always(fault)
    space = Space(provider="openai", model="other", dimensions=8)
    check_embedder(find(space, Endpoint(base_url=openai_server.base_url)))


@pytest.mark.parametrize("fault", [Fault(how="nan"), Fault(how="inf"), Fault(how="zero")], ids=lambda fault: fault.how)
def test_the_suite_finds_spoiled_vectors(openai_server: OpenAIServer, fault: Fault) -> None:
    openai_server.fail_always(fault)
    space = Space(provider="openai", model="other", dimensions=8)
    with pytest.raises(AssertionError, match="finite and not zero"):
        check_embedder(find(space, Endpoint(base_url=openai_server.base_url)))


def test_the_suite_finds_missing_vectors(openai_server: OpenAIServer) -> None:
    openai_server.fail_always(Fault(how="fewer"))
    space = Space(provider="openai", model="other", dimensions=8)
    with pytest.raises(WrongShape, match="7 vectors for 8 texts"):
        check_embedder(find(space, Endpoint(base_url=openai_server.base_url)))


class _Broken(HashingEmbedder):
    """A real embedder that breaks one promise."""

    def __init__(self, how: Literal["order", "noise", "company", "empty", "kind", "norm", "float64"]) -> None:
        super().__init__(
            Space(provider="hashing", model="words-1", dimensions=256, query_prefix="query: ", normalise=True)
        )
        self._how = how
        self._draw = np.random.default_rng(7)

    def embed(self, texts: Sequence[str], kind: Kind) -> Embedded:
        answer = super().embed(texts, "document" if self._how == "kind" else kind)
        vectors = answer.vectors
        if self._how == "empty" and not texts:
            vectors = vectors[:, :0]
        elif self._how == "order":
            vectors = vectors[np.lexsort(vectors.T)]
        elif self._how == "noise":
            vectors = vectors + self._draw.normal(0, 0.05, vectors.shape).astype(np.float32)
            vectors /= np.linalg.norm(vectors, axis=1, keepdims=True)
        elif self._how == "company" and len(texts) > 1:
            vectors = vectors + np.float32(0.1) * vectors.max(axis=0)
            vectors /= np.linalg.norm(vectors, axis=1, keepdims=True)
        elif self._how == "norm":
            vectors = vectors * np.float32(2)
        elif self._how == "float64":
            return Embedded(vectors.astype(np.float64), answer.tokens, answer.model)
        return Embedded(vectors, answer.tokens, answer.model)


@pytest.mark.parametrize(
    ("how", "promise"),
    [
        ("order", "order of the texts"),
        ("noise", "same vectors again"),
        ("company", "alone and in company"),
        ("empty", r"shape \(0, d\)"),
        ("kind", "query prefix"),
        ("norm", "norm 1"),
        ("float64", "float32"),
    ],
)
def test_the_suite_finds_a_broken_promise(
    how: Literal["order", "noise", "company", "empty", "kind", "norm", "float64"], promise: str
) -> None:
    with pytest.raises(AssertionError, match=promise):
        check_embedder(_Broken(how))
