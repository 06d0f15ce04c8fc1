"""What several values of the file must be like together.

The rules read the mapping as it came, so that they are told beside faults of single values.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping

__all__ = ["Finding", "broken_rules", "soak_twice"]

Finding = tuple[tuple[str | int, ...], str]
"""Path of the key or section, and what is so."""

_TEXTS = ("text", "template", "query")
# Renaming brings the new column under the old one's name, so the vector's name stays with the place.
_PLACE = ("store", "table", "key", "vector", "where")


def broken_rules(raw: Mapping[str, object]) -> Iterator[Finding]:
    """Each rule that the file breaks; values of the wrong type are left to the schema."""
    yield from _texts(raw)
    yield from _queries(raw)
    yield from _copies(raw)
    yield from _index(raw)
    yield from _beside(raw)
    yield from soak_twice(raw)


def soak_twice(raw: Mapping[str, object]) -> Iterator[Finding]:
    """The days of soak stand in one place."""
    if raw.get("soak_days") is not None and _section(raw, "backfill").get("soak_days") is not None:
        yield ("soak_days",), "it stands at the top and in [backfill]; needed is one of them."


def _section(raw: Mapping[str, object], *path: str) -> Mapping[str, object]:
    found: object = raw
    for name in path:
        found = found.get(name) if isinstance(found, Mapping) else None
    return found if isinstance(found, Mapping) else {}


def _texts(raw: Mapping[str, object]) -> Iterator[Finding]:
    for name in ("source", "target"):
        section = _section(raw, name)
        given = [key for key in _TEXTS if key in section]
        if len(given) > 1:
            yield (name, given[1]), f"{' and '.join(given)} are given; needed is one of text, template or query."
        if name == "source" and section and not given:
            yield (name,), "nothing says where texts come from; needed is one of text, template or query."


def _queries(raw: Mapping[str, object]) -> Iterator[Finding]:
    keys = _names(_section(raw, "source").get("key"))
    for name in ("source", "target"):
        query = _section(raw, name).get("query")
        if not isinstance(query, str) or "*" in query:
            continue
        for key in keys:
            written = re.escape(key.replace('"', '""'))
            if not re.search(rf"(?<!\w){written}(?!\w)", query, re.IGNORECASE):
                # The values of a key named "key" are not shown, here no more than elsewhere.
                yield (name, "query"), "the query gives not every key column; needed are all of them, and text."
                break


def _copies(raw: Mapping[str, object]) -> Iterator[Finding]:
    source, target = _section(raw, "source"), _section(raw, "target")
    for key in _PLACE:
        ours, theirs = source.get(key), target.get(key)
        if theirs is None or (ours is None and key != "where"):
            continue
        same = _names(ours) == _names(theirs) if key == "key" else ours == theirs
        if not same:
            why = "the new column gets the old one's name at cutover"
            if key != "vector":
                why = "what goes to another place is a copy, whose file has no [source.space]"
            yield ("target", key), f"{why}; needed is the same {key} as in [source], or none."


def _beside(raw: Mapping[str, object]) -> Iterator[Finding]:
    """What belongs to one layout only."""
    target = _section(raw, "target")
    layout = target.get("layout", "column")
    if layout == "side_table" and not {"match", "view"} & target.keys():
        said = (
            "the application reads through a match function or a view; needed is [target.match], or view in [target]."
        )
        yield ("target", "layout"), said
    for key in ("vector_table", "view"):
        if key in target and layout != "side_table":
            yield ("target", key), 'it belongs to layout = "side_table".'
    if "vector_table" in _section(raw, "source") and "space" in target and layout != "side_table":
        yield ("target", "layout"), 'vectors of a table beside move to another such table; needed is "side_table".'


def _index(raw: Mapping[str, object]) -> Iterator[Finding]:
    index = _section(raw, "target", "index")
    hnsw = index.get("kind", "hnsw") == "hnsw"
    for key in ("lists",) if hnsw else ("m", "ef_construction"):
        if key in index:
            yield ("target", "index", key), f'it belongs to an index of kind = "{"ivfflat" if hnsw else "hnsw"}".'
    m, ef = index.get("m", 16), index.get("ef_construction", 64)
    # pgvector refuses the build otherwise: "ef_construction must be greater than or equal to 2 * m".
    if hnsw and isinstance(m, int) and isinstance(ef, int) and 2 <= m <= 100 and 4 <= ef < 2 * m:
        key = "ef_construction" if "ef_construction" in index else "m"
        yield ("target", "index", key), f"ef_construction is {ef}; needed is at least 2 * m, which is {2 * m}."


def _names(value: object) -> list[str]:
    if isinstance(value, str):
        return [value]
    return [name for name in value if isinstance(name, str)] if isinstance(value, list) else []
