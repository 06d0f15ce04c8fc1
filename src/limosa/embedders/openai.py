"""The OpenAI embeddings protocol, which many servers speak, at any address."""

from __future__ import annotations

from functools import partial
from typing import Any

from limosa.embedders import google, google_errors
from limosa.embedders.http import CONNECTIONS, Reply, Wire
from limosa.embedders.jobs import Desk
from limosa.embedders.openai_answer import read_answer
from limosa.embedders.openai_batch import OpenAIBatches
from limosa.embedders.prices import bare
from limosa.embedders.refusal import Fault, Said, json_of
from limosa.embedders.remote import Protocol, RemoteEmbedder, exchange
from limosa.errors import Refused
from limosa.model.batch import Embedded, Kind
from limosa.model.space import Endpoint, Space
from limosa.ports.embedder import Limits

__all__ = ["BASE_URL", "open_embedder", "read_error"]

BASE_URL = "https://api.openai.com/v1"
"""Where requests go when the file names no base_url."""

_SIZED = ("text-embedding-3", "gemini-embedding")
_OURS = {"model", "dimensions", "encoding_format"}


def open_embedder(space: Space, endpoint: Endpoint) -> RemoteEmbedder:
    """An embedder for this space, ``POST {base_url}/embeddings``; does not call the provider.

    Vectors are asked for as base64 of little-endian float32, exact and several times faster to
    read than decimal text; servers that answer lists of numbers are understood too.

    Raises:
        Refused: the key's variable is missing, base_url is no address, or the tokenizer is none.
        ModuleNotFoundError: a tokenizer is named and the library tokenizers is not installed.
    """
    sizing = _Sizing(space)
    protocol = Protocol(
        base_url=BASE_URL,
        keys=("OPENAI_API_KEY",),
        limits=_limits,
        ask=sizing,
        batches=lambda wire, space: OpenAIBatches(Desk(wire, space, read_error), sized=lambda: sizing.sized),
    )
    return RemoteEmbedder(space, endpoint, protocol)


class _Sizing:
    """Asks for the space's size where the model takes ``dimensions``, which not every server does.

    A model that is not known is asked without. Where its own size is another than the space's, it is asked
    once more, with ``dimensions``: another question, put once in the life of the embedder, and what comes of it is
    kept. Every other call is one request.
    """

    def __init__(self, space: Space) -> None:
        # None until a server that was not asked gives another size.
        self._sized = True if bare(space.model).startswith(_SIZED) else None

    @property
    def sized(self) -> bool:
        """Whether ``dimensions`` is asked for, as far as is known."""
        return bool(self._sized)

    def __call__(self, wire: Wire, space: Space, inputs: list[str], kind: Kind) -> Embedded:
        answer = _ask(wire, space, inputs, sized=self.sized)
        if self._sized is None and answer.vectors.shape[1] != space.dimensions:
            return self._again(wire, space, inputs, answer)
        return answer

    def _again(self, wire: Wire, space: Space, inputs: list[str], first: Embedded) -> Embedded:
        try:
            second = _ask(wire, space, inputs, sized=True)
        except Refused:
            self._sized = False
            return first
        self._sized = second.vectors.shape[1] == space.dimensions
        paid = None if first.tokens is None or second.tokens is None else first.tokens + second.tokens
        return Embedded(second.vectors, paid, second.model, second.allowances)


def read_error(reply: Reply) -> Said:
    """What the protocol's error object says; a bare text is its message, and Google's form is Google's to read.

    Source: https://developers.openai.com/api/docs/guides/error-codes, seen 2026-05-01.
    """
    whole = json_of(reply)
    error = whole.get("error", whole)
    if isinstance(error, str):
        return Said(message=error)
    if not isinstance(error, dict):
        return Said()
    if "details" in error or isinstance(error.get("status"), str):
        return google_errors.read_error(reply)
    return Said(message=str(error.get("message") or ""), fault=_fault(reply.status, error))


def _fault(status: int, error: dict[str, Any]) -> Fault | None:
    code = f"{error.get('code') or ''} {error.get('type') or ''}"
    message = str(error.get("message") or "")
    if status == 429 and "insufficient_quota" in code:
        return "quota"
    if status == 429 and message.startswith("Request too large"):
        # More tokens than a minute allows: this request will never pass, a smaller one will. Source: the message as
        # https://github.com/DrShushen/climb/issues/13 has it, seen 2026-11-21.
        return "long"
    if status not in {400, 413, 422}:
        return None
    if "API key" in message:
        return "key"
    if error.get("param") in _OURS or "model_not_found" in code:
        return "request"
    return "long" if "context_length_exceeded" in code else None


def _limits(model: str) -> Limits:
    """2,048 texts, 8,191 tokens a text and 300,000 a request for OpenAI's own models.

    Source: https://platform.openai.com/docs/api-reference/embeddings/create, as the API's OpenAPI description
    has it, seen 2026-11-21: "8192 tokens for all embedding models"; 8,191 is what the guide says and what all of them
    take. What another model behind the same protocol takes is not known here: its server refuses what is too long.
    """
    if bare(model).startswith("gemini"):
        return google.limits_of(model)
    own = bare(model).startswith(("text-embedding-3", "text-embedding-ada"))
    return Limits(
        batch=2048,
        tokens=8191 if own else None,
        concurrency=CONNECTIONS,
        request_tokens=300_000 if own else None,
    )


def _ask(wire: Wire, space: Space, inputs: list[str], *, sized: bool) -> Embedded:
    request: dict[str, Any] = {"model": space.model, "input": inputs, "encoding_format": "base64"}
    if sized:
        request["dimensions"] = space.dimensions
    return exchange(
        wire,
        space,
        "/embeddings",
        request,
        read=partial(read_answer, n=len(inputs), model=space.model),
        errors=read_error,
    )
