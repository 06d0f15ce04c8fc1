"""From a store to a collection of another, with vectors made of the texts on the way, and back."""

from __future__ import annotations

import contextlib
import uuid
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from limosa.app import App, open_app
from limosa.model.point import Collected, Json, Point
from limosa.model.vectors import normalised
from tests.journey.collection_world import D, specs, stand

SPACE = {"provider": "hashing", "model": "words-1", "dimensions": 64}

ROWS = 300


def _point(number: int) -> Point:
    payload: dict[str, Json] = (
        {"content": f"text {number} of many", "number": number} if number % 10 else {"number": number}
    )
    vector = np.random.default_rng(number).normal(size=D).astype(np.float32)
    return Point(key=(str(uuid.UUID(int=number)),), vectors={"": vector}, payload=payload)


def _app(source: dict[str, Any], target: dict[str, Any]) -> App:
    return open_app(
        {
            "name": "there",
            "soak_days": 0,
            "source": {**source, "text": ["content"]},
            "target": {**target, "space": SPACE},
            # Nobody has to answer in time here, and a machine may be busy.
            "verify": {"latency_p95_ms": 60_000},
        }
    )


KINDS = ["lancedb", "qdrant-server", *(pytest.param(kind, marks=pytest.mark.soak) for kind in ("chroma", "milvus"))]


@pytest.mark.parametrize("kind", KINDS)
def test_vectors_are_made_for_a_collection(
    kind: str, database: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    with stand("jsonl", tmp_path, database) as near, stand(kind, tmp_path, database) as far:
        wanted = Collected(points=0, ids="uuid", vectors=specs())
        near.fill("went", wanted, [_point(number) for number in range(1, ROWS + 1)])
        before = near.points("went")
        with contextlib.closing(_app(near.section("went"), far.section("away"))) as app:
            assert app.run().verdict == "proved"
            assert sum(1 for _ in app.failed(kind="skipped")) == ROWS // 10
            # What changes before the switch is embedded again.
            other = replace(_point(1), payload={"content": "entirely different words", "number": 1})
            with contextlib.closing(near.open("went")) as found:
                assert found.write([other]) == []
            ending = app.run()
            assert ending.verdict == "proved", ending.proofs
            _check(app, far.points("away"))
            [found_by] = app.search("entirely different words")
            # Chroma's graph, which was made of texts that are all alike, does not always lead to the one that is not.
            assert found_by.hits[0].key == other.key or kind == "chroma"
            app.cutover()
        edited = replace(far.points("away")[_point(2).key], payload={"content": _content(2), "number": 77})
        with contextlib.closing(far.open("away")) as found:
            assert found.write([edited]) == []
        with contextlib.closing(_app(near.section("went"), far.section("away"))) as app:
            ending = app.run()
            assert ending.verdict == "proved", ending.proofs
            back = near.points("went")[edited.key]
            assert back.payload == edited.payload
            # The old store keeps its own model's vector, as the text is the same.
            assert np.array_equal(np.asarray(back.vectors[""]), np.asarray(before[edited.key].vectors[""]))
            app.rollback()
        assert not far.open("away").stands()
        assert near.points("went").keys() == before.keys()


def _content(number: int) -> str:
    return str(_point(number).payload["content"])


def _check(app: App, kept: dict[tuple[str, ...], Point]) -> None:
    """Every point with a text has the vector that the model makes of it now."""
    assert len(kept) == ROWS - ROWS // 10
    points = list(kept.values())
    made = app.voyage.embedder("target").embed([str(each.payload["content"]) for each in points], "document").vectors
    stored = np.stack([np.asarray(each.vectors[""]) for each in points])
    assert stored.shape == made.shape
    assert np.abs(normalised(stored) - normalised(made)).max() <= 1e-6
