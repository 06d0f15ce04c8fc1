"""What the report draws and rules: ticks that people count in, figures that were counted, verdicts in their order."""

from __future__ import annotations

import re
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from html.parser import HTMLParser

import numpy as np
import pytest

from limosa.cli.pages.report.axis import amount_axis, number_axis, share_axis, time_axis
from limosa.cli.pages.report.element import element
from limosa.cli.pages.report.plots import Bar, Line, bars, histogram, interval, line
from limosa.cli.pages.report.style import CSS
from limosa.control.samples import Sample
from limosa.model.conservation import Conservation
from limosa.model.proof import Proof
from limosa.model.spread import class_of, quantile_s
from limosa.steps.course import CELLS, Timing, course
from limosa.steps.likeness import similarities
from limosa.steps.ruling import rule

START = datetime(2026, 1, 2, tzinfo=UTC)
NOTHING = Sample(
    began=START,
    at=START,
    done=0,
    skipped=0,
    dead=0,
    followed=0,
    asked=0,
    tokens=0,
    cost_usd=0.0,
    writes={},
    requests={},
)


def at(seconds: float, done: int, *, since: float | None = None, **more: object) -> Sample:
    began = START + timedelta(seconds=seconds if since is None else since)
    return replace(NOTHING, at=START + timedelta(seconds=seconds), began=began, done=done, **more)  # type: ignore[arg-type]


def test_a_quantile_is_known_to_within_nine_percent() -> None:
    durations = np.geomspace(0.0005, 40, 999)
    spread: dict[int, int] = {}
    for seconds in durations:
        spread[class_of(float(seconds))] = spread.get(class_of(float(seconds)), 0) + 1
    for share in (0.5, 0.95):
        found = quantile_s(spread, share)
        assert found is not None
        assert abs(found / float(np.quantile(durations, share)) - 1) < 0.1
    assert quantile_s({}, 0.5) is None
    assert quantile_s({0: 1}, 0.95) == quantile_s({0: 1}, 0.5)


def test_a_course_leaves_out_the_time_in_which_nobody_worked() -> None:
    found = course([at(0, 0), at(10, 100, since=0), at(90_010, 200, since=90_000), at(90_020, 200, since=90_010)])
    assert found.worked_s == 30
    assert [(cell.from_s, cell.to_s, cell.filled, cell.rate_per_s) for cell in found.cells] == [
        (0, 10, 100, 10),
        (10, 20, 200, 10),
        (20, 30, 200, 0),
    ]
    assert (found.began, found.ended) == (START, START + timedelta(seconds=90_020))


def test_processes_at_once_are_not_counted_twice() -> None:
    found = course(
        [at(0, 0), at(5, 50, since=0, writes={0: 3}), at(5.001, 50, since=0.001, writes={0: 4}), at(10, 90, since=5)]
    )
    assert found.worked_s == pytest.approx(10)
    assert sum(cell.rate_per_s * (cell.to_s - cell.from_s) for cell in found.cells) == pytest.approx(90)
    assert max(cell.rate_per_s for cell in found.cells) == pytest.approx(10)
    assert found.writes is not None
    assert found.writes.count == 7


def test_a_long_course_has_a_bounded_number_of_points_and_loses_nothing() -> None:
    samples = [at(i, 3 * i, since=i - 1, followed=i, requests={4: 1}) for i in range(1, 500)]
    found = course([at(0, 0), *samples])
    assert len(found.cells) <= CELLS
    assert sum(cell.requests.count for cell in found.cells if cell.requests) == 499
    assert (found.filled, found.followed, found.cells[-1].filled) == (998, 499, 998)
    assert found.requests == Timing(499, pytest.approx(2000, rel=0.1), pytest.approx(2000, rel=0.1))  # type: ignore[arg-type]


@pytest.mark.parametrize("samples", [[], [at(0, 0)], [at(0, 0), at(0, 5)]])
def test_where_nothing_was_sampled_there_is_no_course(samples: list[Sample]) -> None:
    assert course(samples).cells == ()


@pytest.mark.parametrize(
    ("seconds", "title", "labels"),
    [
        (0.4, "t, seconds", ["0", "0.1", "0.2", "0.3", "0.4"]),
        (21, "t, seconds", ["0", "5", "10", "15", "20"]),
        (2400, "t, minutes", ["0", "10", "20", "30", "40"]),
        (36_000, "t, hours", ["0", "2", "4", "6", "8", "10"]),
        (10 * 86_400, "t, days", ["0", "2", "4", "6", "8", "10"]),
    ],
)
def test_time_is_counted_as_people_count_it(seconds: float, title: str, labels: list[str]) -> None:
    axis = time_axis(seconds, "t")
    assert (axis.title, axis.high) == (title, seconds)
    assert [said for _, said in axis.ticks] == labels
    assert all(0 <= value <= seconds * (1 + 1e-9) for value, _ in axis.ticks)


@pytest.mark.parametrize("most", [0, 0.0003, 1, 7, 99, 100, 30_000, 12_345_678])
def test_an_axis_of_amounts_begins_at_nothing_and_ends_round(most: float) -> None:
    axis = amount_axis(most, "rows")
    assert axis.ticks[0] == (0.0, "0")
    assert axis.ticks[-1][0] == axis.high >= most
    assert axis.high <= max(2 * most, 1e-8)
    assert 2 <= len(axis.ticks) <= 8
    assert all(value == round(value) for value, _ in amount_axis(most, "rows", whole=True).ticks)


