"""Problems of a file: where each one stands, what is so, and what was needed."""

from __future__ import annotations

import difflib
import sys
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from datetime import date, time

from pydantic import BaseModel, ValidationError
from pydantic_core import ErrorDetails

from limosa.config.copy import COPY_SECTIONS, broken_copy_rules, is_copy
from limosa.config.lines import Path
from limosa.config.rules import Finding, broken_rules
from limosa.config.schema import LATER, SECTIONS
from limosa.config.split import NOT_IN_SPLIT, SPLIT_SECTIONS, broken_split_rules, is_split

__all__ = ["Problem", "problems_of", "report"]

# What people put there by mistake is a password or an API key: their values are never shown.
_SILENT = frozenset({"store", "key", "base_url"})
_KINDS: tuple[tuple[type, str], ...] = (
    (list, "a list"),
    (tuple, "a list"),
    (dict, "a table"),
    (date, "a date"),
    (time, "a time"),
)


Sections = Mapping[tuple[str, ...], type[BaseModel]]
"""The sections of a file by their paths."""


@dataclass(frozen=True, slots=True)
class _Kind:
    """One kind of file: its sections, what values must be like together, and keys that it cannot have, and why."""

    sections: Sections
    broken: Callable[[Mapping[str, object]], Iterator[Finding]]
    without: Mapping[tuple[str, ...], Mapping[str, str]]


_UPGRADE = _Kind(SECTIONS, broken_rules, LATER)
_SPLIT = _Kind(SPLIT_SECTIONS, broken_split_rules, NOT_IN_SPLIT)
_COPY = _Kind(COPY_SECTIONS, broken_copy_rules, {})


def _kind_of(raw: Mapping[str, object]) -> _Kind:
    return _SPLIT if is_split(raw) else _COPY if is_copy(raw) else _UPGRADE


@dataclass(frozen=True, slots=True)
class Problem:
    """One thing that is wrong.

    Attributes:
        path: sections and key.
        said: what is so and what was needed.
        of_section: the path names a section and not a key of one.
    """

    path: Path
    said: str
    of_section: bool = False

    def line(self, lines: Mapping[Path, int]) -> int | None:
        """The key's line, else that of the closest section around it; None where neither is known."""
        for end in range(len(self.path), 0, -1):
            if self.path[:end] in lines:
                return lines[self.path[:end]]
        return None

    @property
    def place(self) -> str:
        """``[source.space] dimensions`` as a person finds it in the file."""
        names = [str(part) for part in self.path if isinstance(part, str)]
        key = "" if self.of_section or not names else names.pop()
        section = f"[{'.'.join(names)}]" if names else ""
        return " ".join(part for part in (section, key) if part)


def problems_of(raw: Mapping[str, object]) -> list[Problem]:
    """Everything that is wrong with a file's mapping; empty where it can be used."""
    kind = _kind_of(raw)
    found: list[Problem] = []
    try:
        kind.sections[()].model_validate(raw)
    except ValidationError as exc:
        found = [_problem(error, kind) for error in exc.errors(include_url=False)]
    return found + [Problem(path, said, of_section=path in kind.sections) for path, said in kind.broken(raw)]


def report(problems: Iterable[Problem], lines: Mapping[Path, int]) -> list[str]:
    """One line of text a problem, in the order of the file; problems without a line come last."""
    numbered = [(problem.line(lines), problem) for problem in problems]
    numbered.sort(key=lambda pair: pair[0] or sys.maxsize)
    return [_sentence(line, problem) for line, problem in numbered]


def _sentence(line: int | None, problem: Problem) -> str:
    where = ", ".join(part for part in (f"line {line}" if line else "", problem.place) if part)
    return f"{where}: {problem.said}" if where else problem.said


def _problem(error: ErrorDetails, kind: _Kind) -> Problem:
    sections = kind.sections
    unknown, loc = error["type"] == "extra_forbidden", error["loc"]
    # Where a key takes one thing or another, pydantic tells which was tried; a key that nobody knows is the file's own.
    kept = len(loc) - 1 if unknown else len(loc)
    path = tuple(part for place, part in enumerate(loc) if place == kept or not str(part).startswith("~"))
    names = tuple(part for part in path if isinstance(part, str))
    if unknown:
        return Problem(path, _unknown(names[:-1], names[-1], kind))
    if error["type"] == "value_error":
        return Problem(path, str(error["ctx"]["error"]))
    # What a key holds may be a table of names of the user's own.
    end = next(i for i in range(len(names), 0, -1) if names[: i - 1] in sections)
    needed = sections[names[: end - 1]].model_fields[names[end - 1]].description
    if error["type"] == "missing":
        return Problem(path, f"it is missing; needed is {needed}.")
    given = _described(error["input"], silent=names in sections or not _SILENT.isdisjoint(names))
    return Problem(path, f"{given} was given; needed is {needed}.")


def _unknown(section: tuple[str, ...], key: str, kind: _Kind) -> str:
    sections, why = kind.sections, kind.without.get(section, {}).get(key)
    if why is not None:
        return why
    elsewhere = [other for other, model in sections.items() if key in model.model_fields]
    if elsewhere:
        return f"unknown key here; it belongs {' or '.join(_section_title(other) for other in elsewhere)}."
    known = list(sections[section].model_fields)
    near = difflib.get_close_matches(key.lower(), known, n=1)
    return f"unknown key; did you mean {near[0]}?" if near else f"unknown key; known are {', '.join(known)}."


def _section_title(section: tuple[str, ...]) -> str:
    return f"in [{'.'.join(section)}]" if section else "at the top"


def _described(value: object, *, silent: bool) -> str:
    for kind, said in _KINDS:
        if isinstance(value, kind):
            return said
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, str):
        return "a text" if silent else repr(value if len(value) <= 40 else value[:37] + "...")
    if isinstance(value, int | float):
        # Python refuses to print an integer of thousands of digits.
        return "a number" if silent or abs(value) >= 1e18 else repr(value)
    return f"a {type(value).__name__}"
