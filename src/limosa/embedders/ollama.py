"""Models that an Ollama server runs, on this machine or another."""

from __future__ import annotations

from dataclasses import replace
from functools import partial
from typing import Any

from limosa.embedders.decoding import from_numbers, readable, stacked
from limosa.embedders.http import Reply, Wire
from limosa.embedders.prices import FREE
from limosa.embedders.refusal import Fault, Said, json_of
from limosa.embedders.remote import Protocol, RemoteEmbedder, exchange, refuse_tasks
from limosa.model.batch import Embedded, Kind
from limosa.model.space import Endpoint, Space
from limosa.ports.embedder import Limits

__all__ = ["BASE_URL", "open_embedder", "read_error"]

BASE_URL = "http://localhost:11434"
"""Where requests go when the file names no base_url."""

_PRICE = replace(FREE, source="runs on your own server")


def open_embedder(space: Space, endpoint: Endpoint) -> RemoteEmbedder:
    """An embedder for this space, ``POST {base_url}/api/embed``; does not call the server.

    Nothing is cut (``truncate`` is false). The server shortens and L2-normalises vectors to ``dimensions``, which
    means something for Matryoshka models only. How long the model stays loaded is left to the server's own
    setting: a ``keep_alive`` here would outlive the run.

    Raises:
        Refused: the space names a task, the key's variable is missing, or base_url or tokenizer are none.
        ModuleNotFoundError: a tokenizer is named and the library tokenizers is not installed.
    """
    refuse_tasks(space, why="the protocol has none")
    protocol = Protocol(base_url=BASE_URL, keys=(), limits=_limits, ask=_ask, price=_PRICE)
    return RemoteEmbedder(space, endpoint, protocol)


def _limits(model: str) -> Limits:
    """128 texts, so that a request on a slow machine ends within its time-out; four requests at once.

    Source: https://docs.ollama.com/faq, "OLLAMA_NUM_PARALLEL": 4 or 1 by the memory there is, later 1, seen
    2026-11-21; more only wait in the server's queue. Tokens are those of the model's context, which the server knows.
    """
    return Limits(batch=128, tokens=None, concurrency=4)


def _ask(wire: Wire, space: Space, inputs: list[str], kind: Kind) -> Embedded:
    request: dict[str, Any] = {
        "model": space.model,
        "input": inputs,
        "truncate": False,
        "dimensions": space.dimensions,
    }
    read = partial(_read, model=space.model)
    return exchange(wire, space, "/api/embed", request, read=read, errors=read_error)


def _read(body: bytes, model: str) -> Embedded:
    def read(answer: Any) -> Embedded:
        name = str(answer.get("model") or model)
        tokens = answer.get("prompt_eval_count")
        vectors = [from_numbers(each) for each in answer["embeddings"]]
        return Embedded(stacked(vectors, name), int(tokens) if tokens is not None else None, name)

    return readable(body, read, read)


def read_error(reply: Reply) -> Said:
    """The ``error`` of the body; a text over the context comes as 400, 413 or 500, by the server's version."""
    message = str(json_of(reply).get("error") or "")
    return Said(message=message, fault=_fault(reply.status, message.lower()))


def _fault(status: int, message: str) -> Fault | None:
    if "context length" in message:
        return "long"
    if status == 429 and "usage limit" in message:
        return "quota"
    if status == 503 and "busy" in message:
        return "busy"
    if status == 400 and ("does not support" in message or "model" in message):
        return "request"
    return None
