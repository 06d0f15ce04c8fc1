"""What limosa sets in a process that is its own: how memory is kept, and how often Python looks for cycles."""

from __future__ import annotations

from contextlib import suppress

__all__ = ["few_arenas", "seldom_collected"]

_M_ARENA_MAX = -8
"""Source: malloc.h of glibc."""

_COLLECT_AT = 20_000
"""New objects after which Python looks for cycles, instead of 700: more than a batch of points has, which is gone
before it is looked through. Short vectors are copied 1.15 times as fast then, and compared 1.1 to 1.3 times (384
dimensions, ``python -m bench.copying parquet postgres --dimensions 384``, with and without in turn, 2026-11-22). Memory
does not grow for it, as nothing that is large lies in cycles."""


def few_arenas() -> None:
    """Lets all threads share two of glibc's arenas, where each of many would keep what its threads have freed.

    A backfill over HTTP at 1536 dimensions peaks at 197 MB then instead of 250, and is no slower (``python -m
    bench.memory``, 2026-11-22). Without effect on other C libraries.
    """
    import ctypes

    with suppress(OSError, AttributeError):
        ctypes.CDLL(None).mallopt(_M_ARENA_MAX, 2)


def seldom_collected() -> None:
    """Lets Python leave alone what is there by now, mostly imported modules, and look for cycles less often."""
    import gc

    gc.freeze()
    gc.set_threshold(_COLLECT_AT, 10, 10)
