"""`limosa report`: what is known of a migration as one HTML file that may be handed to anybody."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from limosa.cli.opening import opened
from limosa.cli.options import FILE, File, Json

if TYPE_CHECKING:
    from limosa.steps.report import Report

__all__ = ["report"]

OUTPUT = Path("report.html")

Output = Annotated[Path, typer.Option("--output", "-o", metavar="FILE", help="Where to write it; replaces the file.")]


def report(file: File = FILE, output: Output = OUTPUT, json: Json = False) -> None:
    """Write the evidence as one HTML file: verdict, counts, proofs, plots, money."""
    from limosa.cli.terminal import console
    from limosa.errors import ProofFailed

    with opened(file) as app:
        found = app.report()
    if json:
        _print(found)
    else:
        _write(found, output)
        console().print(f"{output}: {found.ruling.verdict}", soft_wrap=True, markup=False)
    if found.ruling.verdict == "different":
        raise typer.Exit(ProofFailed.exit_code)


def _print(found: Report) -> None:
    from dataclasses import asdict

    from limosa.cli.document import print_document

    document = asdict(found)
    if found.conservation is not None:
        document["conservation"]["line"] = found.conservation.line
    print_document(document)


def _write(found: Report, output: Path) -> None:
    from limosa.cli.pages.report.document import document
    from limosa.errors import Refused

    try:
        output.write_text(document(found), encoding="utf-8")
    except OSError as error:
        raise Refused(
            f"{output} cannot be written: {error.strerror or type(error).__name__}.",
            needed="A file that may be written.",
            do="Name another one after -o.",
        ) from error
