"""Page: how the demo speaks to a newcomer: a heading, why, then what really happened."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from textwrap import indent, wrap
from typing import TYPE_CHECKING

from limosa.cli.amounts import duration
from limosa.cli.amounts import rows as counted
from limosa.cli.demo.counts import Report
from limosa.cli.terminal import console

if TYPE_CHECKING:
    from rich.console import Console
    from rich.table import Table

__all__ = ["Page", "pauses", "trouble"]

WIDTH = 80
"""Columns, on wider terminals too: lines stay readable and a copy of the output fits anywhere."""


class Page:
    """Prints to the terminal, plainly where there is none."""

    def __init__(self) -> None:
        self.console: Console = console()
        self.console.width = min(WIDTH, self.console.width)
        self._number = 0

    def heading(self, title: str, why: str) -> None:
        """Begins the next part: its number and title, then one or two sentences of what happens and why."""
        from rich.text import Text

        self._number += 1
        self.console.print()
        self.console.rule(Text(f"{self._number}. {title}", style="bold"), align="left", style="cyan")
        self.say(why, indent=0)
        self.console.print()

    def say(self, *lines: str, indent: int = 2) -> None:
        """Lines of what was found, each wrapped."""
        for line in lines:
            folded = wrap(line, self.console.width - indent, break_on_hyphens=False) or [""]
            self.console.print("\n".join((" " * indent + each).rstrip() for each in folded), soft_wrap=True)

    def verbatim(self, text: str) -> None:
        """A text as it stands, indented."""
        self.console.print(indent(text.rstrip(), "    "), soft_wrap=True)

    def beside(self, report: Report) -> None:
        """What the application met meanwhile."""
        self.console.print()
        self.say(
            f"The application meanwhile: {counted(report.writes)} writes, {counted(report.searches)} searches,"
            f" {trouble(report)}, longest pause {pauses(report)}."
        )

    def columns(self, headings: Sequence[str], lines: Iterable[Sequence[str]], *, left: Sequence[int] = (0,)) -> None:
        """A table; columns hold figures on the right unless they are listed as ``left``; no lines, no table."""
        from rich.table import Table

        table: Table = Table(box=None, padding=(0, 2, 0, 0), pad_edge=False, show_header=any(headings))
        table.add_column("")
        for place, heading in enumerate(headings):
            table.add_column(heading, justify="left" if place in left else "right", overflow="fold")
        for line in lines:
            table.add_row("", *line)
        if table.row_count:
            self.console.print(table)

    def phases(self, phases: Sequence[tuple[str, Report]]) -> None:
        """The application's report, one line for each phase."""
        headings = ("phase", "seconds", "writes", "searches", "errors", "empty", "p99 ms", "longest ms")
        self.columns(headings, [_line(name, report) for name, report in phases])


def pauses(report: Report) -> str:
    """The longest write and the longest search."""
    return f"{report.write_waits.longest_ms:.0f} ms (write), {report.search_waits.longest_ms:.0f} ms (search)"


def trouble(report: Report) -> str:
    """Errors and empty answers, in words."""
    errors = "no error" if not report.errors else f"{counted(report.errors)} ERRORS"
    empty = "no empty answer" if not report.empty else f"{counted(report.empty)} EMPTY ANSWERS"
    return f"{errors}, {empty}"


def _line(name: str, report: Report) -> tuple[str, ...]:
    p99 = f"{report.write_waits.p99_ms:.0f} / {report.search_waits.p99_ms:.0f}"
    longest = f"{report.write_waits.longest_ms:.0f} / {report.search_waits.longest_ms:.0f}"
    counts = (report.writes, report.searches, report.errors, report.empty)
    return (name, duration(report.seconds).removesuffix(" s"), *map(counted, counts), p99, longest)
