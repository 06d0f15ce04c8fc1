"""For programs: bring a database up to date as the program starts, by what the file says."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path

from limosa.app import App, open_app
from limosa.errors import Refused
from limosa.steps.plan import admit

__all__ = ["ensure"]

YES = frozenset({"--yes"})
"""Who writes ``on_start = "migrate"`` has answered the plan's questions."""


def ensure(source: Path | str | Mapping[str, object], *, say: Callable[[str], None] = lambda line: None) -> bool:
    """Whether the new layout is the application's; where it is not, does what ``on_start`` says.

    ``migrate`` carries out everything up to cutover and leaves finish to a person; any number of
    processes may call this at once: one works, the others wait for it. ``warn`` says so and goes on;
    ``refuse`` raises. Where there is nothing to do it reads two rows and changes nothing.

    Raises:
        Refused: by ``refuse``, or where the plan refuses.
        ProofFailed: a proof came out different; nothing was switched.
        Transient: the database failed; calling again goes on.
    """
    with open_app(source, say=say) as app:
        if _ready(app):
            return True
        wanted = app.migration.on_start
        record = app.voyage.records.get()
        if record is not None and record.switched and wanted != "migrate":
            # Whoever follows the changes is somebody else.
            return True
        said = f"The migration {app.migration.name!r} has not been carried out."
        if wanted == "refuse":
            raise Refused(said, needed="Its new layout.", do="limosa run FILE, then limosa cutover FILE.")
        if wanted == "warn":
            say(f"{said} limosa run FILE begins it, or goes on.")
            return False
        voyage = app.voyage
        if record is None:
            # What the plan refuses is refused before anything is made.
            admit(app.plan(), YES)
            voyage.records.prepare()
        with voyage.store.runner.alone("start"):
            if not _ready(app):
                app.run(accept=YES)
                app.cutover()
                app.run()
        return True


def _ready(app: App) -> bool:
    """Switched, and no change waits; or finished."""
    record = app.voyage.records.get()
    if record is None or not (record.active or record.step == "finish"):
        return False
    if record.step == "finish":
        return True
    with app.voyage.store.begin(snapshot=True) as tx:
        return record.switched and app.voyage.store.capture.outstanding(tx) == 0
