"""References: the file names a secret, the environment holds it."""

from __future__ import annotations

import os
import re

from limosa.errors import Refused

__all__ = ["is_reference", "resolve", "secret"]

_ENV = "env:"
_NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")


def is_reference(text: str) -> bool:
    """Whether a text is ``env:NAME`` with a name that a shell can export."""
    return text.startswith(_ENV) and _NAME.fullmatch(text.removeprefix(_ENV)) is not None


def resolve(reference: str) -> str:
    """What a reference stands for: ``env:NAME`` gives the variable's value, anything else itself.

    Raises:
        Refused: the variable is not set or is empty, or what follows ``env:`` is no name.
    """
    if not reference.startswith(_ENV):
        return reference
    if not is_reference(reference):
        # What stands there may be the secret itself, so it is not shown.
        raise Refused(
            "What follows env: is not the name of an environment variable.",
            needed="A reference such as env:DATABASE_URL.",
            do="Write the variable's name in the file and export its value.",
        )
    name = reference.removeprefix(_ENV)
    value = os.environ.get(name, "")
    if not value.strip():
        state = "is empty" if name in os.environ else "is not set"
        raise Refused(
            f"The environment variable {name} {state}.",
            needed=f"The file refers to it as env:{name}.",
            do=f"export {name}=...",
        )
    return value


def secret(reference: str) -> str:
    """The key or token that a reference stands for, fit for an HTTP header, without blanks around it.

    Raises:
        Refused: it is not a reference, or the variable is missing, empty or not fit for a header.
    """
    if not is_reference(reference):
        # The value is not shown: it may be the secret itself, pasted in the wrong place.
        raise Refused(
            "A secret is not given by reference.",
            needed="A reference such as env:OPENAI_API_KEY.",
            do='Put the secret into the environment and name the variable: "env:NAME".',
        )
    value = resolve(reference).strip()
    if not (value.isascii() and value.isprintable()):
        name = reference.removeprefix(_ENV)
        raise Refused(
            f"The environment variable {name} holds characters that no HTTP header can carry.",
            needed="Printable ASCII characters.",
            do=f"Set {name} again; look for a line break or a quotation mark that was copied along.",
        )
    return value
