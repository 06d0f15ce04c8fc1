"""Drafting: the file for a vector column that was found, as `limosa init` writes it."""

from __future__ import annotations

from limosa.config.choose import Wishes, choose
from limosa.config.compose import Choice, compose
from limosa.config.decide import decide, require_store
from limosa.config.draft import Draft, write
from limosa.config.file import load
from limosa.ports.discovery import Candidate, Discovery
from limosa.stores.find import discover

__all__ = ["draft", "drafted"]


def draft(store: str, wishes: Wishes, *, best: bool = False) -> str:
    """The text of a commented ``limosa.toml`` for a database; changes nothing and writes no file.

    Args:
        store: where to look: ``env:NAME``, ``embedded``, or a URL without a password.
        wishes: what is known; the rest is proposed by what the database holds.
        best: takes the best of several vector columns, and of several tables.

    Raises:
        Refused: nothing fits, several columns do, or something that is needed is neither named nor known.
    """
    place = require_store(store)
    found = discover(place, table=wishes.table)
    return write(drafted(found, place, choose(found, wishes, best=best), wishes)[1])


def drafted(found: Discovery, store: str, candidate: Candidate, wishes: Wishes) -> tuple[Choice, Draft]:
    """The choice for a column and its draft, which the reader of files takes.

    Raises:
        Refused: something that is needed is neither named nor known.
    """
    choice = decide(store, candidate, wishes)
    made = compose(choice, found.index_limits)
    load(made.values)
    return choice, made
