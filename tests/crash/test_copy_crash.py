"""A copy that is killed again and again ends as one that never was: the same table, row by row."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.crash.copies import killed, world_of
from tests.qdrant.worlds import served

POINTS = 2000


@pytest.mark.parametrize("kills", [4, pytest.param(30, marks=pytest.mark.soak)])
def test_random_kills_change_nothing_of_the_end(database: str, tmp_path: Path, kills: int) -> None:
    kept, folder = tmp_path / "kept", tmp_path / "jobs"
    kept.mkdir()
    folder.mkdir()
    with served(kept, POINTS) as server:
        # Small pages, so that a run has many instants.
        wanted, left = killed(world_of(folder, server.url, database, batch_rows=20), server, kills=kills)
    assert left == wanted
