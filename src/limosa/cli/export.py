"""Export: rows that have no vector, one line of JSON each, as many as there are and few in memory."""

from __future__ import annotations

import json
import sys
from collections.abc import Iterable
from pathlib import Path
from typing import TYPE_CHECKING, TextIO

from limosa.errors import Refused

if TYPE_CHECKING:
    from limosa.control.letters import Letter

__all__ = ["export_letters"]


def export_letters(letters: Iterable[Letter], target: str) -> int:
    """Writes every letter to a file, or for ``-`` to standard output; how many there were.

    Raises:
        Refused: the file cannot be written.
    """
    try:
        if target == "-":
            return _write(letters, sys.stdout)
        with Path(target).open("w", encoding="utf-8") as out:
            return _write(letters, out)
    except BrokenPipeError:
        raise
    except OSError as error:
        raise Refused(
            f"{target} cannot be written: {error.strerror or type(error).__name__}.",
            needed="A file that may be written.",
            do="Name another one after --export, or - for standard output.",
        ) from error


def _write(letters: Iterable[Letter], out: TextIO) -> int:
    count = 0
    for letter in letters:
        line = {"key": letter.key, "kind": letter.kind, "reason": letter.reason, "at": letter.at.isoformat()}
        out.write(json.dumps(line, ensure_ascii=False) + "\n")
        count += 1
    out.flush()
    return count
