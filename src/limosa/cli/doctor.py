"""`limosa doctor`: examines the vectors that the application reads, and changes nothing."""

from __future__ import annotations

from enum import StrEnum
from pathlib import Path
from typing import Annotated

import typer

from limosa.cli.opening import opened
from limosa.cli.options import FILE, File, Json
from limosa.errors import ProofFailed, Refused

__all__ = ["FailOn", "doctor"]

_SAMPLE = 8
"""Texts that are embedded again unless somebody says how many: a share of 30 % of wrong vectors goes unseen once in
17 examinations, and they cost less than a cent."""


class FailOn(StrEnum):
    """How bad a finding has to be for exit code 1."""

    ERROR = "error"
    WARNING = "warning"
    NOTE = "note"


Sample = Annotated[int, typer.Option("--sample", metavar="N", min=0, help="Embed N texts again; 0 sends none.")]
ModelColumn = Annotated[
    str | None, typer.Option("--model-column", metavar="NAME", help="The column that names each vector's model.")
]
Fail = Annotated[FailOn | None, typer.Option("--fail-on", help="End with code 1 where something as bad is found.")]
Html = Annotated[Path | None, typer.Option("--html", metavar="FILE", help="Write a page for a browser.")]


def doctor(
    file: File = FILE,
    sample: Sample = _SAMPLE,
    model_column: ModelColumn = None,
    fail_on: Fail = None,
    html: Html = None,
    json: Json = False,
) -> None:
    """Examine the vectors for ills; changes nothing."""
    from dataclasses import asdict

    from limosa.cli.document import print_document
    from limosa.cli.pages.doctor import print_diagnosis
    from limosa.cli.pages.doctor_html import page_of
    from limosa.cli.terminal import console
    from limosa.model.finding import is_at_least

    aside = console(stderr=True)
    with opened(file, say=lambda line: aside.print(line, soft_wrap=True)) as app:
        found = app.doctor(sample=sample, model_column=model_column)
    if html is not None:
        _write(html, page_of(found, file=file))
    if json:
        print_document(asdict(found))
    else:
        print_diagnosis(console(), found, file=file)
        if html is not None:
            console().print(f"The page is in {html}.", soft_wrap=True)
    if fail_on is not None and any(is_at_least(each, fail_on.value) for each in found.findings):
        raise typer.Exit(ProofFailed.exit_code)


def _write(file: Path, page: str) -> None:
    try:
        file.write_text(page, encoding="utf-8")
    except OSError as error:
        raise Refused(
            f"{file} cannot be written: {error.strerror}.", needed="A file in a folder that is there."
        ) from error
