"""The pages of the documentation: their links, their anchors, their blocks of code."""

from __future__ import annotations

import re
import shlex
from dataclasses import dataclass
from functools import cache
from pathlib import Path

__all__ = ["CHECKOUT", "Block", "Page", "limosa_lines", "pages"]

CHECKOUT = Path(__file__).resolve().parents[2]
"""The root of the repository."""

_FENCE = re.compile(r"^```(\w*)\n(.*?)^```$", re.MULTILINE | re.DOTALL)


@dataclass(frozen=True, slots=True)
class Block:
    """One block of code: ``README.md:42``, its language and its text."""

    place: str
    language: str
    text: str


@dataclass(frozen=True, slots=True)
class Page:
    """One page.

    Attributes:
        name: its path inside the checkout.
        text: everything that stands in it.
    """

    name: str
    text: str

    @property
    def blocks(self) -> list[Block]:
        """The blocks of code, in order."""
        return [
            Block(f"{self.name}:{self.text.count(chr(10), 0, found.start()) + 1}", found[1], found[2])
            for found in _FENCE.finditer(self.text)
        ]

    @property
    def prose(self) -> str:
        """The text without its blocks."""
        return _FENCE.sub("", self.text)

    @property
    def links(self) -> list[str]:
        """Where the page links to inside the repository."""
        return [link for link in re.findall(r"\]\(([^)\s]+)\)", self.prose) if "://" not in link]

    @property
    def anchors(self) -> set[str]:
        """What a link may name after ``#``: every heading in lower case, with hyphens."""
        headings = re.findall(r"^#+ (.*)$", self.prose, re.MULTILINE)
        return {re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-") for heading in headings}


@cache
def pages() -> tuple[Page, ...]:
    """README, CONTRIBUTING, CHANGELOG and everything below docs."""
    names = [CHECKOUT / name for name in ("README.md", "CONTRIBUTING.md", "CHANGELOG.md")]
    found = [*names, *sorted((CHECKOUT / "docs").rglob("*.md"))]
    return tuple(Page(path.relative_to(CHECKOUT).as_posix(), path.read_text(encoding="utf-8")) for path in found)


def limosa_lines(page: Page) -> list[list[str]]:
    """The words of every call of limosa in a page, in blocks and in prose."""
    lines = [line for block in page.blocks if block.language == "console" for line in block.text.splitlines()]
    lines += re.findall(r"`((?:\.venv/bin/)?limosa [^`]*)`", page.prose)
    calls = [shlex.split(line, comments=True) for line in lines]
    return [call[1:] for call in calls if call and call[0].removeprefix(".venv/bin/") == "limosa"]
