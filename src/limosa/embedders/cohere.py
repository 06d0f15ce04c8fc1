"""Cohere's embedding models, by the second version of its protocol."""

from __future__ import annotations

from dataclasses import replace
from functools import partial
from typing import Any

from limosa.embedders.decoding import from_numbers, readable, stacked
from limosa.embedders.http import CONNECTIONS, Reply, Wire
from limosa.embedders.prices import bare
from limosa.embedders.refusal import Fault, Said, json_of
from limosa.embedders.remote import Protocol, RemoteEmbedder, exchange
from limosa.model.batch import Embedded, Kind
from limosa.model.space import Endpoint, Space
from limosa.ports.embedder import Limits

__all__ = ["BASE_URL", "open_embedder", "read_error"]

BASE_URL = "https://api.cohere.com"
"""Where requests go when the file names no base_url."""

_FOURTH = "embed-v4"


def open_embedder(space: Space, endpoint: Endpoint) -> RemoteEmbedder:
    """An embedder for this space, ``POST {base_url}/v2/embed``; does not call the provider.

    The protocol demands an ``input_type``, which the space's ``task`` and ``query_task`` name: where they are empty
    ``search_document`` and ``search_query`` are sent, and the embedder's own space says so. Nothing is cut
    (``truncate`` is NONE): a text over the limit is refused.

    Raises:
        Refused: the key's variable is missing, base_url is no address, or the tokenizer is none.
        ModuleNotFoundError: a tokenizer is named and the library tokenizers is not installed.
    """
    told = replace(space, task=space.task or "search_document", query_task=space.query_task or "search_query")
    protocol = Protocol(base_url=BASE_URL, keys=("COHERE_API_KEY", "CO_API_KEY"), limits=_limits, ask=_ask)
    return RemoteEmbedder(told, endpoint, protocol)


def _limits(model: str) -> Limits:
    """96 texts a request; 128,000 tokens for embed-v4.0, 512 a text for version 3.

    Source, all seen 2026-11-21: https://docs.cohere.com/reference/embed (texts), https://docs.cohere.com/docs/cohere-embed
    (tokens of version 3), https://docs.oracle.com/iaas/Content/generative-ai/cohere-embed-4.htm (128,000 tokens, "all
    inputs together").
    """
    if bare(model).startswith(_FOURTH):
        return Limits(batch=96, tokens=128_000, concurrency=CONNECTIONS, request_tokens=128_000)
    return Limits(batch=96, tokens=256 if bare(model) == "embed-multilingual-v2.0" else 512, concurrency=CONNECTIONS)


def _ask(wire: Wire, space: Space, inputs: list[str], kind: Kind) -> Embedded:
    request: dict[str, Any] = {
        "model": space.model,
        "texts": inputs,
        "input_type": space.task if kind == "document" else space.query_task,
        # base64 is offered too, but the reference does not say what bytes it holds (seen 2026-11-21).
        "embedding_types": ["float"],
        "truncate": "NONE",
    }
    if bare(space.model).startswith(_FOURTH):
        # "Only available for embed-v4 and newer models": https://docs.cohere.com/reference/embed.
        request["output_dimension"] = space.dimensions
    read = partial(_read, model=space.model)
    return exchange(wire, space, "/v2/embed", request, read=read, errors=read_error)


def _read(body: bytes, model: str) -> Embedded:
    def read(answer: Any) -> Embedded:
        vectors = [from_numbers(each) for each in answer["embeddings"]["float"]]
        meta = answer.get("meta") or {}
        tokens = (meta.get("billed_units") or {}).get("input_tokens")
        return Embedded(stacked(vectors, model), int(tokens) if tokens is not None else None, model)

    return readable(body, read, read)


def read_error(reply: Reply) -> Said:
    """The message of the body.

    Source: https://docs.cohere.com/reference/errors (498: a token on the deny list; 499: the request was cancelled).
    """
    message = str(json_of(reply).get("message") or "")
    return Said(message=message, fault=_fault(reply.status, message.lower()))


def _fault(status: int, message: str) -> Fault | None:
    if status == 498:
        return "row"
    if status == 499:
        return "ill"
    if status == 429:
        # Trial keys are limited by the minute and by the month; only the words tell which.
        return "quota" if "/ month" in message or "per month" in message else "busy"
    ours = ("input_type", "output_dimension", "embedding_type", "model '", "number of texts")
    return "request" if status in {400, 422} and any(word in message for word in ours) else None
