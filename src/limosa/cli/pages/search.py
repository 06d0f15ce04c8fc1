"""The page of a search: what the old and the new space answer, side by side."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import zip_longest
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from rich.console import Console
    from rich.text import Text

    from limosa.steps.search import Found, Hit

__all__ = ["print_found"]


def print_found(console: Console, found: Sequence[Found]) -> None:
    """One column for each side, best hits first; keys that only one side found are marked."""
    from rich.table import Table
    from rich.text import Text

    table = Table(box=None, padding=(0, 2, 0, 0), pad_edge=False, expand=True)
    for side in found:
        table.add_column(Text(f"{side.side}: {side.space}", style="bold"), ratio=1, overflow="fold")
    if any(side.why for side in found):
        table.add_row(*(Text(side.why, style="yellow") for side in found))
    keys = [{hit.key for hit in side.hits} for side in found]
    shared = set.intersection(*keys) if keys else set()
    for hits in zip_longest(*(side.hits for side in found)):
        table.add_row(*(_cell(hit, alone=hit is not None and hit.key not in shared) for hit in hits))
    console.print(table)
    if all(keys):
        console.print(f"\n{len(shared)} of {max(map(len, keys))} rows are found by both.")


def _cell(hit: Hit | None, *, alone: bool) -> Text:
    from rich.text import Text

    if hit is None:
        return Text("")
    key = ("/".join(hit.key) + " ", "bold yellow" if alone else "bold")
    return Text.assemble((f"{hit.similarity:.3f} ", "green"), key, hit.text)
