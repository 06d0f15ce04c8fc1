"""How often a copy reads a point: one look at both sides finds what changed, and proves that nothing did."""

from __future__ import annotations

import contextlib
from pathlib import Path

import pytest

from limosa.app import open_app
from tests.qdrant.worlds import NAME, client_of, point, served

POINTS = 400


def test_what_did_not_change_is_read_once_by_a_run(
    database: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("LIMOSA_TEST_URL", database)
    with served(tmp_path, POINTS) as server, contextlib.closing(client_of(server)) as client:
        job = {
            "name": "memories",
            "source": {"store": server.url, "collection": NAME},
            "target": {"store": "env:LIMOSA_TEST_URL", "table": "memories", "columns": {"content": "content"}},
        }
        with contextlib.closing(open_app(job)) as app:
            before = server.whole
            assert app.run().verdict == "proved"
            [bits] = [proof.said for proof in app.verify() if proof.name == "bits"]
            # The first thousand were looked at by plan.
            assert server.whole - before == POINTS * (1 + 2 + 1)
            before = server.whole
            ending = app.run()
            assert server.whole - before == POINTS
            assert [proof.said for proof in ending.proofs if proof.name == "bits"] == [bits]
            client.upsert(NAME, points=[point(POINTS + 1)])
            before = server.whole
            assert app.run().verdict == "proved"
            assert server.whole - before == 2 * (POINTS + 1), "what was found is followed, and then proved"
