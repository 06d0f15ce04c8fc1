"""Facts for a program: one JSON document on standard output."""

from __future__ import annotations

import json

from limosa.errors import LimosaError

__all__ = ["error_document", "print_document"]


def print_document(document: object, *, lines: bool = False) -> None:
    """Prints a document; what JSON does not know, as dates and paths, becomes text.

    Args:
        lines: on one line, for a stream of documents.
    """
    print(json.dumps(document, default=str, ensure_ascii=False, indent=None if lines else 2), flush=True)


def error_document(error: LimosaError) -> dict[str, object]:
    """An error in the form in which every command gives it with ``--json``."""
    parts = {"kind": type(error).__name__, "what": error.what, "needed": error.needed, "do": error.do}
    return {"error": {**parts, "exit_code": error.exit_code}}
