"""Real runs pay for each text once: with duplicates, after a kill, on the way back and again, and to the budget."""

from __future__ import annotations

import json
import threading
from collections.abc import Callable, Iterator
from pathlib import Path

import psycopg
import pytest

from limosa.app import App
from limosa.errors import Refused
from tests.crash.world import World, fill_table, start_driver
from tests.journey.world import NEW, OLD, USD_PER_MILLION, docs_app, stale_rows
from tests.providers.openai_server import OpenAIServer
from tests.providers.server import ProviderServer
from tests.providers.vectors import tokens_of, vector_of

Server = Callable[..., ProviderServer]

ACCEPT = frozenset({"--accept-reconnect"})
ROWS = 800
DISTINCT = 400


@pytest.fixture
def docs(database: str, monkeypatch: pytest.MonkeyPatch) -> str:
    """Every text stands in two rows."""
    monkeypatch.setenv("LIMOSA_TEST_URL", database)
    fill(database)
    return database


def fill(url: str, *, shift: int = 0) -> None:
    """``docs`` with ``DISTINCT`` texts, each in two rows, and the old model's vectors of them."""
    fill_table(url, rows=ROWS)
    with psycopg.connect(url, autocommit=True) as connection:
        connection.execute(f"UPDATE docs SET title = NULL, body = 'text number ' || (id + {shift}) % {DISTINCT}")
        write_old(connection)


def write_old(connection: psycopg.Connection[tuple[object, ...]]) -> None:
    rows = connection.execute("SELECT id, body FROM docs").fetchall()
    vectors = [(vector_of(str(body), model=OLD[0], d=OLD[1]).tolist(), key) for key, body in rows]
    with connection.transaction(), connection.cursor() as cursor:
        cursor.executemany("UPDATE docs SET embedding = %s::real[]::vector WHERE id = %s", vectors)


@pytest.fixture
def other_database(database: str) -> Iterator[str]:
    name = psycopg.conninfo.conninfo_to_dict(database)["dbname"]
    other = database.replace(f"/{name}", f"/{name}_other")
    assert other != database
    with psycopg.connect(database, autocommit=True) as connection:
        connection.execute(f"CREATE DATABASE {name}_other")
    with psycopg.connect(other, autocommit=True) as connection:
        connection.execute("CREATE EXTENSION vector")
    yield other
    with psycopg.connect(database, autocommit=True) as connection:
        connection.execute(f"DROP DATABASE {name}_other WITH (FORCE)")


@pytest.fixture
def app(docs: str, openai_server: OpenAIServer) -> Iterator[App]:
    app = docs_app(openai_server.base_url)
    yield app
    app.close()


def texts(url: str) -> set[str]:
    with psycopg.connect(url) as connection:
        return {str(body) for (body,) in connection.execute("SELECT DISTINCT body FROM docs").fetchall()}


def asked(server: OpenAIServer, verb: Callable[[], object]) -> int:
    """How many texts the server embeds meanwhile."""
    before = server.paid.total()
    verb()
    return server.paid.total() - before


def test_each_text_is_embedded_once_and_the_ledger_is_the_bill(
    docs: str, app: App, openai_server: OpenAIServer
) -> None:
    wanted = texts(docs)
    # An embedder's first request may find out more than it was asked for.
    app.plan()
    # Plan and proofs ask on purpose; a run makes a plan of its own first.
    planned = asked(openai_server, app.plan)
    ran = asked(openai_server, lambda: app.run(accept=ACCEPT))
    proved = asked(openai_server, app.verify)
    assert ran - planned - proved == len(wanted) == DISTINCT
    tally = app.voyage.reports.tally()
    assert tally.done == ROWS
    assert tally.tokens == sum(map(tokens_of, wanted))
    assert tally.cost_usd == pytest.approx(tally.tokens * USD_PER_MILLION / 1e6)
    assert not stale_rows(docs, "embedding_limosa", model=NEW[0], d=NEW[1])


def test_the_proof_asks_the_provider_and_not_what_is_kept(docs: str, app: App, openai_server: OpenAIServer) -> None:
    app.run(accept=ACCEPT)
    before = openai_server.answered
    app.verify()
    assert openai_server.answered > before


def test_going_back_and_forward_again_asks_for_no_document(docs: str, app: App, openai_server: OpenAIServer) -> None:
    app.run(accept=ACCEPT)
    assert app.voyage.reports.tally().tokens > 0
    app.rollback()
    planned = asked(openai_server, app.plan)
    ran = asked(openai_server, lambda: app.run(accept=ACCEPT))
    proved = asked(openai_server, app.verify)
    tally = app.voyage.reports.tally()
    assert ran - planned - proved == 0
    assert (tally.done, tally.tokens, tally.cost_usd) == (ROWS, 0, 0.0)
    assert not stale_rows(docs, "embedding_limosa", model=NEW[0], d=NEW[1])


