"""A provider's server as a process of its own: ``python -m tests.providers --protocol openai --port 0``."""

from __future__ import annotations

import argparse
import json
import signal
import sys

from tests.providers.protocols import DIALECTS
from tests.providers.quota import Quota
from tests.providers.server import ProviderServer
from tests.providers.service import Setup, jittered

__all__ = ["main"]


def main(argv: list[str]) -> None:
    """Serves until SIGTERM or SIGINT, after one line of JSON with ``base_url``, ``address`` and ``counters``."""
    given = _parser().parse_args(argv)
    stops = {signal.SIGTERM, signal.SIGINT}
    # Before any thread starts, so that every thread leaves these signals to the one that waits.
    signal.pthread_sigmask(signal.SIG_BLOCK, stops)
    with ProviderServer(_setup(given)) as server:
        told = {"base_url": server.base_url, "address": server.address, "counters": f"{server.address}/__counters"}
        print(json.dumps(told), flush=True)
        signal.sigwait(stops)


def _setup(given: argparse.Namespace) -> Setup:
    quota = Quota(
        requests_per_minute=given.requests_per_minute,
        tokens_per_minute=given.tokens_per_minute,
        how=given.how,
        burst_s=given.burst_s,
        window_s=given.window_s,
        headers=given.headers,
        retry_after=not given.no_retry_after,
        counts=given.counts,
    )
    latency = jittered(given.latency, spread_s=given.jitter) if given.jitter else given.latency
    return Setup(
        protocol=given.protocol,
        dimensions=given.dimensions,
        key=given.key,
        longest=given.longest,
        quota=quota if given.requests_per_minute or given.tokens_per_minute else None,
        answers_in_s=latency,
        seed=given.seed,
        port=given.port,
    )


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m tests.providers", description=__doc__)
    add = parser.add_argument
    add("--protocol", choices=sorted(DIALECTS), default="openai")
    add("--port", type=int, default=0, help="0 for a free one")
    add("--dimensions", type=int, help="where a request names none")
    add("--key", help="the key to insist on")
    add("--longest", type=int, help="tokens that a text may have")
    add("--requests-per-minute", type=float)
    add("--tokens-per-minute", type=float)
    add("--how", choices=("bucket", "window"), default="bucket")
    add("--burst-s", type=float, default=60.0, help="what a full bucket holds, in seconds of its rate")
    add("--window-s", type=float, default=60.0)
    add("--headers", action="store_true", help="tell the limits in every answer")
    add("--no-retry-after", action="store_true", help="a 429 does not tell how long to wait")
    add("--counts", choices=("request", "text"), default="request", help="what counts as a request")
    add("--latency", type=float, default=0.0, help="seconds until an answer")
    add("--jitter", type=float, default=0.0, help="standard deviation of the latency, in seconds")
    add("--seed", type=int, default=0, help="of the jitter")
    return parser


if __name__ == "__main__":
    main(sys.argv[1:])
