"""The index is built once: a build that outlives its client is adopted, one that died is begun anew."""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import psycopg
import pytest

from limosa import flow
from limosa.app import App, open_app
from limosa.errors import Refused
from limosa.steps.backfill import backfill
from limosa.steps.expand import expand
from tests.crash.world import World, make_table, start_driver, until
from tests.journey.world import asked
from tests.providers.openai_server import OpenAIServer

INDEX = "docs_embedding_limosa_idx"
BUILDS = "SELECT pid FROM pg_stat_progress_create_index"
STANDS = f"SELECT i.indexrelid, i.indisvalid FROM pg_index AS i WHERE i.indexrelid = to_regclass('{INDEX}')"
WAITING = "SELECT pid FROM pg_stat_activity WHERE query LIKE 'SELECT EXISTS (SELECT FROM pg_stat_progress%'"


@pytest.fixture
def world(database: str, tmp_path: Path, openai_server: OpenAIServer, monkeypatch: pytest.MonkeyPatch) -> World:
    """Every row is filled, and the index not begun."""
    monkeypatch.setenv("LIMOSA_CRASH_URL", database)
    world = make_table(database, tmp_path, provider_url=openai_server.base_url)
    app = _app(world)
    flow.begin(app.voyage, app.plan())
    expand(app.voyage)
    backfill(app.voyage)
    app.close()
    return world


def _app(world: World) -> App:
    return open_app(json.loads(world.job.read_text()))


@contextmanager
def _killed(world: World) -> Iterator[object]:
    """A run was killed while the server builds: the build waits for whoever writes to the table, here for the block."""
    with psycopg.connect(world.url) as other:
        other.execute("UPDATE docs SET note = 'held' WHERE id = 1")
        process = start_driver(world, "run", url=world.url)
        until(lambda: asked(world.url, BUILDS) != [])
        process.kill()
        process.join(60)
        [(oid, valid)] = asked(world.url, STANDS)
        assert not valid
        yield oid


def test_a_build_that_outlives_its_client_is_adopted(world: World) -> None:
    app = _app(world)
    with _killed(world) as oid:
        again = threading.Thread(target=app.run)
        again.start()
        until(lambda: asked(world.url, WAITING) != [])
        assert len(asked(world.url, BUILDS)) == 1
    again.join(60)
    assert asked(world.url, STANDS) == [(oid, True)]
    assert app.voyage.record().step == "verify"
    app.close()


def test_a_build_that_died_is_begun_anew(world: World) -> None:
    with _killed(world) as oid:
        asked(world.url, f"SELECT pg_terminate_backend(pid) FROM ({BUILDS}) AS b")
        until(lambda: asked(world.url, BUILDS) == [])
    assert asked(world.url, STANDS) == [(oid, False)]
    app = _app(world)
    app.run()
    app.close()
    [(made, valid)] = asked(world.url, STANDS)
    assert (made != oid, valid) == (True, True)


@pytest.mark.parametrize("unique", ["", "UNIQUE"])
def test_an_index_of_somebody_else_is_never_touched(world: World, unique: str) -> None:
    """Not one that stands, and not one that a failed build left, whatever it is called."""
    with psycopg.connect(world.url, autocommit=True) as connection:
        try:
            connection.execute(f"CREATE {unique} INDEX CONCURRENTLY {INDEX} ON docs (note)".encode())
        except psycopg.errors.UniqueViolation:
            assert unique
    theirs = asked(world.url, STANDS)
    assert theirs[0][1] == (not unique)
    app = _app(world)
    # Not at the second try either, when the ledger knows of the first, and not by a rollback.
    for _ in range(2):
        with pytest.raises(Refused, match="limosa did not make it"):
            app.run()
        assert asked(world.url, STANDS) == theirs
    app.rollback()
    assert asked(world.url, STANDS) == theirs
    asked(world.url, f"ALTER INDEX {INDEX} RENAME TO theirs")
    app.run(accept=frozenset({"--accept-reconnect"}))
    app.close()
    assert asked(world.url, STANDS)[0][1]
