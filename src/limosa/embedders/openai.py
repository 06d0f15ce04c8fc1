"""The OpenAI embeddings protocol, which many servers speak, at any address."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date

import numpy as np
import orjson

from limosa.embedders.http import CONNECTIONS, Wire, patiently
from limosa.embedders.openai_answer import read_answer
from limosa.embedders.openai_errors import refusal
from limosa.embedders.prefix import prefixed
from limosa.embedders.prices import price_of, retired_on
from limosa.errors import Refused, RowRefused
from limosa.model.batch import Embedded, Kind
from limosa.model.space import Endpoint, Space
from limosa.model.vectors import normalised
from limosa.ports.embedder import Limits, Price
from limosa.ports.reference import secret

__all__ = ["BASE_URL", "OpenAIEmbedder", "open_embedder"]

BASE_URL = "https://api.openai.com/v1"
"""Where requests go when the file names no base_url."""

_DEFAULT_KEY = "env:OPENAI_API_KEY"
_SIZED = ("text-embedding-3", "gemini-embedding")


class OpenAIEmbedder:
    """One model behind ``POST {base_url}/embeddings``.

    Vectors are asked for as base64 of little-endian float32, exact and several times faster to
    read than decimal text; servers that answer lists of numbers are understood too.
    """

    def __init__(self, space: Space, endpoint: Endpoint) -> None:
        reference = endpoint.key or (_DEFAULT_KEY if endpoint.base_url is None else None)
        key = secret(reference) if reference else ""
        self._space = space
        self._endpoint = endpoint
        base_url = BASE_URL if endpoint.base_url is None else endpoint.base_url
        self._wire = Wire(base_url, key=key, timeout_s=endpoint.timeout_s)
        # Whether the model takes ``dimensions``; None until a server that was not asked gives another size.
        self._sized = True if space.model.rsplit("/", 1)[-1].startswith(_SIZED) else None

    @property
    def space(self) -> Space:
        """The space of its vectors."""
        return self._space

    @property
    def limits(self) -> Limits:
        """2,048 texts a request, 8,191 tokens a text.

        Source: https://developers.openai.com/api/docs/guides/embeddings. Requests over 300,000
        tokens in all are refused as a batch and pass in halves.
        """
        return Limits(batch=2048, tokens=8191, concurrency=CONNECTIONS)

    @property
    def price(self) -> Price | None:
        """The file's, else the list price; None where it is not known."""
        return price_of(self._space.model, self._endpoint)

    @property
    def retired(self) -> date | None:
        """The day from which the model no longer answers; None while it does."""
        return retired_on(self._space.model)

    @property
    def destination(self) -> str:
        """``host`` or ``host:port``."""
        return self._wire.destination

    def count(self, texts: Sequence[str]) -> list[int] | None:
        """None: only the provider has the model's tokenizer."""
        return None

    def embed(self, texts: Sequence[str], kind: Kind) -> Embedded:
        """Vectors of the texts, in their order; short failures are waited out, up to four tries.

        Raises:
            RowRefused: the provider refuses a text of this batch (400, 413, 422).
            Refused: key, quota, model or address (401, 402, 403, 404, redirects, ...).
            Unanswered: a Transient (408, 409, 429, 5xx, time-out, lost connection) that went on.
        """
        inputs = prefixed(self._space, texts, kind)
        if not inputs:
            return Embedded(np.empty((0, self._space.dimensions), dtype=np.float32), 0, self._space.model)
        answer = self._ask(inputs, sized=bool(self._sized))
        if self._sized is None and answer.vectors.shape[1] != self._space.dimensions:
            answer = self._ask_for_size(inputs, answer)
        if self._space.normalise:
            return Embedded(normalised(answer.vectors), answer.tokens, answer.model)
        return answer

    def _ask_for_size(self, inputs: list[str], first: Embedded) -> Embedded:
        """The file wants another size than the model's own: asks for it once, and keeps to what came of it."""
        try:
            second = self._ask(inputs, sized=True)
        except (Refused, RowRefused):
            self._sized = False
            return first
        self._sized = second.vectors.shape[1] == self._space.dimensions
        paid = None if first.tokens is None or second.tokens is None else first.tokens + second.tokens
        return Embedded(second.vectors, paid, second.model)

    def _ask(self, inputs: list[str], *, sized: bool) -> Embedded:
        request: dict[str, object] = {"model": self._space.model, "input": inputs, "encoding_format": "base64"}
        if sized:
            request["dimensions"] = self._space.dimensions
        body = orjson.dumps(request)
        return patiently(lambda: self._once(body, n=len(inputs)))

    def _once(self, body: bytes, *, n: int) -> Embedded:
        reply = self._wire.post("/embeddings", body)
        if reply.status != 200:
            raise refusal(reply, self._wire, self._space)
        return read_answer(reply.body, n=n, model=self._space.model)


def open_embedder(space: Space, endpoint: Endpoint) -> OpenAIEmbedder:
    """An embedder for this space; does not call the provider.

    Raises:
        Refused: the key's variable is missing, base_url is no address, or the space wants texts to be
            cut, which needs the model's own tokenizer.
    """
    return OpenAIEmbedder(space, endpoint)
