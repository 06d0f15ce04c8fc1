"""The application beside a whole migration: no error, no empty answer, and every row right in the end."""

from __future__ import annotations

import pytest

from tests.crash.world import fill_table
from tests.journey.world import NEW, OLD, Searcher, Writer, docs_app, stale_rows
from tests.providers.openai_server import OpenAIServer

ACCEPT = frozenset({"--accept-reconnect"})


def test_the_application_sees_no_error_and_no_empty_answer(
    database: str, openai_server: OpenAIServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("LIMOSA_TEST_URL", database)
    fill_table(database, rows=600)
    app = docs_app(openai_server.base_url)
    with Writer(database) as writer, Searcher(database) as searcher:
        app.run(accept=ACCEPT)
        app.cutover()
        # Callers of the old model are still answered after the switch, those of the new one too.
        with Searcher(database, space=NEW) as renewed:
            app.run()
            while renewed.count < 20 and not renewed.errors:
                app.verify()
        searcher.space = OLD
        app.rollback()
        app.run(accept=ACCEPT)
        app.cutover()
        searcher.space = NEW
        while (before := searcher.count) is not None:
            app.run()
            if searcher.count > before:
                break
        app.finish()
        app.close()
    assert not writer.errors
    assert not searcher.errors + renewed.errors
    assert searcher.empty + renewed.empty == 0
    assert searcher.count > 100
    # What was written between the last catch-up and finish belongs to the next run of a queue, and is NULL till then.
    missing = stale_rows(database, "embedding", model=NEW[0], d=NEW[1])
    assert len(missing) < writer.count / 10
