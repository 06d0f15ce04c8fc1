"""How it went: coverage, rate and durations over the time that was worked."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from limosa.cli.amounts import duration, rows
from limosa.cli.pages.report.axis import Axis, amount_axis, plain, time_axis
from limosa.cli.pages.report.element import Html, element
from limosa.cli.pages.report.plots import Bar, Line, bars, line
from limosa.cli.pages.report.said import aside, figure, moment, section, table
from limosa.steps.course import Cell, Course, Timing
from limosa.steps.report import Report

__all__ = ["course_part"]

_TITLE = "How it went"
_HOW = (
    "From samples that the runs left in the ledger, of all workers together. Time in which no row was settled is"
    " left out. Durations are known to within 9 %."
)


def course_part(report: Report) -> Html:
    """The plots over time; a sentence where nothing was sampled."""
    course = report.course
    if not course.cells:
        return section(_TITLE, element("p", "No run has left samples of its progress in the ledger."))
    what = "points" if report.subject.shape == "copy" else "rows"
    figures = [_coverage(course, report.at_expand, what), _rate(course, what)]
    writes = "write transactions, in which rows are locked"
    for title, what, overall, of in (
        ("Write transactions", writes, course.writes, lambda cell: cell.writes),
        (
            "Answers of the model",
            "requests that were answered with vectors",
            course.requests,
            lambda cell: cell.requests,
        ),
    ):
        if overall is not None:
            figures.append(_durations(course, (title, what), overall, of))
    span = f"{duration(course.worked_s)} of work between {moment(course.began)} and {moment(course.ended)}."
    return section(_TITLE, aside(f"{span} {_HOW}"), element("div", *figures, class_="plots"))


def _x(course: Course) -> Axis:
    return time_axis(course.worked_s, "time worked")


def _coverage(course: Course, at_expand: int | None, what: str) -> Html:
    points = [(0.0, 0.0), *((cell.to_s, float(cell.filled)) for cell in course.cells)]
    y = amount_axis(max(course.filled, at_expand or 0, 1), what, whole=True)
    limit = (float(at_expand), f"{rows(at_expand)} {what} at the beginning") if at_expand else None
    said = f"{what.capitalize()} that the first pass had met: {rows(course.filled)} at the end."
    if course.followed:
        were = "1 change was" if course.followed == 1 else f"{rows(course.followed)} changes were"
        said += f" Besides, {were} followed."
    numbers = table(
        ("Until", what.capitalize()),
        [(duration(cell.to_s), rows(cell.filled)) for cell in course.cells],
        numbers=(0, 1),
    )
    drawing = line([Line(what, points)], _x(course), y, label=f"Coverage: {what} met over time worked", limit=limit)
    return figure("Coverage", drawing, said, numbers)


def _rate(course: Course, what: str) -> Html:
    y = amount_axis(max(cell.rate_per_s for cell in course.cells), f"{what} a second")
    items = [Bar(cell.from_s, cell.to_s, cell.rate_per_s) for cell in course.cells]
    total = course.filled + course.followed
    said = f"{what.capitalize()} a second, by all workers; {rows(total / max(course.worked_s, 0.001))} on average."
    numbers = table(
        ("From", "Until", f"{what.capitalize()} a second"),
        [(duration(cell.from_s), duration(cell.to_s), plain(round(cell.rate_per_s, 1))) for cell in course.cells],
        numbers=(0, 1, 2),
    )
    return figure("Rate", bars(items, _x(course), y, label=f"Rate: {what} a second over time worked"), said, numbers)


def _durations(course: Course, what: tuple[str, str], overall: Timing, of: Callable[[Cell], Timing | None]) -> Html:
    title, told = what
    found = [((cell.from_s + cell.to_s) / 2, timing) for cell in course.cells if (timing := of(cell)) is not None]
    in_s = max(timing.p95_ms for _, timing in found) >= 2000
    scale, unit = (1000.0, "seconds") if in_s else (1.0, "milliseconds")
    y = amount_axis(max(timing.p95_ms for _, timing in found) / scale, unit)
    lines = [
        Line("median", [(at, timing.p50_ms / scale) for at, timing in found]),
        Line("95 in 100", [(at, timing.p95_ms / scale) for at, timing in found], ink=2),
    ]
    drawing = line(lines, _x(course), y, label=f"{title}: median and 95th percentile in {unit} over time worked")
    said = (
        f"{unit.capitalize()} of {rows(overall.count)} {told}; over all of them the median is {_ms(overall.p50_ms)},"
        f" and 95 in 100 took at most {_ms(overall.p95_ms)}."
    )
    return figure(title, drawing, said, _numbers(course.cells, of), inks=[("median", 1), ("95 in 100 at most", 2)])


def _numbers(cells: Sequence[Cell], of: Callable[[Cell], Timing | None]) -> Html:
    lines = [
        (duration(cell.from_s), duration(cell.to_s), rows(timing.count), _ms(timing.p50_ms), _ms(timing.p95_ms))
        for cell in cells
        if (timing := of(cell)) is not None
    ]
    return table(("From", "Until", "Count", "Median", "95 in 100"), lines, numbers=(0, 1, 2, 3, 4))


def _ms(value: float) -> str:
    if value >= 1000:
        return duration(value / 1000)
    return f"{value:.0f} ms" if value >= 10 else f"{value:.2g} ms"
