"""A copy killed again and again: ``python -m tests.crash.copies [--points N] [--dimensions N] [--kills N] [--way W]``.

A run that was not killed and one that was killed so often, at random instants and while the server has faults of every
kind, are to leave the same: schema, and every row of the table.
"""

from __future__ import annotations

import argparse
import contextlib
import json
import random
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

import psycopg
from bench.fixture import server as postgres

from tests.crash.world import World, dump, start_driver
from tests.qdrant.server import Fault, QdrantServer
from tests.qdrant.worlds import NAME, D, addressed, served

__all__ = ["kill", "killed", "run_s", "world_of"]

PATIENCE_S = 1800
"""Longest that a run of the largest size may take."""


def world_of(folder: Path, store: str, url: str, *, batch_rows: int) -> World:
    """The migration of the collection to the table ``memories``, and the database."""
    job = folder / "job.json"
    target = {"store": "env:LIMOSA_CRASH_URL", "table": "memories", "columns": {"content": "payload.content"}}
    source = {"store": store, "collection": NAME}
    backfill = {"batch_rows": batch_rows}
    job.write_text(json.dumps({"name": "crash", "source": source, "target": target, "backfill": backfill}))
    return World(job, url)


def killed(world: World, server: QdrantServer | None, *, kills: int) -> tuple[str, str]:
    """What a run leaves that was not killed, and one that was killed so often.

    Args:
        server: gets faults while it is read; None for a folder.
    """
    whole_s = run_s(world)
    wanted = _left(world.url)
    with psycopg.connect(world.url, autocommit=True) as connection:
        connection.execute("DROP TABLE memories")
        connection.execute("DROP SCHEMA limosa CASCADE")
    kill(world, whole_s, kills=kills, server=server)
    _run(world)
    return wanted, _left(world.url)


def kill(world: World, whole_s: float, *, kills: int, server: QdrantServer | None = None, verb: str = "run") -> None:
    """Starts a run, or what else the driver knows, and kills it at a random instant, so often.

    A server has faults meanwhile. All attempts together are about twice as long as a run.
    """
    rng = random.Random(kills)
    for _ in range(kills):
        if server is not None:
            server.faults = [rng.choice([None, None, Fault("500"), Fault("cut"), Fault("reset")]) for _ in range(20)]
        process = start_driver(world, verb, url=world.url)
        process.join(rng.uniform(0.05, whole_s * min(0.5, 4 / kills)))
        if process.exitcode is not None:
            # It was quicker: what it had to do is done, and the next kills meet a run that looks again.
            assert process.exitcode == 0, world.output.read_text()
        process.kill()
        process.join(60)
    if server is not None:
        server.faults = []


def run_s(world: World, verb: str = "run") -> float:
    """Seconds of a run to its end."""
    started = time.monotonic()
    _run(world, verb)
    return time.monotonic() - started


def _run(world: World, verb: str = "run") -> None:
    process = start_driver(world, verb, url=world.url)
    process.join(PATIENCE_S)
    assert process.exitcode == 0, world.output.read_text()


def _left(url: str) -> str:
    """The schema, and a digest of all rows: in full they may be larger than memory."""
    with psycopg.connect(url, autocommit=True) as connection:
        digest = "SELECT count(*), md5(string_agg(md5(m::text), '' ORDER BY id)) FROM memories AS m"
        found = connection.execute(digest).fetchone()
    return f"{dump(url, rows=False)}{found}"


@contextlib.contextmanager
def _store(way: str, folder: Path, points: int, d: int) -> Iterator[tuple[str, QdrantServer | None]]:
    if way == "server":
        with served(folder, points, d=d) as server:
            yield server.url, server
    else:
        with addressed(way, folder, points, d=d) as store:
            yield store, None


def main() -> None:
    """Kills, compares, and prints what it saw."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--points", type=int, default=50_000)
    parser.add_argument("--dimensions", type=int, default=1536)
    parser.add_argument("--kills", type=int, default=30)
    parser.add_argument("--way", choices=("edge", "server", "local"), default="edge")
    options = parser.parse_args()
    with postgres() as url, tempfile.TemporaryDirectory(prefix="limosa-crash-") as name:
        kept, folder = Path(name) / "kept", Path(name) / "job"
        kept.mkdir()
        folder.mkdir()
        with _store(options.way, kept, options.points, options.dimensions) as (store, server):
            started = time.monotonic()
            world = world_of(folder, store, url, batch_rows=1000 if options.dimensions > D else 20)
            wanted, left = killed(world, server, kills=options.kills)
        said = "the same" if left == wanted else "ANOTHER"
        size = f"{options.points:,} x {options.dimensions}"
        print(f"{options.way}, {size}, {options.kills} kills: {said} end, in {time.monotonic() - started:,.0f} s")
        if left != wanted:
            raise SystemExit(1)


if __name__ == "__main__":
    main()
