"""Voyage's embedding models."""

from __future__ import annotations

from functools import partial
from typing import Any

from limosa.embedders.http import CONNECTIONS, Reply, Wire
from limosa.embedders.openai_answer import read_answer
from limosa.embedders.prices import bare
from limosa.embedders.refusal import Fault, Said, json_of
from limosa.embedders.remote import Protocol, RemoteEmbedder, exchange
from limosa.model.batch import Embedded, Kind
from limosa.model.space import Endpoint, Space
from limosa.ports.embedder import Limits

__all__ = ["BASE_URL", "open_embedder", "read_error"]

BASE_URL = "https://api.voyageai.com/v1"
"""Where requests go when the file names no base_url; keys of MongoDB Atlas want https://ai.mongodb.com/v1."""

_SIZED = ("voyage-4", "voyage-3.5", "voyage-3-large", "voyage-code-3")
"""Models that take ``output_dimension`` (https://docs.voyageai.com/reference/embeddings-api, seen 2026-11-21)."""

_MILLION = ("voyage-4-lite", "voyage-3.5-lite")
_MIDDLE = ("voyage-4", "voyage-3.5", "voyage-2")


def open_embedder(space: Space, endpoint: Endpoint) -> RemoteEmbedder:
    """An embedder for this space, ``POST {base_url}/embeddings``; does not call the provider.

    ``task`` and ``query_task`` are the ``input_type`` (``document``, ``query``); where they are empty none is
    sent, which the provider calls compatible but weaker. Nothing is cut (``truncation`` is false).

    Raises:
        Refused: the key's variable is missing, base_url is no address, or the tokenizer is none.
        ModuleNotFoundError: a tokenizer is named and the library tokenizers is not installed.
    """
    protocol = Protocol(base_url=BASE_URL, keys=("VOYAGE_API_KEY",), limits=_limits, ask=_ask)
    return RemoteEmbedder(space, endpoint, protocol)


def _limits(model: str) -> Limits:
    """1,000 texts a request; 1 million, 320,000 or 120,000 tokens a request by model; 32,000 a text, 16,000 for law.

    Source: https://docs.voyageai.com/reference/embeddings-api and https://docs.voyageai.com/docs/embeddings, seen
    2026-11-21. Models that the page does not name get the smallest.
    """
    name = bare(model)
    tokens = {"voyage-law-2": 16_000, "voyage-code-2": 16_000, "voyage-2": 4_000}.get(name, 32_000)
    together = 1_000_000 if name in _MILLION else 320_000 if name in _MIDDLE else 120_000
    return Limits(batch=1000, tokens=tokens, concurrency=CONNECTIONS, request_tokens=together)


def _ask(wire: Wire, space: Space, inputs: list[str], kind: Kind) -> Embedded:
    request: dict[str, Any] = {
        "model": space.model,
        "input": inputs,
        "truncation": False,
        # "a Base64-encoded NumPy array of single-precision floats": the reference.
        "encoding_format": "base64",
    }
    task = space.task if kind == "document" else space.query_task
    if task:
        request["input_type"] = task
    if bare(space.model).startswith(_SIZED):
        request["output_dimension"] = space.dimensions
    read = partial(read_answer, n=len(inputs), model=space.model)
    return exchange(wire, space, "/embeddings", request, read=read, errors=read_error)


def read_error(reply: Reply) -> Said:
    """The ``detail`` of the body (https://docs.voyageai.com/docs/error-codes)."""
    message = str(json_of(reply).get("detail") or "")
    return Said(message=message, fault=_fault(reply.status, message.lower()))


def _fault(status: int, message: str) -> Fault | None:
    if status not in {400, 422}:
        return None
    if "max allowed tokens" in message or "too many tokens" in message:
        return "long"
    ours = ("is not supported", "output_dimension", "input_type", "argument 'model'", "batch size limit")
    return "request" if any(word in message for word in ours) else None
