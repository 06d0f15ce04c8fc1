"""The demo's texts: every documented module, class and function once, read without importing anything."""

from __future__ import annotations

from pathlib import Path

import pytest

from limosa.cli.demo.corpus import Docstring, docstrings, first_sentence


def _write(folder: Path, name: str, text: str) -> None:
    path = folder / name
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text, encoding="utf-8")


def test_titles_are_qualified_names_in_the_order_of_the_files(tmp_path: Path) -> None:
    _write(tmp_path, "b.py", '"""Of b."""\nclass C:\n    """Of C."""\n    async def m(self):\n        """Of m."""\n')
    _write(tmp_path, "a/__init__.py", '"""Of a."""\n')
    _write(tmp_path, "a/x.py", 'def f():\n    """Of f.\n\n    More.\n    """\n    def g(): "Of g."\n')
    assert docstrings(tmp_path) == [
        Docstring("a", "Of a."),
        Docstring("a.x.f", "Of f.\n\nMore."),
        Docstring("a.x.f.g", "Of g."),
        Docstring("b", "Of b."),
        Docstring("b.C", "Of C."),
        Docstring("b.C.m", "Of m."),
    ]


def test_equal_texts_stand_once_under_the_first_title(tmp_path: Path) -> None:
    _write(tmp_path, "a.py", 'def f(): "Same."\ndef g(): "Same."\n')
    assert docstrings(tmp_path) == [Docstring("a.f", "Same.")]


@pytest.mark.parametrize("name", ["test/a.py", "a/tests/b.py", "idlelib/c.py", "site-packages/d.py"])
def test_tests_and_what_others_installed_are_left_out(tmp_path: Path, name: str) -> None:
    _write(tmp_path, name, '"""Left out."""\n')
    assert docstrings(tmp_path) == []


@pytest.mark.parametrize(
    "text",
    ["def f(:\n", '"""A \\0 that Postgres takes in no text."""\n', '"""A lone surrogate: \\udc80."""\n', '"""   """\n'],
)
def test_what_cannot_be_a_row_is_left_out(tmp_path: Path, text: str) -> None:
    _write(tmp_path, "a.py", text)
    _write(tmp_path, "b.py", '"""Kept."""\n')
    assert docstrings(tmp_path) == [Docstring("b", "Kept.")]


def test_old_escapes_warn_nobody_and_nothing_is_imported(tmp_path: Path) -> None:
    _write(tmp_path, "a.py", '"""Doc \\d."""\nraise SystemExit("imported")\n')
    assert docstrings(tmp_path) == [Docstring("a", "Doc \\d.")]


def test_fewer_are_taken_evenly(tmp_path: Path) -> None:
    _write(tmp_path, "a.py", "\n".join(f'def f{i}(): "Text {i}."' for i in range(10)))
    assert [each.title for each in docstrings(tmp_path, most=4)] == ["a.f0", "a.f2", "a.f5", "a.f7"]
    assert len(docstrings(tmp_path, most=99)) == 10


def test_the_first_sentence_is_one_line() -> None:
    assert first_sentence("Opens\n  a file. Then reads it.\n\nMore.") == "Opens a file"
    assert first_sentence("join(a, b) -> str\n\nJoins.") == "join(a, b) -> str"
