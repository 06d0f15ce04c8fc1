"""Ending: the application's report, the verdict, and where to look around."""

from __future__ import annotations

import time
from pathlib import Path

from limosa.cli.amounts import duration, rows
from limosa.cli.demo.evidence import Checked
from limosa.cli.demo.scene import Scene
from limosa.errors import ProofFailed
from limosa.stores.postgres.embedded import Server, programs

__all__ = ["farewell", "judge"]

PAUSE_MS = 100
"""No pause of the application should be longer. Source: limosa's own promise on locks."""


def judge(scene: Scene, checked: Checked) -> None:
    """What the application met in every phase, and what stands beside every text."""
    page = scene.page
    page.heading(
        "The application's report",
        "Counted by the application itself, phase by phase; figures with a stroke are those of writes /"
        " of searches. The first line is the machine without a migration.",
    )
    known, wrong = scene.beside.stop()
    page.phases(scene.phases)
    reports = [report for _, report in scene.phases]
    inserts, edits, deletes, searches, errors, empty = (
        sum(getattr(report, name) for report in reports)
        for name in ("inserts", "edits", "deletes", "searches", "errors", "empty")
    )
    longest_ms = max(report.longest_ms for report in reports[1:])
    page.say(
        "",
        f"{rows(inserts)} inserts, {rows(edits)} edits, {rows(deletes)} deletes, {rows(searches)} searches;"
        f" {rows(errors)} errors, {rows(empty)} empty answers.",
        f"Longest pause: {longest_ms:.0f} ms during the migration, {reports[0].longest_ms:.0f} ms before it"
        f" (wanted: at most {PAUSE_MS} ms).",
        f"Rows that it knows of: {rows(known)}; not in the table as it wrote them: {rows(wrong)}.",
        f"Rows last written before finish: {rows(checked.right)} hold exactly the vector of their own text,"
        f" {rows(checked.wrong)} another one, {rows(checked.without)} none.",
        f"Rows written since: {rows(checked.later)}; cleared by limosa and not filled: {rows(checked.cleared)}.",
    )
    for report in reports:
        scene.faults += [
            f"the application met: {message} ({count} times)" for message, count in report.messages.items()
        ]
    found = {
        "searches had an empty answer": empty,
        "rows are not in the table as the application wrote them": wrong,
        "rows hold a vector that is not of their text": checked.wrong,
        "rows have no vector": checked.without + checked.cleared,
    }
    scene.faults += [f"{rows(count)} {what}" for what, count in found.items() if count]


def farewell(scene: Scene, server: Server, *, keep: Path | None, began_s: float) -> None:
    """Says how it went and, where everything is kept, how to look around.

    Args:
        keep: the folder that stays.
        began_s: when the demo began, on the monotonic clock.

    Raises:
        ProofFailed: something came out different.
    """
    page = scene.page
    if keep is not None:
        page.heading("Look around", "The server is stopped. `limosa status` starts it again, and it stays up.")
        psql = programs(server.version) / "psql"
        base = server.folder.relative_to(Path.cwd().resolve())
        page.console.print(
            f"  cd {Path.cwd()} && limosa status limosa.toml",
            f"  PGPASSWORD=$(cat {base}/password) {psql} \\",
            f"    -h {server.host} -p $(cat {base}/port) -U {server.user} limosa",
            f"  kill -INT $(head -1 {base}/data/postmaster.pid)        # stops it",
            sep="\n",
            soft_wrap=True,
        )
    page.console.print()
    took = duration(time.monotonic() - began_s)
    if scene.faults:
        raise ProofFailed(
            f"The demo took {took} and found: " + "; ".join(scene.faults) + ".",
            needed="No lost row, no error, no empty answer.",
            do="Run it again with --keep DIR to look into the database.",
        )
    page.say(f"Everything proved, in {took}.", indent=0)
