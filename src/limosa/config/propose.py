"""What a file should say of a vector column, as far as the database and the models' names tell it."""

from __future__ import annotations

import difflib
from collections.abc import Sequence
from dataclasses import dataclass, replace

from limosa.config.choose import Wishes
from limosa.embedders.models import Known, by_size, known, mentioned, providers, successor
from limosa.errors import Refused
from limosa.ports.discovery import Candidate, Hint

__all__ = ["Named", "believed", "key_of", "require_provider", "source_of", "target_of", "text_of"]

_ONLY_EMBEDDINGS = frozenset({"hashing", "onnx", "sentence-transformers", "voyage"})
"""Providers that answer here with nothing but embeddings."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Named:
    """A model that stands for a space, and why it was taken.

    Attributes:
        provider, model, dimensions: empty, or 0, where nobody knows.
        others: models that are as likely.
    """

    provider: str
    model: str
    dimensions: int
    why: str
    others: tuple[Known, ...] = ()


def text_of(candidate: Candidate, wishes: Wishes) -> tuple[str, ...]:
    """The columns to embed; empty where none is named and none looks like text.

    Raises:
        Refused: a column that was named is not there.
    """
    if wishes.text is None:
        return tuple(each.name for each in candidate.texts)
    for name in wishes.text:
        if name not in candidate.columns:
            raise _no_column(candidate, name)
    return wishes.text


def key_of(candidate: Candidate, wishes: Wishes) -> tuple[str, ...]:
    """The key, in the order of its index.

    Raises:
        Refused: the columns that were named are no key.
    """
    if wishes.key is None:
        return candidate.keys[0]
    found = next((each for each in candidate.keys if sorted(each) == sorted(wishes.key)), None)
    if found is None:
        listed = " or ".join(",".join(each) for each in candidate.keys)
        raise Refused(
            f"{candidate.table} has no unique key on ({', '.join(wishes.key)}) that limosa can walk.",
            needed="The columns of a unique index, NOT NULL, of types whose text means the same everywhere.",
            do=f"--key {listed}",
        )
    return found


def source_of(candidate: Candidate, wishes: Wishes) -> Named:
    """The model whose vectors stand in the column: as named, as the database says, else guessed from their size.

    Raises:
        Refused: the provider that was named is not installed.
    """
    d = candidate.dimensions or wishes.from_dimensions or 0
    if wishes.from_model is not None or wishes.from_provider is not None:
        return replace(_from_wishes(candidate, wishes, d), dimensions=d)
    hint = believed(candidate)
    if hint is not None:
        provider, model = mentioned(hint.said) or ("", hint.said)
        why = f"{hint.where[0].upper()}{hint.where[1:]} says: {hint.said[:200]}."
        return Named(provider=provider, model=model, dimensions=d, why=why)
    likely = by_size(d)
    if not likely:
        return Named(provider="", model="", dimensions=d, why="")
    why = f"A guess from the size, {d}. plan compares stored vectors with what this model answers."
    return Named(provider=likely[0].provider, model=likely[0].model, dimensions=d, why=why, others=likely[1:])


def believed(candidate: Candidate) -> Hint | None:
    """What the database says of the model of the vectors, and not of a chat's or a car's; None where nothing does.

    A column that is named for vectors is believed whatever it says, and any other place where it names a model of
    embeddings that is known.
    """
    return next((each for each in candidate.hints if each.plain or _names_model(each.said)), None)


def _names_model(said: str) -> bool:
    """Whether a text names a model of embeddings: many a provider has models of other kinds too."""
    provider, model = mentioned(said) or ("", "")
    return known(model) is not None or provider in _ONLY_EMBEDDINGS or "embed" in model.lower()


def target_of(source: Named, wishes: Wishes) -> Named:
    """The model to go to: as named, else one that plausibly comes after the source's.

    Raises:
        Refused: the provider that was named is not installed.
    """
    if wishes.model is None and wishes.provider is None:
        after, why = successor(source.provider, source.model)
        return Named(
            provider=after.provider, model=after.model, dimensions=wishes.dimensions or after.dimensions, why=why
        )
    provider, model = _split(wishes.provider, wishes.model)
    there = known(model)
    d = wishes.dimensions or (_own_size(source, provider, model) or (there.dimensions if there is not None else 0))
    return Named(provider=provider, model=model, dimensions=d, why="")


def require_provider(name: str, option: str) -> None:
    """Lets the name of an installed provider through.

    Raises:
        Refused: there is none of that name; names the nearest.
    """
    if name in providers():
        return
    near = difflib.get_close_matches(name, providers(), n=1)
    raise Refused(
        f"There is no provider {name!r}.",
        needed=f"One of: {', '.join(sorted(providers()))}.",
        do=f"{option} {near[0]}" if near else f"Give {option} one of them.",
    )


def _from_wishes(candidate: Candidate, wishes: Wishes, d: int) -> Named:
    provider, model = _split(wishes.from_provider, wishes.from_model)
    if not model:
        # Of a provider alone: what the database says of it, else what the size says.
        fit = [each for each in _told_or_likely(candidate, d) if each.provider == provider]
        model = fit[0].model if fit else ""
    return Named(provider=provider, model=model, dimensions=d, why="")


def _told_or_likely(candidate: Candidate, d: int) -> Sequence[Known]:
    hint = believed(candidate)
    found = mentioned(hint.said) if hint is not None else None
    return (*((Known(*found, d),) if found is not None else ()), *by_size(d))


def _split(provider: str | None, model: str | None) -> tuple[str, str]:
    """Provider and model; a model may bring its provider along, or be known by its name."""
    if provider is None and model is not None:
        before, mark, after = model.partition("/")
        if mark and before in providers():
            return before, after
        there = known(model)
        return (there.provider if there is not None else ""), model
    return provider or "", model or ""


def _own_size(source: Named, provider: str, model: str) -> int:
    """The source's size where the target is the same model: then rows without a vector are filled."""
    return source.dimensions if (provider, model) == (source.provider, source.model) else 0


def _no_column(candidate: Candidate, name: str) -> Refused:
    near = difflib.get_close_matches(name, candidate.columns, n=1, cutoff=0.5)
    columns = ", ".join(candidate.columns) or "none"
    return Refused(
        f"{candidate.table} has no text column {name!r}.",
        needed=f"Its columns of texts: {columns}.",
        do=f"Did you mean {near[0]!r}?" if near else "Name one of them with --text.",
    )
