"""`limosa run`: goes from where the migration stands up to a proved verify."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer

from limosa.cli.opening import opened
from limosa.cli.options import FILE, File, Json
from limosa.cli.words import Words, words_of
from limosa.errors import ProofFailed

if TYPE_CHECKING:
    from collections.abc import Sequence

    from rich.console import Console

    from limosa.app import App
    from limosa.flow import Ending
    from limosa.model.proof import Proof

__all__ = ["run"]

Limit = Annotated[int | None, typer.Option("--limit", metavar="N", min=1, help="End the backfill after about N rows.")]
BatchRows = Annotated[
    int | None,
    typer.Option("--batch-rows", metavar="N", min=1, max=10_000, help="Rows in one request, instead of the file's."),
]
DryRun = Annotated[
    bool, typer.Option("--dry-run", help="Show the plan and stop; of a split every row is decoded and counted.")
]
Reconnect = Annotated[bool, typer.Option("--accept-reconnect", help="Connections of the application must reconnect.")]
Triggers = Annotated[bool, typer.Option("--accept-triggers", help="The table's own triggers fire.")]
Existing = Annotated[bool, typer.Option("--accept-existing", help="Points become rows of a table that stands already.")]
View = Annotated[bool, typer.Option("--accept-view", help="A view will stand where the split table stood.")]
Libsql = Annotated[bool, typer.Option("--accept-libsql", help="Every program opens the file by libSQL.")]
Columns = Annotated[bool, typer.Option("--accept-columns", help="Columns that payload leaves out will be gone.")]
Slow = Annotated[bool, typer.Option("--accept-slow", help="The backfill takes longer than plan thinks fit.")]
Downtime = Annotated[bool, typer.Option("--accept-downtime", help="The table is locked, and not searched, meanwhile.")]
Deletions = Annotated[
    bool,
    typer.Option("--accept-deletions", help="Most of the new collection was deleted on purpose, after the switch."),
]
Yes = Annotated[bool, typer.Option("--yes", help="Answer every question of the plan with yes.")]


def run(  # noqa: PLR0913, PLR0917 - one parameter for each option
    file: File = FILE,
    dry_run: DryRun = False,
    limit: Limit = None,
    batch_rows: BatchRows = None,
    accept_reconnect: Reconnect = False,
    accept_triggers: Triggers = False,
    accept_slow: Slow = False,
    accept_downtime: Downtime = False,
    accept_existing: Existing = False,
    accept_view: View = False,
    accept_columns: Columns = False,
    accept_libsql: Libsql = False,
    accept_deletions: Deletions = False,
    yes: Yes = False,
    json: Json = False,
) -> None:
    """Go on from where the migration stands, up to a proved verify."""
    given = {
        "--accept-reconnect": accept_reconnect,
        "--accept-triggers": accept_triggers,
        "--accept-slow": accept_slow,
        "--accept-downtime": accept_downtime,
        "--accept-existing": accept_existing,
        "--accept-view": accept_view,
        "--accept-columns": accept_columns,
        "--accept-libsql": accept_libsql,
        "--accept-deletions": accept_deletions,
        "--yes": yes,
    }
    with opened(file, batch_rows=batch_rows) as app:
        if dry_run:
            from limosa.cli.plan import show_plan

            show_plan(app, file, json=json, rehearse=True)
            return
        ending = _run(app, frozenset(flag for flag, wanted in given.items() if wanted), limit=limit, json=json)
        if ending.verdict == "different":
            raise typer.Exit(ProofFailed.exit_code)


def _run(app: App, accept: frozenset[str], *, limit: int | None, json: bool) -> Ending:
    from dataclasses import asdict

    from limosa.cli.document import print_document
    from limosa.cli.progress import run_with_progress
    from limosa.cli.stopping import stopping
    from limosa.cli.terminal import console

    out = console(stderr=json)
    with stopping(app.stop, lambda line: out.print(line, soft_wrap=True)):
        ending = run_with_progress(app, out, accept=accept, limit=limit)
    if json:
        print_document(
            {
                "migration": app.migration.id,
                "name": app.migration.name,
                "tally": asdict(ending.tally),
                "proofs": [asdict(proof) for proof in ending.proofs],
            }
        )
    elif ending.verdict == "proved" and ending.step == "verify":
        _say_what_is_next(app, ending.proofs, out)
    return ending


def _say_what_is_next(app: App, proofs: Sequence[Proof], out: Console) -> None:
    words = words_of(app.migration.shape, searched=app.voyage.store.capabilities.searched)
    _sum_up(proofs, words, out)
    out.print(f"next      {words.onward}", soft_wrap=True)


def _sum_up(proofs: Sequence[Proof], words: Words, out: Console) -> None:
    """How many rows there are, are done, are still to be, and never will."""
    counted = next((proof.evidence for proof in proofs if proof.name == "conservation"), None)
    if counted is None:
        return
    number = {name: int(str(counted[name])) for name in ("rows", "done", "skipped", "dead", "pending")}
    said = f"{number['rows']:,} in all, {number['done']:,} {words.landed}, {number['pending']:,} {words.left}"
    without = number["skipped"] + number["dead"]
    said += (
        f", {without:,} {'not' if words.what == 'points' else 'without'} (limosa status --failed lists them)"
        if without
        else ""
    )
    out.print(f"{words.what:<10}{said}", soft_wrap=True)
