"""SIGKILL at random instants of a measured split: ``python -m tests.crash --split [--kills N] [--writer]``.

Every other file has no write-ahead log. Without a writer everything must equal a split that was not
killed. With one, every vector must lie bit for bit in its table, and the view must answer what the table
would after the same changes: they are made again in a table that nobody split.
"""

from __future__ import annotations

import argparse
import collections
import os
import random
import signal
import sqlite3
import tempfile
import time
from contextlib import AbstractContextManager, closing, nullcontext
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from tests.crash.split import contents, file_of, fresh, left_over, rows_of, start_split
from tests.crash.world import World
from tests.journey.split_world import Writer, stale_rows

__all__ = ["kill_splits"]

VERBS = "run,cutover,run,finish"
STEPS = ("plan", "expand", "backfill", "index", "verify", "cutover", "finish")
"""The steps that can be under way, each after the one before it was completed."""


@dataclass
class _Recorded(Writer):
    """The application, which can make the same changes again elsewhere."""

    made: list[tuple[Any, ...]] = field(default_factory=list)

    def _change(self, connection: sqlite3.Connection, rng: random.Random) -> None:
        state = rng.getstate()
        super()._change(connection, rng)
        self.made.append(state)

    def repeat(self, connection: sqlite3.Connection) -> None:
        """Makes every change that was made, in order."""
        rng = random.Random()
        for state in self.made:
            rng.setstate(state)
            super()._change(connection, rng)


def kill_splits(options: argparse.Namespace) -> list[str]:
    """Every kill, and what was wrong after it."""
    rng = random.Random(options.seed)
    hit: collections.Counter[str] = collections.Counter()
    wrong: list[str] = []
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        expected = {wal: _unkilled(folder, options.rows, wal=wal) for wal in (True, False)}
        for number in range(1, options.kills + 1):
            wal = bool(number // len(STEPS) % 2)
            world = fresh(folder, rows=options.rows, wal=wal)
            writer = _Recorded(file_of(world), seed=number) if options.writer else None
            step = _kill_round(world, STEPS[number % len(STEPS)], rng, writer)
            if writer is None:
                said = [] if contents(file_of(world)) == expected[wal] else ["the contents differ"]
            else:
                said = _compare(world, writer, folder, rows=options.rows, finished=step in {"finish", "done"})
            said += left_over(world)
            hit[step] += 1
            print(f"{number:3}  {'log' if wal else 'journal':7}  killed in {step:9} {said or 'equal'}", flush=True)
            wrong += [f"{number}, {step}: {each}" for each in said]
    print("steps hit: " + ", ".join(f"{step} {hit[step]}" for step in (*STEPS, "a commit", "done") if hit[step]))
    return wrong


def _unkilled(folder: Path, rows: int, *, wal: bool) -> str:
    world = fresh(folder, rows=rows, wal=wal)
    started = time.monotonic()
    _finish(world, VERBS)
    print(f"a run that is not killed takes {time.monotonic() - started:.1f} s")
    return contents(file_of(world))


def _kill_round(world: World, step: str, rng: random.Random, writer: _Recorded | None) -> str:
    """One run that is killed and started again until it is finished; the step that was hit."""
    beside: AbstractContextManager[Writer | None] = writer if writer is not None else nullcontext()
    with beside:
        found = _kill_in(world, step, rng)
        if writer is not None:
            time.sleep(0.2)
            _finish(world, "run,cutover,run")
    _finish(world, VERBS)
    return found


def _kill_in(world: World, step: str, rng: random.Random) -> str:
    """Starts a run and kills it a random while after the wanted step began; the step that was hit."""
    process = start_split(world, VERBS)
    assert process.pid is not None
    while process.is_alive() and _under_way(world) != step:
        time.sleep(0.001)
    # The steps of this small table last between 5 and 300 ms.
    time.sleep(rng.choice((0.0, 0.005, 0.02, 0.05, 0.2)) * rng.random())
    if process.is_alive():
        os.kill(process.pid, signal.SIGKILL)
    process.join(60)
    process.close()
    return _under_way(world)


def _under_way(world: World) -> str:
    """The step that is under way, or was when the process died, by the ledger."""
    try:
        # Whoever may only read rolls nothing back: that is left to the split itself.
        with closing(sqlite3.connect(f"file:{file_of(world)}?mode=ro", uri=True, timeout=30)) as connection:
            found = connection.execute("SELECT step FROM limosa_migration").fetchone()
    except sqlite3.OperationalError as error:
        return "plan" if "no such table" in str(error) else "a commit"
    if found is None:
        return "plan"
    return dict(zip(STEPS, (*STEPS[1:], "done"), strict=True))[found[0]]


def _finish(world: World, verbs: str) -> None:
    process = start_split(world, verbs)
    process.join(300)
    if process.exitcode != 0:
        raise SystemExit(f"the run after the kill failed:\n{world.output.read_text()}")
    process.close()


def _compare(world: World, writer: _Recorded, folder: Path, *, rows: int, finished: bool) -> list[str]:
    path = file_of(world)
    wrong = [f"the writer saw {error}" for error in writer.errors[:1]]
    stale = set(stale_rows(path))
    if finished:
        # What came as text after finish stays with the rest: nobody follows the table any more.
        stale -= {str(row[0]) for row in rows_of(path, "embeddings_limosa_rest") if row[4] is None}
    if stale:
        wrong.append(f"{len(stale)} rows without their own vector: {sorted(stale)[:3]}")
    seen = rows_of(path)
    beside = folder / "beside"
    beside.mkdir(exist_ok=True)
    again = file_of(fresh(beside, rows=rows))
    with closing(sqlite3.connect(again, isolation_level=None)) as connection:
        writer.repeat(connection)
    if seen != rows_of(again):
        wrong.append("the view answers something else than the table would")
    for file in (*beside.iterdir(), beside):
        file.unlink() if file.is_file() else file.rmdir()
    return wrong
