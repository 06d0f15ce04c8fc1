"""The whole way by the command line: what it prints, how it ends, and what another terminal sees meanwhile."""

from __future__ import annotations

import json
import os
import pty
import re
import select
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import psycopg
import pytest
from typer.testing import CliRunner

from limosa.cli.main import commands
from limosa.embedders.hashing import open_embedder
from limosa.model.space import Endpoint, Space

ROWS = 400
JOB = """
name = "words"
[source]
store = "env:LIMOSA_TEST_URL"
table = "questions"
key = "id"
text = ["title", "body"]
vector = "embedding"
[source.space]
provider = "hashing"
model = "words-1"
dimensions = 16
[target.space]
provider = "hashing"
model = "words-2"
dimensions = 24
[target.match]
function = "match_questions"
returns = ["id"]
[backfill]
batch_rows = 32
"""


@dataclass
class Cli:
    """The program in a folder with a limosa.toml: in this process, or beside it where it is stopped or asks."""

    url: str

    def __call__(self, *arguments: str, code: int = 0) -> str:
        """Standard output of a call that ends with this exit code, then its standard error."""
        done = CliRunner().invoke(commands, list(arguments))
        assert done.exit_code == code, done.stdout + done.stderr
        assert "\x1b" not in done.stdout + done.stderr
        assert "A bug" not in done.stderr
        return done.stdout + done.stderr

    def facts(self, *arguments: str, code: int = 0) -> dict[str, Any]:
        """The JSON document that a call prints on standard output."""
        said = self(*arguments, "--json", code=code)
        found, _ = json.JSONDecoder().raw_decode(said)
        assert isinstance(found, dict)
        return found

    @contextmanager
    def beside(self, *arguments: str) -> Iterator[subprocess.Popen[str]]:
        """A call that goes on while the block runs; ended afterwards."""
        argv = [sys.executable, "-m", "limosa", *arguments]
        pipe = subprocess.PIPE
        with subprocess.Popen(argv, stdout=pipe, stderr=pipe, text=True) as process:
            try:
                yield process
            finally:
                process.kill()

    def answer(self, *arguments: str, reply: str) -> tuple[int, str]:
        """Exit code and output of a call on a terminal, where a person gives one answer."""
        here, there = pty.openpty()
        argv = [sys.executable, "-m", "limosa", *arguments]
        with subprocess.Popen(argv, stdin=there, stdout=there, stderr=there) as process:
            os.close(there)
            os.write(here, f"{reply}\n".encode())
            said = _read_all(here)
        os.close(here)
        return process.returncode, said


def _read_all(terminal: int) -> str:
    said = b""
    while select.select([terminal], [], [], 60)[0]:
        try:
            part = os.read(terminal, 65536)
        except OSError:  # Linux says so when the other side is closed
            break
        if not part:
            break
        said += part
    return said.decode(errors="replace")


