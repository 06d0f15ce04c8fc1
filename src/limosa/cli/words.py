"""What is said of a migration, by its shape: an upgrade and a copy do not leave the same thing behind."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from limosa.model.migration import Form, Shape, Side
    from limosa.steps.status import State

__all__ = ["Words", "place_told", "words_of"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Words:
    """The words of one shape; FILE stands for the migration's file.

    Attributes:
        states: what a state means.
        onward: what is said after a verified run; done: after a cutover.
        switched: what is so after a cutover, when it is asked for again.
        question: before a cutover; {space}, {place} and {table} are filled in.
        old: what a rollback switches back to.
        dropped: what finish does; kept: what it does where it drops nothing; finished: what is said then.
        ending: what comes after a cutover.
        what: what is counted; landed: what became of those that are done; left: of those that wait.
        switches: a cutover comes before finish.
    """

    states: Mapping[State, str]
    onward: str
    question: str
    switched: str
    done: str
    old: str
    dropped: str
    kept: str
    finished: str
    ending: str
    what: str = "rows"
    landed: str = "have their new vector"
    left: str = "to fill"
    switches: bool = True


_VECTORS = Words(
    states={
        "not begun": "The migration has not begun.",
        "verified": "Verified; the application still reads the old vectors.",
        "different": "A proof came out different.",
        "switched": "The new vectors are the application's; the old ones are kept.",
        "rolled back": "The migration was rolled back; nothing of it is left but its history.",
        "finished": "The migration is finished; the old vectors are gone.",
    },
    onward="limosa cutover makes these vectors the application's; limosa rollback goes back",
    question="Make {space} the vectors of {place}?",
    switched="The new vectors are the application's",
    done="limosa rollback FILE goes back, limosa finish FILE drops the old vectors.",
    old="vectors",
    dropped="the old vectors are dropped",
    kept="the old vectors are dropped",
    finished="Finished.",
    ending="limosa finish FILE drops the old vectors, limosa rollback FILE goes back",
)

_FILL = replace(_VECTORS, onward="limosa finish takes the triggers away; limosa rollback goes back", switches=False)

_SPLIT = Words(
    states={
        **_VECTORS.states,
        "verified": "Verified; the application still reads and writes the old table.",
        "switched": "A view over the new tables stands in the old table's place; the old table is kept and written to.",
        "finished": "The migration is finished; the view reads and writes the new tables alone.",
    },
    onward="limosa cutover puts a view over the new tables in the old one's place; limosa rollback goes back",
    question="Put a view over the new tables in the place of {table}?",
    switched="The view stands there",
    done="limosa rollback FILE goes back, limosa finish FILE leaves the old table behind.",
    old="table",
    dropped="the old table is dropped",
    kept="the old table stays, and is no longer written to",
    finished="Finished; the old table stays, under another name.",
    ending="limosa finish FILE ends it, for good; limosa rollback FILE goes back",
)

_COPY = Words(
    states={
        **_VECTORS.states,
        "verified": "Verified; the application still reads and writes the old store.",
        "switched": "The application is to read the new store; what changes there flows back to the old one.",
        "finished": "The migration is finished; the old store is left as it was then.",
    },
    onward="limosa cutover records that the application reads the new store; limosa rollback goes back",
    question="Is the application to read and write {table} from now on?",
    switched="That is recorded",
    done="limosa run FILE lets changes flow back, limosa rollback FILE goes back, limosa finish FILE ends it.",
    old="store",
    dropped="nothing flows back any more; the old store is left as it is",
    kept="nothing flows back any more; the old store is left as it is",
    finished="Finished; the old store is left as it was.",
    ending="limosa run FILE lets changes flow back; limosa finish FILE ends that, limosa rollback FILE goes back",
    what="points",
    landed="are in the new store",
    left="to carry",
)

_EXPORT = replace(
    _COPY,
    states={
        **_COPY.states,
        "verified": "Verified: the copy is complete, and nothing has to be switched.",
        "finished": "The copy is finished; the source is left as it was then.",
    },
    onward="nothing: the copy is complete and proved. limosa finish ends it; until then limosa run brings it up to"
    " date, and limosa rollback takes it away",
    question="A copy to files needs no switch. Is the application to read and write {table} from now on, so that what"
    " changes there flows back?",
    dropped="no run follows the source any more; the source is left as it is",
    kept="no run follows the source any more; the source is left as it is",
    finished="Finished; the source is left as it was.",
    switches=False,
)
"""A copy to files, which no application searches: it is made and handed on."""

_WORDS: Mapping[Shape, Words] = {"upgrade": _VECTORS, "fill": _FILL, "split": _SPLIT, "copy": _COPY}


def words_of(shape: str, *, searched: bool = True) -> Words:
    """The words of a shape, as a migration or the ledger names it.

    Args:
        searched: applications search what was written.
    """
    if not searched:
        return _EXPORT
    return {str(name): words for name, words in _WORDS.items()}[shape]


def place_told(side: Side, form: Form | None) -> str:
    """One side of a copy."""
    return f"{side.place.store}, {'collection' if form is None else 'table'} {side.place.table}"
