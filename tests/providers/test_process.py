"""The server as a process of its own."""

from __future__ import annotations

import json
import signal
import subprocess
import sys

import urllib3

from tests.house.tree import CHECKOUT


def test_it_tells_its_address_serves_and_ends_on_sigterm() -> None:
    argv = [sys.executable, "-m", "tests.providers", "--protocol", "openai", "--dimensions", "5", "--latency", "0.001"]
    argv += ["--requests-per-minute", "2", "--how", "window", "--headers", "--jitter", "0.001"]
    with subprocess.Popen(argv, stdout=subprocess.PIPE, text=True, cwd=CHECKOUT) as process:
        try:
            assert process.stdout is not None
            told = json.loads(process.stdout.readline())
            answers = [
                urllib3.request(
                    "POST", f"{told['base_url']}/embeddings", json={"model": "m", "input": "x"}, retries=False
                )
                for _ in range(3)
            ]
            counters = urllib3.request("GET", told["counters"]).json()
        finally:
            process.send_signal(signal.SIGTERM)
        assert process.wait(timeout=60) == 0
    assert [answer.status for answer in answers] == [200, 200, 429]
    assert len(answers[0].json()["data"][0]["embedding"]) == 5
    assert (counters["requests"], counters["answered"], counters["limited"]) == (3, 2, 1)
