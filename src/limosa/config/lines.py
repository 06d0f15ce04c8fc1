"""The scanner that finds on which line of a TOML text each key stands, which tomllib does not tell."""

from __future__ import annotations

import contextlib
import re
import tomllib

__all__ = ["Path", "lines_of"]

Path = tuple[str | int, ...]
"""Section names and key from the top of the file; numbers are positions in an array, from 0."""

# Up to two quotes may stand directly before the closing three (TOML 1.0, "Multi-line basic strings").
_STRING = re.compile(
    r'"""(?:\\.|[^\\])*?"""(?:"{0,2})'
    r"|'''.*?'''(?:'{0,2})"
    r'|"(?:\\.|[^"\\\n])*"'
    r"|'[^'\n]*'",
    re.DOTALL,
)
_BARE = re.compile(r"[A-Za-z0-9_-]+")
_BLANK = re.compile(r"[ \t]*")
_FILLER = re.compile(r"(?:[ \t\r\n]|#[^\n]*)*")
_SCALAR = re.compile(r"[^,\]}#\n]+")


class _ScanError(Exception):
    """The text is not what the scanner understands; what was found so far is kept."""


def lines_of(text: str) -> dict[Path, int]:
    """Line, from 1, of every key, section and array element of a valid TOML text.

    A text that the scanner does not understand gives the lines up to that point. Of a section
    or array of tables that stands twice the first line is given.
    """
    scan = _Scan(text)
    with contextlib.suppress(_ScanError, RecursionError):
        scan.document()
    return scan.found


class _Scan:
    """One pass over one text."""

    def __init__(self, text: str) -> None:
        self.text = text
        self.at = 0
        self.found: dict[Path, int] = {}

    def document(self) -> None:
        section: Path = ()
        self.skip(_FILLER)
        while self.at < len(self.text):
            if self.peek("["):
                section = self.header()
            else:
                self.pair(section)
            self.skip(_FILLER)

    def header(self) -> Path:
        closing = "]]" if self.peek("[[") else "]"
        self.at += len(closing)
        path = self.key(())
        self.expect(closing)
        return path

    def pair(self, section: Path) -> None:
        path = self.key(section)
        self.expect("=")
        self.skip(_BLANK)
        self.value(path)

    def key(self, section: Path) -> Path:
        """Reads a dotted key and notes it and every section that it opens."""
        path = section
        while True:
            self.skip(_BLANK)
            line = self.text.count("\n", 0, self.at) + 1
            path = (*path, self.name())
            self.found.setdefault(path, line)
            self.skip(_BLANK)
            if not self.peek("."):
                return path
            self.at += 1

    def name(self) -> str:
        if self.peek('"') or self.peek("'"):
            return str(tomllib.loads(f"name = {self.take(_STRING)}")["name"])
        return self.take(_BARE)

    def value(self, path: Path) -> None:
        if self.peek("["):
            self.array(path)
        elif self.peek("{"):
            self.table(path)
        elif self.peek('"') or self.peek("'"):
            self.take(_STRING)
        else:
            self.take(_SCALAR)

    def array(self, path: Path) -> None:
        self.at += 1
        self.skip(_FILLER)
        position = 0
        while not self.peek("]"):
            self.found.setdefault((*path, position), self.text.count("\n", 0, self.at) + 1)
            self.value((*path, position))
            position += 1
            self.skip(_FILLER)
            if self.peek(","):
                self.at += 1
                self.skip(_FILLER)
        self.at += 1

    def table(self, path: Path) -> None:
        self.at += 1
        self.skip(_FILLER)
        while not self.peek("}"):
            self.pair(path)
            self.skip(_FILLER)
            if self.peek(","):
                self.at += 1
                self.skip(_FILLER)
        self.at += 1

    def peek(self, expected: str) -> bool:
        return self.text.startswith(expected, self.at)

    def expect(self, expected: str) -> None:
        self.skip(_BLANK)
        if not self.peek(expected):
            raise _ScanError
        self.at += len(expected)

    def skip(self, pattern: re.Pattern[str]) -> None:
        match = pattern.match(self.text, self.at)
        if match is not None:
            self.at = match.end()

    def take(self, pattern: re.Pattern[str]) -> str:
        match = pattern.match(self.text, self.at)
        if match is None:
            raise _ScanError
        self.at = match.end()
        return match.group()
