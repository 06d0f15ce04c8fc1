"""A run with its progress: the steps as they are done, a bar on a terminal, plain lines elsewhere."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from typing import TYPE_CHECKING

from limosa.cli.amounts import duration, money, rows, size
from limosa.cli.lines import print_line, print_proofs
from limosa.cli.ticker import Ticker
from limosa.cli.watch import Look, Watch
from limosa.errors import LimosaError

if TYPE_CHECKING:
    from rich.console import Console
    from rich.progress import Progress, TaskID

    from limosa.app import App
    from limosa.flow import Ending

__all__ = ["run_with_progress", "show_progress"]

BAR_PAUSE_S = 0.25
"""Between two looks on a terminal: each is two short queries on the ledger."""

WIDE = 110
"""Columns from which on what the process uses stands beside the bar."""

LINE_PAUSE_S = 5.0
"""Between two lines where no terminal is."""


def run_with_progress(
    app: App, console: Console, *, accept: frozenset[str] = frozenset(), limit: int | None = None
) -> Ending:
    """Runs to a proved verify and shows how it goes; the conservation line is the last that is printed.

    Args:
        accept: flags that answer the plan's questions, as for ``App.run``.
        limit: end the backfill after about so many rows.

    Raises:
        LimosaError: as ``App.run`` does; the bar is taken off the screen first.
    """
    with show_progress(app, console) as ticker:
        ending = app.run(accept=accept, limit=limit)
    print_proofs(console, ending.proofs)
    if ending.verdict == "limited":
        print_line(console, "backfill", f"ended by the limit; {_of(ticker.last)}")
    return ending


@contextmanager
def show_progress(app: App, console: Console) -> Iterator[Ticker]:
    """Shows what the app does while the block runs: what it says, and a bar where a terminal is."""
    watch, voyage = Watch(app), app.voyage

    painter = _Bar(console) if console.is_terminal and not console.is_dumb_terminal else _Lines(console)

    def say(line: str) -> None:
        with suppress(LimosaError):
            painter.sum_up(watch.look())
        step = watch.step_of(line)
        print_line(console, step, line, mark=(_tick(console), "green") if step else ("", ""))

    told, voyage.say = voyage.say, say
    try:
        with painter, Ticker(watch, painter.paint, painter.pause_s) as ticker:
            yield ticker
    finally:
        voyage.say = told


def _tick(console: Console) -> str:
    return "✓" if console.encoding.lower().startswith("utf") else "ok"


class _Lines:
    """Plain lines every few seconds, and one when all rows are filled."""

    pause_s = LINE_PAUSE_S

    def __init__(self, console: Console) -> None:
        self.console = console
        self._began: tuple[float, Look] | None = None
        # Lines are said in the run's thread, looks are painted in the ticker's.
        self._guard = threading.Lock()

    def __enter__(self) -> _Lines:
        return self

    def __exit__(self, *_: object) -> None:
        pass

    def paint(self, look: Look) -> None:
        """Shows one look."""
        self.sum_up(look)
        if look.total or look.changes or look.waiting:
            print_line(self.console, look.phase, _of(look) + _used(look))

    def sum_up(self, look: Look) -> None:
        """Says once what was filled, when the next step begins."""
        with self._guard:
            if look.phase == "backfill":
                self._began = self._began or (time.monotonic(), look)
                return
            began, self._began = self._began, None
        if began is not None:
            took_s, filled = time.monotonic() - began[0], look.filled - began[1].filled
            rate = f"{rows(filled / max(took_s, 0.1))} {look.what} a second"
            said = f"{rows(filled)} {look.what} in {duration(took_s)}, {rate}"
            print_line(self.console, "backfill", said + _spent(look.cost_usd))


class _Bar(_Lines):
    """A bar that stays at the bottom while lines pass above it."""

    pause_s = BAR_PAUSE_S

    def __init__(self, console: Console) -> None:
        super().__init__(console)
        self._progress = _bar(console)
        self._task: TaskID = self._progress.add_task("plan", total=None, said="")

    def __enter__(self) -> _Bar:
        self._progress.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._progress.stop()

    def paint(self, look: Look) -> None:
        """Moves the bar."""
        self.sum_up(look)
        said = _of(look) + (_used(look) if self.console.width >= WIDE else "")
        self._progress.update(
            self._task, description=look.phase, completed=look.done, total=look.total, said=said, refresh=True
        )


def _bar(console: Console) -> Progress:
    from rich.progress import BarColumn, Progress, TextColumn

    return Progress(
        TextColumn("{task.description:<9}", style="cyan", markup=False),
        BarColumn(bar_width=None),
        TextColumn("{task.fields[said]}", markup=False),
        console=console,
        transient=True,
        expand=True,
    )


def _of(look: Look) -> str:
    """What a look says, short enough to leave room for a bar in 80 columns."""
    if look.phase == "index":
        done = f", {look.done / look.total:.0%}" if look.total else f", {rows(look.done)}" if look.done else ""
        return look.detail + done
    if look.waiting:
        done = f"{rows(look.done)} of {rows(look.total)}, " if look.total else ""
        return done + look.waiting + _spent(look.cost_usd)
    if look.total is None:
        return f"{rows(look.changes)} changes wait" if look.changes else ""
    parts = [f"{rows(look.done)} of {rows(look.total)}"]
    if look.rate_per_s is not None:
        parts.append(f"{rows(look.rate_per_s)} {look.what}/s")
    if look.left_s is not None:
        parts.append(f"{duration(look.left_s)} left")
    return ", ".join(parts) + _spent(look.cost_usd)


def _used(look: Look) -> str:
    """What this process uses, and how large the database is."""
    parts = [f"CPU {look.cpu_share:.0%}"] if look.cpu_share is not None else []
    parts.append(size(look.memory_bytes))
    if look.database_bytes is not None:
        parts.append(f"database {size(look.database_bytes)}")
    return "; " + ", ".join(parts) if look.memory_bytes else ""


def _spent(cost_usd: float) -> str:
    return f", {money(cost_usd)} spent" if cost_usd else ""
