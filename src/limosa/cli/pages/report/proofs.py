"""The proofs: what was checked, what came out, on what evidence, and what is not proved by it."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from limosa.cli.amounts import in_words, label
from limosa.cli.pages.report.element import Html, element
from limosa.cli.pages.report.said import aside, facts, moment, section
from limosa.model.proof import Proof
from limosa.steps.report import Report

__all__ = ["limits_part", "proofs_part"]

_VERDICTS = {"proved": "✓ proved", "different": "≠ different", "unchecked": "? not checked"}

_MEANS = {
    "conservation": "Is every row of the filter in exactly one class, and none lost?",
    "vectors": "Has every stored vector the right size, and is it finite and not zero?",
    "one space": "Were all vectors of the column made by the one new model?",
    "canary": "Texts drawn at random are embedded again: does that give the stored vectors?",
    "index": "Is the index valid, and can queries use it?",
    "recall": "Are enough of the true nearest neighbours found through the index?",
    "match function": "Does the application’s own function answer as a direct search does?",
    "norms": "Are the stored vectors as long as the model gives them?",
    "latency": "Does the application’s own query answer in time, 95 times in 100?",
    "index use": "Does the application’s own query go through the index, function or not?",
    "roles": "Is each role given as many rows as there are for it, and none that it may not see?",
    "judged queries": "Are rows that people judged to be answers ranked as high as before?",
    "thresholds": "Which similarity now lets through as much as one that was tuned before? Advice, and no judgement.",
    "bits": "Is every carried vector and payload the source’s own, bit for bit?",
    "tables": "Does every row stand in the table of its dimension, and in one only?",
    "indexes": "Does every index stand, and hold every vector?",
    "overlap": "Do both stores find the same rows for the same queries?",
    "filters": "And with filters by the fields that are indexed, as the application asks?",
    "view": "Does the view answer every row as the old table does?",
}
"""What each proof asks; one that is not named here speaks for itself."""

_MEANS_OF_COPY = {
    **_MEANS,
    "conservation": "Is every point of the source in exactly one class, and none lost?",
    "tables": "How many points are in the new place, and is each of them the source’s?",
    "latency": "Does the new store answer in time, 95 times in 100?",
}
"""The same, of a copy."""


def proofs_part(report: Report) -> Html:
    """Each proof with its verdict and evidence."""
    title = "Proofs"
    if not report.proofs:
        return section(title, element("p", "No proof stands: they are made when every row is filled."))
    means = _MEANS_OF_COPY if report.subject.shape == "copy" else _MEANS
    when = moment(report.proved_at)
    made = f"Made on {when}, by the last verify. “Not checked” is neither proved nor different."
    return section(title, aside(made), *(_proof(each, means) for each in report.proofs))


def _proof(proof: Proof, means: Mapping[str, str]) -> Html:
    figures = list(_flat({name: value for name, value in proof.evidence.items() if name != "sql"}))
    sql = proof.evidence.get("sql")
    by_hand = element("details", element("summary", "SQL to repeat it"), element("pre", str(sql))) if sql else None
    evidence = element("details", element("summary", "Evidence"), facts(figures)) if figures else None
    asked = means.get(proof.name)
    told = element("div", element("h3", proof.name), element("p", asked, class_="means") if asked else None)
    found = element("div", told, element("p", f"{proof.said}."), evidence, by_hand)
    return element(
        "div", element("div", _VERDICTS[proof.verdict], class_=f"badge {proof.verdict}"), found, class_="proof"
    )


def _flat(evidence: Mapping[str, object], before: str = "") -> Iterator[tuple[str, str]]:
    """Names in words and figures in their units; what lies inside is named after what it lies in."""
    # In the order of their names, as the ledger of Postgres keeps none.
    for name, value in sorted(evidence.items()):
        if isinstance(value, dict):
            yield from _flat(value, f"{before}{name}, ")
        else:
            yield f"{before}{label(name) or name}", in_words(name, value)


def limits_part(report: Report) -> Html:
    """What nobody should read into the report."""
    said = [
        "Proofs hold for the moment at which they were made. What changed later is followed by the next run,"
        " and proved by the verify at its end.",
        "Rows that do not satisfy the filter were neither counted nor looked at." if report.subject.where else None,
        "The canary, recall and similarities rest on random samples; an interval says how far a sample carries."
        if report.subject.new is not None
        else None,
        "Recall compares the index with an exact search among the new vectors. Whether the new model finds better"
        " rows for people than the old one, it does not say."
        if report.subject.new is not None
        else None,
        "The report is a plain file that anybody can edit. To make its proofs again: limosa verify FILE.",
    ]
    return section(
        "What this report does not prove",
        element("ul", *(element("li", each) for each in said if each), class_="sources"),
    )
