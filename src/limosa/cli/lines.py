"""Lines of output: a narrow first column says where they belong, the rest wraps beside it."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Sequence

    from rich.console import Console

    from limosa.model.proof import Proof

__all__ = ["WIDTH", "print_heading", "print_line", "print_proofs"]

WIDTH = 10
"""Columns of the first column: the longest name of a step and two spaces."""

_VERDICTS = {
    "proved": ("proved", "green"),
    "different": ("DIFFERENT", "bold red"),
    "unchecked": ("not checked", "yellow"),
}


def print_heading(console: Console, said: str) -> None:
    """A heading after an empty line."""
    console.print()
    console.print(said, style="bold", soft_wrap=True)


def print_line(
    console: Console,
    place: str,
    said: str,
    *,
    width: int = WIDTH,
    style: str = "cyan",
    mark: tuple[str, str] = ("", ""),
) -> None:
    """One line; on a terminal wrapped beside its first column, elsewhere left whole for the next program.

    Args:
        place: what stands in the first column.
        width: columns of the first column.
        style: the first column's colour.
        mark: a word in a colour of its own before the rest, and that colour.
    """
    from rich.table import Table
    from rich.text import Text

    rest = Text.assemble(mark, "  " if mark[0] else "", said)
    if not console.is_terminal:
        console.print(Text.assemble((f"{place:<{width}}", style), rest), soft_wrap=True)
        return
    grid = Table.grid(padding=0, pad_edge=False)
    grid.add_column(width=width, no_wrap=True)
    grid.add_column(overflow="fold")
    grid.add_row(Text(place, style=style), rest)
    console.print(grid)


def print_proofs(console: Console, proofs: Sequence[Proof], *, sql: bool = False) -> None:
    """One line for each proof, the conservation line last.

    Args:
        sql: the statements that repeat a proof stand below it, as they can be copied.
    """
    for proof in sorted(proofs, key=lambda each: each.name == "conservation"):
        print_line(console, "verify", f"{proof.name}: {proof.said}", mark=_VERDICTS[proof.verdict])
        if sql and "sql" in proof.evidence:
            console.print(str(proof.evidence["sql"]), style="dim", soft_wrap=True, markup=False, highlight=False)
