"""Consent: what cannot simply be taken back waits for a person."""

from __future__ import annotations

import sys

import typer

from limosa.errors import Refused

__all__ = ["require_consent", "require_word"]


def require_consent(question: str, *, yes: bool) -> None:
    """Asks on the terminal, unless ``yes`` is the answer already.

    Raises:
        Refused: the answer is no, or nobody can be asked.
    """
    if yes:
        return
    _require_person(question)
    if not typer.confirm(question, default=False, err=True):
        raise Refused("The answer was no; nothing was changed.")


def require_word(what: str, word: str, *, yes: bool) -> None:
    """Goes on only where a person types a word, for what cannot be taken back; unless ``yes`` is the answer already.

    Raises:
        Refused: another word was typed, or nobody can be asked.
    """
    if yes:
        return
    _require_person(what)
    if typer.prompt(f"{what}. Type {word} to go on", default="", show_default=False, err=True) != word:
        raise Refused("Another word was typed; nothing was changed.")


def _require_person(question: str) -> None:
    if not sys.stdin.isatty():
        raise Refused(
            f"Nobody can be asked: {question}",
            needed="A person at a terminal, or the answer beforehand.",
            do="Give --yes if the answer is yes; nothing was changed.",
        )
