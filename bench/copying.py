"""Points into pgvector: from Qdrant's engine, over its REST protocol, from Parquet and Postgres; beside the raw limits.

``python -m bench.copying [SOURCE ...] [--rows N] [--dimensions N] [--runs N] [--within-mb N]``: in each round, one
after another, reading alone, COPY alone, limosa's backfill, and limosa's whole run with every vector compared; from
Postgres also a pipe of two psql, which compares nothing. The peak of memory is that of a process of its own, which does
nothing but the run, or reads alone. With ``--within-mb`` the kernel gives it no more than so much, files that it reads
or maps included, and the run's seconds are told beside those with all the memory there is.
"""

from __future__ import annotations

import argparse
import json
import os
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, closing, contextmanager, nullcontext
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import psycopg
import pyarrow as pa
import pyarrow.parquet as pq
import qdrant_edge as edge
from qdrant_client import QdrantClient

from bench.confined import run_confined
from bench.fixture import server
from limosa import flow
from limosa.app import open_app
from limosa.cli.process import few_arenas, seldom_collected
from limosa.steps.backfill import backfill
from limosa.steps.expand import expand
from limosa.steps.verify import verify
from limosa.stores.postgres.cluster import programs

NAME = "points"
PAGE = 1000


@dataclass(frozen=True, slots=True)
class Origin:
    """Where points are read.

    Attributes:
        make: puts rows of so many dimensions there; given a folder and a database of its own.
        read: reads every one into numpy, as anybody would who uses the package, and tells how many.
        section: of the file.
        serving: what has to run meanwhile.
    """

    make: Callable[[Path, str, int, int], None]
    read: Callable[[Path, str, int], int]
    section: Callable[[Path], dict[str, Any]]
    serving: Callable[[Path], AbstractContextManager[None]] = lambda folder: nullcontext()


def _drawn(rows: int, d: int) -> Iterator[tuple[int, np.ndarray[Any, np.dtype[np.float32]]]]:
    rng = np.random.default_rng(7)
    for start in range(0, rows, PAGE):
        yield start, rng.standard_normal((min(PAGE, rows - start), d), dtype=np.float32)


def _payload(number: int) -> dict[str, Any]:
    return {"content": f"text {number}", "tags": ["a", number], "stars": number}


def _make_edge(folder: Path, url: str, rows: int, d: int) -> None:
    config = edge.EdgeConfig(vectors=edge.EdgeVectorParams(d, edge.Distance.Cosine))
    shard = edge.EdgeShard.create(str(folder / NAME), config)
    for start, block in _drawn(rows, d):
        points = [edge.Point(start + i, vector, _payload(start + i)) for i, vector in enumerate(block.tolist())]
        shard.update(edge.UpdateOperation.upsert_points(points))
    shard.flush()
    shard.close()


def _read_edge(folder: Path, url: str, d: int) -> int:
    shard = edge.EdgeShard.load(str(folder / NAME))
    seen, offset = 0, None
    while True:
        request = edge.ScrollRequest(offset=offset, limit=PAGE, with_payload=True, with_vector=True)
        found, offset = shard.scroll(request)
        block = np.array([each.vector for each in found], dtype=np.float32)
        assert [each.payload for each in found]
        seen += len(block)
        if offset is None:
            shard.close()
            return seen


@contextmanager
def _serving(folder: Path) -> Iterator[None]:
    """A server that speaks Qdrant's REST protocol over its engine, in a process of its own."""
    command = [sys.executable, "-m", "tests.qdrant", str(folder)]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdin is not None
        assert process.stdout is not None
        os.environ["LIMOSA_BENCH_QDRANT"] = process.stdout.readline().strip()
        yield
        process.stdin.close()


