"""Ids that are made for the points of a new collection: none is overwritten, and all of them lead back."""

from __future__ import annotations

import contextlib
import uuid
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from limosa.app import open_app
from limosa.errors import Refused
from limosa.model.point import Collected, Point
from limosa.stores.crossing.equality import same
from tests.journey.collection_world import KINDS, Stand, some_points, specs, stand

NAMESPACE = uuid.UUID("6f1d2c1e-6a0e-4d3a-9d53-0a2f3c0f8a11")

KEY = {"uuid5": "note {number}", "namespace": str(NAMESPACE), "old": "was"}

ROWS = 300

FEW = ["chroma", "qdrant-server"]
"""In the gate; the others take half a minute."""


def made(number: object) -> tuple[str, ...]:
    return (str(uuid.uuid5(NAMESPACE, f"note {number}")),)


@pytest.fixture(autouse=True)
def _here(database: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("LIMOSA_TEST_URL", database)
    monkeypatch.chdir(tmp_path)


def _job(near: Stand, far: Stand, **key: object) -> dict[str, Any]:
    target = {**far.section("away"), "key": {**KEY, **key}}
    return {"name": "there", "source": near.section("went"), "target": target}


def _put(place: Stand, name: str, *points: Point, erase: list[tuple[str, ...]] | None = None) -> None:
    with contextlib.closing(place.open(name)) as found:
        found.erase(erase or [])
        assert found.write(points) == []


@pytest.mark.parametrize("other", FEW)
def test_ids_are_made_and_lead_back(other: str, database: str, tmp_path: Path) -> None:
    there_and_back(other, database, tmp_path)


@pytest.mark.soak
@pytest.mark.parametrize("other", [kind for kind in KINDS if kind not in {"postgres", "qdrant-edge", *FEW}])
def test_ids_are_made_in_every_store(other: str, database: str, tmp_path: Path) -> None:
    there_and_back(other, database, tmp_path)


def there_and_back(other: str, database: str, folder: Path) -> None:
    """Points change on the one side, the application switches, they change on the other, and all goes back."""
    with stand("qdrant-edge", folder, database) as near, stand(other, folder, database) as far:
        points = some_points(ROWS)
        near.fill("went", Collected(points=0, ids="uuid", vectors=specs()), points)
        _put(near, "went", twin(points), bare(points))
        job = _job(near, far)
        first = _there(job, points, near, far)
        if _switched(job):
            _back(job, points, near, far, first=first)


def twin(points: list[Point]) -> Point:
    """One that is to have the same id as another."""
    return Point(key=(str(uuid.UUID(int=1)),), vectors=points[3].vectors, payload=points[3].payload)


def bare(points: list[Point]) -> Point:
    """One that lacks the field of which ids are made."""
    return Point(key=(str(uuid.UUID(int=2)),), vectors=points[4].vectors, payload={"number": None})


def _there(job: dict[str, Any], points: list[Point], near: Stand, far: Stand) -> tuple[str, ...]:
    """The way there; the key of the one that had a shared id first, and is deleted then."""
    shared, without = {twin(points).key, points[3].key}, bare(points).key
    with contextlib.closing(open_app(job)) as app:
        said = [check.said for check in app.plan().checks if check.name == "ids"]
        assert any("1 ids would be shared" in each for each in said), said
        assert any("lack a field" in each for each in said), said
        assert app.run().verdict == "proved"
        dead = {letter.key: letter.reason for letter in app.failed(kind="dead")}
    assert "lacks number" in dead.pop(without)
    [(second, reason)] = dead.items()
    assert second in shared
    assert "has the same id by the template" in reason
    away = far.points("away")
    assert away.keys() == {made(number) for number in range(ROWS)}
    assert away[made(5)].payload == {**points[5].payload, "was": points[5].key[0]}

    [first] = shared - {second}
    moved = Point(key=points[6].key, vectors=points[6].vectors, payload={"number": "six"})
    swapped = [replace(points[here], payload=points[there].payload) for here, there in ((11, 12), (12, 11))]
    _put(near, "went", moved, *swapped, erase=[points[7].key, first])
    with contextlib.closing(open_app(job)) as app:
        # What shared an id is tried when the other one has gone.
        assert [app.run().verdict for _ in range(2)] == ["proved", "proved"]
        assert [letter.key for letter in app.failed(kind="dead")] == [without]
        if app.voyage.store.capabilities.searched:
            app.cutover()
    away = far.points("away")
    assert away.keys() == {made(each) for each in range(ROWS) if each not in {6, 7}} | {made("six")}
    assert away[made(3)].payload["was"] == second[0]
    assert [away[made(each)].payload["was"] for each in (11, 12)] == [points[12].key[0], points[11].key[0]]
    return first


def _back(job: dict[str, Any], points: list[Point], near: Stand, far: Stand, *, first: tuple[str, ...]) -> None:
    born = Point(key=(str(uuid.UUID(int=9)),), vectors=points[8].vectors, payload={"born": "ü"})
    edited = Point(key=made(8), vectors=points[8].vectors, payload={"number": "eighty"})
    _put(far, "away", born, edited, erase=[made(10)])
    with contextlib.closing(open_app(job)) as app:
        ending = app.run()
        assert ending.verdict == "proved", ending.proofs
    after = near.points("went")
    kept = {each.key for each in (*points, twin(points), bare(points), born)}
    assert after.keys() == kept - {first, points[7].key, points[10].key}
    assert after[points[8].key].payload == {"number": "eighty"}
    assert same(born, after[born.key], unit={""}) == (True, True)
    _put(far, "away", erase=[born.key])
    with contextlib.closing(open_app(job)) as app:
        app.rollback()
    assert not far.open("away").stands()
    assert near.points("went").keys() == after.keys() - {born.key}


def _switched(job: dict[str, Any]) -> bool:
    with contextlib.closing(open_app(job)) as app:
        return app.voyage.record().switched


def test_a_field_for_the_old_ids_is_not_there_yet(database: str, tmp_path: Path) -> None:
    with stand("jsonl", tmp_path, database) as near, stand("parquet", tmp_path, database) as far:
        near.fill("went", Collected(points=0, ids="uuid", vectors=specs()), some_points(20))
        with contextlib.closing(open_app(_job(near, far, old="number"))) as app:
            assert any("field number already" in each.said for each in app.plan().refusals)
            with pytest.raises(Refused, match="number already"):
                app.run()
        assert not far.open("away").stands()