def test_other_axes() -> None:
    assert [said for _, said in share_axis(-1, 1, "c").ticks] == ["−1", "−0.5", "0", "0.5", "1"]
    assert [said for _, said in number_axis(10, "n").ticks] == ["0", "2", "4", "6", "8", "10"]


class _Tags(HTMLParser):
    def __init__(self, html: str) -> None:
        super().__init__()
        self.found: list[tuple[str, dict[str, str | None]]] = []
        self.feed(html)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.found.append((tag, dict(attrs)))


def test_no_drawing_leaves_its_frame() -> None:
    x, y = amount_axis(10, "x"), amount_axis(100, "y")
    drawings = [
        line([Line("a", [(0, 0), (10, 100)]), Line("b", [(5, 50)], ink=2)], x, y, label="l", limit=(100, "all")),
        bars([Bar(0, 5, 100), Bar(5, 10, 0)], x, y, label="b"),
        histogram([([Bar(0, 5, 20), Bar(5, 10, 100)], 1)], x, y, label="h"),
        interval(0.9, (0.8, 1.0), 0.9, share_axis(0.8, 1.0, "s"), label="i"),
    ]
    for drawing in drawings:
        tags = _Tags(drawing).found
        assert tags[0][1]["role"] == "img"
        assert tags[0][1]["aria-label"]
        width, height = (float(each) for each in str(tags[0][1]["viewbox"]).split()[2:])
        paths = " ".join(str(attrs["d"]) for tag, attrs in tags if tag == "path")
        spots = [float(each) for each in re.findall(r"[-\d.]+", paths)]
        assert all(0 <= spot <= width for spot in spots[::2])
        assert all(0 <= spot <= height for spot in spots[1::2])
        for tag, attrs in tags:
            if tag == "rect":
                assert 0 <= float(str(attrs["x"])) <= width
                assert 0 <= float(str(attrs["y"])) <= height
                assert float(str(attrs["height"])) > 0


def test_what_is_no_markup_is_escaped() -> None:
    made = element("p", '<script>"&', element("b", "x"), None, class_='a"b', title=None, aria_hidden=True)
    assert made == '<p class="a&quot;b" aria-hidden>&lt;script&gt;&quot;&amp;<b>x</b></p>'
    assert element("br") == "<br>"


def test_similarities_are_of_every_pair_once() -> None:
    vectors = [np.array(each, dtype=np.float32) for each in ([1, 0], [2, 0], [0, 3], [-1, 0])]
    assert similarities(vectors).tolist() == [1, 0, -1, 0, -1, 0]
    assert len(similarities(vectors[:1])) == 0


GOOD = Conservation(rows=10, done=7, skipped=2, dead=1, pending=0, lost=0)
HELD = Proof(name="vectors", verdict="proved", said="")


@pytest.mark.parametrize(
    ("state", "counted", "verdicts", "verdict"),
    [
        ("verified", GOOD, ["proved", "proved"], "proved"),
        ("finished", GOOD, ["proved"], "proved"),
        ("finished", None, ["proved"], "could not be checked"),
        ("verified", GOOD, [], "could not be checked"),
        ("verified", GOOD, ["proved", "unchecked"], "could not be checked"),
        ("switched", replace(GOOD, rows=11, pending=1), ["proved", "unchecked"], "not complete"),
        ("running", GOOD, ["proved"], "not complete"),
        ("rolled back", None, [], "not complete"),
        ("running", replace(GOOD, rows=11, lost=1), [], "different"),
        ("verified", replace(GOOD, rows=11), ["proved"], "different"),
        ("finished", GOOD, ["unchecked", "different"], "different"),
    ],
)
def test_nothing_is_proved_while_anything_is_open(
    state: str, counted: Conservation | None, verdicts: list[str], verdict: str
) -> None:
    proofs = [replace(HELD, verdict=each) for each in verdicts]  # type: ignore[arg-type]
    found = rule(state, counted, proofs)  # type: ignore[arg-type]
    assert found.verdict == verdict
    assert found.because


def test_rows_without_a_vector_are_told_with_the_verdict() -> None:
    said = " ".join(rule("verified", GOOD, [HELD]).because)
    assert "2 were skipped and 1 could not be embedded" in said


def test_every_colour_is_read_on_its_ground_in_light_and_dark() -> None:
    light, dark = (dict(re.findall(r"--(\w+): #(\w{6})", part)) for part in CSS.split("@media screen", 1))
    assert light.keys() == dark.keys() >= {"ink", "soft", "one", "two", "good", "bad", "open"}
    for colours in (light, dark):
        for name in ("ink", "soft", "one", "two", "good", "bad", "open"):
            for ground in ("paper", "raised"):
                assert _contrast(colours[name], colours[ground]) >= 4.5, (name, ground)


def _contrast(one: str, other: str) -> float:
    """Source: WCAG 2.2, "relative luminance" and "contrast ratio"."""
    low, high = sorted(_luminance(each) for each in (one, other))
    return (high + 0.05) / (low + 0.05)


def _luminance(colour: str) -> float:
    parts = [int(colour[i : i + 2], 16) / 255 for i in (0, 2, 4)]
    linear = [part / 12.92 if part <= 0.04045 else ((part + 0.055) / 1.055) ** 2.4 for part in parts]
    return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]
