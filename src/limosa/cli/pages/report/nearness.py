"""What lies near what: similarities in both spaces, and how much of it the index finds."""

from __future__ import annotations

from limosa.cli.amounts import rows
from limosa.cli.pages.report.axis import amount_axis, number_axis, share_axis
from limosa.cli.pages.report.element import Html, element, joined
from limosa.cli.pages.report.plots import Bar, bars, histogram, interval
from limosa.cli.pages.report.said import aside, figure, moment, section, table
from limosa.steps.likeness import BINS, Likeness
from limosa.steps.report import Report

__all__ = ["nearness_part"]

_INKS = {"old": 2, "new": 1}

_THRESHOLD = "A threshold that was tuned for the old model does not carry over."


def nearness_part(report: Report) -> Html | None:
    """The histograms and recall; None where there is neither."""
    shown = [each for each in report.likeness if each.counts]
    recall = _recall(report)
    if not report.likeness and recall is None:
        return None
    missing = [f"The {each.side} space is not shown: {each.why}." for each in report.likeness if each.why]
    said = "Similarities were read as this report was made; recall is the proof’s, made on"
    made = f"{said} {moment(report.proved_at)}." if recall is not None else f"{said.split(';', maxsplit=1)[0]}."
    figures = [_histogram(shown)] if shown else []
    return section(
        "Similarity and recall",
        aside(made),
        *(element("p", each) for each in missing),
        element("div", *figures, recall, class_="plots"),
    )


def _histogram(sides: list[Likeness]) -> Html:
    width = 2 / BINS
    shares = [(side, [count / side.pairs for count in side.counts]) for side in sides]
    y = amount_axis(100 * max(max(each) for _, each in shares), "percent of pairs")
    series = [
        ([Bar(-1 + i * width, -1 + (i + 1) * width, 100 * share) for i, share in enumerate(each)], _INKS[side.side])
        for side, each in shares
    ]
    x = share_axis(-1.0, 1.0, "cosine similarity")
    label = "Histogram of the cosine similarity of random pairs of rows, in percent of pairs"
    heads = ("Similarity from", *(f"{side.side}: pairs" for side in sides))
    lines = [
        (f"{-1 + i * width:.2f}", *(rows(side.counts[i]) for side in sides))
        for i in range(BINS)
        if any(side.counts[i] for side in sides)
    ]
    return figure(
        "Similarity of random pairs",
        histogram(series, x, y, label=label),
        " ".join([*map(_told, sides), *([_THRESHOLD] if len(sides) > 1 else [])]),
        table(heads, lines, numbers=range(len(heads))),
        inks=[(f"{side.side}: {side.space}", _INKS[side.side]) for side in sides],
    )


def _told(side: Likeness) -> str:
    return (
        f"{side.side.capitalize()}: percent of {rows(side.pairs)} pairs of {rows(side.rows)} random rows;"
        f" median {_signed(side.median)}, 90 in 100 between {_signed(side.low)} and {_signed(side.high)}."
    )


def _signed(value: float | None) -> str:
    return "not known" if value is None else f"{round(value, 3) + 0.0:.3f}".replace("-", "−")


def _recall(report: Report) -> Html | None:
    proof = next((each for each in report.proofs if each.name == "recall"), None)
    if proof is None:
        return None
    names = ("recall", "low", "high", "least")
    found = [value for name in names if isinstance(value := proof.evidence.get(name), int | float)]
    if len(found) != len(names):
        return None
    share, low, high, least = (float(value) for value in found)
    x = share_axis(min(0.8, _tenth_below(low)), 1.0, "share of the true neighbours that the index finds")
    label = f"Recall {share:.3f}, with 95 % confidence between {low:.3f} and {high:.3f}; wanted at least {least:g}"
    drawing = interval(share, (low, high), least, x, label=label)
    missed = proof.evidence.get("queries_by_missed")
    counts = [int(each) for each in missed] if isinstance(missed, list) else []
    said = f"{label} (dotted line), over {proof.evidence.get('queries')} queries."
    if counts:
        said += " Below: how many queries missed how many of their neighbours."
        drawing = joined(drawing, _missed(counts))
    lines = [(str(place), rows(count)) for place, count in enumerate(counts)]
    return figure("Recall of the index", drawing, said, table(("Missed", "Queries"), lines, numbers=(0, 1)))


def _missed(counts: list[int]) -> Html:
    x = number_axis(len(counts) - 1, f"neighbours missed, of {len(counts) - 1}")
    items = [Bar(place - 0.35, place + 0.35, count) for place, count in enumerate(counts)]
    return bars(items, x, amount_axis(max(counts), "queries", whole=True), label="Queries by missed neighbours")


def _tenth_below(value: float) -> float:
    return max(0.0, int(value * 10) / 10)
