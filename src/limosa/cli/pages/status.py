"""The page of a status: where the migration stands, the conservation line, what to do next."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING

from limosa.cli.amounts import duration, money, rows, size
from limosa.cli.lines import print_heading, print_line, print_proofs
from limosa.cli.options import with_file
from limosa.cli.words import Words, words_of

if TYPE_CHECKING:
    from collections.abc import Sequence

    from rich.console import Console

    from limosa.control.reports import Exceptions
    from limosa.steps.spending import Spending
    from limosa.steps.status import Status

__all__ = ["print_failed", "print_status"]

_STYLES = {"different": "bold red", "stopped": "bold yellow", "rolling back": "bold yellow"}


def print_status(console: Console, status: Status, *, file: Path) -> None:
    """Where it stands, in a dozen lines.

    Args:
        file: the migration's file, for commands that the page names.
    """
    style = "bold yellow" if status.paused else _STYLES.get(status.state, "bold green")
    state = f"{status.state}, paused" if status.paused else status.state
    print_line(console, status.name, state, width=len(status.name) + 2, style="bold", mark=("", style))
    console.print()
    print_line(console, "state", _said(status), style=style)
    print_line(console, "next", with_file(_next(status), file))
    if status.soak_until is not None:
        print_line(console, "soak", _soak(status.soak_until))
    _wished(console, status, file)
    if status.tally is not None and status.state != "finished":
        _numbers(console, status)
    if status.conservation is not None:
        print_line(
            console,
            _words(status).what,
            status.conservation.line,
            style="bold" if status.conservation.proved else "bold red",
        )
    if status.state in {"verified", "different", "switched", "finished"}:
        # The line above was counted now, and verify's own is older.
        counted = status.conservation is not None
        print_proofs(console, [proof for proof in status.proofs if proof.name != "conservation" or not counted])
    for found in (*status.exceptions, *status.marks):
        print_line(console, found.kind, _exception(found))
    if status.events:
        print_heading(console, "Last events")
        for at, kind, detail in status.events:
            print_line(console, kind, f"{at:%Y-%m-%d %H:%M:%S} {detail}", width=12)


def _wished(console: Console, status: Status, file: Path) -> None:
    if status.paused is not None:
        why, since = status.paused.why, f"since {status.paused.since:%Y-%m-%d %H:%M:%S %Z}"
        said = with_file(f"{f'{why}, ' if why else ''}{since}; limosa resume FILE goes on", file)
        print_line(console, "paused", said, style="bold yellow")
    if status.waiting:
        print_line(console, "waits", status.waiting, style="bold yellow")
    if status.settings:
        print_line(console, "set", ", ".join(f"{name} = {value}" for name, value in status.settings.items()))


def print_failed(console: Console, exceptions: Sequence[Exceptions], *, file: Path) -> None:
    """Skipped and dead rows by reason, the dead first, with examples."""
    if not exceptions:
        console.print("No row is dead, and none was skipped.")
        return
    for found in sorted(exceptions, key=lambda each: each.kind):
        print_line(console, found.kind, _exception(found), style="bold red" if found.kind == "dead" else "cyan")
    if any(found.kind == "dead" for found in exceptions):
        console.print("\n" + with_file("limosa retry FILE queues the dead rows again.", file), soft_wrap=True)


def _words(status: Status) -> Words:
    return words_of(status.shape, searched=status.searched)


def _said(status: Status) -> str:
    if status.state == "running":
        return f"After {status.step}; {status.processes} at work."
    if status.state == "stopped":
        return f"After {status.step}; nobody is working on it."
    if status.state == "rolling back":
        return "A rollback is under way" + ("." if status.processes else ", and nobody is working on it.")
    return _words(status).states[status.state]


def _next(status: Status) -> str:
    switch = "cutover" if _words(status).switches else "finish"
    return {
        "running": "limosa run FILE works beside it, from any machine that reaches the database",
        "not begun": "limosa plan FILE shows what would be done, limosa run FILE begins",
        "stopped": "limosa run FILE goes on",
        "verified": f"limosa {switch} FILE",
        "different": "limosa verify FILE proves again, limosa run FILE catches up",
        "switched": _words(status).ending,
        "rolling back": "limosa rollback FILE goes on",
        "rolled back": "limosa run FILE begins anew",
        "finished": "nothing",
    }[status.state]


def _soak(until: datetime) -> str:
    over = datetime.now(UTC) >= until
    return f"{'over since' if over else 'until'} {until:%Y-%m-%d %H:%M} UTC" + ("" if over else "; then finish")


def _numbers(console: Console, status: Status) -> None:
    tally = status.tally
    assert tally is not None  # noqa: S101 - the caller looked
    what = _words(status).what
    done = f"{rows(status.outcomes)} outcomes"
    if status.at_expand is not None:
        done += f", {rows(status.at_expand)} {what} at the beginning"
    print_line(console, "carried" if status.shape == "copy" else "filled", done)
    if status.rate_per_s is not None:
        left = max(0, (status.at_expand or 0) - status.outcomes)
        eta = f", {duration(left / status.rate_per_s)} left" if left and status.rate_per_s > 0 else ""
        print_line(console, "rate", f"{rows(status.rate_per_s)} {what} a second{eta}")
    if status.building is not None:
        building = status.building
        print_line(console, "index", f"{building.phase}, {rows(building.done)} of {rows(building.total)}")
    print_line(console, "chunks", f"{tally.chunks_done} done, {tally.chunks_open} open, {tally.workers} at work")
    if status.jobs.count:
        oldest = duration(status.jobs.oldest_s)
        print_line(
            console, "batch", f"{status.jobs.count} jobs out, {rows(status.jobs.texts)} texts, the oldest {oldest}"
        )
    if tally.changes:
        print_line(console, "changes", f"{rows(tally.changes)} wait to be followed")
    if tally.database_bytes is not None:
        print_line(console, "database", size(tally.database_bytes))
    if status.spending is not None:
        _spending(console, status.spending)
    elif tally.cost_usd:
        print_line(console, "spent", f"{money(tally.cost_usd)} for {rows(tally.tokens)} tokens")


def _spending(console: Console, spent: Spending) -> None:
    paid = f"{money(spent.paid_usd)} for {rows(spent.paid_tokens)} tokens of {rows(spent.paid_texts)} texts"
    print_line(console, "spent", f"{paid}; estimated {money(spent.estimated_usd)} for {rows(spent.estimated_texts)}")
    parts = (
        (spent.by_texts_usd, "for more texts", "for fewer texts"),
        (spent.by_length_usd, "for more tokens a text", "for fewer tokens a text"),
        (spent.by_price_usd, "for a higher price a token", "for a lower price a token"),
    )
    # Below a hundredth of the whole it is rounding.
    least = max(spent.paid_usd, spent.estimated_usd) / 100
    said = [f"{money(abs(usd))} {more if usd > 0 else less}" for usd, more, less in parts if abs(usd) > least]
    if said:
        print_line(console, "", "the difference: " + ", ".join(said))


def _exception(found: Exceptions) -> str:
    examples = ", ".join("/".join(key) for key in found.examples)
    more = ", ..." if found.count > len(found.examples) else ""
    return f"{rows(found.count)}: {found.reason} (key {examples}{more})"
