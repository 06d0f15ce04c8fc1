"""After a copy that embeds on the way the old model is asked for what changes, where the file says which it was."""

from __future__ import annotations

import contextlib
import uuid
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import psycopg
import pytest

from limosa.app import App, open_app
from limosa.errors import ProofFailed
from limosa.model.batch import Vectors
from limosa.model.point import Collected, Json, Point, VectorSpec
from limosa.model.vectors import normalised
from tests.journey.collection_world import Stand, stand
from tests.providers.faults import Fault
from tests.providers.openai_server import OpenAIServer, vector_of

D, ROWS = 24, 60

NEW = {"provider": "hashing", "model": "words-1", "dimensions": 64}


@pytest.fixture(autouse=True)
def _here(database: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("LIMOSA_TEST_URL", database)
    monkeypatch.setenv("LIMOSA_TEST_KEY", "a-key")
    monkeypatch.chdir(tmp_path)


@pytest.fixture
def old(openai_server: OpenAIServer) -> dict[str, Any]:
    """The space of the old store."""
    return {
        "provider": "openai",
        "model": "text-embedding-3-small",
        "dimensions": D,
        "base_url": openai_server.base_url,
        "key": "env:LIMOSA_TEST_KEY",
    }


@pytest.fixture
def near(database: str, tmp_path: Path) -> Iterator[Stand]:
    """The old store, with vectors of the old model; one point has no text."""
    with stand("qdrant-edge", tmp_path, database) as near:
        payloads: list[dict[str, Json]] = [{"content": f"text {n} of many", "number": n} for n in range(ROWS)]
        del payloads[3]["content"]
        vectors = _made([str(each.get("content", "nothing")) for each in payloads])
        points = [
            Point(key=_key(number), vectors={"": vectors[number]}, payload=payload)
            for number, payload in enumerate(payloads)
        ]
        near.fill("went", Collected(points=0, ids="uuid", vectors={"": VectorSpec(name="", dimensions=D)}), points)
        yield near


def _key(number: int) -> tuple[str]:
    return (str(uuid.UUID(int=number + 1)),)


def _made(texts: list[str]) -> Vectors:
    """What the old model makes of texts."""
    return np.stack([vector_of(text, model="text-embedding-3-small", d=D) for text in texts])


def _app(near: Stand, far: Stand, space: dict[str, Any] | None) -> App:
    source = {**near.section("went"), "text": "content"} | ({"space": space} if space else {})
    job = {
        "name": "there",
        "soak_days": 0,
        "source": source,
        "target": {**far.section("away"), "space": NEW},
        # Nobody has to answer in time here, and a machine may be busy.
        "verify": {"latency_p95_ms": 60_000},
    }
    return open_app(job)


def _close(one: object, other: Vectors) -> bool:
    """Equal by direction: the engine keeps unit vectors."""
    pair = normalised(np.stack([np.asarray(one), other]))
    return bool(np.abs(pair[0] - pair[1]).max() < 1e-6)


@pytest.mark.parametrize("kind", ["lancedb", "postgres"])
def test_texts_that_change_after_the_switch_get_a_vector_of_the_old_model(
    kind: str, database: str, tmp_path: Path, near: Stand, old: dict[str, Any]
) -> None:
    with stand(kind, tmp_path, database) as far:
        with contextlib.closing(_app(near, far, old)) as app:
            said = {check.name: check.said for check in app.plan().checks}
            assert said["old-model"] == "The old model openai/text-embedding-3-small (24) answers."
            assert "8 sampled vectors agree" in said["space"]
            assert app.run().verdict == "proved"
            app.cutover()
        before = near.points("went")
        stands = far.points("away")
        edited = replace(stands[_key(1)], payload={"content": "text 1 of many", "number": 77})
        told = replace(stands[_key(2)], payload={"content": "another text", "number": 2})
        born = replace(stands[_key(5)], key=_key(900), payload={"content": "a text of its own"})
        blank = replace(stands[_key(4)], payload={"number": 4})
        with contextlib.closing(far.open("away")) as found:
            assert found.write([edited, told, born, blank]) == []
            found.erase([_key(7)])
        with contextlib.closing(_app(near, far, old)) as app:
            ending = app.run()
            assert ending.verdict == "proved", ending.proofs
            assert not list(app.failed(kind="dead"))
        after = near.points("went")
        assert after.keys() == {*before, _key(900)} - {_key(7)}
        changed = {_key(1): edited, _key(2): told, _key(900): born, _key(4): blank}
        assert not after[_key(4)].vectors, "nothing can be made of no text"
        assert {key: after[key].payload for key in changed} == {key: each.payload for key, each in changed.items()}
        # A text that is the same keeps its vector, bit for bit; the others have what the old model makes of them.
        assert np.array_equal(np.asarray(after[_key(1)].vectors[""]), np.asarray(before[_key(1)].vectors[""]))
        made = _made(["another text", "a text of its own"])
        assert _close(after[_key(2)].vectors[""], made[0])
        assert _close(after[_key(900)].vectors[""], made[1])
        assert not _close(before[_key(2)].vectors[""], made[0])
        with contextlib.closing(_app(near, far, old)) as app:
            app.rollback()
        assert near.points("went").keys() == after.keys()


def test_an_old_model_that_no_longer_answers_keeps_nothing_else_from_flowing_back(
    database: str, tmp_path: Path, near: Stand, old: dict[str, Any], openai_server: OpenAIServer
) -> None:
    with stand("postgres", tmp_path, database) as far:
        with contextlib.closing(_app(near, far, old)) as app:
            assert app.run().verdict == "proved"
            app.cutover()
        with psycopg.connect(database, autocommit=True) as connection:
            update = "UPDATE away SET metadata = metadata || {} WHERE (metadata->>'number')::int = {}"
            connection.execute(update.format("'{\"seen\": true}'", 1))
            connection.execute(update.format('\'{"content": "another text"}\'', 2))
        before = near.points("went")
        openai_server.fail_always(Fault(status=404))
        with contextlib.closing(_app(near, far, old)) as app:
            app.run()
            [letter] = app.failed(kind="dead")
            assert letter.key == _key(2)
            assert letter.reason.startswith("the old model no longer answers: ")
            with pytest.raises(ProofFailed, match="not what the new one is"):
                app.rollback()
        after = near.points("went")
        assert after[_key(1)].payload["seen"] is True
        assert after[_key(2)].payload == before[_key(2)].payload
        openai_server.fail_always(None)
        with contextlib.closing(_app(near, far, old)) as app:
            assert app.retry() == 1
            ending = app.run()
            assert ending.verdict == "proved", ending.proofs
            app.rollback()
        assert near.points("went")[_key(2)].payload["content"] == "another text"


def test_where_the_old_model_is_not_said_such_a_text_waits_for_a_person(
    database: str, tmp_path: Path, near: Stand
) -> None:
    with stand("lancedb", tmp_path, database) as far, contextlib.closing(_app(near, far, None)) as app:
        assert "old-model" not in {check.name for check in app.plan().checks}
        app.run()
        app.cutover()
        with contextlib.closing(far.open("away")) as found:
            stands = found.fetch([_key(2)])[0]
            assert found.write([replace(stands, payload={"content": "another text", "number": 2})]) == []
        app.run()
        assert "no [source.space] says" in next(app.failed(kind="dead")).reason


@pytest.mark.parametrize(
    ("changed", "why"),
    [
        ({"dimensions": 16}, "[source.space] has 16 dimensions, and"),
        ({"model": "text-embedding-3-large"}, "are not those of openai/text-embedding-3-large (24)"),
    ],
)
def test_a_space_that_the_old_vectors_are_not_of_is_refused(
    changed: dict[str, Any], why: str, database: str, tmp_path: Path, near: Stand, old: dict[str, Any]
) -> None:
    with stand("lancedb", tmp_path, database) as far, contextlib.closing(_app(near, far, {**old, **changed})) as app:
        [refused] = app.plan().refusals
        assert why in refused.said


def test_of_several_vectors_none_can_be_made_again_alone(database: str, tmp_path: Path, old: dict[str, Any]) -> None:
    with stand("qdrant-edge", tmp_path, database) as near, stand("lancedb", tmp_path, database) as far:
        specs = {name: VectorSpec(name=name, dimensions=D) for name in ("one", "two")}
        vector = np.ones(D, dtype=np.float32)
        point = Point(key=_key(1), vectors={"one": vector, "two": vector}, payload={"content": "a text"})
        near.fill("went", Collected(points=0, ids="uuid", vectors=specs), [point])
        with contextlib.closing(_app(near, far, old)) as app:
            assert any("makes one vector, and points of" in check.said for check in app.plan().refusals)