@pytest.fixture
def cli(database: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Cli:
    """A table of questions with old vectors, and a limosa.toml."""
    (tmp_path / "limosa.toml").write_text(JOB, encoding="utf-8")
    make_questions(database, ROWS)
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("LIMOSA_TEST_URL", database)
    monkeypatch.setenv("TERM", "xterm")
    for name in ("COLUMNS", "FORCE_COLOR"):
        monkeypatch.delenv(name, raising=False)
    return Cli(database)


def make_questions(url: str, rows: int) -> None:
    embedder = open_embedder(Space(provider="hashing", model="words-1", dimensions=16), Endpoint())
    texts = [f"question {number}\n\nwhat is {number} times {number % 7}" for number in range(1, rows + 1)]
    vectors = embedder.embed(texts, "document").vectors.tolist()
    with psycopg.connect(url, autocommit=True) as connection:
        connection.execute(
            "CREATE TABLE questions (id bigint PRIMARY KEY, title text, body text, embedding vector(16))"
        )
        with connection.cursor() as cursor:
            cursor.executemany(
                "INSERT INTO questions VALUES (%s, %s, %s, %s::real[]::vector)",
                [
                    (i, *text.split("\n\n"), vector)
                    for i, (text, vector) in enumerate(zip(texts, vectors, strict=True), 1)
                ],
            )
        connection.execute("INSERT INTO questions (id, title) VALUES (0, ' ')")


def make_many_more(url: str) -> None:
    """Rows enough that a run in batches of one goes on for many seconds."""
    with psycopg.connect(url, autocommit=True) as connection:
        connection.execute(
            "INSERT INTO questions SELECT i, 'question ' || i, 'one of many' FROM generate_series(1000, 13000) AS i"
        )


def dimensions(url: str) -> int:
    """Of the vectors that the application reads."""
    with psycopg.connect(url) as connection:
        found = connection.execute("SELECT vector_dims(embedding) FROM questions WHERE id = 7").fetchone()
    assert found is not None
    return int(found[0])


def test_the_whole_way(cli: Cli) -> None:
    plan = cli.facts("plan")
    assert plan["counts"]["rows"] == ROWS + 1
    assert "expand" in cli("plan")
    assert cli.facts("run", "--dry-run")["hash"] == plan["hash"]
    assert cli.facts("status")["state"] == "not begun"

    assert "--accept-reconnect" in cli("run", code=2)
    said = cli("run", "--accept-reconnect", "--limit", "64")
    assert "ended by the limit" in said
    stopped = cli.facts("status")
    assert (stopped["state"], stopped["conservation"]["lost"]) == ("stopped", 0)
    conservation = stopped["conservation"]
    assert 64 <= conservation["done"] + conservation["skipped"] < ROWS
    assert "limosa run limosa.toml goes on" in cli("status")

    said = cli("run", "--batch-rows", "50")
    line = f"{ROWS + 1} rows = {ROWS} done + 1 skipped + 0 dead + 0 pending + 0 lost"
    assert said.splitlines()[-3].endswith(f"conservation: {line}")
    assert f"{ROWS + 1} in all, {ROWS} have their new vector, 0 to fill, 1 without" in said.splitlines()[-2]
    assert "limosa cutover" in said.splitlines()[-1]
    assert cli.facts("status")["conservation"]["line"] == line
    assert [proof["verdict"] for proof in cli.facts("verify")["proofs"]].count("different") == 0

    assert "--yes" in cli("cutover", code=2)
    assert dimensions(cli.url) == 16
    cli("cutover", "--yes")
    assert dimensions(cli.url) == 24
    assert cli.facts("status")["state"] == "switched"
    assert "already" in cli("cutover")

    assert "--yes" in cli("rollback", code=2)
    assert "Rolled back." in cli("rollback", "--yes")
    assert dimensions(cli.url) == 16
    assert cli.facts("status")["state"] == "rolled back"

    assert cli.facts("run", "--yes")["tally"]["dead"] == 0
    cli("cutover", "--yes")
    assert "soak of 7 days ends on" in cli("finish", "--yes", code=2)
    assert "limosa finish limosa.toml --now" in cli("finish", code=2)
    assert re.search(r"soak +until 20\d\d-", cli("status"))
    assert "--yes" in cli("finish", "--now", code=2)
    assert "Finished." in cli("finish", "--now", "--yes")
    assert cli.facts("status")["state"] == "finished"
    assert "finished" in cli("rollback", "--yes", code=2)
    assert dimensions(cli.url) == 24


def test_a_person_is_asked_before_the_switch(cli: Cli) -> None:
    cli("run", "--yes")
    code, said = cli.answer("cutover", reply="n")
    assert code == 2, said
    assert "[y/N]" in said
    assert "nothing was changed" in said
    assert dimensions(cli.url) == 16
    code, said = cli.answer("cutover", reply="y")
    assert code == 0, said
    assert dimensions(cli.url) == 24


def test_a_terminal_sees_a_bar(cli: Cli) -> None:
    code, said = cli.answer("run", "--yes", "--batch-rows", "4", reply="")
    assert code == 0, said
    assert "━" in said
    assert "0 lost" in said


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGKILL])
def test_a_run_is_seen_at_work_and_goes_on_after_it_was_stopped(cli: Cli, number: int) -> None:
    make_many_more(cli.url)
    with cli.beside("run", "--yes", "--batch-rows", "1") as process:
        _until_filling(cli.url)
        with cli.beside("status", "--watch", "--json") as watch:
            assert watch.stdout is not None
            looks = [json.loads(watch.stdout.readline()) for _ in range(2)]
        process.send_signal(number)
        out, err = process.communicate(timeout=60)
    assert [look["state"] for look in looks] == ["running", "running"]
    assert looks[1]["tally"]["processes"] == 1
    assert looks[1]["rate_per_s"] > 0
    assert looks[1]["conservation"]["lost"] == 0
    if number == signal.SIGKILL:
        assert process.returncode == -signal.SIGKILL
    else:
        assert process.returncode == 3, out + err
        assert "The batches in flight are finished" in out
        assert "limosa run limosa.toml goes on" in err
    now = cli.facts("status")
    assert (now["state"], now["tally"]["workers"], now["tally"]["processes"]) == ("stopped", 0, 0)
    assert now["conservation"]["pending"] > 0
    assert "nobody is working on it" in cli("status")
    cli("run")
    assert cli.facts("status")["state"] == "verified"


