"""Keys come from the environment, by reference, and are never shown."""

from __future__ import annotations

import os

from limosa.errors import Refused

__all__ = ["resolve"]

_PREFIX = "env:"


def resolve(reference: str) -> str:
    """The key that a reference such as ``env:OPENAI_API_KEY`` stands for.

    Raises:
        Refused: it is not a reference, or the variable is missing, empty or not fit for a header.
    """
    name = reference.removeprefix(_PREFIX).strip()
    if not reference.startswith(_PREFIX) or not name:
        # The value is not shown: it may be the secret itself, pasted in the wrong place.
        raise Refused(
            "The key of the provider is not given by reference.",
            needed="A reference such as env:OPENAI_API_KEY.",
            do='Put the key into the environment and name the variable: key = "env:NAME".',
        )
    key = os.environ.get(name, "").strip()
    if not key:
        raise Refused(
            f"The environment variable {name} is not set or empty.",
            needed="The provider's key.",
            do=f"Set it, e.g. export {name}=..., and repeat the command.",
        )
    if not (key.isascii() and key.isprintable()):
        raise Refused(
            f"The environment variable {name} holds characters that no HTTP header can carry.",
            needed="A key of printable ASCII characters.",
            do=f"Set {name} again; look for a line break or a quotation mark that was copied along.",
        )
    return key
