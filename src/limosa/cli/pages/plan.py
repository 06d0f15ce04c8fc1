"""The page of a plan: what, from where to where, checks, figures, operations."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from limosa.cli.amounts import in_words, label
from limosa.cli.lines import print_heading, print_line
from limosa.cli.options import with_file
from limosa.cli.words import place_told

if TYPE_CHECKING:
    from rich.console import Console

    from limosa.model.migration import Copy, Form, Migration, Split
    from limosa.model.place import Place
    from limosa.model.plan import Check, Plan
    from limosa.plan.code import Mention

__all__ = ["print_code", "print_plan", "print_ways"]

_WAYS = frozenset({"lanes", "layouts"})
"""Estimates of ways to choose from, each shown side by side."""

_VERDICTS = {
    "refused": ("refused", "bold red"),
    "accept": ("question", "bold yellow"),
    "note": ("note", "cyan"),
}


def print_plan(console: Console, plan: Plan, migration: Migration, *, file: Path) -> None:
    """Everything a person should know before the first change.

    Args:
        file: the migration's file, for commands that the page names.
    """
    console.print(f"{plan.name}: {plan.shape}, plan {plan.hash}. Nothing has been changed.", style="bold")
    console.print()
    if migration.split is not None:
        _split(console, migration.split, migration.source.place)
    elif migration.copy is not None:
        _copy(console, migration, migration.copy)
    else:
        _spaces(console, plan, migration)
    _figures(console, "Rows", plan.counts)
    _figures(console, "Estimates", {name: value for name, value in plan.estimates.items() if name not in _WAYS})
    print_ways(console, plan.estimates.get("lanes"), migration.backfill.lane)
    _layouts(console, plan.estimates.get("layouts"), migration.layout)
    _rehearsed(console, plan.facts)
    _checks(console, plan, file)
    print_heading(console, "What run, cutover and finish do")
    step = ""
    for operation in plan.operations:
        lock = f" ({operation.lock})" if operation.lock else ""
        print_line(console, operation.step if operation.step != step else "", operation.title + lock)
        step = operation.step
    console.print()


def print_code(
    console: Console,
    lines: Sequence[Mention],
    folder: Path,
    *,
    what: str = "the old model, its size, the column or the match function",
) -> None:
    """Lines of the application's code that name what changes, one a line, as editors and compilers write places."""
    print_heading(console, f"Lines under {folder} that name {what}")
    for each in lines:
        said = f"{each.file}:{each.line}: {each.what}, {each.text}"
        console.print(said, soft_wrap=True, markup=False, highlight=False)
    if not lines:
        console.print("None.")
    console.print()


def _split(console: Console, split: Split, place: Place) -> None:
    print_line(console, "table", place.table)
    print_line(console, "vectors", " and ".join(split.vectors))
    if place.where:
        print_line(console, "rows", f"where {place.where}")
    print_line(console, "to", ", ".join(name for name, _ in split.targets))


def _copy(console: Console, migration: Migration, copy: Copy) -> None:
    print_line(console, "from", place_told(migration.source, copy.source))
    print_line(console, "to", place_told(migration.target, copy.target))
    form, made = copy.target, copy.identity
    if made is not None:
        what = f"{made.column} is" if made.column else "are"
        print_line(console, "ids", f"{what} made of {made.template}; {made.old} keeps the old ones")
    if form is not None:
        _form(console, form)
    if not migration.carries:
        print_line(console, "vectors", f"made anew by {migration.target.space.title}")
        print_line(console, "texts", _texts(migration))
    if migration.asks_old:
        print_line(console, "back", f"texts that change after the switch, by {migration.source.space.title}")


def _form(console: Console, form: Form) -> None:
    for name, column in form.vectors:
        print_line(console, "vector", f"{name or 'without a name'} to {column}")
    for column, field in form.columns or ():
        print_line(console, "payload", f"{field} to {column}")
    if form.rest is not None:
        print_line(console, "payload", f"everything {'else ' if form.columns else ''}to {form.rest}")
    else:
        print_line(console, "payload", "every column to one of its name")