def _until_filling(url: str) -> None:
    deadline_s = time.monotonic() + 60
    with psycopg.connect(url, autocommit=True) as connection:
        while time.monotonic() < deadline_s:
            made = connection.execute("SELECT to_regclass('limosa.chunk') IS NOT NULL").fetchone()
            if made == (True,):
                found = connection.execute("SELECT coalesce(sum(done), 0) FROM limosa.chunk").fetchone()
                if found is not None and found[0]:
                    return
            time.sleep(0.01)
    pytest.fail("the run filled nothing")


def test_dead_rows_are_listed_and_queued_again(cli: Cli) -> None:
    cli("run", "--yes")
    assert "skipped   1: the text is blank (key 0)" in cli("status", "--failed")
    assert "No row is dead" in cli("retry")
    with psycopg.connect(cli.url, autocommit=True) as connection:
        connection.execute(
            "INSERT INTO limosa.exception (migration, key, kind, reason)"
            " SELECT id, ARRAY['7'], 'dead', 'too long' FROM limosa.migration"
        )
    failed = cli.facts("status", "--failed")
    assert failed["dead"][0]["key"] == ["7"]
    assert {each["kind"]: each["count"] for each in failed["reasons"]} == {"dead": 1, "skipped": 1}
    assert "Dead rows queued: 1. limosa run limosa.toml" in cli("retry")
    cli("run")
    assert cli.facts("status", "--failed")["dead"] == []


def test_a_lost_row_is_told_and_is_no_success(cli: Cli) -> None:
    cli("run", "--yes")
    with psycopg.connect(cli.url, autocommit=True) as connection:
        connection.execute("UPDATE questions SET embedding_limosa = NULL WHERE id = 7")
    assert "1 lost" in cli("status", code=1)
    proofs = {proof["name"]: proof["verdict"] for proof in cli.facts("verify", code=1)["proofs"]}
    assert proofs["conservation"] == "different"
    assert cli.facts("status", code=1)["state"] == "different"


def test_search_shows_both_spaces(cli: Cli) -> None:
    only_old = cli.facts("search", "limosa.toml", "question 7", "--k", "3")
    assert [len(side["hits"]) for side in only_old["sides"]] == [3, 0]
    assert only_old["sides"][1]["why"]
    cli("run", "--yes")
    both = cli.facts("search", "limosa.toml", "question 7", "--k", "3")
    assert [len(side["hits"]) for side in both["sides"]] == [3, 3]
    assert "old: hashing/words-1 (16)" in cli("search", "limosa.toml", "question 7")
    pairs = cli.facts("search", "--duplicates", "0.5", "--k", "2")
    assert [len(side["pairs"]) for side in pairs["sides"]] == [2, 2]
    assert "pairs among" in cli("search", "--duplicates", "0.5")
    assert "limosa search limosa.toml" in cli("search", code=2)


def test_what_is_refused_says_so_three_ways(cli: Cli, tmp_path: Path) -> None:
    error = cli.facts("status", "nowhere.toml", code=2)["error"]
    assert (error["kind"], error["exit_code"]) == ("Refused", 2)
    assert "has not begun" in cli("verify", code=2)
    (tmp_path / "limosa.toml").write_text(JOB.replace('"questions"', '"answers"'), encoding="utf-8")
    assert "answers" in cli("plan", code=2)
    (tmp_path / "limosa.toml").write_text(JOB.replace("env:LIMOSA_TEST_URL", "env:LIMOSA_NOWHERE"), encoding="utf-8")
    assert "LIMOSA_NOWHERE is not set" in cli("run", code=2)


def test_a_server_that_is_away_is_the_world_s_failure(cli: Cli, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("LIMOSA_TEST_URL", "postgresql://nobody:secret@127.0.0.1:1/nothing")
    error = cli.facts("status", code=3)["error"]
    assert error["kind"] == "Transient"
    assert "secret" not in json.dumps(error)
