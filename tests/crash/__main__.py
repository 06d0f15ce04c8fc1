"""SIGKILL at random instants: ``python -m tests.crash [--kills N] [--writer] [--layout NAME] [--split]``.

Each run is killed once, in a step drawn in turn, started again, and compared: without a writer with
the dump of a run that was not killed, with a writer by every key and every vector.
"""

from __future__ import annotations

import argparse
import collections
import os
import random
import signal
import tempfile
import time
from collections.abc import Callable
from contextlib import AbstractContextManager, nullcontext
from pathlib import Path

import psycopg

from limosa.stores.postgres.embedded import start
from tests.crash.random_split import kill_splits
from tests.crash.world import World, clear, dump, make_table, start_driver
from tests.journey.world import LAYOUTS, NEW, Writer, stale_rows
from tests.providers.openai_server import OpenAIServer

VERBS = "run,cutover,run,finish"
STEPS = ("plan", "expand", "backfill", "index", "verify", "cutover")
"""The steps that can be under way, by the last one that was completed (after cutover: finish)."""


def under_way(url: str) -> str:
    """The step that was under way when the process died, by the ledger."""
    with psycopg.connect(url) as connection:
        if connection.execute("SELECT to_regclass('limosa.migration')").fetchone() == (None,):
            return "plan"
        found = connection.execute("SELECT step, at_expand FROM limosa.migration").fetchone()
    if found is None:
        return "plan"
    following = dict(zip(STEPS, (*STEPS[1:], "finish"), strict=True))
    return following.get(found[0], "done")


def fresh(url: str, folder: Path, provider: OpenAIServer, options: argparse.Namespace) -> World:
    clear(url)
    return make_table(url, folder, provider_url=provider.base_url, rows=options.rows).laid_out(options.layout)


def finish(world: World, verbs: str = VERBS) -> None:
    process = start_driver(world, verbs, url=world.url)
    process.join(300)
    if process.exitcode != 0:
        raise SystemExit(f"the run after the kill failed:\n{world.output.read_text()}")


def kill_in(world: World, step: str, rng: random.Random) -> str:
    """Starts a run and kills it a random while after the wanted step began; the step that was hit."""
    process = start_driver(world, VERBS, url=world.url)
    assert process.pid is not None
    while process.is_alive() and under_way(world.url) != step:
        time.sleep(0.002)
    # The steps of this small table last between 5 and 300 ms.
    time.sleep(rng.choice((0.0, 0.005, 0.02, 0.05, 0.2)) * rng.random())
    if process.is_alive():
        os.kill(process.pid, signal.SIGKILL)
    process.join(60)
    return under_way(world.url)


def check(url: str, expected: str | None, layout: str) -> str | None:
    if expected is not None:
        return None if dump(url) == expected else "the dump differs"
    stale = stale_rows(url, "embedding", model=NEW[0], d=NEW[1], table=LAYOUTS[layout])
    return f"{len(stale)} rows without the vector of their own text: {stale[:3]}" if stale else None


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--kills", type=int, default=100)
    parser.add_argument("--rows", type=int, default=400)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--writer", action="store_true", help="50 changes a second all the while")
    parser.add_argument("--layout", choices=list(LAYOUTS), default="column")
    parser.add_argument("--split", action="store_true", help="a table in a SQLite file is split")
    options = parser.parse_args()
    wrong = kill_splits(options) if options.split else _kill_upgrades(options)
    print(f"{options.kills} kills, {len(wrong)} wrong")
    if wrong:
        raise SystemExit("\n".join(wrong))


def _kill_upgrades(options: argparse.Namespace) -> list[str]:
    with tempfile.TemporaryDirectory() as name, OpenAIServer() as provider:
        folder = Path(name)
        folder.chmod(0o755)
        with start(folder / "pg") as server:
            with psycopg.connect(server.url(), autocommit=True) as connection:
                connection.execute("CREATE EXTENSION vector")
            return kill_all(lambda: fresh(server.url(), folder, provider, options), options)


def kill_all(make: Callable[[], World], options: argparse.Namespace) -> list[str]:
    """Every kill, and what was wrong after it."""
    rng = random.Random(options.seed)
    world = make()
    started = time.monotonic()
    finish(world)
    print(f"a run that is not killed takes {time.monotonic() - started:.1f} s")
    expected = None if options.writer else dump(world.url)
    steps = (*STEPS, "finish")
    hit: collections.Counter[str] = collections.Counter()
    wrong: list[str] = []
    for number in range(1, options.kills + 1):
        world = make()
        beside: AbstractContextManager[Writer | None] = Writer(world.url) if options.writer else nullcontext()
        with beside as writer:
            step = kill_in(world, steps[number % len(steps)], rng)
            if writer is not None:
                time.sleep(0.2)
                finish(world, "run,cutover,run")
        finish(world)
        hit[step] += 1
        verdict = check(world.url, expected, options.layout)
        if writer is not None and writer.errors:
            verdict = f"the writer saw {writer.errors[0]}"
        print(f"{number:3}  killed in {step:9} {verdict or 'equal'}", flush=True)
        if verdict:
            wrong.append(f"{number}, {step}: {verdict}")
    print("steps hit: " + ", ".join(f"{step} {hit[step]}" for step in (*steps, "done") if hit[step]))
    return wrong


if __name__ == "__main__":
    main()
