"""Fields: the names by which a file speaks of what is in payloads, held against real ones."""

from __future__ import annotations

import difflib
from collections.abc import Iterable, Iterator, Mapping

from limosa.model.point import Json

__all__ = ["mistaken", "suggestion"]


def mistaken(payloads: Iterable[Mapping[str, Json]], names: Iterable[str]) -> dict[str, str]:
    """Names of fields that none of the payloads has, each with the one that may be meant; empty where none is near.

    Args:
        names: dots lead into nested fields.
    """
    known = sorted({path for each in payloads for path in _paths(each)})
    return {name: _nearest(name, known) for name in dict.fromkeys(names) if name not in known}


def suggestion(near: str) -> str:
    """The question after a mistaken name; nothing where no name is near."""
    return f"; did you mean {near}?" if near else ""


def _paths(payload: Mapping[str, Json], before: str = "") -> Iterator[str]:
    for name, value in payload.items():
        yield f"{before}{name}"
        if isinstance(value, dict):
            yield from _paths(value, f"{before}{name}.")


def _nearest(name: str, known: list[str]) -> str:
    """The name that is spelled alike, else one with the same last part: ``name`` for ``author.name``."""
    lowered = {each.lower(): each for each in known}
    near = difflib.get_close_matches(name.lower(), lowered, n=1)
    if near:
        return lowered[near[0]]
    last = name.rpartition(".")[2]
    return next((each for each in known if each.rpartition(".")[2] == last), "")
