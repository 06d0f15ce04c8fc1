"""How a store is asked: again while it fails in passing, and for less until what it does not take stands alone."""

from __future__ import annotations

import random
import time
from collections.abc import Callable, Sequence
from typing import TypeVar

from limosa.errors import RowRefused, Transient

__all__ = ["PATIENCE_S", "ask_again", "put_apart"]

PATIENCE_S = 120.0
"""How long a store that does not answer is asked again: it comes back from a restart in seconds, with a large
collection in a minute."""

_T = TypeVar("_T")


def ask_again(call: Callable[[], _T], *, patience_s: float = PATIENCE_S) -> _T:
    """What a call answers; repeated with growing pauses while it raises Transient, for so long."""
    started, pause_s = time.monotonic(), 0.05
    while True:
        try:
            return call()
        except Transient:
            if time.monotonic() - started > patience_s:
                raise
        time.sleep(pause_s * random.uniform(0.5, 1.5))  # noqa: S311 - not a secret
        pause_s = min(5.0, pause_s * 2)


def put_apart(put: Callable[[Sequence[int]], None], places: Sequence[int]) -> list[tuple[int, str]]:
    """Puts what stands at these places, in halves where some is not taken.

    Args:
        put: writes all of them or none; raises RowRefused where one is not taken, whichever.

    Returns:
        The places of what is not taken, with the reason.
    """
    if not places:
        return []
    try:
        put(places)
    except RowRefused as error:
        if len(places) == 1:
            return [(places[0], error.what)]
        half = len(places) // 2
        return [*put_apart(put, places[:half]), *put_apart(put, places[half:])]
    return []
