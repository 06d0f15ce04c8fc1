"""Companion: the application's process, as the demo speaks to it."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any

from limosa.cli.demo.counts import Report
from limosa.errors import Transient

__all__ = ["Companion", "companion"]

STOP_S = 10
"""How long the process may take to end once its input is closed; a search takes milliseconds."""


class Companion:
    """A running application.

    Args:
        process: its process, with pipes for input and output.
    """

    def __init__(self, process: subprocess.Popen[str]) -> None:
        self._process = process

    def start(self) -> int:
        """It begins to write and to search; how many rows it found."""
        return int(self._ask("start")["rows"])

    def phase(self) -> Report:
        """What it did and met since the last time it was asked."""
        return Report.of(self._ask("phase"))

    def use(self, model: str) -> None:
        """From now on it embeds its queries with this model, ``old`` or ``new``."""
        self._ask("use", model)

    def stop(self) -> tuple[int, int]:
        """It stops; the rows it knows of, and how many of them are not in the table as it wrote them."""
        said = self._ask("stop")
        return int(said["rows"]), int(said["wrong"])

    def _ask(self, *words: str) -> dict[str, Any]:
        try:
            self._tell(words)
            assert self._process.stdout is not None  # noqa: S101 - it was started with a pipe
            answer = self._process.stdout.readline()
        except OSError as error:
            raise _gone(self._process) from error
        if not answer:
            raise _gone(self._process)
        said: dict[str, Any] = json.loads(answer)
        return said

    def _tell(self, said: object) -> None:
        assert self._process.stdin is not None  # noqa: S101 - it was started with a pipe
        self._process.stdin.write(json.dumps(said) + "\n")
        self._process.stdin.flush()


@contextmanager
def companion(settings: Mapping[str, object]) -> Iterator[Companion]:
    """The application in a process of its own, which ends when the block does.

    Args:
        settings: as ``Application`` takes them. They go through a pipe: the address holds a password.
    """
    process = subprocess.Popen(
        [sys.executable, "-m", "limosa.cli.demo.application"],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
        start_new_session=True,
    )
    try:
        made = Companion(process)
        made._tell(dict(settings))
        yield made
    finally:
        assert process.stdin is not None  # noqa: S101
        assert process.stdout is not None  # noqa: S101
        try:
            process.stdin.close()
            process.wait(STOP_S)
        except (OSError, subprocess.TimeoutExpired):
            process.kill()
            process.wait()
        process.stdout.close()


def _gone(process: subprocess.Popen[str]) -> Transient:
    return Transient(
        f"The demo's application ended by itself (exit code {process.poll()}).",
        do="What it said stands above; run the demo again.",
    )
