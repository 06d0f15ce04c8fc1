"""Forward, check, back, check "as before", from after every step, with and without a writer."""

from __future__ import annotations

import time

import psycopg
import pytest

from limosa.app import App
from tests.crash.world import dump, fill_table
from tests.journey.world import LAYOUTS, NEW, OLD, STEPS, Writer, docs_app, forward, stale_rows
from tests.providers.openai_server import Fault, OpenAIServer


@pytest.fixture(params=list(LAYOUTS))
def layout(request: pytest.FixtureRequest) -> str:
    return str(request.param)


@pytest.fixture
def app(database: str, openai_server: OpenAIServer, monkeypatch: pytest.MonkeyPatch, layout: str) -> App:
    monkeypatch.setenv("LIMOSA_TEST_URL", database)
    return docs_app(openai_server.base_url, layout=layout)


@pytest.mark.parametrize("last", list(STEPS))
def test_rollback_from_after_each_step_leaves_an_equal_dump(database: str, app: App, layout: str, last: str) -> None:
    fill_table(database, rows=120)
    before = dump(database)
    forward(app, last)
    assert dump(database) != before
    app.rollback()
    assert dump(database) == before
    # And forward again, as if nothing had been.
    forward(app, "cutover")
    assert not stale_rows(database, "embedding", model=NEW[0], d=NEW[1], table=LAYOUTS[layout])
    app.finish()
    app.close()


@pytest.mark.parametrize("last", list(STEPS))
def test_rollback_beside_a_writer_keeps_what_it_wrote(database: str, app: App, layout: str, last: str) -> None:
    fill_table(database, rows=120)
    schema = dump(database).split("\n(", 1)[0]
    parked = "embedding_limosa_old" if layout == "column" else "embedding"
    with Writer(database) as writer:
        forward(app, last)
        _wait_for(writer, 20)
        with psycopg.connect(database) as connection:
            watched = connection.execute(
                f"SELECT id, title, body, note, {parked if last == 'cutover' else 'embedding'}::text"
                f" FROM {_with_old_vectors(app, layout)}".encode()
            ).fetchall()
        left = app.rollback()
        _wait_for(writer, 10)
    assert not writer.errors
    assert dump(database).split("\n(", 1)[0] == schema
    assert not left or {why for _, why in left} <= {"the text is NULL", "the text is blank"}
    with psycopg.connect(database) as connection:
        now = {row[0]: row for row in connection.execute("SELECT id, title, body, note, embedding::text FROM docs")}
    # Rows whose text did not change keep their old vector bit for bit; saved ones may have been outrun before that.
    stale = stale_rows(database, "embedding", model=OLD[0], d=OLD[1])
    for key, title, body, _, vector in watched:
        if last != "cutover" and key in now and now[key][1:3] == (title, body) and vector is not None:
            assert now[key][4] == vector or (layout == "in_place" and (str(key),) not in stale)
    app.close()


def _with_old_vectors(app: App, layout: str) -> str:
    if layout != "in_place":
        return "docs"
    saved = f"limosa.saved_{app.migration.id}"
    return f"(SELECT d.id, title, body, note, o.embedding FROM docs AS d LEFT JOIN {saved} AS o USING (id)) AS d"


def test_rows_that_changed_after_the_switch_get_old_vectors_again(database: str, app: App) -> None:
    fill_table(database, rows=120)
    forward(app, "cutover")
    with Writer(database) as writer:
        _wait_for(writer, 40)
        left = app.rollback()
        _wait_for(writer, 5)
    assert not writer.errors
    assert {why for _, why in left} <= {"the text is NULL", "the text is blank"}
    # Every text but those that changed after the way back has the old model's vector of itself.
    assert len(stale_rows(database, "embedding", model=OLD[0], d=OLD[1])) <= writer.count - 40
    with psycopg.connect(database) as connection:
        found = connection.execute(
            "SELECT count(*) FROM docs WHERE embedding IS NOT NULL AND body LIKE 'edited%'"
        ).fetchone()
    assert found is not None
    assert found[0] > 5
    app.close()


def test_an_old_model_that_no_longer_answers_leaves_null_and_says_which(
    database: str, openai_server: OpenAIServer, app: App
) -> None:
    fill_table(database, rows=60)
    forward(app, "cutover")
    with psycopg.connect(database, autocommit=True) as connection:
        connection.execute("UPDATE docs SET body = 'another text' WHERE id IN (3, 4)")
    openai_server.fail_always(Fault(status=404))
    left = dict(app.rollback())
    assert sorted(left) == [("3",), ("4",)]
    assert all("no longer answers" in why for why in left.values())
    with psycopg.connect(database) as connection:
        empty = connection.execute("SELECT id FROM docs WHERE embedding IS NULL ORDER BY id").fetchall()
    assert empty == [(3,), (4,)]
    app.close()


def _wait_for(writer: Writer, changes: int) -> None:
    wanted = writer.count + changes
    while writer.count < wanted and not writer.errors:
        time.sleep(0.01)
