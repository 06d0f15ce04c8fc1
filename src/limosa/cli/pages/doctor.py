"""The page of an examination: what was found, the worst first, and what could not be looked at."""

from __future__ import annotations

from collections import Counter
from pathlib import Path
from typing import TYPE_CHECKING

from limosa.cli.lines import print_heading, print_line
from limosa.cli.options import with_file

if TYPE_CHECKING:
    from rich.console import Console

    from limosa.model.finding import Finding, Severity
    from limosa.steps.doctor import Diagnosis

__all__ = ["examples_of", "print_diagnosis", "summary"]

_STYLES: dict[Severity, str] = {"error": "bold red", "warning": "bold yellow", "note": "cyan"}


def print_diagnosis(console: Console, diagnosis: Diagnosis, *, file: Path) -> None:
    """Every finding; what is clean on one line.

    Args:
        file: the migration's file, for commands that the page names.
    """
    console.print(f"{diagnosis.place}, {diagnosis.space}: {summary(diagnosis)}.", style="bold", soft_wrap=True)
    if diagnosis.counts:
        listed = ", ".join(f"{count:,} {name}" for name, count in diagnosis.counts.items())
        console.print(f"{listed}. Nothing has been changed.", soft_wrap=True)
    found = [each for each in diagnosis.findings if each.verdict == "found"]
    if found:
        print_heading(console, "Found")
    for each in found:
        _found(console, each, file)
    unchecked = [each for each in diagnosis.findings if each.verdict == "unchecked"]
    if unchecked:
        print_heading(console, "Not checked")
    for each in unchecked:
        print_line(console, "unchecked", f"{each.name}: {each.said}", width=11, style="yellow")
    clean = [each.name for each in diagnosis.findings if each.verdict == "clean"]
    console.print()
    print_line(console, "clean", ", ".join(clean) or "nothing", width=11, style="green")


def summary(diagnosis: Diagnosis) -> str:
    """How many of each severity were found, in words."""
    counts = Counter(each.severity for each in diagnosis.findings if each.verdict == "found")
    unchecked = sum(each.verdict == "unchecked" for each in diagnosis.findings)
    parts = [f"{counts[name]} {name}{'s' if counts[name] != 1 else ''}" for name in _STYLES if counts[name]]
    said = ", ".join(parts) or "nothing was found"
    return f"{said}; {unchecked} could not be checked" if unchecked else said


def examples_of(finding: Finding) -> str:
    """The example keys on one line; the columns of a key are parted by slashes."""
    return ", ".join("/".join(key) for key in finding.examples)


def _found(console: Console, finding: Finding, file: Path) -> None:
    style = _STYLES[finding.severity]
    print_line(console, finding.severity, f"{finding.name}: {finding.said}", width=11, style=style)
    parts = (("for example", examples_of(finding)), ("do", with_file(finding.do, file)), ("see", finding.sql))
    for place, said in parts:
        if said:
            print_line(console, "", f"{place}: {said}", width=11)
