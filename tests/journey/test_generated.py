"""Texts that the database generates: a vector goes when its text does, and nothing that goes is forgotten."""

from __future__ import annotations

from collections.abc import Iterator

import psycopg
import pytest

from limosa.app import App
from tests.crash.world import fill_table
from tests.journey.world import LAYOUTS, NEW, docs_app, stale_rows
from tests.providers.openai_server import OpenAIServer

GENERATED = (
    "ALTER TABLE docs RENAME body TO raw; ALTER TABLE docs ADD body text GENERATED ALWAYS AS (lower(raw)) STORED"
)


@pytest.fixture(params=list(LAYOUTS))
def app(
    database: str, openai_server: OpenAIServer, monkeypatch: pytest.MonkeyPatch, request: pytest.FixtureRequest
) -> Iterator[App]:
    monkeypatch.setenv("LIMOSA_TEST_URL", database)
    fill_table(database, rows=40)
    with psycopg.connect(database, autocommit=True) as connection:
        connection.execute(GENERATED)
    app = docs_app(openai_server.base_url, layout=str(request.param))
    yield app
    app.close()


def test_a_generated_text_keeps_and_loses_its_vector_as_it_should(database: str, app: App) -> None:
    app.run(accept=frozenset({"--yes", "--accept-downtime", "--accept-reconnect"}))
    app.cutover()
    table = LAYOUTS[app.migration.layout]
    with psycopg.connect(database, autocommit=True) as connection:

        def held() -> list[int]:
            sql = f"SELECT id FROM {table} WHERE embedding IS NOT NULL AND id IN (3, 4, 6) ORDER BY id"
            return [key for (key,) in connection.execute(sql.encode())]

        connection.execute("UPDATE docs SET note = 'another' WHERE id = 3")
        assert held() == [3, 4, 6]
        # The text is the same all the same, and if its vector goes, somebody has to know.
        connection.execute("UPDATE docs SET raw = upper(raw) WHERE id = 4")
        connection.execute("UPDATE docs SET raw = 'another' WHERE id = 6")
        assert 3 in held()
        assert 6 not in held()
    app.run()
    assert not stale_rows(database, "embedding", model=NEW[0], d=NEW[1], table=table)
