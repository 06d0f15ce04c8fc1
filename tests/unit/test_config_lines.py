"""The scanner agrees with tomllib about which keys there are, and knows their lines."""

from __future__ import annotations

import json
import tomllib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from limosa.config.lines import Path, lines_of

TEXT = '''# a comment with = and [brackets]
name = "a # no comment"   # a comment
source.space.model = 'm'
"quoted.key" = 1
'it''s' = 2

[ source . "in ner" ]
query = """
[not.a.section]
fake = 1 \\"""
more = "quotes"" """""
raw = \'\'\'
[neither]
fake = 2\'\'\'\'
when = 1979-05-27 07:32:00
list = [
  "a]", # ]
  [1, 2,],
  { x = 1, y.z = "}" },
]
inline = { a = 1, "b c" = [true] }
[[many]]
one = 1
[[many]]
two = 2
'''.replace("'it''s' = 2", "'it\"s' = 2")


def test_every_key_has_the_line_on_which_it_stands() -> None:
    tomllib.loads(TEXT)
    rows = TEXT.split("\n")
    found = lines_of(TEXT)

    def line(start: str) -> int:
        return next(i for i, row in enumerate(rows, 1) if row.startswith(start))

    inner: Path = ("source", "in ner")
    assert found == {
        ("name",): line("name"),
        ("source",): line("source.space"),
        ("source", "space"): line("source.space"),
        ("source", "space", "model"): line("source.space"),
        ("quoted.key",): line('"quoted'),
        ('it"s',): line("'it"),
        inner: line("[ source"),
        (*inner, "query"): line("query"),
        (*inner, "raw"): line("raw"),
        (*inner, "when"): line("when"),
        (*inner, "list"): line("list"),
        (*inner, "list", 0): line('  "a]"'),
        (*inner, "list", 1): line("  [1, 2"),
        (*inner, "list", 1, 0): line("  [1, 2"),
        (*inner, "list", 1, 1): line("  [1, 2"),
        (*inner, "list", 2): line("  { x"),
        (*inner, "list", 2, "x"): line("  { x"),
        (*inner, "list", 2, "y"): line("  { x"),
        (*inner, "list", 2, "y", "z"): line("  { x"),
        (*inner, "inline"): line("inline"),
        (*inner, "inline", "a"): line("inline"),
        (*inner, "inline", "b c"): line("inline"),
        (*inner, "inline", "b c", 0): line("inline"),
        ("many",): line("[[many]]"),
        ("many", "one"): line("one"),
        ("many", "two"): line("two"),
    }


def test_windows_line_ends_count_once() -> None:
    assert lines_of("a = 1\r\n\r\n[b]\r\nc = 2\r\n") == {("a",): 1, ("b",): 3, ("b", "c"): 4}


@pytest.mark.parametrize("text", ["a = 1\n[broken\nb = 2", "a = 1\n!!", 'a = 1\nb = "x', "a = 1\nb = [" + "[" * 5000])
def test_what_it_does_not_understand_keeps_what_was_found(text: str) -> None:
    assert lines_of(text)[("a",)] == 1


WORDS = st.text(st.characters(codec="utf-8", exclude_characters="\x7f"), max_size=6)
VALUES = st.recursive(
    st.integers() | st.booleans() | WORDS,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(WORDS, inner, max_size=3),
    max_leaves=8,
)


def toml(value: object) -> str:
    if isinstance(value, dict):
        return "{" + ", ".join(f"{toml(k)} = {toml(v)}" for k, v in value.items()) + "}"
    if isinstance(value, list):
        return "[\n" + ",".join(toml(v) + " # ]\n" for v in value) + "]"
    return json.dumps(value, ensure_ascii=False)


def paths(value: object, path: Path = ()) -> set[Path]:
    items: list[tuple[str | int, object]] = []
    if isinstance(value, dict):
        items = list(value.items())
    elif isinstance(value, list):
        items = list(enumerate(value))
    return {(*path, k) for k, _ in items}.union(*(paths(v, (*path, k)) for k, v in items))


@given(st.dictionaries(WORDS, VALUES, max_size=5))
def test_it_finds_the_keys_that_tomllib_finds(table: dict[str, object]) -> None:
    # A list inside an inline table may break lines; everything outside one stays on its own.
    text = "".join(f"\n{toml(k)} = {toml(v)}\n" for k, v in table.items())
    assert tomllib.loads(text) == table
    found = lines_of(text)
    assert set(found) == paths(table)
    rows = text.split("\n")
    assert all(rows[found[(key,)] - 1].startswith(f"{toml(key)} = ") for key in table)
