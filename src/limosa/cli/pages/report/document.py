"""The whole page of a report: one file that asks for nothing from anywhere."""

from __future__ import annotations

from limosa.cli.pages.report.account import conservation_part, left_out_part, money_part
from limosa.cli.pages.report.course import course_part
from limosa.cli.pages.report.element import Html, element, style_sheet
from limosa.cli.pages.report.nearness import nearness_part
from limosa.cli.pages.report.proofs import limits_part, proofs_part
from limosa.cli.pages.report.said import aside, facts, moment, section, table
from limosa.cli.pages.report.style import CSS, POLICY
from limosa.model.space import Space
from limosa.steps.report import Happened, Report

__all__ = ["document"]

_VERDICTS = {
    "proved": ("proved", "✓ Proved, and complete"),
    "different": ("different", "≠ Different: something is not as it should be"),
    "not complete": ("open", "… Not complete"),
    "could not be checked": ("open", "? Not everything could be checked"),
}

_TITLE = "Report of a migration of embeddings"

_TITLES = {"copy": "Report of a copy between stores"}
"""What the page is called, by shape."""

_STATES = {
    "running": "a run is under way",
    "stopped": "begun, not verified",
    "verified": "verified; the application still reads the old vectors",
    "different": "a proof came out different",
    "switched": "the new vectors are the application’s; the old ones are kept",
    "rolling back": "being rolled back",
    "rolled back": "rolled back",
    "finished": "finished; the old vectors are gone",
}

_OTHERWISE = {
    ("fill", "verified"): "verified; the missing vectors were made",
    ("fill", "finished"): "finished; nothing follows the table any more",
    ("split", "verified"): "verified; the application still reads and writes the old table",
    ("split", "switched"): "a view over the new tables stands in the old table’s place; the old table is kept",
    ("split", "finished"): "finished; the view reads and writes the new tables alone",
    ("copy", "verified"): "verified; the application still reads and writes the old store",
    ("copy", "switched"): "the application is to read the new store; what changes there flows back to the old store",
    ("copy", "finished"): "finished; the old store is left as it was then",
}
"""What a state means where no model takes another's place; by shape and state."""


def document(report: Report) -> str:
    """The page as text; everything in it that is not the program's own is escaped."""
    subject = report.subject
    head = element(
        "head",
        element("meta", charset="utf-8"),
        element("meta", http_equiv="Content-Security-Policy", content=POLICY),
        element("meta", name="viewport", content="width=device-width, initial-scale=1"),
        element("meta", name="color-scheme", content="light dark"),
        # Without one a browser asks for it by itself.
        element("link", rel="icon", href="data:,"),
        element("title", f"{subject.name}: migration report"),
        style_sheet(CSS),
    )
    main = element(
        "main",
        _header(report),
        _verdict(report),
        conservation_part(report),
        proofs_part(report),
        left_out_part(report),
        nearness_part(report),
        course_part(report),
        money_part(report),
        _subject(report),
        _history(report),
        limits_part(report),
        element("footer", f"limosa {subject.versions['limosa']}, {moment(report.made_at)}."),
    )
    return "<!DOCTYPE html>\n" + element("html", head, element("body", main), lang="en") + "\n"


def _header(report: Report) -> Html:
    subject = report.subject
    spaces = subject.place if subject.shape == "copy" else f"in {subject.place}"
    if subject.old is not None and subject.new is not None:
        alike = subject.old.fingerprint == subject.new.fingerprint
        spaces = f"{subject.new.title if alike else f'{subject.old.title} → {subject.new.title}'}, {spaces}"
    return element(
        "header",
        element("div", f"{_TITLES.get(subject.shape, _TITLE)} · {moment(report.made_at)}", class_="brow"),
        element("h1", subject.name),
        element("div", spaces, class_="spaces"),
    )


def _verdict(report: Report) -> Html:
    kind, said = _VERDICTS[report.ruling.verdict]
    reasons = (element("p", each) for each in report.ruling.because)
    means = _OTHERWISE.get((report.subject.shape, report.state)) or _STATES.get(report.state, report.state)
    stands = element("p", f"State: {means}.", class_="made")
    return element("div", element("strong", said), *reasons, stands, class_=f"verdict {kind}", role="status")


def _subject(report: Report) -> Html:
    subject = report.subject
    versions = ", ".join(f"{name} {version}" for name, version in subject.versions.items())
    sent = f"{', '.join(subject.columns_sent)} to {subject.sends_to}" if subject.sends_to else ""
    return section(
        "What was migrated",
        facts(
            [
                ("Migration", f"{subject.name} ({subject.id}), {subject.shape}, layout {subject.layout}"),
                ("Place", subject.place if subject.shape == "copy" else f"{subject.place}, by {subject.store}"),
                ("Filter", subject.where or ("" if subject.shape == "copy" else "every row")),
                ("Old space", _space(subject.old)),
                ("New space", _space(subject.new)),
                ("Texts sent", sent),
                ("Plan", f"locked as {subject.plan_hash} on {moment(report.began)}"),
                ("Versions", versions),
            ]
        ),
    )


def _space(space: Space | None) -> str:
    if space is None:
        return ""
    more = [
        f"revision {space.revision}" if space.revision else "",
        f"task {space.task}" if space.task else "",
        "normalised" if space.normalise else "",
    ]
    return ", ".join([f"{space.title}", *(each for each in more if each)])


_OPERATIONS = {"open": "not yet", "intended": "begun", "done": "done", "undone": "undone", "swept": "not kept"}


def _history(report: Report) -> Html:
    claimed = Happened(report.began, "begun", "the plan was locked and the place claimed")
    happened = sorted([claimed, *report.events], key=lambda each: each.at)
    operations = [(each.step, each.title, _OPERATIONS[each.state]) for each in report.operations]
    swept = any(each.state == "swept" for each in report.operations)
    kept = aside("What became of each operation the ledger forgot at the end; this is the list of the locked plan.")
    return section(
        "Steps and operations",
        table(("Time", "Event", ""), [(moment(each.at), each.kind, each.detail) for each in happened]),
        element(
            "details",
            element("summary", f"The {len(operations)} operations of the plan"),
            kept if swept else None,
            table(("Step", "Operation", "State"), operations),
        ),
    )
