"""Memory that threads have freed, given back to the system."""

from __future__ import annotations

import ctypes
import itertools
from contextlib import suppress

__all__ = ["give_back"]


_calls = itertools.count(1)


def give_back(*, every: int) -> None:
    """Gives back what the C library keeps for threads that freed it; where that is not glibc, does nothing.

    Each thread frees its batch into an arena of its own, which is seldom returned: over 100,000 rows the
    process would grow by half.

    Args:
        every: of so many calls of all threads only one does it, as it costs a millisecond or more.
    """
    if next(_calls) % every:
        return
    with suppress(AttributeError, OSError, TypeError):
        ctypes.CDLL(None).malloc_trim(0)
