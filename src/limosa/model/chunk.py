"""A chunk: a key range under a lease with a fencing token."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from limosa.model.batch import UNPAID, Key, Paid

__all__ = ["Claim", "Outcomes"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Claim:
    """The right to write one chunk, until the lease ends or another worker takes it.

    Attributes:
        id: the chunk.
        fence: fencing token; a write whose token is not the chunk's own is refused.
        epoch: raised by every switch; a write of an earlier epoch is refused.
        lower: exclusive lower edge; None for the beginning.
        upper: inclusive upper edge; None for a chunk without an end.
        cursor: the last key that is settled; None at the beginning.
        follows: the claim is for the change table and not for a range.
    """

    id: int
    fence: int
    epoch: int
    lower: Key | None
    upper: Key | None
    cursor: Key | None
    follows: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Outcomes:
    """What became of the keys of one batch.

    Attributes:
        done: keys whose vector of the target space stands.
        skipped: key and reason (no text).
        dead: key and reason (cannot be embedded or stored).
        traces: key and trace of those that are skipped or dead, where their store gives one.
        gone: keys that are no longer in the table or in the filter.
        cursor: where the chunk stands after this batch; None leaves it.
        finished: the chunk is at its upper edge.
        marked: key and mark of rows among ``done`` whose text was not embedded as it is.
        paid: what the batch cost.
    """

    done: Sequence[Key] = ()
    skipped: Sequence[tuple[Key, str]] = ()
    dead: Sequence[tuple[Key, str]] = ()
    traces: Sequence[tuple[Key, str]] = ()
    gone: Sequence[Key] = ()
    cursor: Key | None = None
    finished: bool = False
    marked: Sequence[tuple[Key, str]] = ()
    paid: Paid = UNPAID
