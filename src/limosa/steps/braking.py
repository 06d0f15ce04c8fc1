"""Braking: a run waits while somebody paused it, or while the database is under strain."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path

from limosa.backfill.brakes import Brakes
from limosa.model.wish import Settings
from limosa.steps.voyage import Voyage

__all__ = ["braking", "strained", "strains_of"]


def strains_of(voyage: Voyage) -> list[Callable[[], str]]:
    """Each says why a run has to wait now, or nothing."""
    settings = voyage.migration.backfill
    return [partial(_flag, settings.pause_file), partial(voyage.store.strain, settings.limits)]


def strained(voyage: Voyage) -> str:
    """The first of them; empty where there is none."""
    return next((said for strain in strains_of(voyage) if (said := strain())), "")


def _flag(path: str | None) -> str:
    return f"the file {path} is there" if path is not None and Path(path).exists() else ""


@contextmanager
def braking(voyage: Voyage) -> Iterator[None]:
    """While the block runs, whatever begins a batch by this voyage waits for as long as it should."""

    def changed(reason: str) -> None:
        went_on = not voyage.meter.waiting
        voyage.meter.waiting = reason
        if not reason:
            voyage.say("Batches are begun again.")
        elif went_on:
            voyage.say(f"No further batch is begun: {reason}")

    def heard(settings: Settings) -> None:
        voyage.settings = settings
        voyage.limit(settings)
        voyage.say("Set: " + (", ".join(f"{name} = {value}" for name, value in settings.items()) or "nothing"))

    # What was taken back between two runs of one process is told to nobody.
    voyage.settings = {}
    voyage.limit({})
    brakes = voyage.brakes = Brakes(voyage.wishes.read, strains_of(voyage), changed=changed, settings=heard)
    try:
        with brakes:
            yield
    finally:
        voyage.brakes, voyage.meter.waiting = Brakes(), ""
