"""Points that are dead: tried again when they have changed or somebody asks for it, and not at every run."""

from __future__ import annotations

import contextlib
import json
import sqlite3
from collections.abc import Iterator
from pathlib import Path

import psycopg
import pytest
from qdrant_client import QdrantClient
from qdrant_client.models import PointStruct

from limosa.app import App, open_app
from tests.journey.test_copy import copy_app, differing, embedding_app
from tests.qdrant.server import QdrantServer
from tests.qdrant.worlds import NAME, D, client_of, served

POINTS = 40

SINCE = "SELECT key, changed FROM limosa.exception ORDER BY key"


@pytest.fixture
def server(database: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[QdrantServer]:
    monkeypatch.setenv("LIMOSA_TEST_URL", database)
    with served(tmp_path, POINTS) as server:
        yield server


@pytest.fixture
def client(server: QdrantServer) -> Iterator[QdrantClient]:
    with contextlib.closing(client_of(server)) as client:
        yield client


def put(client: QdrantClient, number: int, content: str) -> None:
    client.upsert(
        NAME, points=[PointStruct(id=number, vector=[0.6, 0.8, *[0.0] * (D - 2)], payload={"content": content})]
    )


def listed(url: str) -> dict[str, object]:
    """When each point came to be listed last."""
    with psycopg.connect(url) as connection:
        return {key[0]: changed for key, changed in connection.execute(SINCE).fetchall()}


def ran(app: App) -> None:
    assert app.run().verdict == "proved"


def test_a_dead_point_is_tried_again_when_it_has_changed(
    database: str, server: QdrantServer, client: QdrantClient
) -> None:
    for number in (900, 901):
        put(client, number, "nul \0")
    with contextlib.closing(copy_app(server.url)) as app:
        ran(app)
        first = listed(database)
        assert set(first) == {"900", "901"}
        ran(app)
        assert listed(database) == first
        # Still unfit, but another; and fit.
        put(client, 900, "another nul \0")
        put(client, 901, "fit")
        ran(app)
        second = listed(database)
        assert set(second) == {"900"}
        assert second["900"] != first["900"]
        put(client, 901, "nul \0 once more")
        ran(app)
        put(client, 901, "fit")
        ran(app)
        ran(app)
        assert set(listed(database)) == {"900"}
    client.delete(NAME, points_selector=[900])
    assert differing(database, client) == []


def test_a_dead_point_that_was_only_for_a_while_what_it_is_now_is_found(
    database: str, server: QdrantServer, client: QdrantClient
) -> None:
    """What counts is the point that was refused, and no other that it was before."""
    put(client, 900, "fit")
    with contextlib.closing(copy_app(server.url)) as app:
        ran(app)
        put(client, 900, "nul \0")
        ran(app)
        assert set(listed(database)) == {"900"}
        put(client, 900, "fit")
        ran(app)
        assert listed(database) == {}
    assert differing(database, client) == []


def test_retry_tries_what_has_not_changed(database: str, server: QdrantServer, client: QdrantClient) -> None:
    put(client, 900, "nul \0")
    with contextlib.closing(copy_app(server.url)) as app:
        ran(app)
        first = listed(database)
        assert app.retry() == 1
        ran(app)
        assert listed(database)["900"] != first["900"]


def test_a_ledger_without_traces_gets_them(database: str, server: QdrantServer, client: QdrantClient) -> None:
    put(client, 900, "nul \0")
    with contextlib.closing(copy_app(server.url)) as app:
        ran(app)
    with psycopg.connect(database, autocommit=True) as connection:
        connection.execute("DROP TABLE limosa.trace")
    first = listed(database)
    with contextlib.closing(copy_app(server.url)) as app:
        ran(app)
        second = listed(database)
        assert second["900"] != first["900"]
        ran(app)
        assert listed(database) == second


def test_a_point_without_a_text_is_skipped_once(database: str, server: QdrantServer, client: QdrantClient) -> None:
    with contextlib.closing(embedding_app(server.url)) as app:
        ran(app)
        first = listed(database)
        assert first
        ran(app)
        assert listed(database) == first
        put(client, int(next(key for key in first if key.isdigit())), "a text at last")
        ran(app)
        assert len(listed(database)) == len(first) - 1


def test_it_is_the_same_where_the_ledger_is_a_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)

    def write(vector: list[float] | None) -> None:
        points = [{"id": "1", "vector": [1.0] * 8}, {"id": "2", "vector": vector}]
        (tmp_path / "points.jsonl").write_text("".join(json.dumps(each) + "\n" for each in points), encoding="utf-8")

    def when() -> list[tuple[str, float]]:
        with contextlib.closing(sqlite3.connect(tmp_path / ".limosa" / "ledgers" / "dead.sqlite")) as connection:
            return connection.execute("SELECT key, changed FROM limosa_exception").fetchall()

    write(None)
    source, target = (
        {"store": store, "collection": "points"} for store in (f"jsonl://{tmp_path}", f"chroma+local://{tmp_path}/new")
    )
    with contextlib.closing(open_app({"name": "dead", "source": source, "target": target})) as app:
        ran(app)
        first = when()
        assert [key for key, _ in first] == ['["2"]']
        ran(app)
        assert when() == first
        write([2.0] * 8)
        ran(app)
        assert when() == []
