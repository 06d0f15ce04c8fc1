"""Pages read well at 80 columns, with colours and without."""

from __future__ import annotations

import io
from datetime import UTC, datetime
from pathlib import Path
from typing import Literal, get_args

import pytest
from rich.console import Console

from limosa.cli.lines import print_line, print_proofs
from limosa.cli.pages.plan import print_code, print_plan, print_ways
from limosa.cli.pages.search import print_duplicates, print_found
from limosa.cli.pages.status import print_failed, print_status
from limosa.config import load
from limosa.control.reports import Exceptions, Tally
from limosa.model.conservation import Conservation
from limosa.model.job import JobsOut
from limosa.model.operation import Operation
from limosa.model.plan import Check, Plan
from limosa.model.proof import Proof
from limosa.model.wish import Pause
from limosa.plan.code import Mention
from limosa.ports.store import Progress
from limosa.steps.duplicates import Duplicates, Pair
from limosa.steps.search import Found, Hit
from limosa.steps.status import State, Status

FILE = Path("my job.toml")
LONG = "The quick brown fox [of the table] jumps over the lazy dog and goes on for more than eighty columns."


def page(*, terminal: bool = False) -> Console:
    system: Literal["standard"] | None = "standard" if terminal else None
    return Console(
        file=io.StringIO(), force_terminal=terminal, width=80, markup=False, highlight=False, color_system=system
    )


def text(console: Console) -> str:
    assert isinstance(console.file, io.StringIO)
    return console.file.getvalue()


def a_status(state: State, **more: object) -> Status:
    tally = Tally(
        done=90,
        skipped=5,
        dead=2,
        asked=20,
        tokens=1000,
        cost_usd=0.25,
        chunks_done=3,
        chunks_open=1,
        workers=2,
        processes=1,
        changes=7,
    )
    whole: dict[str, object] = {
        "shape": "upgrade",
        "conservation": Conservation(rows=100, done=88, skipped=5, dead=2, pending=5, lost=0),
        "exceptions": (Exceptions("dead", "too long", 4, (("1", "a"), ("2", "b"), ("3", "c"))),),
        "events": ((datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC), "cutover", "0 changes outstanding"),),
        "tally": tally,
        "at_expand": 100,
    }
    return Status(id="1f", name="job", state=state, **{**whole, **more})  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("state", "said"),
    [
        ("not begun", "limosa run 'my job.toml' begins"),
        ("running", "After expand; 1 at work."),
        ("stopped", "nobody is working on it"),
        ("verified", "limosa cutover 'my job.toml'"),
        ("different", "A proof came out different."),
        ("switched", "limosa finish 'my job.toml' drops the old vectors"),
        ("rolling back", "limosa rollback 'my job.toml' goes on"),
        ("rolled back", "limosa run 'my job.toml' begins anew"),
        ("finished", "the old vectors are gone"),
    ],
)
def test_every_state_says_what_is_so_and_what_comes_next(state: State, said: str) -> None:
    assert state in get_args(State)
    console = page()
    print_status(console, a_status(state, step="expand"), file=FILE)
    assert said in text(console)
    assert "100 rows = 88 done + 5 skipped + 2 dead + 5 pending + 0 lost" in text(console)
    assert "4: too long (key 1/a, 2/b, 3/c, ...)" in text(console)


def test_a_fill_has_nothing_to_cut_over() -> None:
    console = page()
    print_status(console, a_status("verified", shape="fill"), file=FILE)
    assert "limosa finish 'my job.toml'" in text(console)


def test_a_status_tells_rate_money_and_the_index() -> None:
    console = page()
    status = a_status("running", rate_per_s=1.5, building=Progress("building index", 50, 1000))
    print_status(console, status, file=FILE)
    said = text(console)
    assert "2 rows a second, 2.0 s left" in said
    assert "$0.2500 for 1,000 tokens" in said
    assert "building index, 50 of 1,000" in said
    assert "7 wait to be followed" in said


