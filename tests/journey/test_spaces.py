"""What made the vectors travels with a folder of files, and a file that says another model is refused."""

from __future__ import annotations

import contextlib
import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq
import pytest

from limosa.app import open_app
from limosa.errors import Refused
from limosa.model.plan import Check
from limosa.model.point import Collected, Json
from tests.journey.collection_world import D, Stand, some_points, specs, stand

SPACE: dict[str, Json] = {
    "provider": "google",
    "model": "text-embedding-004",
    "dimensions": D,
    "task": "RETRIEVAL_DOCUMENT",
}

MADE = {"provider": "hashing", "model": "words-1", "dimensions": 64}


@pytest.fixture(autouse=True)
def _here(database: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("LIMOSA_TEST_URL", database)
    monkeypatch.chdir(tmp_path)


def _take(source: dict[str, Any], target: dict[str, Any]) -> list[Check]:
    """What plan says of the space, once the points are there."""
    with contextlib.closing(open_app({"name": target["collection"], "source": source, "target": target})) as app:
        checks = [check for check in app.plan().checks if check.name == "space"]
        assert app.run().verdict == "proved"
        return checks


def _kept(place: Stand, name: str) -> object:
    with contextlib.closing(place.open(name)) as found:
        return found.describe().vectors[""].space


def test_an_export_says_what_made_its_vectors(database: str, tmp_path: Path) -> None:
    with (
        stand("qdrant-edge", tmp_path, database) as near,
        stand("parquet", tmp_path, database) as folder,
        stand("jsonl", tmp_path, database) as lines,
    ):
        near.fill("went", Collected(points=0, ids="uuid", vectors=specs()), some_points(50))
        [said] = _take({**near.section("went"), "space": SPACE}, folder.section("export"))
        assert said.said == f"The vectors are of google/text-embedding-004 ({D}), as [source.space] says."
        assert _kept(folder, "export") == SPACE
        # It is in the file itself, for whoever reads it without limosa.
        [part, *_] = sorted((tmp_path / "parquet" / "export").glob("*.parquet"))
        metadata = json.loads(pq.read_schema(part).metadata[b"limosa"])
        assert metadata["vectors"][0]["space"] == SPACE
        # And travels on, from folder to folder, unsaid.
        [said] = _take(folder.section("export"), lines.section("again"))
        assert f"are of google/text-embedding-004 ({D})." in said.said
        assert _kept(lines, "again") == SPACE
        less = {name: SPACE[name] for name in ("provider", "model", "dimensions")}
        assert [each.verdict for each in _take({**folder.section("export"), "space": less}, lines.section("less"))] == [
            "note"
        ]
        assert _kept(lines, "less") == SPACE


@pytest.mark.parametrize(
    ("space", "why"),
    [
        ({"model": "gemini-embedding-001"}, "with model 'text-embedding-004', and [source.space] says another"),
        ({"dimensions": 2 * D}, "[source.space] says another"),
    ],
)
def test_another_model_than_the_folder_says_is_refused(
    space: dict[str, object], why: str, database: str, tmp_path: Path
) -> None:
    with stand("arrow", tmp_path, database) as near, stand("jsonl", tmp_path, database) as far:
        made = {name: replace(each, space=SPACE) for name, each in specs().items()}
        near.fill("went", Collected(points=0, ids="uuid", vectors=made), some_points(20))
        job = {"name": "n", "source": {**near.section("went"), "space": {**SPACE, **space}}, "target": far.section("x")}
        with contextlib.closing(open_app(job)) as app:
            [refused] = app.plan().refusals
            assert why in refused.said
            with pytest.raises(Refused, match="says another"):
                app.run()
        assert not far.open("x").stands()


def test_a_space_of_other_vectors_is_refused(database: str, tmp_path: Path) -> None:
    with stand("jsonl", tmp_path, database) as near, stand("parquet", tmp_path, database) as far:
        near.fill("went", Collected(points=0, ids="uuid", vectors=specs()), some_points(20))
        source = {**near.section("went"), "space": {**SPACE, "dimensions": 768}}
        with contextlib.closing(open_app({"name": "n", "source": source, "target": far.section("x")})) as app:
            [refused] = app.plan().refusals
        assert refused.said.startswith("[source.space] has 768 dimensions")
        assert refused.said.endswith(f"has vectors of {D}.")


def test_what_is_embedded_on_the_way_says_by_which_model(database: str, tmp_path: Path) -> None:
    with stand("qdrant-edge", tmp_path, database) as near, stand("parquet", tmp_path, database) as far:
        near.fill("went", Collected(points=0, ids="uuid", vectors=specs()), some_points(20))
        source = {**near.section("went"), "template": "number {number}"}
        assert _take(source, {**far.section("made"), "space": MADE}) == []
        kept = _kept(far, "made")
        assert isinstance(kept, dict)
        assert {**MADE, "template": "template:number {number}"}.items() <= kept.items()
