"""Questions of `limosa init` at a terminal: each short, with the proposal as its answer."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, TypeVar

import typer

from limosa.cli.options import names_in
from limosa.errors import Refused

if TYPE_CHECKING:
    from limosa.config.choose import Wishes
    from limosa.config.propose import Named
    from limosa.ports.discovery import Candidate

__all__ = ["ask"]

Answer = TypeVar("Answer")


def ask(usable: Sequence[Candidate], wishes: Wishes) -> tuple[Candidate, Wishes]:
    """The column that is meant, and the wishes with an answer to everything that was not named before.

    Args:
        usable: at least one column, numbered from 1 on the page above the questions.

    Raises:
        Refused: the questions were broken off.
    """
    try:
        candidate = usable[0] if len(usable) == 1 else _pick(usable)
        return candidate, _target(candidate, _source(candidate, _place(candidate, wishes)))
    except typer.Abort as error:
        raise Refused("The questions were broken off; nothing was written.") from error


def _pick(usable: Sequence[Candidate]) -> Candidate:
    def read(answer: str) -> Candidate:
        if not answer.isdecimal() or not 1 <= int(answer) <= len(usable):
            raise Refused(f"There is no number {answer}.", needed=f"1 to {len(usable)}.")
        return usable[int(answer) - 1]

    return _asked("Which vector column, by its number?", "1", read)


def _place(candidate: Candidate, wishes: Wishes) -> Wishes:
    from limosa.config.propose import key_of, text_of

    if wishes.key is None and len(candidate.keys) > 1:
        key = _asked(
            "Key columns",
            ",".join(candidate.keys[0]),
            lambda answer: key_of(candidate, replace(wishes, key=names_in(answer))),
        )
        wishes = replace(wishes, key=key)
    if wishes.text is None:
        proposed = ",".join(text_of(candidate, wishes))
        text = _asked(
            "Text columns that were embedded, in this order",
            proposed or None,
            lambda answer: text_of(candidate, replace(wishes, text=names_in(answer))),
        )
        wishes = replace(wishes, text=text)
    return wishes


def _source(candidate: Candidate, wishes: Wishes) -> Wishes:
    from limosa.config.propose import source_of

    if candidate.dimensions is None and wishes.from_dimensions is None:
        wishes = replace(wishes, from_dimensions=_asked("Dimensions of its vectors", None, _size))
    if wishes.from_model is not None and source_of(candidate, wishes).provider:
        return wishes
    proposed = source_of(candidate, wishes)
    if proposed.why:
        typer.echo(proposed.why)

    def read(answer: str) -> Wishes:
        asked = replace(wishes, from_provider=None, from_model=answer)
        _require(source_of(candidate, asked))
        return asked

    answered = _asked("Model whose vectors these are, as provider/model", _title(proposed), read)
    # Only what was changed is the person's word; the rest keeps the reason that the file tells.
    return wishes if answered.from_model == _title(proposed) else answered


def _target(candidate: Candidate, wishes: Wishes) -> Wishes:
    from limosa.config.propose import source_of, target_of

    source = source_of(candidate, wishes)
    proposed = target_of(source, wishes)
    if wishes.model is None or not proposed.provider:

        def read(answer: str) -> Wishes:
            asked = replace(wishes, provider=None, model=answer)
            _require(target_of(source, asked))
            return asked

        answered = _asked("Model to go to, as provider/model", _title(proposed), read)
        wishes = wishes if answered.model == _title(proposed) else answered
    if wishes.dimensions is None:
        d = target_of(source, wishes).dimensions
        wishes = replace(wishes, dimensions=_asked("Its dimensions", str(d) if d else None, _size))
    return wishes


def _asked(question: str, proposed: str | None, read: Callable[[str], Answer]) -> Answer:
    """What the answer means; asked again until it means something."""
    while True:
        answer: str = typer.prompt(question, default=proposed)
        try:
            return read(answer.strip())
        except Refused as error:
            typer.echo(" ".join(part for part in (error.what, error.needed, error.do) if part))


def _size(answer: str) -> int:
    if not answer.isdecimal() or not 1 <= int(answer) <= 16_000:
        raise Refused(f"{answer} is no number of dimensions.", needed="1 to 16000.")
    return int(answer)


def _title(named: Named) -> str | None:
    return f"{named.provider}/{named.model}" if named.provider and named.model else None


def _require(named: Named) -> None:
    from limosa.config.propose import require_provider

    if not (named.provider and named.model):
        raise Refused(f"Nobody is known to answer for {named.model or 'no model'}.", needed="provider/model.")
    require_provider(named.provider, "for example")
