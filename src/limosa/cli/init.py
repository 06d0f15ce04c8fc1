"""`limosa init`: looks at a database and writes a limosa.toml for it."""

from __future__ import annotations

import os
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from limosa.cli.options import FILE, Json, names_in
from limosa.errors import Refused

if TYPE_CHECKING:
    from limosa.config.choose import Wishes
    from limosa.config.compose import Choice
    from limosa.config.draft import Draft
    from limosa.ports.discovery import Candidate, Discovery

__all__ = ["init"]

New = Annotated[Path, typer.Argument(metavar="FILE", help="The file to write.")]
Store = Annotated[
    str | None,
    typer.Option("--store", metavar="STORE", help="Where to look: env:NAME, embedded, or a URL without a password."),
]
Table = Annotated[str | None, typer.Option("--table", metavar="NAME", help="Look at this table only.")]
Vector = Annotated[str | None, typer.Option("--vector", metavar="COLUMN", help="The vector column.")]
Text = Annotated[str | None, typer.Option("--text", metavar="A,B", help="The columns that were embedded.")]
Key = Annotated[str | None, typer.Option("--key", metavar="A,B", help="The key columns.")]
Provider = Annotated[str | None, typer.Option("--provider", metavar="NAME", help="Who answers for the model to go to.")]
Model = Annotated[str | None, typer.Option("--model", metavar="NAME", help="The model to go to.")]
Dimensions = Annotated[
    int | None, typer.Option("--dimensions", metavar="D", min=1, max=16_000, help="Dimensions to go to.")
]
FromProvider = Annotated[
    str | None, typer.Option("--from-provider", metavar="NAME", help="Who answers for the model of today.")
]
FromModel = Annotated[str | None, typer.Option("--from-model", metavar="NAME", help="The model of today.")]
FromDimensions = Annotated[
    int | None,
    typer.Option("--from-dimensions", metavar="D", min=1, max=16_000, help="Dimensions of today, if none are found."),
]
Force = Annotated[bool, typer.Option("--force", help="Write over a file that is there.")]
Best = Annotated[bool, typer.Option("--yes", help="Ask nothing, and take the best of several columns.")]


def init(  # noqa: PLR0913, PLR0917 - typer takes one parameter for each option
    file: New = FILE,
    store: Store = None,
    table: Table = None,
    vector: Vector = None,
    text: Text = None,
    key: Key = None,
    provider: Provider = None,
    model: Model = None,
    dimensions: Dimensions = None,
    from_provider: FromProvider = None,
    from_model: FromModel = None,
    from_dimensions: FromDimensions = None,
    force: Force = False,
    yes: Best = False,
    json: Json = False,
) -> None:
    """Look at a database and write a limosa.toml for it."""
    from limosa.config.choose import Wishes
    from limosa.config.decide import require_store
    from limosa.config.drafting import drafted
    from limosa.stores.find import discover

    _require_free(file, force=force)
    wishes = Wishes(
        table=table,
        vector=vector,
        text=None if text is None else names_in(text),
        key=None if key is None else names_in(key),
        provider=provider,
        model=model,
        dimensions=dimensions,
        from_provider=from_provider,
        from_model=from_model,
        from_dimensions=from_dimensions,
    )
    place = require_store(store if store is not None else _default_store())
    found = discover(place, table=table)
    asks = _may_ask(yes=yes, json=json)
    try:
        candidate, wishes = _candidate(found, wishes, best=yes, ask=asks)
        choice, draft = drafted(found, place, candidate, wishes)
        _save(file, draft, force=force)
    except Refused as error:
        if not json:
            raise
        _print_refusal(found, error, file)
        raise typer.Exit(error.exit_code) from error
    if json:
        _print_facts(found, draft, file)
    else:
        _print_page(found, choice, file, shown=asks)


def _default_store() -> str:
    if os.environ.get("DATABASE_URL", "").strip():
        return "env:DATABASE_URL"
    raise Refused(
        "No store is named, and the environment variable DATABASE_URL is not set.",
        needed="The database to look at.",
        do="export DATABASE_URL=...; or limosa init FILE --store env:NAME, or --store embedded",
    )


def _may_ask(*, yes: bool, json: bool) -> bool:
    return not yes and not json and sys.stdin.isatty() and sys.stdout.isatty()


def _candidate(found: Discovery, wishes: Wishes, *, best: bool, ask: bool) -> tuple[Candidate, Wishes]:
    from limosa.config.choose import choose, matching

    if not ask:
        return choose(found, wishes, best=best), wishes
    from limosa.cli.pages.init import print_discovery
    from limosa.cli.questions import ask as answers
    from limosa.cli.terminal import console

    usable = matching(found, wishes)
    print_discovery(console(), found, usable)
    return answers(usable, wishes)


def _print_facts(found: Discovery, draft: Draft, file: Path) -> None:
    from dataclasses import asdict

    from limosa.cli.document import print_document

    print_document({**asdict(found), "chosen": draft.values, "file": str(file)})


def _print_page(found: Discovery, choice: Choice, file: Path, *, shown: bool) -> None:
    from limosa.cli.pages.init import print_written
    from limosa.cli.terminal import console
    from limosa.config.choose import left_out

    print_written(console(), choice, file, passed_by=() if shown else left_out(found))


def _print_refusal(found: Discovery, error: Refused, file: Path) -> None:
    from dataclasses import asdict

    from limosa.cli.command import print_error
    from limosa.cli.document import error_document, print_document

    print_error(error, file=file)
    print_document({**asdict(found), "chosen": None, "file": None, **error_document(error)})


def _require_free(file: Path, *, force: bool) -> None:
    if file.exists() and not force:
        raise Refused(
            f"{file} is there already.",
            needed="A file that is not there, so that nothing is lost.",
            do="limosa init another.toml; or --force, which writes over it.",
        )


def _save(file: Path, draft: Draft, *, force: bool) -> None:
    from limosa.config.draft import write

    try:
        with file.open("w" if force else "x", encoding="utf-8") as out:
            out.write(write(draft))
    except OSError as error:
        raise Refused(
            f"{file} cannot be written: {error.strerror or type(error).__name__}.",
            needed="A folder that is there and may be written to, and a file that is not.",
        ) from error
