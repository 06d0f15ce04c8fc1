"""Problems of a file: where each one stands, what is so, and what was needed."""

from __future__ import annotations

import difflib
import sys
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import date, time

from pydantic import BaseModel, ValidationError
from pydantic_core import ErrorDetails

from limosa.config.lines import Path
from limosa.config.rules import broken_rules
from limosa.config.schema import LATER, SECTIONS, File
from limosa.config.split import NOT_IN_SPLIT, SPLIT_SECTIONS, SplitFile, broken_split_rules, is_split

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
    split = is_split(raw)
    sections = SPLIT_SECTIONS if split else SECTIONS
    found: list[Problem] = []
    try:
        (SplitFile if split else File).model_validate(raw)
    except ValidationError as exc:
        found = [_problem(error, sections) for error in exc.errors(include_url=False)]
    broken = broken_split_rules(raw) if split else broken_rules(raw)
    return found + [Problem(path, said, of_section=path in sections) for path, said in broken]


def report(problems: Iterable[Problem], lines: Mapping[Path, int]) -> list[str]:
    """One line of text a problem, in the order of the file; problems without a line come last."""
    numbered = [(problem.line(lines), problem) for problem in problems]
    numbered.sort(key=lambda pair: pair[0] or sys.maxsize)
    return [_sentence(line, problem) for line, problem in numbered]


def _sentence(line: int | None, problem: Problem) -> str:
    where = ", ".join(part for part in (f"line {line}" if line else "", problem.place) if part)
    return f"{where}: {problem.said}" if where else problem.said


def _problem(error: ErrorDetails, sections: Sections) -> Problem:
    path = error["loc"]
    names = tuple(part for part in path if isinstance(part, str))
    if error["type"] == "extra_forbidden":
        return Problem(path, _unknown(names[:-1], names[-1], sections))
    if error["type"] == "value_error":
        return Problem(path, str(error["ctx"]["error"]))
    needed = sections[names[:-1]].model_fields[names[-1]].description
    if error["type"] == "missing":
        return Problem(path, f"it is missing; needed is {needed}.")
    given = _described(error["input"], silent=names in sections or not _SILENT.isdisjoint(names))
    return Problem(path, f"{given} was given; needed is {needed}.")


def _unknown(section: tuple[str, ...], key: str, sections: Sections) -> str:
    later = LATER.get(section, {}).get(key)
    if later is not None:
        return f"it belongs to {later}, which is not available yet."
    if sections is SPLIT_SECTIONS and key in NOT_IN_SPLIT.get(section, {}):
        return NOT_IN_SPLIT[section][key]
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
