"""Google's embedding models, by the Gemini API's own protocol."""

from __future__ import annotations

from functools import partial
from typing import Any
from urllib.parse import quote

from limosa.embedders.decoding import from_numbers, readable, stacked
from limosa.embedders.google_errors import read_error
from limosa.embedders.http import CONNECTIONS, Wire
from limosa.embedders.prices import bare
from limosa.embedders.remote import Protocol, RemoteEmbedder, exchange, refuse_tasks
from limosa.model.batch import Embedded, Kind
from limosa.model.space import Endpoint, Space
from limosa.ports.embedder import Limits

__all__ = ["BASE_URL", "limits_of", "open_embedder"]

BASE_URL = "https://generativelanguage.googleapis.com/v1beta"
"""Where requests go when the file names no base_url."""

_SECOND = "gemini-embedding-2"


def open_embedder(space: Space, endpoint: Endpoint) -> RemoteEmbedder:
    """An embedder for this space, ``POST {base_url}/models/{model}:batchEmbedContents``; does not call the provider.

    The task type is the space's own and nothing else: without ``task`` none is sent, because vectors that
    stand in a store were mostly made without one, and a space must say what was done. Vectors are always
    L2-normalised here: gemini-embedding-001 does so at 3072 dimensions only.

    Raises:
        Refused: the key's variable is missing, base_url is no address, the tokenizer is none, or the space names a
            task for gemini-embedding-2, which ignores it.
        ModuleNotFoundError: a tokenizer is named and the library tokenizers is not installed.
    """
    if bare(space.model).startswith(_SECOND):
        # https://ai.google.dev/gemini-api/docs/embeddings, as quoted in public code, seen 2026-11-21.
        refuse_tasks(space, why='the model reads it in the text, such as "task: search result | query: "')
    keys = ("GEMINI_API_KEY", "GOOGLE_API_KEY")
    protocol = Protocol(base_url=BASE_URL, keys=keys, header="x-goog-api-key", limits=limits_of, ask=_ask, unit=True)
    return RemoteEmbedder(space, endpoint, protocol)


def limits_of(model: str) -> Limits:
    """100 texts a request; 8,192 tokens a text for gemini-embedding-2, 2,048 for the others.

    Source: https://ai.google.dev/gemini-api/docs/embeddings for the tokens, seen 2026-05-01; the API's own refusal "at
    most 100 requests can be in one batch" for the texts, seen 2026-11-21. No limit of tokens a request is stated.
    """
    tokens = 8192 if bare(model).startswith(_SECOND) else 2048
    return Limits(batch=100, tokens=tokens, concurrency=CONNECTIONS)


def _ask(wire: Wire, space: Space, inputs: list[str], kind: Kind) -> Embedded:
    name = space.model.removeprefix("models/")
    each: dict[str, Any] = {"model": f"models/{name}", "outputDimensionality": space.dimensions}
    task = space.task if kind == "document" else space.query_task
    if task:
        each["taskType"] = task
    # One content a text: several parts, or a list of strings, in one content give one vector for all of them.
    requests = [{**each, "content": {"parts": [{"text": text}]}} for text in inputs]
    return exchange(
        wire,
        space,
        f"/models/{quote(name, safe='')}:batchEmbedContents",
        {"requests": requests},
        read=partial(_read, model=space.model),
        errors=read_error,
    )


def _read(body: bytes, model: str) -> Embedded:
    def read(answer: Any) -> Embedded:
        vectors = [from_numbers(each["values"]) for each in answer["embeddings"]]
        return Embedded(stacked(vectors, model), _tokens(answer), model)

    return readable(body, read, read)


def _tokens(answer: Any) -> int | None:
    """What the answer says it cost, which not every version does."""
    usage = answer.get("usageMetadata") or {}
    tokens = usage.get("promptTokenCount", usage.get("totalTokenCount"))
    if tokens is not None:
        return int(tokens)
    counted: list[Any] = [(each.get("statistics") or {}).get("tokenCount") for each in answer["embeddings"]]
    return sum(int(each) for each in counted) if counted and None not in counted else None
