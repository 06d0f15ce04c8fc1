"""Consent: what cannot simply be taken back waits for a person."""

from __future__ import annotations

import sys

import typer

from limosa.errors import Refused

__all__ = ["require_consent"]


def require_consent(question: str, *, yes: bool) -> None:
    """Asks on the terminal, unless ``yes`` is the answer already.

    Raises:
        Refused: the answer is no, or nobody can be asked.
    """
    if yes:
        return
    if not sys.stdin.isatty():
        raise Refused(
            f"Nobody can be asked: {question}",
            needed="A person at a terminal, or the answer beforehand.",
            do="Give --yes if the answer is yes; nothing was changed.",
        )
    if not typer.confirm(question, default=False, err=True):
        raise Refused("The answer was no; nothing was changed.")