def _read_served(folder: Path, url: str, d: int) -> int:
    address = os.environ["LIMOSA_BENCH_QDRANT"].replace("qdrant://", "http://")
    with closing(QdrantClient(url=address, check_compatibility=False)) as client:
        seen, offset = 0, None
        while True:
            found, offset = client.scroll(NAME, offset=offset, limit=PAGE, with_payload=True, with_vectors=True)
            block = np.array([each.vector for each in found], dtype=np.float32)
            assert [each.payload for each in found]
            seen += len(block)
            if offset is None:
                return seen


def _make_parquet(folder: Path, url: str, rows: int, d: int) -> None:
    (folder / NAME).mkdir()
    schema = pa.schema(
        [
            ("id", pa.int64()),
            ("embedding", pa.list_(pa.float32(), d)),
            ("content", pa.string()),
            ("tags", pa.list_(pa.string())),
            ("stars", pa.int64()),
        ]
    )
    with pq.ParquetWriter(folder / NAME / "part.parquet", schema, compression="zstd") as writer:
        for start, block in _drawn(rows, d):
            numbers = range(start, start + len(block))
            vectors = pa.FixedSizeListArray.from_arrays(pa.array(block.ravel()), d)
            columns = [pa.array(numbers), vectors, pa.array([f"text {n}" for n in numbers])]
            columns += [pa.array([["a", str(n)] for n in numbers]), pa.array(numbers)]
            writer.write_table(pa.Table.from_arrays(columns, schema=schema), row_group_size=10 * PAGE)


def _read_parquet(folder: Path, url: str, d: int) -> int:
    seen = 0
    for batch in pq.ParquetFile(folder / NAME / "part.parquet").iter_batches(PAGE):
        block = batch.column("embedding").flatten().to_numpy().reshape(-1, d)
        assert batch.drop_columns(["embedding"]).to_pylist()
        seen += len(block)
    return seen


def _make_table(folder: Path, url: str, rows: int, d: int) -> None:
    with psycopg.connect(url, autocommit=True) as connection:
        connection.execute("DROP TABLE IF EXISTS points")
        connection.execute(
            f"CREATE TABLE points (id bigint PRIMARY KEY, content text, tags jsonb, stars bigint,"
            f" embedding vector({d}))"
        )
        with connection.cursor() as cursor, cursor.copy("COPY points FROM STDIN") as copy:
            for start, block in _drawn(rows, d):
                for i, vector in enumerate(block):
                    number = start + i
                    said = _payload(number)
                    text = "[" + ",".join(map(str, vector.tolist())) + "]"
                    copy.write_row((number, said["content"], json.dumps(said["tags"]), number, text))
        connection.execute("VACUUM ANALYZE points")


def _read_table(folder: Path, url: str, d: int) -> int:
    size = 0
    with psycopg.connect(url) as connection, connection.cursor() as cursor:
        with cursor.copy("COPY points TO STDOUT (FORMAT binary)") as copy:
            for block in copy:
                size += len(block)
        assert size > 4 * d
        found = cursor.execute("SELECT count(*) FROM points").fetchone()
    return int(found[0]) if found is not None else 0


ORIGINS = {
    "edge": Origin(_make_edge, _read_edge, lambda folder: {"store": f"qdrant+edge://{folder}", "collection": NAME}),
    "qdrant": Origin(
        _make_edge, _read_served, lambda folder: {"store": "env:LIMOSA_BENCH_QDRANT", "collection": NAME}, _serving
    ),
    "parquet": Origin(
        _make_parquet, _read_parquet, lambda folder: {"store": f"parquet://{folder}", "collection": NAME}
    ),
    "postgres": Origin(_make_table, _read_table, lambda folder: {"store": "env:LIMOSA_BENCH_OLD", "table": NAME}),
}


