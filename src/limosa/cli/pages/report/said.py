"""Small pieces that every part of the report uses: times, tables, lists of facts, legends."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from datetime import UTC, datetime

from limosa.cli.pages.report.element import Html, element, joined

__all__ = ["aside", "facts", "figure", "moment", "section", "table"]

_SWATCH = "0 0 28 10"


def moment(at: datetime | None) -> str:
    """A time as the report gives it, in UTC: ``2026-01-02 03:04:05 UTC``."""
    return f"{at.astimezone(UTC):%Y-%m-%d %H:%M:%S} UTC" if at is not None else "a time that was not kept"


def section(title: str, *children: str | None) -> Html:
    """A part of the page under a heading."""
    return element("section", element("h2", title), *children)


def aside(said: str) -> Html:
    """When and from what the figures around it were made."""
    return element("p", said, class_="made")


def facts(pairs: Iterable[tuple[str, str]]) -> Html:
    """Names and what they are; those with nothing to say are left out."""
    return element("dl", *(part for name, said in pairs if said for part in (element("dt", name), element("dd", said))))


def table(heads: Sequence[str], lines: Iterable[Sequence[str]], *, numbers: Sequence[int] = ()) -> Html:
    """A table, which scrolls by itself where the page is too narrow.

    Args:
        numbers: columns that stand on the right.
    """

    def cells(tag: str, line: Sequence[str]) -> Html:
        scope = "col" if tag == "th" else None
        named = ("number" if place in numbers else None for place in range(len(line)))
        parts = (element(tag, each, class_=name, scope=scope) for each, name in zip(line, named, strict=True))
        return element("tr", *parts)

    head = element("thead", cells("th", heads))
    body = element("tbody", *(cells("td", line) for line in lines))
    return element("div", element("table", head, body), class_="wide")


def figure(title: str, drawing: Html, said: str, numbers: Html, *, inks: Sequence[tuple[str, int]] = ()) -> Html:
    """A plot with what it shows, a legend where there are several inks, and its numbers behind a line.

    Args:
        inks: name and ink of each series.
    """
    legend = element("ul", *(_swatch(name, ink) for name, ink in inks), class_="legend") if inks else None
    hidden = element("details", element("summary", f"The numbers of “{title}”"), numbers)
    return element("figure", element("h3", title), legend, drawing, element("figcaption", said), hidden)


def _swatch(name: str, ink: int) -> Html:
    stroke = element("line", x1=0, x2=28, y1=5, y2=5, class_=f"line ink{ink}")
    return element("li", joined(element("svg", stroke, viewBox=_SWATCH, aria_hidden="true"), name))
