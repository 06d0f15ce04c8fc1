"""What the killed process runs: the whole way, or a part of it, by the front door."""

from __future__ import annotations

import contextlib
import json
import os
import traceback
from pathlib import Path

from limosa.app import open_app
from limosa.errors import Refused

__all__ = ["main"]

ACCEPT = frozenset({"--accept-reconnect", "--accept-view", "--accept-downtime", "--accept-existing"})


def main(job: str, verbs: str, url: str, output: str) -> None:
    os.environ["LIMOSA_CRASH_URL"] = url
    # What a migration keeps on this machine is the test's.
    os.chdir(Path(job).parent)
    with Path(output).open("w") as said, contextlib.redirect_stdout(said), contextlib.redirect_stderr(said):
        try:
            _drive(job, verbs)
        except BaseException:
            traceback.print_exc()
            said.flush()
            os._exit(1)


def _drive(job: str, verbs: str) -> None:
    app = open_app(json.loads(Path(job).read_text()), say=lambda line: print(line, flush=True))
    for verb in verbs.split(","):
        print(f"* {verb}", flush=True)
        if verb == "run":
            proofs = app.run(accept=ACCEPT).proofs
            assert not [proof for proof in proofs if proof.verdict == "different"], proofs
        elif verb == "back":
            # Going on with a rollback: there may be nothing left to go back from.
            with contextlib.suppress(Refused):
                app.rollback()
        elif verb == "finish":
            app.finish(drop_old=True, now=True)
        else:
            getattr(app, verb)()
    app.close()
