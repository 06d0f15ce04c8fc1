"""A backfill into a database that is some milliseconds away, beside one UPDATE a row over the same way.

``python -m bench.distance [--rows N] [--ms MS ...]``: the way there and back takes MS milliseconds, whatever is sent.
"""

from __future__ import annotations

import argparse
import asyncio
import multiprocessing
import os
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from multiprocessing.connection import Connection
from urllib.parse import urlsplit

import psycopg

from bench.backfilling import backfill_rate
from bench.fixture import app_for, make_table, server

D = 1536
NAIVE_ROWS = 60
"""One UPDATE a row is as slow at any number of rows."""


@contextmanager
def away(url: str, *, ms: float) -> Iterator[str]:
    """The address of the same database by way of a relay that holds back all that passes, half of ``ms`` each way."""
    parts = urlsplit(url)
    ours, theirs = multiprocessing.Pipe()
    process = multiprocessing.get_context("spawn").Process(
        target=_relay, args=(theirs, str(parts.hostname), parts.port, ms / 2000), daemon=True
    )
    process.start()
    try:
        yield parts._replace(netloc=f"{parts.username}:{parts.password}@{parts.hostname}:{ours.recv()}").geturl()
    finally:
        process.terminate()
        process.join()


def _relay(parent: Connection, host: str, port: int, delay_s: float) -> None:
    async def hold_back(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """Reads on while what came before still waits."""
        waiting: asyncio.Queue[tuple[float, bytes]] = asyncio.Queue()

        async def send() -> None:
            while (found := await waiting.get())[1]:
                await asyncio.sleep(max(0.0, found[0] - time.monotonic()))
                writer.write(found[1])
                await writer.drain()
            writer.close()

        sending = asyncio.create_task(send())
        data = b"first"
        while data:
            data = b""
            with suppress(OSError):
                data = await reader.read(2**20)
            await waiting.put((time.monotonic() + delay_s, data))
        await sending

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        there = await asyncio.open_connection(host, port)
        await asyncio.gather(hold_back(reader, there[1]), hold_back(there[0], writer), return_exceptions=True)

    async def run() -> None:
        listening = await asyncio.start_server(serve, "127.0.0.1", 0)
        parent.send(listening.sockets[0].getsockname()[1])
        await listening.serve_forever()

    asyncio.run(run())


def naive(url: str) -> float:
    """Rows/s of one UPDATE a row, committed every hundred."""
    vector = str([0.5] * D)
    with psycopg.connect(url) as connection:
        connection.execute(f"ALTER TABLE docs ADD COLUMN fresh vector({D})")
        connection.commit()
        started = time.perf_counter()
        for key in range(1, NAIVE_ROWS + 1):
            connection.execute("UPDATE docs SET fresh = %s WHERE id = %s", (vector, key))
        connection.commit()
        return NAIVE_ROWS / (time.perf_counter() - started)


def main() -> None:
    """Prints rows/s of both at each distance."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rows", type=int, default=20_000)
    parser.add_argument("--ms", type=float, nargs="+", default=[0.0, 10.0, 30.0])
    options = parser.parse_args()
    with server() as url:
        for ms in options.ms:
            make_table(url, rows=options.rows)
            with away(url, ms=ms) as far:
                os.environ["LIMOSA_BENCH_URL"] = far
                slow = naive(far)
                make_table(url, rows=options.rows)
                rate = backfill_rate(app_for(d=D, old_d=0, batch_rows=128, threads=128), rows=options.rows)
            print(
                f"{ms:g} ms away: one UPDATE a row {slow:,.0f} rows/s, limosa {rate:,.0f} rows/s, {rate / slow:.0f} x"
            )


if __name__ == "__main__":
    main()
