"""A migration that is paused from another terminal: who waits, what is kept, and how it goes on."""

from __future__ import annotations

import json
import signal
import sqlite3
import subprocess
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from pathlib import Path

import psycopg
import pytest

from limosa.app import App, open_app
from limosa.errors import Refused
from limosa.model.wish import Settings
from limosa.steps.status import status
from tests.crash.world import fill_table
from tests.journey.split_world import job_of, make_table, split_app
from tests.journey.split_world import stale_rows as stale_split_rows
from tests.journey.test_cli import JOB, ROWS, Cli, make_many_more, make_questions
from tests.journey.world import docs_app
from tests.providers.openai_server import OpenAIServer

WAITS = "No further batch is begun: paused: nightly backup"
ACCEPT = frozenset({"--yes"})


@pytest.fixture
def cli(database: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Cli:
    """A table of questions with old vectors, and a limosa.toml."""
    (tmp_path / "limosa.toml").write_text(JOB, encoding="utf-8")
    make_questions(database, ROWS)
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("LIMOSA_TEST_URL", database)
    return Cli(database)


def test_a_run_is_paused_and_goes_on_from_another_terminal(cli: Cli) -> None:
    make_many_more(cli.url)
    with cli.beside("run", "--yes", "--batch-rows", "1") as process:
        until(lambda: number(cli.url, "SELECT sum(done) FROM limosa.chunk") > 0)
        assert "Paused." in cli("pause", "--why", "nightly\nbackup")
        read_until(process, WAITS)
        done = settled(lambda: number(cli.url, "SELECT sum(done) FROM limosa.chunk"))
        with psycopg.connect(cli.url, autocommit=True) as application:
            application.execute("UPDATE questions SET body = 'edited while it was paused' WHERE id = 1")
            application.execute("DELETE FROM questions WHERE id = 2")
            application.execute("INSERT INTO questions (id, title) VALUES (-5, 'born while it was paused')")
        found = cli.facts("status")
        assert (found["state"], found["tally"]["done"], found["tally"]["changes"]) == ("running", done, 3)
        assert found["paused"]["why"] == "nightly backup"
        said = cli("status")
        assert "running, paused" in said
        assert "nightly backup, since 20" in said
        assert "limosa resume limosa.toml goes on" in said
        with cli.beside("status", "--watch", "--json") as watch:
            assert watch.stdout is not None
            assert json.loads(watch.stdout.readline())["paused"]["why"] == "nightly backup"
        # The heartbeat goes on: leases end later and later, and no row comes to what is done.
        lease = "SELECT extract(epoch FROM max(lease_until)) FROM limosa.chunk"
        now = number(cli.url, lease)
        until(lambda: number(cli.url, lease) > now)
        assert number(cli.url, "SELECT sum(done) FROM limosa.chunk") == done
        assert number(cli.url, "SELECT count(*) FROM limosa.change") == 3
        process.send_signal(signal.SIGINT)
        assert process.wait(60) == 3

    with cli.beside("run") as process:
        read_until(process, WAITS)
        assert number(cli.url, "SELECT sum(done) FROM limosa.chunk") == done
        assert "Resumed." in cli("resume")
        out, err = process.communicate(timeout=120)
        assert process.returncode == 0, out + err
    assert "Batches are begun again" in out
    assert "not paused" in cli("resume")
    found = cli.facts("status")
    assert (found["state"], found["paused"], found["tally"]["changes"]) == ("verified", None, 0)
    assert number(cli.url, "SELECT count(*) FROM questions WHERE id IN (1, -5) AND embedding_limosa IS NOT NULL") == 2


def test_only_what_is_under_way_can_be_paused(cli: Cli) -> None:
    for command in (["pause"], ["resume"], ["set", "lane=batch"]):
        assert "has not begun" in cli(*command, code=2)
    cli("run", "--yes")
    cli("pause")
    cli("rollback", "--yes")
    assert "limosa run limosa.toml begins" in cli("pause", code=2)
    assert cli.facts("run", "--yes")["tally"]["dead"] == 0
    cli("cutover", "--yes")
    cli("finish", "--now", "--yes")
    assert "is finished" in cli("pause", code=2)


def test_what_is_set_is_shown_and_taken_back(cli: Cli) -> None:
    cli("run", "--yes")
    assert "budget_usd          5.0" in cli("set", "limosa.toml", "budget_usd=5", "lane=batch")
    assert cli.facts("status")["settings"] == {"budget_usd": 5.0, "lane": "batch"}
    assert "set       budget_usd = 5.0, lane = batch" in cli("status")
    # The file may be left out.
    assert "Nothing is set any more" in cli("set", "budget_usd=default", "lane=default")
    assert "Did you mean budget_usd?" in cli("set", "budget=5", code=2)
    assert "limosa.toml" not in cli("set", "lane=batch", "nowhere.toml", code=2)
    for wrong in ([], ["limosa.toml"], ["limosa.toml", "lane"]):
        assert "NAME=VALUE" in cli("set", *wrong, code=2)


def test_a_budget_that_was_set_goes_before_the_file(
    database: str, openai_server: OpenAIServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("LIMOSA_TEST_URL", database)
    fill_table(database, rows=600)
    with closing(docs_app(openai_server.base_url, budget_usd=1000)) as app:
        app.run(accept=ACCEPT, limit=1)
        app.voyage.wishes.set({"budget_usd": "0"})
        spent_usd = app.voyage.reports.tally().cost_usd
        with pytest.raises(Refused, match=r"budget of \$0.00(.|\n)*limosa set FILE"):
            app.run()
        assert app.voyage.reports.tally().cost_usd == spent_usd
        app.voyage.wishes.set({"budget_usd": "default"})
        app.run()
        assert app.voyage.record().step == "verify"


def test_a_split_waits_too(tmp_path: Path) -> None:
    path = tmp_path / "app.db"
    make_table(path)
    with closing(split_app(path)) as app, closing(split_app(path)) as other:
        app.run(accept=ACCEPT, limit=1)
        other.voyage.wishes.pause("nightly backup")
        before = other.voyage.reports.tally().done
        with running(app) as (told, ended):
            until(lambda: WAITS in told)
            assert not ended.is_set()
            assert other.voyage.reports.tally().done == before
            other.voyage.wishes.resume()
            assert ended.wait(60)
        assert other.voyage.reports.tally().chunks_open == 0
    assert not stale_split_rows(path)


def test_settings_reach_a_run_that_is_under_way(tmp_path: Path) -> None:
    path = tmp_path / "app.db"
    make_table(path)
    with closing(split_app(path)) as app, closing(split_app(path)) as other:
        app.run(accept=ACCEPT, limit=1)
        other.voyage.wishes.pause()
        heard: Settings = {}
        with running(app) as (told, ended):
            until(lambda: any("No further batch" in line for line in told))
            other.voyage.wishes.set({"lane": "batch", "tokens_per_minute": "7"})
            until(lambda: "Set: lane = batch, tokens_per_minute = 7" in told)
            heard = app.voyage.settings
            other.voyage.wishes.resume()
            assert ended.wait(60)
        assert heard == {"lane": "batch", "tokens_per_minute": 7}


def test_a_run_waits_while_a_file_is_there(
    database: str, openai_server: OpenAIServer, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("LIMOSA_TEST_URL", database)
    fill_table(database, rows=60)
    flag = tmp_path / "stop"
    flag.touch()
    with closing(docs_app(openai_server.base_url, pause_file=str(flag))) as app:
        # A run that begins so makes nothing but the ledger.
        with running(app) as (told, ended):
            until(lambda: f"No further batch is begun: the file {flag} is there" in told)
            assert number(database, "SELECT count(*) FROM limosa.operation") == 0
            assert status(app.voyage).waiting == f"the file {flag} is there"
            flag.unlink()
            assert ended.wait(60)
        assert status(app.voyage).state == "verified"


@pytest.mark.parametrize("store", ["postgres", "sqlite"])
def test_a_run_waits_while_a_query_answers_true(
    store: str, request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    sql = "SELECT is_so FROM busy"
    path = tmp_path / "app.db"
    if store == "postgres":
        url: str = request.getfixturevalue("database")
        server: OpenAIServer = request.getfixturevalue("openai_server")
        monkeypatch.setenv("LIMOSA_TEST_URL", url)
        fill_table(url, rows=60)
        app = docs_app(server.base_url, wait_while=sql)
    else:
        make_table(path)
        job = job_of(f"sqlite://{path}")
        app = open_app({**job, "backfill": {"batch_rows": 16, "wait_while": sql}})

    def write(statement: str) -> None:
        if store == "postgres":
            with psycopg.connect(url, autocommit=True) as connection:
                connection.execute(statement.encode())
        else:
            with closing(sqlite3.connect(path, isolation_level=None)) as file:
                file.execute(statement)

    with closing(app), running(app) as (told, ended):
        until(lambda: any("No further batch is begun: wait_while fails: " in line for line in told))
        # One after another, each for long enough that it is seen: a failure is told once, and is a reason to wait.
        write("CREATE TABLE busy (is_so boolean)")
        until(lambda: "Batches are begun again." in told)
        assert ended.wait(60)
        write("INSERT INTO busy VALUES (true)")
        assert app.voyage.store.strain(app.migration.backfill.limits) == "wait_while answers true"
        assert sum("wait_while fails" in line for line in told) == 1


@contextmanager
def running(app: App) -> Iterator[tuple[list[str], threading.Event]]:
    """A run in a thread while the block runs: what it says, and whether it has ended."""
    told: list[str] = []
    ended = threading.Event()
    app.voyage.say = told.append

    def run() -> None:
        app.run(accept=ACCEPT)
        ended.set()

    worker = threading.Thread(target=run, daemon=True)
    worker.start()
    try:
        yield told, ended
    finally:
        app.voyage.stop.set()
        worker.join(60)


def until(holds: Callable[[], bool]) -> None:
    """Waits until something holds."""
    deadline_s = time.monotonic() + 60
    while not holds():
        if time.monotonic() > deadline_s:
            pytest.fail("it did not come to hold")
        time.sleep(0.05)


def settled(value: Callable[[], float]) -> float:
    """A number once it has stood still for two seconds."""
    seen = [value()]
    while len(seen) < 20 or len(set(seen[-20:])) > 1:
        time.sleep(0.1)
        seen.append(value())
    return seen[-1]


def number(url: str, sql: str) -> float:
    """What a query answers; 0 where it answers nothing, or the ledger is not there yet."""
    with psycopg.connect(url, autocommit=True) as connection:
        try:
            found = connection.execute(sql.encode()).fetchone()
        except psycopg.errors.UndefinedTable:
            return 0
    return float(found[0] or 0) if found is not None else 0


def read_until(process: subprocess.Popen[str], line: str) -> None:
    """Reads what a run says until a line comes by."""
    assert process.stdout is not None
    for said in process.stdout:
        if line in said:
            return
    pytest.fail(f"the run ended without saying {line!r}")
