"""The pages of an examination: what stands where, and that whatever a database says is shown and never run."""

from __future__ import annotations

import io
from datetime import UTC, datetime
from html.parser import HTMLParser
from pathlib import Path

from rich.console import Console

from limosa.cli.pages.doctor import print_diagnosis, summary
from limosa.cli.pages.doctor_html import page_of
from limosa.model.finding import Finding, Severity, in_order, is_at_least
from limosa.steps.doctor import Diagnosis

FILE = Path("a b.toml")
EVIL = "<img src=x onerror=\"alert('1')\">&amp;"

ZERO = Finding(
    name="zero", verdict="found", severity="error", said="2 are zero", count=2, examples=(("1", "a"), ("2",))
)
STATISTICS = Finding(name="statistics", verdict="found", severity="note", said="old", do="ANALYZE t;", sql="SELECT 1")
STALE = Finding(name="stale", verdict="unchecked", severity="error", said="could not be checked: nobody answers")
SIZES = Finding(name="sizes", verdict="clean", severity="error", said="all of 3")


def test_the_worst_stands_first() -> None:
    assert in_order([SIZES, STALE, STATISTICS, ZERO]) == (ZERO, STATISTICS, STALE, SIZES)


def test_a_level_takes_what_is_worse_along_and_only_what_was_found() -> None:
    levels: tuple[Severity, ...] = ("error", "warning", "note")
    assert [is_at_least(ZERO, level) for level in levels] == [True, True, True]
    assert [is_at_least(STATISTICS, level) for level in levels] == [False, False, True]
    assert not any(is_at_least(each, "note") for each in (STALE, SIZES))


def test_the_terminal_shows_what_was_found_and_the_rest_by_name() -> None:
    console = Console(file=io.StringIO(), width=100, highlight=False, markup=False)
    print_diagnosis(console, diagnosis(ZERO, STATISTICS, STALE, SIZES), file=FILE)
    assert isinstance(console.file, io.StringIO)
    assert console.file.getvalue().splitlines() == [
        "public.t.v, hashing/words-1 (16): 1 error, 1 note; 1 could not be checked.",
        "1,200 rows. Nothing has been changed.",
        "",
        "Found",
        "error      zero: 2 are zero",
        "           for example: 1/a, 2",
        "note       statistics: old",
        "           do: ANALYZE t;",
        "           see: SELECT 1",
        "",
        "Not checked",
        "unchecked  stale: could not be checked: nobody answers",
        "",
        "clean      sizes",
    ]


def test_nothing_found_is_said() -> None:
    assert summary(diagnosis(SIZES)) == "nothing was found"


def test_the_page_is_whole_and_escapes_whatever_stands_in_a_finding() -> None:
    evil = Finding(
        name=EVIL,
        verdict="found",
        severity="warning",
        said=EVIL,
        examples=((EVIL,),),
        do=f"limosa run FILE {EVIL}",
        sql=EVIL,
    )
    page = page_of(diagnosis(evil, STALE, SIZES, place=EVIL, sent=EVIL), file=FILE)
    reader = Reader()
    reader.feed(page)
    assert reader.open == []
    assert reader.tags.isdisjoint({"img", "script", "a", "link", "iframe"})
    assert reader.attributes.isdisjoint({"src", "href", "onerror", "onclick"})
    assert reader.text.count(EVIL) == 8
    assert "limosa run 'a b.toml'" in reader.text
    assert "http:" not in page.replace("http-equiv", "")


class Reader(HTMLParser):
    """Reads a page as a browser does: its tags, its attributes, and its text."""

    def __init__(self) -> None:
        super().__init__()
        self.tags: set[str] = set()
        self.attributes: set[str] = set()
        self.text = ""
        self.open: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.add(tag)
        self.attributes.update(name for name, _ in attrs)
        if tag != "meta":
            self.open.append(tag)

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag

    def handle_data(self, data: str) -> None:
        self.text += data


def diagnosis(*findings: Finding, place: str = "public.t.v", sent: str = "") -> Diagnosis:
    at = datetime(2026, 1, 2, 3, 4, tzinfo=UTC)
    return Diagnosis(
        place=place, space="hashing/words-1 (16)", at=at, counts={"rows": 1200}, sent=sent, findings=findings
    )
