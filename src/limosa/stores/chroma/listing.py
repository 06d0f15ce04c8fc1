"""Lists the ids of a collection of Chroma, which tells them in an order that does not bear deletes.

Pages by offset lose points where somebody deletes before them. What Chroma lists is in the order of first writing, so
that points move to smaller offsets only: read from the end, no point that stays is missed, whatever is deleted or
added meanwhile.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence

__all__ = ["PAGE", "from_the_end"]

PAGE = 5000
"""Ids of one request: of UUIDs some 200 kB."""


def from_the_end(count: int, page: Callable[[int, int], Sequence[str]]) -> Iterator[Sequence[str]]:
    """All ids, in pages; some perhaps twice.

    Args:
        count: how many there are.
        page: ids at an offset, at most so many.
    """
    edge = count
    while edge > 0:
        at = start = max(0, edge - PAGE)
        # A server may give fewer than it is asked for.
        while at < edge and (found := page(at, edge - at)):
            yield found
            at += len(found)
        edge = start
