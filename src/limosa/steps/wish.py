"""Wish: what people ask of a migration that is under way: to pause, to go on, another pace or budget."""

from __future__ import annotations

from collections.abc import Mapping

from limosa.control.wishes import DEFAULT, NAMES, Wishes
from limosa.errors import Refused
from limosa.model.wish import Setting, Settings
from limosa.steps.voyage import Voyage

__all__ = ["pause", "put", "resume"]


def pause(voyage: Voyage, why: str = "") -> None:
    """Lets every run wait before its next batch; a second call gives another reason.

    Raises:
        Refused: the migration is not under way.
    """
    _wishes(voyage).pause(" ".join(why.split()))


def resume(voyage: Voyage) -> bool:
    """Takes the pause back; whether there was one.

    Raises:
        Refused: the migration is not under way.
    """
    return _wishes(voyage).resume()


def put(voyage: Voyage, values: Mapping[str, Setting | None]) -> Settings:
    """Sets several values at once, or with None takes them back; everything that is set then.

    Raises:
        Refused: a name or a value is not known, nothing is named, or the migration embeds nothing or is not under way.
    """
    if voyage.migration.carries:
        raise Refused(
            "A split asks no provider: nothing of it can be set.", do="limosa pause FILE lets it wait for a while."
        )
    wishes = _wishes(voyage)
    if not values:
        raise Refused("Nothing to set is named.", needed=f"One of: {', '.join(NAMES)}.")
    wishes.set({name: DEFAULT if value is None else str(value) for name, value in values.items()})
    return wishes.read().settings


def _wishes(voyage: Voyage) -> Wishes:
    """What can be asked of a migration that is under way, also by a file that was edited since it began."""
    record = voyage.records.get()
    if record is None or not record.active:
        over = record is not None and record.step == "finish"
        stands = "is finished" if over else "has not begun, or was rolled back"
        raise Refused(
            f"The migration {voyage.migration.name!r} {stands}.",
            needed="A migration that is under way.",
            do="" if over else "limosa run FILE begins.",
        )
    return voyage.wishes
