"""Story: the demo from its first line to its last."""

from __future__ import annotations

import time
from pathlib import Path

from limosa.cli.amounts import rows
from limosa.cli.demo.acts import calm, fill, once_more, plan, there_and_back
from limosa.cli.demo.corpus import docstrings
from limosa.cli.demo.ending import farewell, judge
from limosa.cli.demo.evidence import look
from limosa.cli.demo.page import Page
from limosa.cli.demo.scene import Scene, timed
from limosa.cli.demo.stage import application, embedder_of, folder_for, migration, running, server_in
from limosa.cli.demo.table import make_table

__all__ = ["tell"]

CALM_S = 10.0
"""How long the application works alone first: the noise of this machine, to compare with."""

SOAK_S = 3.0
"""How long the application works on the new vectors before the next step."""


def tell(keep: Path | None = None, *, most: int | None = None, calm_s: float = CALM_S, soak_s: float = SOAK_S) -> None:
    """Runs the demo.

    Args:
        keep: a new or empty folder in which the database and the file stay; None removes everything.
        most: at most so many rows; None for every docstring there is.
        calm_s: how long the application works alone.
        soak_s: how long it works on the new vectors after each cutover.

    Raises:
        ProofFailed: a proof came out different, or the application met an error or an empty answer.
    """
    page, began_s = Page(), time.monotonic()
    page.say(
        "limosa moves the vectors of a live system to another embedding model. This is a whole"
        " migration, on a real Postgres with real text, with an application at work on the table all the"
        " while. Every figure below is measured in this run.",
        indent=0,
    )
    with running(), folder_for(keep) as home:
        page.heading(
            "A table in use",
            "A Postgres with pgvector starts from a pip package, and a table is filled with the docstrings"
            " of this Python's standard library.",
        )
        docs, took = timed(lambda: docstrings(most=most))
        page.say(f"{rows(len(docs))} different docstrings, read in {took}")
        with server_in(home) as (server, url), migration(home) as app:
            page.say(f"Postgres {server.version} on {server.host}, port {server.port}")
            _, took = timed(lambda: make_table(url, docs, embedder_of(app.migration.source)))
            page.say(
                f"Table docs: {rows(len(docs))} rows with vectors of {app.migration.source.space.title}, an HNSW"
                f" index and a match function, made in {took}"
            )
            before = look(url)
            with application(url, app, docs) as beside:
                scene = Scene(page, app, url, beside, calm_s, soak_s)
                calm(scene)
                plan(scene)
                fill(scene)
                there_and_back(scene, before)
                judge(scene, once_more(scene))
        farewell(scene, server, keep=keep, began_s=began_s)
