"""Scene: what the acts of the demo share, and what they found."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import TypeVar

from limosa.app import App
from limosa.cli.amounts import duration
from limosa.cli.demo.companion import Companion
from limosa.cli.demo.counts import Report
from limosa.cli.demo.page import Page
from limosa.cli.lines import print_proofs
from limosa.cli.progress import run_with_progress, show_progress
from limosa.flow import Ending

__all__ = ["Scene", "timed"]

_T = TypeVar("_T")


@dataclass(slots=True)
class Scene:
    """One performance.

    Attributes:
        url: of the database; holds the password.
        calm_s, soak_s: how long the application works alone, and on the new vectors before rollback.
        accept: flags that answer the plan's questions, once it has been made.
        phases: what the application met, in order.
        faults: what must not have happened, in words; empty at the end of a good run.
    """

    page: Page
    app: App
    url: str
    beside: Companion
    calm_s: float
    soak_s: float
    accept: frozenset[str] = frozenset()
    phases: list[tuple[str, Report]] = field(default_factory=list)
    faults: list[str] = field(default_factory=list)

    @contextmanager
    def phase(self, name: str) -> Iterator[None]:
        """Reports what the application meets while the block runs under this name."""
        self.beside.phase()
        yield
        report = self.beside.phase()
        self.phases.append((name, report))
        self.page.beside(report)

    def run(self, *, briefly: bool = False) -> Ending:
        """One run with its progress; a proof that came out different is a fault.

        Args:
            briefly: of the proofs only the conservation line is printed.
        """
        if briefly:
            ending = self.app.run(accept=self.accept)
            print_proofs(self.page.console, [proof for proof in ending.proofs if proof.name == "conservation"])
        else:
            ending = run_with_progress(self.app, self.page.console, accept=self.accept)
        self.faults += [f"{proof.name}: {proof.said}" for proof in ending.proofs if proof.verdict == "different"]
        return ending

    def act(self, verb: Callable[[], _T]) -> tuple[_T, str]:
        """One other verb, with what it says; its answer and how long it took."""
        with show_progress(self.app, self.page.console):
            return timed(verb)


def timed(work: Callable[[], _T]) -> tuple[_T, str]:
    """The answer of some work and how long it took, in words."""
    began_s = time.monotonic()
    answer = work()
    return answer, duration(time.monotonic() - began_s)
