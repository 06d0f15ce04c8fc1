"""A copy that is killed again and again ends as one that never was: the same table, row by row."""

from __future__ import annotations

import json
import uuid
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path

import pytest

from limosa.model.point import Collected, Json
from limosa.stores.crossing.equality import same
from tests.crash.copies import kill, killed, run_s, world_of
from tests.crash.world import World, dump
from tests.journey.collection_world import some_points, specs, stand
from tests.journey.existing_world import listed, own_rows, sql
from tests.journey.existing_world import world as existing
from tests.qdrant.worlds import served

POINTS = 2000

NAMESPACE = uuid.UUID("6f1d2c1e-6a0e-4d3a-9d53-0a2f3c0f8a11")


@pytest.mark.parametrize("kills", [4, pytest.param(30, marks=pytest.mark.soak)])
def test_random_kills_change_nothing_of_the_end(database: str, tmp_path: Path, kills: int) -> None:
    kept, folder = tmp_path / "kept", tmp_path / "jobs"
    kept.mkdir()
    folder.mkdir()
    with served(kept, POINTS) as server:
        # Small pages, so that a run has many instants.
        wanted, left = killed(world_of(folder, server.url, database, batch_rows=20), server, kills=kills)
    assert left == wanted


@pytest.mark.parametrize(
    "made", [pytest.param(False, id="carried", marks=pytest.mark.soak), pytest.param(True, id="made")]
)
@pytest.mark.parametrize("kind", ["parquet", pytest.param("qdrant-local", marks=pytest.mark.soak)])
def test_random_kills_lose_nothing_on_the_way_to_a_collection(
    kind: str, made: bool, database: str, tmp_path: Path
) -> None:
    key = {"key": {"uuid5": "{number}", "namespace": str(NAMESPACE)}} if made else {}
    with stand("qdrant-edge", tmp_path, database) as near, stand(kind, tmp_path, database) as far:
        near.fill("went", Collected(points=0, ids="uuid", vectors=specs()), some_points(800))
        worlds = [
            _job(tmp_path, name, near.section("went"), {**far.section(name), **key}, database)
            for name in ("whole", "parts")
        ]
        whole_s = run_s(worlds[0])
        kill(worlds[1], whole_s, kills=6)
        run_s(worlds[1])
        before, after = near.points("went"), far.points("parts")
    if made:
        assert after.keys() == {(str(uuid.uuid5(NAMESPACE, str(number))),) for number in range(800)}
        old = {(str(each.payload["old_id"]),): each for each in after.values()}
        after = {key: replace(each, payload=_without(each.payload, "old_id")) for key, each in old.items()}
    assert after.keys() == before.keys()
    assert all(all(same(each, after[key], unit={""})) for key, each in before.items())


@pytest.mark.parametrize("kills", [2, pytest.param(20, marks=pytest.mark.soak)])
def test_random_kills_touch_no_row_of_a_table_that_stands(kills: int, database: str, tmp_path: Path) -> None:
    columns = {"content": "content", "slug": "slug", "stars": "stars"}
    target: dict[str, object] = {"store": "env:LIMOSA_CRASH_URL", "table": "documents", "columns": columns}
    with existing(database, tmp_path, rows=300) as near:
        before, own = dump(database), own_rows(database)
        job = _job(tmp_path, "existing", near.section("points"), target, database)
        kill(job, 2, kills=kills)
        run_s(job)
        assert own_rows(database) == own
        assert len(listed(database)) == 300
        assert sql(database, "SELECT count(*), count(DISTINCT slug), sum(stars) FROM documents") == [
            (330, 330, 300 * 299 // 2)
        ]
        run_s(job, "cutover")
        kill(job, 2, kills=kills, verb="back")
        run_s(job, "back")
    assert dump(database) == before
    assert own_rows(database) == own


def _without(payload: Mapping[str, Json], name: str) -> dict[str, Json]:
    return {field: value for field, value in payload.items() if field != name}


def _job(folder: Path, name: str, source: dict[str, object], target: dict[str, object], url: str) -> World:
    job = folder / f"{name}.json"
    job.write_text(json.dumps({"name": name, "source": source, "target": target, "backfill": {"batch_rows": 20}}))
    return World(job, url)
