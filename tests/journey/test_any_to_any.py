"""From any store to any other and back: what comes back equals what went out."""

from __future__ import annotations

import contextlib
import itertools
import uuid
from pathlib import Path
from typing import Any

import psycopg
import pytest

from limosa import flow
from limosa.app import App, open_app
from limosa.errors import Refused
from limosa.model.point import Collected, Point
from limosa.steps.expand import expand
from limosa.steps.notice import notice
from limosa.stores.crossing.equality import same
from limosa.stores.postgres.embedded import Server
from limosa.testing.collections import points_for, specs_for
from tests.journey.collection_world import KINDS, Stand, some_points, specs, stand
from tests.postgres.fixtures import fresh_database

ROWS, FEW = 2000, 200

ONCE = [("postgres", kind) for kind in KINDS if kind != "postgres"]
"""In the gate every store is left and reached once, with few rows; all pairs with more take a quarter of an hour."""

EVERY = list(itertools.permutations(KINDS, 2))


@pytest.fixture(autouse=True)
def _here(database: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("LIMOSA_TEST_URL", database)
    monkeypatch.chdir(tmp_path)


@pytest.mark.parametrize(("one", "other"), ONCE)
def test_points_go_there_and_come_back(one: str, other: str, database: str, tmp_path: Path) -> None:
    there_and_back(one, other, database, tmp_path, rows=FEW)


@pytest.mark.soak
@pytest.mark.parametrize(("one", "other"), EVERY)
def test_points_go_from_any_store_to_any_other(one: str, other: str, database: str, tmp_path: Path) -> None:
    there_and_back(one, other, database, tmp_path, rows=ROWS)


def there_and_back(one: str, other: str, database: str, folder: Path, *, rows: int) -> None:
    """Fills the one, takes its points to the other and back under another name, and compares."""
    points = some_points(rows)
    with stand(one, folder, database) as near, stand(other, folder, database) as far:
        near.fill("went", Collected(points=0, ids="uuid", vectors=specs()), points)
        before = near.points("went")
        _take("there", near.section("went"), far.section("away"))
        _take("back", far.section("away"), near.section("came"))
        assert_equal(before, near, far)


def _take(name: str, source: dict[str, Any], target: dict[str, Any]) -> None:
    with contextlib.closing(open_app({"name": name, "soak_days": 0, "source": source, "target": target})) as app:
        ending = app.run()
        assert ending.verdict == "proved", [each for each in ending.proofs if each.verdict != "proved"]
        assert app.cutover() == 0
        app.finish()


def assert_equal(before: dict[tuple[str, ...], Point], near: Stand, far: Stand) -> None:
    """Every point is in both places as it was; bit for bit, or by direction where a store keeps unit vectors."""
    for place, name in ((far, "away"), (near, "came")):
        found = place.points(name)
        assert found.keys() == before.keys()
        with contextlib.closing(place.open(name)) as collection:
            unit = {name for name, spec in collection.describe().vectors.items() if spec.unit}
        if name == "came":
            with contextlib.closing(far.open("away")) as collection:
                unit |= {name for name, spec in collection.describe().vectors.items() if spec.unit}
        wrong = [key for key, point in before.items() if not all(same(point, found[key], unit=unit))]
        assert not wrong, (name, len(wrong), _apart(before[wrong[0]], found[wrong[0]]))


def _apart(one: Point, other: Point) -> str:
    """How two points differ."""
    if one.payload != other.payload:
        return f"{one.payload} is not {other.payload}"
    return f"{one.vectors} is not {other.vectors}"


def test_vectors_of_every_kind_go_along(database: str, tmp_path: Path) -> None:
    columns = {"title": "title", "body": "body", "sparse": "words", "many": "many"}
    with stand("qdrant-edge", tmp_path, database) as near:
        with contextlib.closing(near.open("went")) as found:
            holds = found.holds
        points, wanted = points_for(holds), Collected(points=0, ids="mixed", vectors=specs_for(holds))
        near.fill("went", wanted, points)
        before = near.points("went")
        table = {"store": "env:LIMOSA_TEST_URL", "table": "away", "vector": columns, "columns": {}, "rest": "metadata"}
        _take("there", near.section("went"), table)
        with psycopg.connect(database) as connection:
            types = connection.execute(
                "SELECT attname, format_type(atttypid, atttypmod) FROM pg_attribute"
                " WHERE attrelid = 'away'::regclass AND attnum > 0"
            )
            assert dict(types.fetchall()) == {
                "id": "text",
                "metadata": "jsonb",
                "title": "vector(8)",
                "body": "vector(9)",
                "words": "sparsevec",
                "many": "vector(4)[]",
            }
        _take("back", table, near.section("came"))
        after = near.points("came")
        assert after.keys() == before.keys()
        # The engine brings vectors of this metric to the length 1, and does so twice here.
        unit = set(wanted.vectors)
        wrong = [key for key, each in before.items() if not all(same(each, after[key], unit=unit))]
        assert not wrong, _apart(before[wrong[0]], after[wrong[0]])


def test_vectors_that_a_store_cannot_hold_are_refused_by_name(database: str, tmp_path: Path) -> None:
    with stand("qdrant-edge", tmp_path, database) as near, stand("chroma", tmp_path, database) as far:
        with contextlib.closing(near.open("went")) as found:
            holds = found.holds
        near.fill("went", Collected(points=0, ids="mixed", vectors=specs_for(holds)), points_for(holds))
        job = {"name": "there", "source": near.section("went"), "target": far.section("away")}
        with contextlib.closing(open_app(job)) as app:
            refused = "\n".join(check.said for check in app.plan().refusals)
            assert all(
                name in refused for name in ("holds one a point", "'title'", "'body'", "sparse one", "multi one")
            )
            with pytest.raises(Refused):
                app.run()
        assert not far.open("away").stands()


def test_a_table_goes_to_another_database_with_its_columns_and_types(
    pg_server: Server, database: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    made = """CREATE TABLE notes (id bigint PRIMARY KEY, body text, made timestamptz, owner uuid, tags text[],
        score real, embedding vector(3))"""
    with fresh_database(pg_server) as old, psycopg.connect(old, autocommit=True) as connection:
        connection.execute(made)
        connection.execute(
            """INSERT INTO notes SELECT n, 'text ' || n, '2026-01-01'::timestamptz + n * interval '1 hour',
            gen_random_uuid(), ARRAY['a', n::text], n / 8.0, ARRAY[n, 1, -n]::real[]::vector
            FROM generate_series(1, 3000) AS n"""
        )
        monkeypatch.setenv("LIMOSA_TEST_OLD", old)
        target = {"store": "env:LIMOSA_TEST_URL", "table": "notes", "index": {"metric": "l2"}}
        _take("move", {"store": "env:LIMOSA_TEST_OLD", "table": "notes"}, target)
        with psycopg.connect(database) as new:
            types = """SELECT attname, format_type(atttypid, atttypmod) FROM pg_attribute
                WHERE attrelid = 'notes'::regclass AND attnum > 0 ORDER BY attname"""
            assert new.execute(types).fetchall() == connection.execute(types).fetchall()
            columns = "id, body, made, owner, tags, score, embedding"
            rows = f"SELECT ROW({columns})::text FROM notes ORDER BY id"
            assert new.execute(rows).fetchall() == connection.execute(rows).fetchall()


def _switched(near: Stand, far: Stand, *, rows: int) -> dict[str, Any]:
    """The file of a copy whose application reads the new collection by now."""
    near.fill("went", Collected(points=0, ids="uuid", vectors=specs()), some_points(rows))
    job = {"name": "there", "source": near.section("went"), "target": far.section("away")}
    with contextlib.closing(open_app(job)) as app:
        assert app.run().verdict == "proved"
        assert not app.plan().refusals
        app.cutover()
    return job


@pytest.mark.parametrize("other", ["chroma", "qdrant-server"])
def test_what_changes_in_a_new_collection_flows_back(other: str, database: str, tmp_path: Path) -> None:
    with stand("qdrant-edge", tmp_path, database) as near, stand(other, tmp_path, database) as far:
        job = _switched(near, far, rows=1500)
        before = near.points("went")
        keys = sorted(before)
        changed = {key: Point(key=key, vectors=before[key].vectors, payload={"n": 1}) for key in (keys[0], keys[-1])}
        born = Point(key=(str(uuid.UUID(int=7)),), vectors=before[keys[5]].vectors, payload={"born": [None, "ü"]})
        with contextlib.closing(far.open("away")) as found:
            assert found.write([*changed.values(), born]) == []
            found.erase([keys[7]])
        late = Point(key=(str(uuid.UUID(int=8)),), vectors=before[keys[5]].vectors, payload={"late": True})
        with contextlib.closing(near.open("went")) as found:
            assert found.write([late]) == []
        with contextlib.closing(open_app(job)) as app:
            ending = app.run()
            assert ending.verdict == "proved", ending.proofs
        after = near.points("went")
        assert after.keys() == {*before, born.key, late.key} - {keys[7]}, "what only the old store had is left alone"
        assert all(same(each, after[each.key], unit={""}) == (True, True) for each in (*changed.values(), born))
        with contextlib.closing(far.open("away")) as found:
            found.erase([born.key])
        with contextlib.closing(open_app(job)) as app:
            assert any("have no row" in proof.said for proof in app.verify() if proof.name == "tables")
            app.rollback()
        assert not far.open("away").stands()
        assert near.points("went").keys() == after.keys() - {born.key}


def test_another_collection_at_a_wrong_address_empties_nothing(database: str, tmp_path: Path) -> None:
    with stand("qdrant-edge", tmp_path, database) as near, stand("chroma", tmp_path, database) as far:
        job = _switched(near, far, rows=50)
        before = near.points("went")
        with contextlib.closing(far.open("away")) as found:
            wanted = found.describe()
            # One that holds some of the same points, and some of its own, as of another stage of the same application.
            found.erase(list(before)[20:])
            own = Point(key=(str(uuid.UUID(int=5)),), vectors=some_points(1)[0].vectors, payload={})
            assert (
                found.write([own, Point(key=next(iter(before)), vectors=own.vectors, payload={"of": "another"})]) == []
            )
            for verb in (App.run, App.rollback, lambda app: app.run(accept={"--yes"})):
                with (
                    contextlib.closing(open_app(job)) as app,
                    pytest.raises(Refused, match=r"landed in .*, 30 are not"),
                ):
                    verb(app)
            found.drop()
            with contextlib.closing(open_app(job)) as app, pytest.raises(Refused, match="no collection"):
                app.run()
            found.make(wanted)
            assert found.write(list(before.values())) == []
        assert {key: each.payload for key, each in near.points("went").items()} == {
            key: each.payload for key, each in before.items()
        }
        with contextlib.closing(open_app(job)) as app:
            ending = app.run()
            assert ending.verdict == "proved", ending.proofs
            assert {each.name: each for each in ending.proofs}["conservation"].evidence["pending"] == 0


def test_most_of_a_new_collection_is_deleted_on_purpose(database: str, tmp_path: Path) -> None:
    with stand("qdrant-edge", tmp_path, database) as near, stand("chroma", tmp_path, database) as far:
        job = _switched(near, far, rows=50)
        keys = list(near.points("went"))
        with contextlib.closing(far.open("away")) as found:
            found.erase(keys[10:])
        with contextlib.closing(open_app(job)) as app, pytest.raises(Refused) as refused:
            app.run()
        assert "--accept-deletions" in refused.value.do
        with contextlib.closing(open_app(job)) as app:
            # Ended between the two: what was said once holds.
            notice(app.voyage, emptied=True)
        with contextlib.closing(open_app(job)) as app:
            assert app.run().verdict == "proved"
        assert near.points("went").keys() == set(keys[:10])
        with contextlib.closing(far.open("away")) as found:
            found.erase(keys)
        with contextlib.closing(open_app(job)) as app:
            assert app.run(accept={"--accept-deletions"}).verdict == "proved"
        assert not near.points("went")


def test_a_collection_that_somebody_else_makes_meanwhile_is_left_alone(database: str, tmp_path: Path) -> None:
    with stand("jsonl", tmp_path, database) as near, stand("parquet", tmp_path, database) as far:
        wanted = Collected(points=0, ids="uuid", vectors=specs())
        near.fill("went", wanted, some_points(50))
        job = {"name": "there", "source": near.section("went"), "target": far.section("away")}
        with contextlib.closing(open_app(job)) as app:
            plan = app.plan()
            flow.begin(app.voyage, plan)
            far.fill("away", wanted, some_points(3))
            with pytest.raises(Refused, match="did not make it"):
                expand(app.voyage)
            app.rollback()
        assert len(far.points("away")) == 3
