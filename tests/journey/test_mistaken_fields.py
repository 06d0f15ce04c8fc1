"""Names of fields that no point has: plan says which, and which may be meant, before anything is touched."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import pytest

from limosa.app import App, open_app
from limosa.errors import Refused
from limosa.model.fields import mistaken
from limosa.model.point import Json
from tests.journey.test_copy import COLUMNS, SPACE
from tests.qdrant.server import QdrantServer
from tests.qdrant.worlds import NAME, served

POINTS = 40

KEY = {"column": "id", "uuid5": "{author.name}/{content}", "namespace": "6f1d2c1e-6a0e-4d3a-9d53-0a2f3c0f8a11"}


@pytest.fixture
def server(database: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[QdrantServer]:
    monkeypatch.setenv("LIMOSA_TEST_URL", database)
    with served(tmp_path, POINTS) as server:
        yield server


@contextlib.contextmanager
def opened(server: QdrantServer, source: Mapping[str, Any], target: Mapping[str, Any]) -> Iterator[App]:
    job = {
        "name": "mistaken",
        "source": {"store": server.url, "collection": NAME, **source},
        "target": {"store": "env:LIMOSA_TEST_URL", "table": "memories", **target},
    }
    with contextlib.closing(open_app(job)) as app:
        yield app


@pytest.mark.parametrize(
    ("source", "target", "said"),
    [
        ({}, {"columns": {"content": "contents"}}, "has a field contents, and the column content becomes jsonb; did"),
        ({}, {"columns": {"author": "payload.name"}}, "did you mean author.name?"),
        (
            {},
            {"columns": {"other": "nothing_like_it"}},
            "has a field nothing_like_it, and the column other becomes jsonb.",
        ),
        (
            {"text": ["content", "Stras"]},
            {"space": SPACE},
            "a field Stras, which text in [source] names; did you mean st",
        ),
        (
            {"template": "{content} {autor.name}"},
            {"space": SPACE},
            "which template in [source] names; did you mean author",
        ),
    ],
)
def test_a_name_that_is_near_is_asked_for(
    server: QdrantServer, source: Mapping[str, Any], target: Mapping[str, Any], said: str
) -> None:
    with opened(server, source, target) as app:
        plan = app.plan()
        assert not plan.refusals
        assert any(said in check.said for check in plan.checks), [check.said for check in plan.checks]


def test_where_nothing_could_be_made_of_the_points_plan_refuses(server: QdrantServer) -> None:
    with opened(server, {"text": "contend"}, {"space": SPACE}) as app, pytest.raises(Refused) as found:
        app.run()
    assert "did you mean content?" in found.value.do
    with opened(server, {}, {"key": {**KEY, "uuid5": "{id}/{author.nam}"}}) as app, pytest.raises(Refused) as found:
        app.run()
    assert "has a field author.nam, of which ids are to be made" in found.value.what
    assert found.value.do.endswith("did you mean author.name?")


def test_names_that_are_right_are_not_asked_about(server: QdrantServer) -> None:
    with opened(server, {}, {"columns": COLUMNS, "key": KEY}) as app:
        assert not [check.said for check in app.plan().checks if "did you mean" in check.said]


def test_ids_are_looked_at_by_plan_and_not_once_more_by_run(server: QdrantServer) -> None:
    with opened(server, {}, {"key": KEY}) as app:
        before = server.requests
        assert any("lack a field" in check.said for check in app.plan().checks)
        planned = server.requests - before
        app.run()
        before = server.requests
        assert not any("lack a field" in check.said for check in app.plan().checks)
        assert server.requests - before < planned


def test_a_run_reads_no_more_for_ids_that_are_made(server: QdrantServer) -> None:
    asked = []
    for key in ("id", {**KEY, "uuid5": "{id}"}):
        before = server.requests
        with opened(server, {}, {"key": key}) as app:
            assert app.run().verdict == "proved"
            asked.append(server.requests - before)
            app.rollback()
    assert asked[0] == asked[1]


def test_the_nearest_name() -> None:
    payloads: list[dict[str, Json]] = [{"author": {"name": "a"}, "Title": 1}, {"author": {"id": 2}}]
    assert mistaken(payloads, ["author", "author.id", "title", "name", "zzz"]) == {
        "title": "Title",
        "name": "author.name",
        "zzz": "",
    }
