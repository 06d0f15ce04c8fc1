"""`limosa status`: says where the migration stands, from any terminal, while others work or nobody does."""

from __future__ import annotations

import time
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from limosa.cli.opening import opened
from limosa.cli.options import FILE, File, Json

if TYPE_CHECKING:
    from rich.console import Console

    from limosa.app import App
    from limosa.steps.status import Status

__all__ = ["status"]

LOOK_S = 1.0
"""Between two looks: a rate over less would jump."""

COUNT_S = 10.0
"""Between two counts of the conservation line, which reads every key of the table."""

Watch = Annotated[bool, typer.Option("--watch", help="Again and again, until interrupted.")]
Failed = Annotated[bool, typer.Option("--failed", help="List skipped and dead rows with their reasons.")]


Export = Annotated[
    str | None,
    typer.Option("--export", metavar="FILE", help="With --failed: write each such row to FILE as a line of JSON."),
]


def status(
    file: File = FILE, watch: Watch = False, failed: Failed = False, export: Export = None, json: Json = False
) -> None:
    """Say where the migration stands: step, rows, rate, money."""
    with opened(file) as app:
        if export is not None:
            _export_failed(app, export)
        elif failed:
            _list_failed(app, file, json=json)
        elif watch:
            _watch(app, file, json=json)
        else:
            found = _look(app)
            _show(found, file, json=json)
            if found.exit_code:
                raise typer.Exit(found.exit_code)


def _look(app: App) -> Status:
    first = app.status(count=False)
    if first.processes:
        time.sleep(LOOK_S)
    return app.status(before=first)


def _looks(app: App) -> Iterator[Status]:
    """One look after another, each with the newest conservation line."""
    from dataclasses import replace

    found: Status | None = None
    counted_s = float("-inf")
    while True:
        count = time.monotonic() - counted_s >= COUNT_S
        now = app.status(before=found, count=count)
        if count:
            counted_s = time.monotonic()
        elif found is not None and now.state == found.state:
            now = replace(now, conservation=found.conservation)
        found = now
        yield found
        time.sleep(LOOK_S)


def _watch(app: App, file: Path, *, json: bool) -> None:
    from limosa.cli.terminal import console

    out = console()
    try:
        if json or not out.is_terminal:
            for found in _looks(app):
                _show(found, file, json=json, lines=True)
        else:
            _watch_live(app, file, out)
    except KeyboardInterrupt:
        return


def _watch_live(app: App, file: Path, out: Console) -> None:
    from rich.live import Live
    from rich.text import Text

    from limosa.cli.pages.status import print_status

    with Live(console=out, auto_refresh=False) as live:
        for found in _looks(app):
            with out.capture() as page:
                print_status(out, found, file=file)
            live.update(Text.from_ansi(page.get()), refresh=True)


def _show(found: Status, file: Path, *, json: bool, lines: bool = False) -> None:
    from dataclasses import asdict

    from limosa.cli.document import print_document
    from limosa.cli.pages.status import print_status
    from limosa.cli.terminal import console

    if not json:
        print_status(console(), found, file=file)
        return
    document = asdict(found)
    document.pop("looked_s")
    if found.conservation is not None:
        document["conservation"]["line"] = found.conservation.line
    print_document({**document, "exit_code": found.exit_code}, lines=lines)


def _list_failed(app: App, file: Path, *, json: bool) -> None:
    from dataclasses import asdict

    from limosa.cli.document import print_document
    from limosa.cli.pages.status import print_failed
    from limosa.cli.terminal import console

    exceptions = app.status(count=False).exceptions
    if not json:
        print_failed(console(), exceptions, file=file)
        return
    dead = [asdict(each) for each in app.failed(kind="dead")]
    print_document({"reasons": [asdict(each) for each in exceptions], "dead": dead})


def _export_failed(app: App, target: str) -> None:
    from limosa.cli.amounts import rows
    from limosa.cli.export import export_letters
    from limosa.cli.terminal import console

    count = export_letters(app.failed(), target)
    console(stderr=True).print(f"Rows written: {rows(count)}.", soft_wrap=True)
