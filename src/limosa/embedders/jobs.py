"""What the batch endpoints of all providers have in common: one call, and what its failure means."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from limosa.embedders.decoding import object_of
from limosa.embedders.http import Reply, Wire
from limosa.embedders.refusal import Said, refusal
from limosa.errors import Refused, RowRefused
from limosa.model.space import Space
from limosa.model.vectors import normalised

__all__ = ["ENDED", "Desk"]

ENDED: dict[str, Literal["done", "failed", "expired", "cancelled"]] = {
    "done": "done",
    "failed": "failed",
    "expired": "expired",
    "cancelled": "cancelled",
}
"""States of a job that are its last; with whatever else a provider says it still runs."""


@dataclass(frozen=True, slots=True)
class Desk:
    """Where jobs of one space are handed in.

    Attributes:
        errors: reads the provider's error body.
        unit: vectors are L2-normalised whatever the space says, as they are in direct answers.
    """

    wire: Wire
    space: Space
    errors: Callable[[Reply], Said]
    unit: bool = False

    def vector(self, found: NDArray[np.float32]) -> NDArray[np.float32]:
        """A vector of a result, shape (d,), as a direct answer would have it."""
        return normalised(found[np.newaxis])[0] if self.unit or self.space.normalise else found

    def call(
        self,
        method: str,
        path: str,
        body: bytes | None = None,
        *,
        headers: Mapping[str, str] | None = None,
    ) -> dict[str, Any]:
        """The answer as an object.

        Raises:
            Refused: the provider refuses the call; repeating will not help.
            Unanswered: repeating may help.
        """
        reply = self.wire.send(method, path, body, headers=headers)
        if reply.status != 200:
            raise self.refused(reply)
        return object_of(reply.body)

    def known(self, path: str) -> dict[str, Any] | None:
        """What the provider has under a path; None where it knows nothing of it.

        Raises:
            Refused, Unanswered: as for ``call``.
        """
        reply = self.wire.send("GET", path)
        if reply.status == 404:
            return None
        if reply.status != 200:
            raise self.refused(reply)
        return object_of(reply.body)

    def refused(self, reply: Reply) -> Exception:
        """The error for an answer whose status is not 200: no fault of a single text."""
        if reply.status == 404:
            said = self.wire.quiet(self.errors(reply).message)
            return Refused(
                f"{self.wire.destination} takes no batch jobs here (404){': ' + said if said else '.'}",
                needed="A provider with a batch endpoint at this address.",
                do='Set lane = "direct" in [backfill], or correct base_url.',
            )
        error = refusal(reply, self.wire, self.space, self.errors)
        if isinstance(error, RowRefused):
            said = self.wire.quiet(self.errors(reply).message)
            return Refused(
                f"{self.wire.destination} refuses the batch job ({reply.status}){': ' + said if said else '.'}",
                do='Set lane = "direct" in [backfill] to do without batch jobs.',
            )
        return error
