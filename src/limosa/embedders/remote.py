"""A model behind HTTP: what all providers have in common, given one provider's protocol as data and functions."""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from datetime import date
from typing import Any

import numpy as np
import orjson

from limosa.embedders.counting import token_counter
from limosa.embedders.headers import allowances
from limosa.embedders.http import Reply, Wire
from limosa.embedders.prefix import prefixed
from limosa.embedders.prices import price_of, retired_on
from limosa.embedders.refusal import Said, refusal
from limosa.errors import Refused
from limosa.model.batch import Embedded, Kind
from limosa.model.space import Endpoint, Space
from limosa.model.vectors import normalised
from limosa.ports.embedder import Limits, Price
from limosa.ports.reference import secret

__all__ = ["Ask", "Protocol", "RemoteEmbedder", "exchange", "refuse_tasks"]

Ask = Callable[[Wire, Space, list[str], Kind], Embedded]
"""One request for the vectors of texts that carry their prefix already; at least one text."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Protocol:
    """What is a provider's own.

    Attributes:
        base_url: where requests go when the file names no base_url.
        keys: names of environment variables that hold the key at that address, the first that is set is taken;
            empty where none is needed. At another address only the file's own reference is used.
        header: the header in which the key travels.
        limits: what a model takes at once.
        ask: the request.
        unit: vectors are L2-normalised here whatever the space says.
        price: what every model costs; None where the price table knows.
    """

    base_url: str
    keys: tuple[str, ...]
    limits: Callable[[str], Limits]
    ask: Ask
    header: str = "Authorization"
    unit: bool = False
    price: Price | None = None


class RemoteEmbedder:
    """One model of one provider over HTTP; safe to call from several threads."""

    def __init__(self, space: Space, endpoint: Endpoint, protocol: Protocol) -> None:
        self._space = space
        self._endpoint = endpoint
        self._protocol = protocol
        self._count = token_counter(endpoint.tokenizer)
        base_url = protocol.base_url if endpoint.base_url is None else endpoint.base_url
        key = _key(endpoint, protocol)
        self._wire = Wire(base_url, key=key, timeout_s=endpoint.timeout_s, header=protocol.header)

    @property
    def space(self) -> Space:
        """The space of its vectors."""
        return self._space

    @property
    def limits(self) -> Limits:
        """What the model takes at once, as the provider's file says with source and date."""
        return self._protocol.limits(self._space.model)

    @property
    def price(self) -> Price | None:
        """The file's, else the provider's, else the list price; None where it is not known."""
        if self._endpoint.usd_per_million_tokens is None and self._protocol.price is not None:
            return self._protocol.price
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
        """Tokens of each text with the prefix for documents, by the file's tokenizer; None where it names none."""
        return self._count(prefixed(self._space, texts, "document")) if self._count is not None else None

    def embed(self, texts: Sequence[str], kind: Kind) -> Embedded:
        """Vectors of the texts, in their order: one request, never repeated here.

        Raises:
            RowRefused: the provider refuses a text of this batch (400, 413, 422).
            Refused: key, quota, model or address (401, 402, 403, 404, redirects, ...).
            Unanswered: 408, 409, 429, 5xx, time-out, lost connection: repeating may help.
        """
        inputs = prefixed(self._space, texts, kind)
        if not inputs:
            return Embedded(np.empty((0, self._space.dimensions), dtype=np.float32), 0, self._space.model)
        answer = self._protocol.ask(self._wire, self._space, inputs, kind)
        if self._protocol.unit or self._space.normalise:
            return replace(answer, vectors=normalised(answer.vectors))
        return answer


def exchange(
    wire: Wire,
    space: Space,
    path: str,
    request: dict[str, Any],
    *,
    read: Callable[[bytes], Embedded],
    errors: Callable[[Reply], Said],
) -> Embedded:
    """One request: what ``read`` makes of a success, with what its headers allow, else the error it stands for.

    Raises:
        RowRefused, Refused, Unanswered: see ``refusal``, and what ``read`` and the wire raise.
    """
    reply = wire.post(path, orjson.dumps(request))
    if reply.status != 200:
        raise refusal(reply, wire, space, errors)
    return replace(read(reply.body), allowances=allowances(reply.headers))


def refuse_tasks(space: Space, *, why: str) -> None:
    """Refuses a space that names a task where the provider would ignore it.

    Raises:
        Refused: ``task`` or ``query_task`` is set.
    """
    if space.task or space.query_task:
        raise Refused(
            f"{space.title} takes no task: {why}.",
            needed="What tells documents from queries in the text itself.",
            do="Set prefix and query_prefix in the space, and leave task and query_task out.",
        )


def _key(endpoint: Endpoint, protocol: Protocol) -> str:
    if endpoint.key:
        return secret(endpoint.key)
    if endpoint.base_url is not None or not protocol.keys:
        # The provider's own key is not sent to an address that is not the provider's.
        return ""
    name = next((each for each in protocol.keys if os.environ.get(each, "").strip()), protocol.keys[0])
    return secret(f"env:{name}")
