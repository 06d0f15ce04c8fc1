"""The demo's output: 80 columns, plain where there is no terminal, nothing taken for markup."""

from __future__ import annotations

import pytest

from limosa.cli.demo.counts import Report, Waits
from limosa.cli.demo.page import Page


def _report(**counts: int) -> Report:
    zero = dict.fromkeys(("inserts", "edits", "deletes", "searches", "errors", "empty", "short"), 0)
    waits = Waits(p50_ms=1.0, p99_ms=2.4, longest_ms=31.6)
    return Report(seconds=12.0, **(zero | counts), messages={}, write_waits=waits, search_waits=waits)


def test_lines_stay_within_80_columns_and_carry_no_escapes(capsys: pytest.CaptureFixture[str]) -> None:
    page = Page()
    page.heading("A title", "word " * 40)
    page.say("line " * 40, "")
    page.beside(_report(edits=1234, searches=2345))
    page.phases([("cutover again", _report(edits=12_345, searches=23_456)), ("run", _report())])
    page.columns(("", "old", "", "new"), [("0.39", "a.long.dotted.title." * 4, "0.41", "b")], left=(1, 3))
    lines = capsys.readouterr().out.splitlines()
    assert "\x1b" not in "".join(lines)
    assert max(map(len, lines)) <= 80
    assert lines[1].startswith("1. A title ")


def test_headings_are_numbered_and_brackets_are_no_markup(capsys: pytest.CaptureFixture[str]) -> None:
    page = Page()
    page.heading("[One]", "Why.")
    page.heading("Two", "Why [not].")
    page.verbatim("[source]\n")
    out = capsys.readouterr().out
    assert "1. [One]" in out
    assert "2. Two" in out
    assert "Why [not]." in out
    assert "    [source]\n" in out


def test_trouble_is_said_loudly(capsys: pytest.CaptureFixture[str]) -> None:
    Page().beside(_report(edits=1, errors=2, empty=3))
    told = " ".join(capsys.readouterr().out.split())
    assert "2 ERRORS, 3 EMPTY ANSWERS, longest pause 32 ms (write), 32 ms (search)." in told


def test_a_table_without_lines_is_nothing(capsys: pytest.CaptureFixture[str]) -> None:
    Page().columns(("a", "b"), [])
    assert capsys.readouterr().out == ""
