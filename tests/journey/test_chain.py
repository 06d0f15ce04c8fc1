"""One migration after another on the same table: what the first left behind does not stand in the second's way."""

from __future__ import annotations

import psycopg
import pytest

from limosa.errors import Refused
from tests.crash.world import dump, fill_table
from tests.journey.world import NEW, docs_app, stale_rows
from tests.providers.openai_server import OpenAIServer

ACCEPT = frozenset({"--accept-reconnect"})


def test_the_next_model_follows_on_a_finished_migration(
    database: str, openai_server: OpenAIServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("LIMOSA_TEST_URL", database)
    fill_table(database, rows=60)
    first = docs_app(openai_server.base_url)
    first.run(accept=ACCEPT)
    first.cutover()
    first.finish()
    first.close()
    between = dump(database)

    # The same size as before: only the space's name tells the two apart.
    second = docs_app(openai_server.base_url, name="second", source=NEW, target=("third", NEW[1]))
    second.run(accept=ACCEPT)
    second.cutover()
    second.rollback()
    assert dump(database) == between
    second.run(accept=ACCEPT)
    with psycopg.connect(database) as connection:
        query = connection.execute("SELECT embedding_limosa::text FROM docs WHERE id = 7").fetchone()
        assert query is not None
        called = "SELECT id FROM match_docs(%s::vector, -1.0, 1"
        old = connection.execute(called + ")", query).fetchone()
        new = connection.execute(called + ", 'new')", query).fetchone()
    assert new == (7,)
    assert old is not None
    second.cutover()
    second.finish()
    second.close()
    assert not stale_rows(database, "embedding", model="third", d=NEW[1])
    with psycopg.connect(database) as connection:
        assert connection.execute("SELECT id FROM match_docs(%s::vector, -1.0, 1)", query).fetchone() == (7,)
        views = connection.execute("SELECT viewname FROM pg_views WHERE schemaname = 'limosa'").fetchall()
    assert len(views) == 1


def test_a_file_that_was_edited_while_it_is_under_way_is_refused_by_name(
    database: str, openai_server: OpenAIServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("LIMOSA_TEST_URL", database)
    fill_table(database, rows=30)
    first = docs_app(openai_server.base_url)
    first.run(accept=ACCEPT)
    first.close()
    before = dump(database)
    edited = docs_app(openai_server.base_url, target=("another", NEW[1]))
    for verb in (edited.plan, edited.run):
        with pytest.raises(Refused, match=r"journey .* already works on"):
            verb()
    edited.close()
    assert dump(database) == before
