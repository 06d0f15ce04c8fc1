"""How much of a provider's limit is used, and how often it is met: ``python -m bench.pace [--case NAME]``."""

from __future__ import annotations

import argparse
import json
import multiprocessing
import random
import subprocess
import sys
import threading
import time
import urllib.request
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from typing import Any

from limosa.embedders.openai import open_embedder
from limosa.errors import Transient
from limosa.lane.gate import Gate
from limosa.lane.paced import Paced
from limosa.model.space import Endpoint, Space

__all__ = ["main"]

USED, REFUSED, REFUSED_TOLD = 0.9, 0.05, 0.02
"""Least share of the limit used from minute 2 to 4; most 429s among all requests, without and with headers."""

WORDS = 40
"""Words of a text, and tokens as the server counts them."""


@dataclass(frozen=True, slots=True)
class Case:
    """One provider, run by a server of its own.

    Attributes:
        name: for ``--case``.
        options: of ``python -m tests.providers``.
        per_minute: the limit.
        by_tokens: the limit counts tokens, and texts differ in number from request to request.
        told: answers carry headers.
    """

    name: str
    options: str
    per_minute: float
    by_tokens: bool = False
    told: bool = False


CASES = (
    Case("bucket-600", "--requests-per-minute 600 --latency 0.3 --jitter 0.05", 600),
    Case("bucket-600-silent", "--requests-per-minute 600 --latency 0.3 --jitter 0.05 --no-retry-after", 600),
    Case("bucket-600-told", "--requests-per-minute 600 --latency 0.3 --jitter 0.05 --headers", 600, told=True),
    Case("bucket-3000-silent", "--requests-per-minute 3000 --latency 0.5 --jitter 0.1 --no-retry-after", 3000),
    Case("bucket-3000-told", "--requests-per-minute 3000 --latency 0.5 --jitter 0.1 --headers", 3000, told=True),
    Case("small-600-silent", "--requests-per-minute 600 --burst-s 1 --latency 0.3 --jitter 0.05 --no-retry-after", 600),
    Case("window-600", "--requests-per-minute 600 --how window --latency 0.3 --jitter 0.05", 600),
    Case(
        "window-600-silent", "--requests-per-minute 600 --how window --latency 0.3 --jitter 0.05 --no-retry-after", 600
    ),
    Case("window-600-told", "--requests-per-minute 600 --how window --latency 0.3 --headers", 600, told=True),
    Case(
        "window-3000-silent",
        "--requests-per-minute 3000 --how window --latency 0.5 --jitter 0.1 --no-retry-after",
        3000,
    ),
    Case(
        "tokens-silent",
        "--tokens-per-minute 120000 --latency 0.3 --jitter 0.05 --no-retry-after",
        120_000,
        by_tokens=True,
    ),
    Case(
        "tokens-told",
        "--tokens-per-minute 120000 --how window --latency 0.3 --headers",
        120_000,
        by_tokens=True,
        told=True,
    ),
)


def measure(case: Case, minutes: float) -> dict[str, Any]:
    """Runs one case; what came of it."""
    command = [sys.executable, "-m", "tests.providers", "--protocol", "openai", "--port", "0", *case.options.split()]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as server:
        assert server.stdout is not None
        try:
            return _drive(case, json.loads(server.stdout.readline()), minutes * 60)
        finally:
            server.terminate()


def _drive(case: Case, told: dict[str, str], seconds: float) -> dict[str, Any]:
    embedder = open_embedder(
        Space(provider="openai", model="m", dimensions=8), Endpoint(base_url=told["base_url"], timeout_s=30.0)
    )
    stop = threading.Event()
    gate = Gate(embedder.destination, most=embedder.limits.concurrency)
    paced = Paced(embedder, gate, patience_s=3600.0, stop=stop)
    threads = [threading.Thread(target=_work, args=(paced, case, i, stop)) for i in range(embedder.limits.concurrency)]
    for thread in threads:
        thread.start()
    looks = [_look(told["counters"], after_s) for after_s in _instants(seconds)]
    stop.set()
    for thread in threads:
        thread.join()
    _, early, late = looks
    unit = "tokens" if case.by_tokens else "answered"
    used = (late[unit] - early[unit]) / (case.per_minute * (late["at_s"] - early["at_s"]) / 60)
    refused = late["limited"] / max(1, late["requests"])
    refused_late = (late["limited"] - early["limited"]) / max(1, late["requests"] - early["requests"])
    most = REFUSED_TOLD if case.told else REFUSED
    met = used >= USED and refused < most and refused_late < most
    return {"used": used, "refused": refused, "refused_late": refused_late, "met": met}


def _instants(seconds: float) -> list[float]:
    started_s = time.monotonic()
    return [started_s, started_s + seconds / 2, started_s + seconds]


def _look(counters: str, at_s: float) -> dict[str, float]:
    time.sleep(max(0.0, at_s - time.monotonic()))
    with urllib.request.urlopen(counters, timeout=30) as answer:  # noqa: S310
        found: dict[str, float] = json.loads(answer.read())
    return found | {"at_s": time.monotonic()}


def _work(paced: Paced, case: Case, seed: int, stop: threading.Event) -> None:
    chance, text = random.Random(seed), " ".join(["word"] * WORDS)
    while not stop.is_set():
        texts = [text] * (chance.choice((1, 2, 4, 8, 16)) if case.by_tokens else 2)
        try:
            paced.embed(texts, "document")
        except Transient:
            if not stop.is_set():
                raise


def main(argv: list[str] | None = None) -> int:
    """Prints a line for each case; 1 where a goal was missed."""
    parser = argparse.ArgumentParser(prog="python -m bench.pace", description=__doc__)
    parser.add_argument("--minutes", type=float, default=4.0)
    parser.add_argument("--case", choices=[case.name for case in CASES], action="append")
    given = parser.parse_args(argv)
    cases = [case for case in CASES if given.case is None or case.name in given.case]
    met = True
    # Each case is mostly idle, so that all of them share a machine.
    with ProcessPoolExecutor(len(cases), mp_context=multiprocessing.get_context("spawn")) as pool:
        for case, found in zip(cases, pool.map(measure, cases, [given.minutes] * len(cases)), strict=True):
            met &= found["met"]
            verdict = "ok" if found["met"] else "MISSED"
            unit = "tokens" if case.by_tokens else "requests"
            print(
                f"{case.name:20} {case.per_minute:7.0f} {unit}/min: used {found['used']:6.1%}, "
                f"429s {found['refused']:6.2%} (late {found['refused_late']:6.2%}) {verdict}",
                flush=True,
            )
    return 0 if met else 1


if __name__ == "__main__":
    sys.exit(main())
