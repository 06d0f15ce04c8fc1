"""Demo: a whole migration of real text, on a Postgres of its own, beside an application at work."""

from __future__ import annotations

from pathlib import Path

__all__ = ["demo"]


def demo(keep: Path | None = None) -> None:
    """Shows plan, run, cutover, rollback and finish on the docstrings of Python's standard library.

    Args:
        keep: a new or empty folder in which the database and its limosa.toml stay; None removes everything.

    Raises:
        ProofFailed: a proof came out different, or the application met an error or an empty answer.
        Refused: the embedded Postgres or the hashing embedder is not installed, or the folder is in use.
    """
    from limosa.cli.demo.story import tell

    tell(keep)
