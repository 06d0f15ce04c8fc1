"""The account of rows and of money: what is so, as sums."""

from __future__ import annotations

from limosa.cli.amounts import money, rows
from limosa.cli.pages.report.element import Html, element, joined
from limosa.cli.pages.report.said import aside, facts, moment, section, table
from limosa.model.conservation import Conservation
from limosa.steps.report import Bill, Report
from limosa.steps.spending import Spending

__all__ = ["conservation_part", "left_out_part", "money_part"]

_CLASSES = ("done", "skipped", "dead", "pending", "lost")

_MEANS = (
    "Rows that are done have a vector of the new space. Skipped rows have none for a stated reason, dead rows could not"
    " be given one, and pending rows wait for their turn. A lost row is one without any of these."
)


_COPIED = (
    "Points that are done stand in the new place. Skipped points were left out for a stated reason, dead points do not"
    " fit there, and pending points wait for their turn. A lost point is one without any of these."
)


_COUNTED = (
    "Each point of the store that the application writes is put into the first class that applies, range by range: by"
    " the ledger in one snapshot, and by both stores as they were at that moment."
)


def conservation_part(report: Report) -> Html:
    """The conservation line as a sum."""
    found = report.conservation
    what = "points" if report.subject.shape == "copy" else "rows"
    title = f"Every {what[:-1]} accounted for" if found is not None and found.complete else f"The account of the {what}"
    if found is None:
        return section(title, element("p", f"There is no count of the {what} now."))
    if report.state == "finished":
        when = f"on {moment(report.counted_at)}" if report.counted_at is not None else "at a time that was not kept"
        followed = "source" if what == "points" else "table"
        made = f"Counted by the last verify, {when}; nothing follows the {followed} since finish."
    else:
        made = f"Counted on {moment(report.counted_at)}, as this report was made."
    how = (
        _COUNTED
        if what == "points"
        else (
            "The rows are those that satisfy the filter. Each is put into the first class that applies, range by range,"
            " each range in one snapshot of table and ledger together."
        )
    )
    return section(title, aside(made), _sum(found, what), element("p", how), element("p", _since(report, found)))


def _sum(found: Conservation, what: str) -> Html:
    parts = [element("li", element("b", rows(found.rows)), element("span", what))]
    for sign, name in zip("=++++", _CLASSES, strict=True):
        count = getattr(found, name)
        parts.append(element("li", sign, class_="sign", aria_hidden="true"))
        wrong = "wrong" if name == "lost" and count else None
        parts.append(element("li", element("b", rows(count)), element("span", name), class_=wrong))
    return joined(
        element("ul", *parts, class_="sum"), element("p", _COPIED if what == "points" else _MEANS, class_="means")
    )


def _since(report: Report, found: Conservation) -> str | None:
    if report.at_expand is None:
        return None
    more = found.rows - report.at_expand
    change = "as many as now" if not more else f"{rows(abs(more))} {'fewer' if more > 0 else 'more'} than now"
    if report.subject.shape == "copy":
        return f"When the copy began the source had {rows(report.at_expand)} points, {change}."
    return f"When the migration began to follow the table it had {rows(report.at_expand)} such rows, {change}."


def left_out_part(report: Report) -> Html | None:
    """Rows without a vector of their whole text, by reason; None where there are none."""
    marked = any(each.kind == "marked" for each in report.left_out)
    title = "Rows without a new vector, or with one of a part of their text" if marked else "Rows without a new vector"
    what = "Rows"
    if report.subject.shape == "copy":
        title, what = "Points that are not in the new place", "Points"
    if not report.left_out:
        without = report.conservation is not None and report.conservation.skipped + report.conservation.dead
        said = "The list with the reasons was removed by finish; only the counts above are left."
        return section(title, element("p", said)) if without and report.state == "finished" else None
    lines = [(each.kind, each.reason, rows(each.rows)) for each in report.left_out]
    keys = element("p", "limosa status FILE --failed lists their keys and whole reasons.", class_="means")
    return section(title, table(("Kind", "Reason", what), lines, numbers=(2,)), keys)


def money_part(report: Report) -> Html:
    """What was estimated and what was paid."""
    bill = report.bill
    when = "as this report was made" if report.state != "finished" else "by the ledger’s last sample, made at finish"
    made = aside(f"Estimated by the plan that was locked on {moment(report.began)}; paid: {when}.")
    if bill.spending is None:
        if report.subject.sends_to == "" and report.subject.shape == "copy" and not bill.tokens:
            return section("Money", element("p", "Nothing was embedded: the vectors are those of the source."))
        said = "Nothing was to be paid: the model runs without a price, or no price was known when the plan was locked."
        tokens = f"{rows(bill.tokens)} tokens of {rows(bill.texts)} texts were embedded." if bill.tokens else None
        return section("Money", made, element("p", said), element("p", tokens) if tokens else None)
    return section("Money", made, _bill(bill.spending), _difference(bill.spending), facts(_terms(bill)))


def _bill(spent: Spending) -> Html:
    lines = [
        ("Estimated", rows(spent.estimated_texts), rows(spent.estimated_tokens), money(spent.estimated_usd)),
        ("Paid", rows(spent.paid_texts), rows(spent.paid_tokens), money(spent.paid_usd)),
    ]
    return table(("", "Texts", "Tokens", "Dollars"), lines, numbers=(1, 2, 3))


def _difference(spent: Spending) -> Html | None:
    more = spent.paid_usd - spent.estimated_usd
    # Below a hundredth of the whole it is rounding.
    least = max(spent.paid_usd, spent.estimated_usd) / 100
    if abs(more) <= least:
        return element("p", "The two agree to within 1 %.")
    parts = (
        (spent.by_texts_usd, "for more texts", "for fewer texts"),
        (spent.by_length_usd, "for more tokens a text", "for fewer tokens a text"),
        (spent.by_price_usd, "for a higher price a token", "for a lower price a token"),
    )
    told = [
        f"{money(abs(usd))} {'more' if usd > 0 else 'less'} {higher if usd > 0 else lower}"
        for usd, higher, lower in parts
        if abs(usd) > abs(more) / 100
    ]
    beside = f"{money(abs(more))} {'more' if more > 0 else 'less'} was paid than was estimated"
    return element("p", f"{beside}: {', '.join(told)}." if told else f"{beside}.")


def _terms(bill: Bill) -> list[tuple[str, str]]:
    price = bill.price_usd_per_million_tokens
    seen = f" (seen {bill.price_seen})" if bill.price_seen else ""
    return [
        ("Price", f"${price:g} a million tokens" if price is not None else ""),
        ("Its source", f"{bill.price_source}{seen}" if bill.price_source else ""),
        ("The estimate", bill.sum),
        ("Tokens", bill.basis),
        ("Still to come", f"{money(bill.out_usd)} for batch jobs that are with the provider" if bill.out_usd else ""),
    ]
