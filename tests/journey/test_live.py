"""What happens to a run in the wild: locked rows, refused texts, company, lost connections and servers."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from pathlib import Path

import psycopg
import pytest

from limosa.app import App
from limosa.backfill.worker import Haul, settle_batch
from limosa.errors import Refused, Transient
from limosa.model.batch import Key
from limosa.model.chunk import Claim
from limosa.steps.backfill import bench_for
from limosa.stores.postgres.embedded import start
from tests.crash.proxy import Proxy
from tests.crash.test_commit_points import FORWARD
from tests.crash.world import fill_table, make_table, start_driver
from tests.journey.world import NEW, docs_app, stale_rows
from tests.providers.openai_server import Fault, OpenAIServer

ACCEPT = frozenset({"--accept-reconnect"})


@pytest.fixture
def docs(database: str, monkeypatch: pytest.MonkeyPatch) -> str:
    monkeypatch.setenv("LIMOSA_TEST_URL", database)
    fill_table(database, rows=600)
    return database


@pytest.fixture
def app(docs: str, openai_server: OpenAIServer) -> Iterator[App]:
    app = docs_app(openai_server.base_url)
    yield app
    app.close()


def test_a_locked_row_is_not_waited_for_and_not_lost(docs: str, app: App) -> None:
    app.run(accept=ACCEPT, limit=1)
    with psycopg.connect(docs) as other:
        locked = other.execute(
            "SELECT id FROM docs WHERE embedding_limosa IS NULL AND title IS NOT NULL LIMIT 2 FOR UPDATE"
        ).fetchall()
        assert len(locked) == 2
        # Everything else is filled while the lock is held; the two rows wait in the change table.
        worker = threading.Thread(target=app.run, daemon=True)
        worker.start()
        with psycopg.connect(docs, autocommit=True) as look:
            for _ in range(3000):
                filled = look.execute(
                    "SELECT count(*) FROM docs WHERE embedding_limosa IS NULL AND title IS NOT NULL"
                ).fetchone()
                if filled == (2,):
                    break
                threading.Event().wait(0.01)
            else:
                pytest.fail("the other rows were not filled while two were locked")
        other.rollback()
    worker.join(60)
    assert not worker.is_alive()
    app.close()
    assert not stale_rows(docs, "embedding_limosa", model=NEW[0], d=NEW[1])


def test_a_row_that_got_its_text_meanwhile_is_not_listed_as_skipped(docs: str, app: App) -> None:
    app.run(accept=ACCEPT, limit=1)
    ledger = app.voyage.ledger()
    claims: list[Claim] = []
    blank: Key | None = None
    while blank is None:
        # The first chunks are read to their end already.
        claim = ledger.claim()
        assert claim is not None
        assert claim.upper is not None
        claims.append(claim)
        ends = app.voyage.store.ends(claim.epoch)
        rows = ends.source.read(claim.cursor, claim.upper, limit=32)
        blank = next((row.key for row in rows if row.text is None), None)
    with psycopg.connect(docs, autocommit=True) as connection:
        connection.execute("UPDATE docs SET body = 'a text after all' WHERE id = %s", (int(blank[0]),))
    settle_batch(bench_for(app.voyage, ledger), claims[-1], ends, Haul(rows=rows, cursor=rows[-1].key))
    with psycopg.connect(docs) as connection:
        listed = {tuple(key) for (key,) in connection.execute("SELECT key FROM limosa.exception").fetchall()}
    ledger.release(claims)
    app.run()
    assert listed
    assert blank not in listed
    assert not stale_rows(docs, "embedding_limosa", model=NEW[0], d=NEW[1])


def test_a_refused_text_becomes_a_dead_letter_and_retry_brings_it_back(
    docs: str, app: App, openai_server: OpenAIServer
) -> None:
    with psycopg.connect(docs, autocommit=True) as connection:
        connection.execute("UPDATE docs SET body = 'please refuse me' WHERE id IN (5, 77)")
    openai_server.refused = "refuse me"
    proofs = app.run(accept=ACCEPT).proofs
    assert next(proof for proof in proofs if proof.name == "conservation").evidence["dead"] == 2
    letters = list(app.voyage.letters.each(kind="dead"))
    assert [letter.key for letter in letters] == [("5",), ("77",)]
    assert all(letter.reason for letter in letters)
    openai_server.refused = "nothing that is said"
    assert app.retry() == 2
    app.run()
    assert not list(app.voyage.letters.each(kind="dead"))
    app.close()
    assert not stale_rows(docs, "embedding_limosa", model=NEW[0], d=NEW[1])


@pytest.mark.parametrize("how", ["fewer", "size"])
def test_a_provider_that_breaks_its_word_is_refused_and_nobody_is_marked_dead(
    docs: str, app: App, openai_server: OpenAIServer, how: str
) -> None:
    app.run(accept=ACCEPT, limit=32)
    openai_server.fail_always(Fault(how=how))  # type: ignore[arg-type]
    with pytest.raises(Refused):
        app.run()
    assert not list(app.voyage.letters.each(kind="dead"))
    openai_server.fail_always(None)
    app.run()
    app.close()
    assert not stale_rows(docs, "embedding_limosa", model=NEW[0], d=NEW[1])


def test_a_spoiled_vector_is_a_dead_letter_with_its_reason(docs: str, app: App, openai_server: OpenAIServer) -> None:
    app.run(accept=ACCEPT, limit=32)
    openai_server.fail(Fault(how="nan"))
    app.run()
    reasons = {letter.reason for letter in app.voyage.letters.each(kind="dead")}
    app.close()
    assert reasons == {"the provider answered NaN"}


def test_money_stops_at_the_budget_and_goes_on_with_a_larger_one(
    docs: str, app: App, openai_server: OpenAIServer
) -> None:
    app.run(accept=ACCEPT, limit=1)
    spent = app.voyage.reports.tally().cost_usd
    assert spent > 0
    # Eight requests of 32 texts may be in flight; what is left of this budget pays for fewer.
    poor = docs_app(openai_server.base_url, budget_usd=spent + 0.2)
    with pytest.raises(Refused, match="used up"):
        poor.run()
    assert poor.voyage.reports.tally().cost_usd <= spent + 0.2
    poor.close()
    assert stale_rows(docs, "embedding_limosa", model=NEW[0], d=NEW[1])
    rich = docs_app(openai_server.base_url, budget_usd=spent + 100)
    rich.run()
    rich.close()
    assert not stale_rows(docs, "embedding_limosa", model=NEW[0], d=NEW[1])


def test_several_processes_share_one_migration(tmp_path: Path, database: str, openai_server: OpenAIServer) -> None:
    world = make_table(database, tmp_path, provider_url=openai_server.base_url, rows=2000, batch_rows=16)
    first = start_driver(world, "run", url=database)
    while openai_server.requests < 12:
        threading.Event().wait(0.01)
    others = [start_driver(world, "run", url=database) for _ in range(2)]
    for process in (first, *others):
        process.join(120)
        assert process.exitcode == 0, world.output.read_text()
    with psycopg.connect(database) as connection:
        done = connection.execute("SELECT sum(done), count(DISTINCT owner) FROM limosa.chunk").fetchone()
    assert done is not None
    assert done[0] == 1800
    assert done[1] > 1
    assert not stale_rows(database, "embedding_limosa", model=NEW[0], d=NEW[1])


def test_a_server_that_goes_away_is_transient_and_the_run_goes_on(
    server_folder: Path, openai_server: OpenAIServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    server = start(server_folder)
    url = server.url()
    with psycopg.connect(url, autocommit=True) as connection:
        connection.execute("CREATE EXTENSION vector")
    monkeypatch.setenv("LIMOSA_TEST_URL", url)
    fill_table(url, rows=3000)
    app = docs_app(openai_server.base_url, batch_rows=16)
    stopping = threading.Thread(target=_stop_when_busy, args=(openai_server, server.stop), daemon=True)
    stopping.start()
    with pytest.raises(Transient):
        app.run(accept=ACCEPT)
    stopping.join(60)
    app.close()
    server = start(server_folder)
    monkeypatch.setenv("LIMOSA_TEST_URL", server.url())
    again = docs_app(openai_server.base_url, batch_rows=16)
    proofs = again.run(accept=ACCEPT).proofs
    again.close()
    assert not [proof for proof in proofs if proof.verdict == "different"]
    assert not stale_rows(server.url(), "embedding_limosa", model=NEW[0], d=NEW[1])
    server.stop()


def _stop_when_busy(provider: OpenAIServer, stop: object) -> None:
    while provider.requests < 20:
        threading.Event().wait(0.005)
    assert callable(stop)
    stop("immediate")


@pytest.mark.parametrize("after", [False, True], ids=["commit lost", "answer lost"])
def test_a_switch_whose_commit_was_not_acknowledged_says_which_it_was(
    docs: str, openai_server: OpenAIServer, monkeypatch: pytest.MonkeyPatch, after: bool
) -> None:
    info = psycopg.conninfo.conninfo_to_dict(docs)
    proxy = Proxy(str(info["host"]), int(str(info["port"])), sever=True, after=after)
    proxy.kill_at = _switches
    host, port = proxy.address
    monkeypatch.setenv("LIMOSA_TEST_URL", docs.replace(f"{info['host']}:{info['port']}", f"{host}:{port}"))
    app = docs_app(openai_server.base_url)
    app.run(accept=ACCEPT)
    if after:
        # The answer was lost, the switch was not: the catalogue says so.
        app.cutover()
    else:
        with pytest.raises(Transient):
            app.cutover()
        assert not app.voyage.record().switched
        app.cutover()
    assert proxy.killed is not None
    assert app.voyage.record().switched
    app.close()
    proxy.close()
    assert not stale_rows(docs, "embedding", model=NEW[0], d=NEW[1])


def _switches(label: str, occurrence: int) -> bool:
    return "LOCK TABLE" in label


def test_the_whole_way_works_when_driven_in_one_go(tmp_path: Path, database: str, openai_server: OpenAIServer) -> None:
    world = make_table(database, tmp_path, provider_url=openai_server.base_url)
    process = start_driver(world, FORWARD, url=database)
    process.join(60)
    assert process.exitcode == 0, world.output.read_text()