def test_another_table_of_the_same_texts_costs_nothing(
    docs: str, app: App, openai_server: OpenAIServer, other_database: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    app.run(accept=ACCEPT)
    monkeypatch.setenv("LIMOSA_TEST_URL", other_database)
    fill(other_database, shift=7)
    other = docs_app(openai_server.base_url)
    other.run(accept=ACCEPT)
    tally = other.voyage.reports.tally()
    other.close()
    assert (tally.done, tally.tokens, tally.cost_usd) == (ROWS, 0, 0.0)
    assert not stale_rows(other_database, "embedding_limosa", model=NEW[0], d=NEW[1])


@pytest.mark.parametrize("at", [3, 9, 15])
def test_a_killed_run_pays_again_only_for_what_was_under_way(
    docs: str, tmp_path: Path, openai_server: OpenAIServer, at: int
) -> None:
    def space(model: str, d: int) -> dict[str, object]:
        return {"provider": "openai", "model": model, "dimensions": d, "base_url": openai_server.base_url,
                "usd_per_million_tokens": USD_PER_MILLION}  # fmt: skip

    job = {
        "name": "lane",
        "source": {"store": "env:LIMOSA_CRASH_URL", "table": "docs", "key": "id", "text": ["body"],
                   "vector": "embedding", "space": space("old", 6)},
        "target": {"space": space("new", 8), "match": {"function": "match_docs", "returns": ["id"]}},
        "backfill": {"batch_rows": 16},
    }  # fmt: skip
    world = World(tmp_path / "job.json", docs)
    world.job.write_text(json.dumps(job))
    process = start_driver(world, "run", url=docs)
    while openai_server.answered < 4:
        threading.Event().wait(0.002)
    openai_server.paid.clear()
    start = openai_server.answered
    while openai_server.answered < start + at and process.is_alive():
        threading.Event().wait(0.001)
    process.kill()
    process.join(60)
    under_way = 8 * 16
    again = start_driver(world, "run", url=docs)
    again.join(120)
    assert again.exitcode == 0, world.output.read_text()
    twice = sum(times - 1 for times in openai_server.paid.values())
    # The proof's canary takes eight, and a plan that had not begun asks again.
    assert twice <= under_way + 8 + 48
    with psycopg.connect(docs) as connection:
        tokens = connection.execute("SELECT sum(tokens) FROM limosa.chunk").fetchone()
    assert tokens is not None
    paid = sum(tokens_of(text) for text in texts(docs))
    # Nothing that was received is lost to the ledger; what was told twice is at most a batch of each worker.
    assert paid - 8 * 16 * 4 <= int(tokens[0]) <= paid + under_way * 4
    assert not stale_rows(docs, "embedding_limosa", model=NEW[0], d=NEW[1])


@pytest.mark.parametrize("oversize", ["refuse", "skip", "truncate", "pool"])
def test_long_texts_become_what_the_file_says(docs: str, openai_server: OpenAIServer, oversize: str) -> None:
    openai_server.longest = 8191
    long = "A sentence of some words. " * 3000
    with psycopg.connect(docs, autocommit=True) as connection:
        connection.execute("UPDATE docs SET body = %s WHERE id IN (5, 77)", (long,))
        write_old(connection)
    app = docs_app(openai_server.base_url, oversize=oversize)
    app.run(accept=ACCEPT)
    tally, listed, marks = app.voyage.reports.tally(), app.voyage.reports.exceptions(), app.voyage.reports.marks()
    app.close()
    assert tally.done == (ROWS if oversize in {"truncate", "pool"} else ROWS - 2)
    if oversize in {"refuse", "skip"}:
        kind = "dead" if oversize == "refuse" else "skipped"
        assert [(each.kind, each.count) for each in listed] == [(kind, 2)]
        assert listed[0].reason.startswith("too long: ")
    mark = {"truncate": "truncated", "pool": "pooled"}.get(oversize)
    assert [(each.reason, each.count) for each in marks] == ([(mark, 2)] if mark else [])
    assert long not in openai_server.paid


def test_the_budget_holds_and_a_larger_one_completes(docs: str, openai_server: OpenAIServer) -> None:
    whole = sum(map(tokens_of, texts(docs))) * USD_PER_MILLION / 1e6
    app = docs_app(openai_server.base_url)
    app.run(accept=ACCEPT, limit=32)
    app.close()
    spent = openai_server.tokens
    budget = whole / 2
    poor = docs_app(openai_server.base_url, budget_usd=budget)
    with pytest.raises(Refused, match="used up"):
        poor.run()
    told = poor.voyage.reports.tally().cost_usd
    poor.close()
    assert told <= budget + 1e-9
    assert (openai_server.tokens - spent) * USD_PER_MILLION / 1e6 <= budget
    rich = docs_app(openai_server.base_url, budget_usd=whole * 4)
    rich.run()
    tally = rich.voyage.reports.tally()
    rich.close()
    # What had been received when the budget ended the run is told now.
    assert tally.cost_usd == pytest.approx(whole)
    assert not stale_rows(docs, "embedding_limosa", model=NEW[0], d=NEW[1])


@pytest.mark.parametrize("wanted", ["1", None])
def test_what_people_set_bounds_the_requests_of_a_run(docs: str, provider_server: Server, wanted: str | None) -> None:
    slow = provider_server(protocol="openai", dimensions=NEW[1], answers_in_s=0.02)
    app = docs_app(slow.base_url)
    app.run(accept=ACCEPT, limit=32)
    if wanted is not None:
        app.voyage.wishes.set({"requests_in_flight": wanted})
    slow.at_once = 0
    app.run()
    assert (slow.at_once == 1) is (wanted is not None)
    app.close()