def copy_s(url: str, rows: int, d: int) -> float:
    """Seconds of a binary COPY of blocks that are made already into a table with a primary key."""
    values = np.random.default_rng(7).standard_normal((PAGE, d), dtype=np.float32).astype(">f4")
    body = values.shape[1].to_bytes(2, "big") + b"\0\0"
    vectors = [(len(body) + row.nbytes).to_bytes(4, "big") + body + row.tobytes() for row in values]
    payload = b'\x01{"tags":["a",1],"stars":1,"content":"text 1"}'

    def block(start: int) -> bytes:
        return b"".join(
            b"\0\3\0\0\0\x08" + (start + i).to_bytes(8, "big") + len(payload).to_bytes(4, "big") + payload + vector
            for i, vector in enumerate(vectors)
        )

    with psycopg.connect(url, autocommit=True) as connection:
        connection.execute("DROP TABLE IF EXISTS plain")
        connection.execute(f"CREATE TABLE plain (id bigint PRIMARY KEY, metadata jsonb, embedding vector({d}))")
        taken = 0.0
        for start in range(0, rows, PAGE):
            made = block(start)
            started = time.perf_counter()
            with connection.cursor() as cursor, cursor.copy("COPY plain FROM STDIN (FORMAT binary)") as copy:
                copy.write(b"PGCOPY\n\xff\r\n\0" + bytes(8) + made + b"\xff\xff")
            taken += time.perf_counter() - started
        connection.execute("DROP TABLE plain")
    return taken


def pipe_s(old: str, new: str, d: int) -> float:
    """Seconds of ``psql | psql`` with COPY in its text format, into a table with a primary key."""
    psql = str(programs(18) / "psql")
    with psycopg.connect(new, autocommit=True) as connection:
        connection.execute("DROP TABLE IF EXISTS piped")
        connection.execute(
            f"CREATE TABLE piped (id bigint PRIMARY KEY, content text, tags jsonb, stars bigint, embedding vector({d}))"
        )
    started = time.perf_counter()
    with subprocess.Popen([psql, "-q", old, "-c", "COPY points TO STDOUT"], stdout=subprocess.PIPE) as reading:
        subprocess.run([psql, "-q", new, "-c", "COPY piped FROM STDIN"], stdin=reading.stdout, check=True)
    taken = time.perf_counter() - started
    with psycopg.connect(new, autocommit=True) as connection:
        connection.execute("DROP TABLE piped")
    return taken


def job(section: dict[str, Any]) -> dict[str, Any]:
    """The migration to the table ``points``."""
    return {
        "name": "copying",
        "source": section,
        "target": {"store": "env:LIMOSA_BENCH_URL", "table": "points", "index": False},
        # Without an index a search takes what it takes.
        "verify": {"latency_p95_ms": 60_000},
    }


def limosa_s(section: dict[str, Any]) -> tuple[float, float]:
    """Seconds of the backfill, and of it with verify, which compares every vector."""
    with closing(open_app(job(section))) as app:
        flow.begin(app.voyage, app.plan())
        expand(app.voyage)
        started = time.perf_counter()
        assert backfill(app.voyage)
        filled = time.perf_counter() - started
        proofs = verify(app.voyage)
        taken = time.perf_counter() - started
        assert not any(proof.verdict == "different" for proof in proofs), proofs
        app.rollback()
    return filled, taken


_WATCHED = """
import json, os, re, sys, threading
from limosa.cli.process import few_arenas, seldom_collected

def resident(kind):
    return int(re.search(kind + r":\\s+(\\d+)", open("/proc/self/status").read())[1])

def watch():
    global own
    while not ended.wait(0.01):
        own = max(own, resident("RssAnon"))

def run(job):
    from limosa.app import open_app
    with open_app(json.loads(job)) as app:
        seldom_collected()
        assert app.run().verdict == "proved"
        app.rollback()

def read(name, folder, d):
    from pathlib import Path
    from bench.copying import ORIGINS
    ORIGINS[name].read(Path(folder), os.environ["LIMOSA_BENCH_OLD"], int(d))

few_arenas()
own, ended = 0, threading.Event()
threading.Thread(target=watch, daemon=True).start()
{"run": run, "read": read}[sys.argv[1]](*sys.argv[2:])
ended.set()
print(resident("VmHWM"), own)
"""


