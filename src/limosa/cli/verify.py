"""`limosa verify`: makes every proof again."""

from __future__ import annotations

from typing import Annotated

import typer

from limosa.cli.opening import opened
from limosa.cli.options import FILE, File, Json, with_file
from limosa.errors import ProofFailed

__all__ = ["verify"]


Sql = Annotated[bool, typer.Option("--sql", help="Print with each proof the SQL that repeats it by hand.")]


def verify(file: File = FILE, sql: Sql = False, json: Json = False) -> None:
    """Make every proof again; code 1 where one comes out different."""
    from dataclasses import asdict

    from limosa.cli.document import print_document
    from limosa.cli.lines import print_line, print_proofs
    from limosa.cli.terminal import console

    with opened(file) as app:
        proofs = app.verify()
        if json:
            print_document({"migration": app.migration.id, "proofs": [asdict(proof) for proof in proofs]})
        else:
            out = console()
            print_proofs(out, proofs, sql=sql)
            print_line(out, "report", with_file("limosa report FILE writes them as a page that can be handed on", file))
    if any(proof.verdict == "different" for proof in proofs):
        raise typer.Exit(ProofFailed.exit_code)