def _spaces(console: Console, plan: Plan, migration: Migration) -> None:
    source, target = migration.source, migration.target
    print_line(console, "table", target.place.table)
    print_line(console, "column", f"{target.place.vector}, layout {migration.layout}")
    if target.place.where:
        print_line(console, "rows", f"where {target.place.where}")
    if plan.shape != "fill":
        print_line(console, "from", source.space.title)
    print_line(console, "to", target.space.title)
    print_line(console, "texts", _texts(migration))


def _texts(migration: Migration) -> str:
    text = migration.target.place.text
    if text.query is not None:
        return "the texts of the query in the file"
    if text.template is not None:
        return f"the template {text.template!r}"
    kind = "column" if migration.copy is None else "field"
    return f"{kind}{'' if len(text.columns) == 1 else 's'} {', '.join(text.columns)}"


def _figures(console: Console, heading: str, figures: Mapping[str, object]) -> None:
    if not figures:
        return
    print_heading(console, heading)
    lines = [(label(name), in_words(name, value)) for name, value in figures.items()]
    width = min(30, max(len(name) for name, _ in lines) + 2)
    for name, said in lines:
        print_line(console, name, said, width=width)


def print_ways(console: Console, lanes: object, chosen: str) -> None:
    """The ways that texts can go, side by side; the one that the file asks for is marked."""
    if not isinstance(lanes, Mapping) or not lanes:
        return
    print_heading(console, "Ways to embed")
    for name, way in lanes.items():
        said = [str(way["why"])] if "why" in way else [in_words("cost_usd", way["cost_usd"])]
        if "time_s" in way:
            said.append(f"about {in_words('time_s', way['time_s'])}" if way["time_s"] is not None else "time not known")
        if "within_s" in way:
            said.append(f"within {way['within_s'] / 3600:.0f} hours")
        print_line(console, name, ", ".join(said) + (" (as the file says)" if name == chosen else ""))


def _layouts(console: Console, layouts: object, chosen: str) -> None:
    """The layouts side by side: time of backfill and index, write-ahead log, and what is added on disk."""
    if not isinstance(layouts, Mapping) or not layouts:
        return
    print_heading(console, "Ways to store the vectors")
    width = max(len(name) for name in layouts) + 2
    for name, way in layouts.items():
        said = (
            f"about {in_words('time_s', way['time_s'])}, {in_words('wal_bytes', way['wal_bytes'])} of write-ahead log,"
            f" {in_words('added_bytes', way['added_bytes'])} more on disk before the index"
        )
        print_line(console, name, said + (" (as the file says)" if name == chosen else ""), width=width)


def _rehearsed(console: Console, facts: Mapping[str, object]) -> None:
    if not facts:
        return
    print_heading(console, "Every row read and decoded")
    width = max(len(name) for name in facts) + 2
    for name, value in facts.items():
        print_line(console, name, f"{value:,}", width=width)


def _checks(console: Console, plan: Plan, file: Path) -> None:
    if not plan.checks:
        return
    print_heading(console, "Checks")
    for verdict in _VERDICTS:
        for check in plan.checks:
            if check.verdict == verdict:
                _check(console, check, file)
    passed = [check.name for check in plan.checks if check.verdict == "ok"]
    if passed:
        print_line(console, "ok", ", ".join(passed), style="green")


def _check(console: Console, check: Check, file: Path) -> None:
    word, style = _VERDICTS[check.verdict]
    print_line(console, word, f"{check.name}: {check.said}", style=style)
    if check.needed:
        print_line(console, "", f"needed: {check.needed}")
    if check.do:
        print_line(console, "", f"do: {with_file(check.do, file)}")
    if check.verdict == "accept":
        print_line(console, "", f"accept it with {check.flag}")
