"""The page of `limosa init`: what was found, and what was written of it."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from limosa.cli.lines import print_heading, print_line

if TYPE_CHECKING:
    from rich.console import Console

    from limosa.config.compose import Choice
    from limosa.ports.discovery import Candidate, Discovery

__all__ = ["print_discovery", "print_written"]


def print_discovery(console: Console, found: Discovery, usable: Sequence[Candidate]) -> None:
    """The vector columns that can be meant, numbered from 1, and why the others cannot."""
    from limosa.config.choose import left_out, summary

    print_heading(console, f"Vector columns of {found.database}")
    for number, each in enumerate(usable, 1):
        print_line(console, f"{number}", f"{each.table}.{each.vector}: {summary(each)}", width=4)
    for why in left_out(found):
        print_line(console, "-", why, width=4, style="yellow")
    if found.unseen:
        print_line(console, "", f"{found.unseen:,} more were not looked at; --table names one of them.", width=4)
    for remark in found.remarks:
        print_line(console, "", remark, width=4)
    console.print()


def print_written(console: Console, choice: Choice, file: Path, *, passed_by: Sequence[str] = ()) -> None:
    """What the file says, in short, and what comes next.

    Args:
        passed_by: why plan would refuse the columns that nobody was shown.
    """
    from limosa.cli.options import with_file

    candidate, source, target = choice.candidate, choice.source, choice.target
    lines = {
        "vectors": f"{candidate.table}.{candidate.vector}, key ({', '.join(choice.key)})",
        "texts": ", ".join(choice.text),
        "from": f"{source.provider}/{source.model} ({source.dimensions}). {source.why}".strip(),
        "to": "the same: rows without a vector get one"
        if choice.fills
        else f"{target.provider}/{target.model} ({target.dimensions}). {target.why}".strip(),
    }
    for place, said in lines.items():
        print_line(console, place, said)
    for why in passed_by:
        print_line(console, "passed by", why, width=11, style="yellow")
    console.print(f"{file} is written. " + with_file("limosa plan FILE says what it would do.", file), soft_wrap=True)
