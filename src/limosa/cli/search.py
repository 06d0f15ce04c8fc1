"""`limosa search`: the rows nearest to a text in the old and in the new space, side by side."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from limosa.cli.opening import opened
from limosa.cli.options import FILE, File, Json
from limosa.errors import Refused

__all__ = ["search"]

Text = Annotated[str | None, typer.Argument(metavar="TEXT", help="What to search for.", show_default=False)]
K = Annotated[int, typer.Option("--k", metavar="K", min=1, max=1000, help="How many rows, or pairs, of each side.")]
Duplicates = Annotated[
    float | None,
    typer.Option("--duplicates", metavar="T", min=-1, max=1, help="List pairs more similar than T, instead."),
]


Vector = Annotated[
    str | None,
    typer.Option("--vector", metavar="JSON", help="Of a split or copy: a vector, as an array or the file of one."),
]


def search(
    file: File = FILE,
    text: Text = None,
    k: K = 10,
    duplicates: Duplicates = None,
    vector: Vector = None,
    json: Json = False,
) -> None:
    """Search in the old and the new space, side by side."""
    from dataclasses import asdict

    from limosa.cli.document import print_document
    from limosa.cli.pages.search import print_duplicates, print_found
    from limosa.cli.terminal import console

    query: str | list[float] | None = text if vector is None else _vector_in(vector)
    if query is None and duplicates is None:
        raise Refused("There is nothing to search for.", needed="A text.", do='limosa search FILE "some text"')
    with opened(file) as app:
        pairs = app.duplicates(threshold=duplicates, limit=k) if duplicates is not None else []
        found = app.search(query, k=k) if query is not None and duplicates is None else []
    if json:
        print_document({"sides": [*map(asdict, found), *map(asdict, pairs)]})
    elif duplicates is not None:
        print_duplicates(console(), pairs)
    else:
        print_found(console(), found)


def _vector_in(given: str) -> list[float]:
    """The vector that stands there, or in the file of that name."""
    import json

    inline = given.lstrip().startswith("[")
    try:
        found = json.loads(given if inline else Path(given).read_bytes())
        if not isinstance(found, list):
            raise ValueError("no array")
        return [float(value) for value in found]
    except (OSError, ValueError, TypeError) as error:
        what = "What stands after --vector is" if inline else f"{given} holds"
        raise Refused(f"{what} no vector: {error}.", needed="A JSON array of numbers, such as [0.1, 0.2].") from error
