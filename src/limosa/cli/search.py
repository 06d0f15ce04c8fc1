"""`limosa search`: the rows nearest to a text in the old and in the new space, side by side."""

from __future__ import annotations

from typing import Annotated

import typer

from limosa.cli.opening import opened
from limosa.cli.options import FILE, File, Json
from limosa.errors import Refused

__all__ = ["search"]

Text = Annotated[str | None, typer.Argument(metavar="TEXT", help="What to search for.", show_default=False)]
K = Annotated[int, typer.Option("--k", metavar="K", min=1, max=1000, help="How many rows on each side.")]
Duplicates = Annotated[
    float | None,
    typer.Option("--duplicates", metavar="T", min=-1, max=1, help="List pairs more similar than T, instead."),
]


def search(file: File = FILE, text: Text = None, k: K = 10, duplicates: Duplicates = None, json: Json = False) -> None:
    """Search in the old and the new space, side by side."""
    from dataclasses import asdict

    from limosa.cli.document import print_document
    from limosa.cli.pages.search import print_found
    from limosa.cli.terminal import console
    from limosa.steps.search import search as look

    if text is None and duplicates is None:
        raise Refused("There is nothing to search for.", needed="A text.", do='limosa search FILE "some text"')
    with opened(file) as app:
        if text is not None:
            found = look(app.voyage, text, k=k)
    if json:
        print_document({"text": text, "sides": [asdict(each) for each in found]})
    else:
        print_found(console(), found)