def test_a_status_says_who_waits_why_and_since_when() -> None:
    console = page()
    pause = Pause("nightly backup", datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC))
    print_status(console, a_status("running", paused=pause, settings={"budget_usd": 5.0, "lane": "batch"}), file=FILE)
    said = text(console)
    assert said.startswith("job  running, paused\n")
    assert "nightly backup, since 2026-01-02 03:04:05 UTC; limosa resume 'my job.toml' goes on" in said
    assert "set       budget_usd = 5.0, lane = batch" in said
    console = page()
    print_status(console, a_status("running", waiting="the file stop is there"), file=FILE)
    assert "waits     the file stop is there" in text(console)
    assert "paused" not in text(console)


@pytest.mark.parametrize(
    ("more", "code"),
    [
        ({}, 0),
        ({"conservation": None}, 0),
        ({"conservation": Conservation(rows=2, done=1, skipped=0, dead=0, pending=0, lost=1)}, 1),
        ({"state": "different"}, 1),
    ],
)
def test_a_status_is_not_fine_where_something_is_lost(more: dict[str, object], code: int) -> None:
    assert a_status(**{"state": "running", **more}).exit_code == code  # type: ignore[arg-type]


def test_failed_rows_are_told_dead_first() -> None:
    console = page()
    found = [Exceptions("skipped", "no text", 1, (("9",),)), Exceptions("dead", "too long", 1, (("1",),))]
    print_failed(console, sorted(found, key=lambda each: each.kind, reverse=True), file=FILE)
    lines = text(console).splitlines()
    assert lines[0].split() == ["dead", "1:", "too", "long", "(key", "1)"]
    assert lines[-1] == "limosa retry 'my job.toml' queues the dead rows again."
    console = page()
    print_failed(console, [], file=FILE)
    assert text(console) == "No row is dead, and none was skipped.\n"


def a_plan() -> Plan:
    return Plan(
        migration="1f",
        name="job",
        shape="upgrade",
        counts={"rows": 12_000, "without_text": 5},
        estimates={"cost_usd": 1.5, "heap_bytes_before": 8_700_000, "backfill_s": 200.0, "price_source": "a page"},
        checks=(
            Check(name="key", verdict="ok", said="fine"),
            Check(name="disk", verdict="note", said=LONG, do="limosa status FILE"),
            Check(name="slow", verdict="accept", said="long", flag="--accept-slow"),
            Check(name="table", verdict="refused", said="no table", needed="a table", do="make it"),
        ),
        operations=(
            Operation(id="a", step="expand", title="Add a column", do=(), lock="ACCESS EXCLUSIVE"),
            Operation(id="b", step="expand", title="Watch rows", do=()),
            Operation(id="c", step="finish", title="Drop the old", do=()),
        ),
    )


JOB = {
    "name": "job",
    "source": {
        "store": "env:NOWHERE",
        "table": "questions",
        "key": "id",
        "text": ["title", "body"],
        "vector": "embedding",
        "where": "live",
        "space": {"provider": "hashing", "model": "words-1", "dimensions": 64},
    },
    "target": {"space": {"provider": "hashing", "model": "words-2", "dimensions": 96}},
}


def test_the_plan_says_everything_in_words() -> None:
    console = page()
    print_plan(console, a_plan(), load(JOB), file=FILE)
    said = text(console)
    for part in (
        "job: upgrade",
        "where live",
        "from      hashing/words-1 (64)",
        "to        hashing/words-2 (96)",
        "columns title, body",
        "12,000",
        "8.7 MB",
        "$1.50",
        "3 min 20 s",
        "a page",
        "refused   table: no table",
        "needed: a table",
        "accept it with --accept-slow",
        "do: limosa status 'my job.toml'",
        "ok        key",
        "Add a column (ACCESS EXCLUSIVE)",
        "finish    Drop the old",
    ):
        assert part in said, part
    # The checks that need a person come first.
    assert said.index("no table") < said.index("accept it") < said.index("disk:") < said.index("ok  ")
    assert said.count("expand") == 1


