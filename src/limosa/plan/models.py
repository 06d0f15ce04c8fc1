"""Checks of both models: whether they answer, whose vectors the column holds, and where texts will be sent."""

from __future__ import annotations

from collections.abc import Sequence
from statistics import median
from string import Formatter

from limosa.errors import LimosaError
from limosa.model.batch import Vectors
from limosa.model.migration import Migration
from limosa.model.place import Text
from limosa.model.plan import Check
from limosa.plan.probe import AGREES, Probe, cosines
from limosa.ports.embedder import HERE, Embedder

__all__ = ["columns_sent", "new_model_checks", "old_model_checks", "sent_checks", "space_checks"]

_PAID = 8
"""Texts that are embedded again where that is paid for: enough to tell another model from the same."""


def new_model_checks(migration: Migration, found: Probe) -> list[Check]:
    """The target's model must answer, and in the size that the file says."""
    title = migration.target.space.title
    if found.error is not None:
        return [
            Check(
                name="new-model",
                verdict="refused",
                said=f"The new model {title} does not answer: {found.error.what}{_retired(found)}",
                needed=found.error.needed or "A model that answers.",
                do=found.error.do,
            )
        ]
    checks = [Check(name="new-model", verdict="ok", said=f"The new model {title} answers.")]
    if found.refused:
        said = f"{found.refused} of {found.sampled} sampled texts cannot be embedded with it: {found.reason}"
        do = "They become dead letters; limosa status --failed lists them."
        checks.append(Check(name="new-model-texts", verdict="note", said=said, do=do))
    return checks


def old_model_checks(migration: Migration, found: Probe) -> list[Check]:
    """The source's model is needed for the way back only."""
    title = migration.source.space.title
    if found.error is None:
        return [Check(name="old-model", verdict="ok", said=f"The old model {title} answers.")]
    said = f"The old model {title} does not answer: {found.error.what}{_retired(found)}"
    do = "Rows whose text changes after cutover would be left without an old vector by rollback, and listed."
    if migration.copy is not None:
        do = "Points whose text changes after the switch would not flow back, and are listed."
    return [Check(name="old-model", verdict="note", said=said, do=do)]


def _retired(found: Probe) -> str:
    day = found.embedder.retired if found.embedder is not None else None
    return f" It was switched off on {day.isoformat()}." if day is not None else ""


def space_checks(migration: Migration, embedder: Embedder, texts: Sequence[str], stored: Vectors | None) -> list[Check]:
    """Whether the stored vectors are what the source's model makes of their texts: one space a column.

    Fewer than half in agreement is another space, another template or another prefix than the file says;
    fewer than all are texts that changed since, or a mixture.
    """
    if stored is None or not len(texts) or stored.shape[1] != embedder.space.dimensions:
        return []
    free = embedder.destination == HERE
    n = len(texts) if free else min(_PAID, len(texts))
    try:
        found = cosines(embedder, texts[:n], stored[:n])
    except LimosaError as error:
        said = f"Whether the stored vectors are the old model's could not be seen: {error.what}"
        return [Check(name="space", verdict="note", said=said)]
    if not found:
        return []
    agree, middle = sum(value >= AGREES for value in found), median(found)
    title, shown = migration.source.space.title, f"median cosine {middle:.2f}"
    if agree * 2 < len(found):
        return [
            Check(
                name="space",
                verdict="refused",
                said=(
                    f"The vectors in {_vectors(migration)} are not those of {title}: {agree} of"
                    f" {len(found)} sampled rows agree with what it makes of their text ({shown})."
                ),
                needed=f"One known space a column: at least half of the sampled rows with a cosine of {AGREES}.",
                do=f"Set provider, model, prefix, task and text in [source] to what made them; {_otherwise(migration)}",
            )
        ]
    if agree < len(found):
        said = f"{len(found) - agree} of {len(found)} sampled rows do not agree with {title} ({shown})."
        do = "Their text changed without a new vector, or another model made them."
        return [Check(name="space", verdict="note", said=said, do=do)]
    said = f"{len(found)} sampled vectors agree with {title} ({shown})."
    return [Check(name="space", verdict="ok", said=said)]


def _otherwise(migration: Migration) -> str:
    """What else can be done about old vectors of another space."""
    if migration.copy is not None:
        return "or leave [source.space] out."
    return "set vectors that nobody knows the origin of to NULL."


def _vectors(migration: Migration) -> str:
    """Where the old vectors are, in a word."""
    place = migration.source.place
    return place.vector if migration.copy is None else place.table


def columns_sent(text: Text) -> tuple[str, ...]:
    """The columns whose contents leave the database, or ``query`` for what a query answers."""
    if text.query is not None:
        return ("query",)
    if text.template is not None:
        return tuple(dict.fromkeys(name for _, name, _, _ in Formatter().parse(text.template) if name))
    return text.columns


def sent_checks(migration: Migration, new: Embedder | None, old: Embedder | None) -> list[Check]:
    """Where the texts go: named where it is not this machine.

    Args:
        old: who embeds texts that change after cutover; None where nobody does.
    """
    names = columns_sent(migration.target.place.text)
    called = "columns" if migration.copy is None else "fields"
    what = "the answer of the text query" if names == ("query",) else f"the {called} {', '.join(names)}"
    sent = {} if new is None else {new.destination: f"Texts are sent to {new.destination}: {what}."}
    if old is not None and old.destination not in {HERE, *sent}:
        sent[old.destination] = f"Texts that change after cutover may be sent to {old.destination}: {what}."
    return [
        Check(
            name="sends-to",
            verdict="note",
            said=f"{said} Planning has sent a sample of them.",
            do="See that they may go there.",
        )
        for where, said in sent.items()
        if where != HERE
    ]
