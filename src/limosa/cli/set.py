"""`limosa set`: changes how fast and how dear a migration may be, while it runs."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Annotated

import typer

from limosa.cli.opening import opened
from limosa.cli.options import FILE, File
from limosa.errors import Refused

__all__ = ["set_values"]

Values = Annotated[
    list[str] | None, typer.Argument(metavar="NAME=VALUE...", help="What to set; default takes a setting back.")
]


def set_values(ctx: typer.Context, file: File = FILE, values: Values = None) -> None:
    """Change pace, budget or lane of a migration while it runs."""
    from limosa.cli.lines import print_line
    from limosa.cli.terminal import console

    given = list(values or [])
    if "=" in str(file) and not file.exists():
        # The file was left out.
        given, file = [str(file), *given], FILE
        ctx.params["file"] = file
    with opened(file) as app:
        settings = app.set(**_pairs(given))
    for name, value in settings.items():
        print_line(console(), name, str(value), width=20)
    console().print("Set; runs under way take it within seconds." if settings else "Nothing is set any more.")


def _pairs(given: Sequence[str]) -> dict[str, str]:
    from limosa.control.wishes import NAMES

    pairs = dict(each.partition("=")[::2] for each in given)
    bare = [each for each in given if "=" not in each]
    if bare or not pairs:
        said = f"{bare[0]!r} gives no value." if bare else "Nothing to set is named."
        raise Refused(said, needed=f"NAME=VALUE, where NAME is one of: {', '.join(NAMES)}.")
    return {name.strip(): value.strip() for name, value in pairs.items()}