def test_a_terminal_gets_colours_and_wrapped_lines_and_a_pipe_neither() -> None:
    plain, coloured = page(), page(terminal=True)
    for console in (plain, coloured):
        print_plan(console, a_plan(), load(JOB), file=FILE)
        print_line(console, "[b]", LONG)
    assert "\x1b[" not in text(plain)
    assert "\x1b[" in text(coloured)
    assert LONG in text(plain)
    assert LONG not in text(coloured)
    assert "[of the table]" in text(coloured)


def test_no_line_of_a_terminal_is_wider_than_it() -> None:
    console = Console(file=io.StringIO(), force_terminal=True, width=80, color_system=None)
    print_plan(console, a_plan(), load(JOB), file=FILE)
    print_status(console, a_status("running", rate_per_s=3.0), file=FILE)
    assert max(len(line.rstrip()) for line in text(console).splitlines()) <= 80


def test_proofs_are_told_with_conservation_last() -> None:
    console = page()
    proofs = [
        Proof(name="conservation", verdict="proved", said="1 = 1"),
        Proof(name="index", verdict="unchecked", said="no index"),
        Proof(name="canary", verdict="different", said="0.2"),
    ]
    print_proofs(console, proofs)
    assert text(console).splitlines() == [
        "verify    not checked  index: no index",
        "verify    DIFFERENT  canary: 0.2",
        "verify    proved  conservation: 1 = 1",
    ]


def test_both_sides_of_a_search_stand_beside_each_other() -> None:
    console = page()
    old = Found(side="old", space="a (2)", hits=(Hit(("1",), 0.5, "one"), Hit(("2",), 0.4, "two")))
    new = Found(side="new", space="b (3)", hits=(Hit(("2",), 0.9, "two"),))
    print_found(console, [old, new])
    lines = text(console).splitlines()
    assert lines[0].split() == ["old:", "a", "(2)", "new:", "b", "(3)"]
    assert lines[1].split() == ["0.500", "1", "one", "0.900", "2", "two"]
    assert lines[2].split() == ["0.400", "2", "two"]
    assert lines[-1] == "1 of 2 rows are found by both."


def test_a_side_that_cannot_answer_says_why() -> None:
    console = page()
    found = [Found(side="old", space="a (2)", hits=(Hit(("1",), 0.5, "one"),)), Found(side="new", space="b", why="no")]
    print_found(console, found)
    assert "no" in text(console).split()
    assert "found by both" not in text(console)


def test_pairs_stand_beside_each_other() -> None:
    console = page()
    pair = Pair(0.99, ("1",), ("2", "x"))
    found = [
        Duplicates(side="old", space="a (2)", pairs=(pair,), total=1, rows=5),
        Duplicates(side="new", space="b (3)", why="not there yet"),
    ]
    print_duplicates(console, found)
    assert "0.990 1 and 2/x" in text(console)
    assert text(console).splitlines()[-1] == "old: 1 pairs among 5 rows"


def test_batch_jobs_that_are_out_are_told() -> None:
    console = page()
    print_status(console, a_status("running", jobs=JobsOut(3, 1234, 7260.0, 5.0)), file=FILE)
    assert "3 jobs out, 1,234 texts, the oldest 2 h 01 min" in text(console)


def test_the_ways_to_embed_stand_side_by_side() -> None:
    console = page()
    ways = {
        "direct": {"cost_usd": 2.0, "time_s": 90.0},
        "batch": {"cost_usd": 1.0, "within_s": 86400.0, "source": "a page"},
        "local": {"cost_usd": 0.0, "why": "another model"},
    }
    print_ways(console, ways, "batch")
    said = text(console)
    assert "$2.00, about 1 min 30 s" in said
    assert "$1.00, within 24 hours (as the file says)" in said
    assert "another model" in said


def test_lines_of_code_are_places_that_an_editor_opens() -> None:
    lines = [Mention(file="app/search.py", line=12, what="dimensions", text="SIZE = [768]  # dims")]
    out = io.StringIO()
    print_code(Console(file=out, width=40), lines, Path("src"))
    print_code(Console(file=out, width=40), [], Path("src"))
    assert "app/search.py:12: dimensions, SIZE = [768]  # dims\n" in out.getvalue()
    assert "None." in out.getvalue()
