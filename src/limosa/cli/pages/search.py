"""The page of a search: what the old and the new space answer, side by side."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import zip_longest
from typing import TYPE_CHECKING

from limosa.cli.amounts import rows

if TYPE_CHECKING:
    from rich.console import Console
    from rich.table import Table
    from rich.text import Text

    from limosa.steps.duplicates import Duplicates, Pair
    from limosa.steps.search import Found, Hit

__all__ = ["print_duplicates", "print_found"]


def print_found(console: Console, found: Sequence[Found]) -> None:
    """One column for each side, best hits first; keys that only one side found stand out."""
    table = _table(found)
    keys = [{hit.key for hit in side.hits} for side in found]
    shared = set.intersection(*keys) if keys else set()
    for hits in zip_longest(*(side.hits for side in found)):
        table.add_row(*(_hit(hit, alone=hit is not None and hit.key not in shared) for hit in hits))
    console.print(table)
    if len(found) > 1 and all(keys):
        console.print(f"\n{len(shared)} of {max(map(len, keys))} rows are found by both.")


def print_duplicates(console: Console, found: Sequence[Duplicates]) -> None:
    """One column for each side, the most similar pairs first, and how many there are."""
    table = _table(found)
    for pairs in zip_longest(*(side.pairs for side in found)):
        table.add_row(*map(_pair, pairs))
    console.print(table)
    console.print()
    for side in found:
        if not side.why:
            console.print(f"{side.side}: {rows(side.total)} pairs among {rows(side.rows)} rows")


def _table(found: Sequence[Found] | Sequence[Duplicates]) -> Table:
    from rich.table import Table
    from rich.text import Text

    table = Table(box=None, padding=(0, 2, 0, 0), pad_edge=False, expand=True)
    for side in found:
        table.add_column(Text(f"{side.side}: {side.space}", style="bold"), ratio=1, overflow="fold")
    if any(side.why for side in found):
        table.add_row(*(Text(side.why, style="yellow") for side in found))
    return table


def _hit(hit: Hit | None, *, alone: bool) -> Text:
    from rich.text import Text

    if hit is None:
        return Text("")
    key = ("/".join(hit.key) + " ", "bold yellow" if alone else "bold")
    return Text.assemble((f"{hit.similarity:.3f} ", "green"), key, hit.text)


def _pair(pair: Pair | None) -> Text:
    from rich.text import Text

    if pair is None:
        return Text("")
    return Text.assemble((f"{pair.similarity:.3f} ", "green"), f"{'/'.join(pair.a)} and {'/'.join(pair.b)}")