def peaks_mb(*what: str) -> tuple[str, float]:
    """Peaks of the resident memory of a process that does nothing else, in MB: of all of it, and of what is its own.

    And the seconds that it took.

    The first counts the pages of mapped files too, libraries and an engine's segments, which the kernel takes back
    when it wants to; those that are mapped twice, twice. As the kernel counts it for this program alone: ``ru_maxrss``
    of a child begins with what its parent had.
    """
    started = time.perf_counter()
    command = [sys.executable, "-c", _WATCHED, *what]
    whole, own = subprocess.run(command, capture_output=True, check=True).stdout.split()
    taken = time.perf_counter() - started
    return f"{int(whole) / 1024:,.0f} MB, without mapped files {int(own) / 1024:,.0f}", taken


def measure(name: str, *, rows: int, d: int, runs: int, within_mb: int | None) -> None:
    """Prints the rates of each round, and the ratios."""
    origin = ORIGINS[name]
    with server() as new, server() as old, tempfile.TemporaryDirectory(prefix="limosa-bench-") as kept:
        os.environ["LIMOSA_BENCH_URL"], os.environ["LIMOSA_BENCH_OLD"] = new, old
        folder = Path(kept)
        origin.make(folder, old, rows, d)
        with origin.serving(folder):
            _rounds(name, folder, rows=rows, d=d, runs=runs, within_mb=within_mb)


def _rounds(name: str, folder: Path, *, rows: int, d: int, runs: int, within_mb: int | None) -> None:
    new, old = os.environ["LIMOSA_BENCH_URL"], os.environ["LIMOSA_BENCH_OLD"]
    origin = ORIGINS[name]
    section = origin.section(folder)
    limits, pipes = [], []
    for _ in range(runs):
        started = time.perf_counter()
        assert origin.read(folder, old, d) == rows
        taken = {"read": time.perf_counter() - started, "COPY": copy_s(new, rows, d)}
        taken["backfill"], taken["with verify"] = limosa_s(section)
        if name == "postgres":
            taken["pipe"] = pipe_s(old, new, d)
            pipes.append(taken["pipe"] / taken["with verify"])
        limits.append(max(taken["read"], taken["COPY"]) / taken["backfill"])
        told = ", ".join(f"{what} {rows / seconds:,.0f}" for what, seconds in taken.items())
        print(f"{name}, rows/s: {told}; backfill to the slower limit {limits[-1]:.2f}", flush=True)
    said = f"{name}, {rows:,} x {d}: backfill to the slower limit {_spread(limits)}"
    said += f"; with verify to the pipe {_spread(pipes)}" if pipes else ""
    run = "run", json.dumps(job(section))
    peak, whole_s = peaks_mb(*run)
    alone, _ = peaks_mb("read", name, str(folder), str(d))
    print(f"{said}; peak {peak}; of reading alone {alone}", flush=True)
    if within_mb is not None:
        confined_s = run_confined(_WATCHED, *run, limit_mb=within_mb)
        print(f"{name}, {rows:,} x {d}: within {within_mb} MB {confined_s:.0f} s instead of {whole_s:.0f}", flush=True)


def _spread(values: list[float]) -> str:
    return f"{statistics.median(values):.2f} ({min(values):.2f} to {max(values):.2f})"


def main() -> None:
    """Measures each source that is named, one after another."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("sources", nargs="*", default=list(ORIGINS), metavar="SOURCE")
    parser.add_argument("--rows", type=int, default=50_000)
    parser.add_argument("--dimensions", type=int, default=1536)
    parser.add_argument("--runs", type=int, default=3)
    parser.add_argument("--within-mb", type=int)
    options = parser.parse_args()
    # As the command does in its process.
    few_arenas()
    seldom_collected()
    for name in options.sources:
        measure(name, rows=options.rows, d=options.dimensions, runs=options.runs, within_mb=options.within_mb)


if __name__ == "__main__":
    main()
