"""`limosa doctor` on the command line: exit codes, the document, the page, and which space it holds vectors against."""

from __future__ import annotations

import json
import re
import sqlite3
from contextlib import closing
from pathlib import Path
from typing import Any

import psycopg
import pytest
from typer.testing import CliRunner

from limosa.cli.main import commands
from tests.contract.ills_of_vectors import ALL_AT_ONCE, make_healthy
from tests.journey.split_world import TABLE
from tests.postgres.questions import dump, execute, job, text_of

FILE = """
name = "questions"
[source]
store = "env:LIMOSA_TEST_URL"
table = "questions"
key = "id"
text = ["title", "body"]
vector = "embedding"
space = { provider = "hashing", model = "words-1", dimensions = 16 }
[target.space]
provider = "hashing"
model = "words-2"
dimensions = 24
"""


@pytest.fixture
def healthy(database: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> str:
    """A table that is well, and a limosa.toml for it in the working folder."""
    make_healthy(database)
    job(database)
    (tmp_path / "limosa.toml").write_text(FILE, encoding="utf-8")
    monkeypatch.chdir(tmp_path)
    return database


def test_a_level_to_fail_on_decides_the_exit_code(healthy: str) -> None:
    assert "clean" in doctor()
    doctor("--fail-on", "note")
    execute(healthy, "CREATE FUNCTION f() RETURNS text LANGUAGE sql AS 'SELECT min(embedding::text) FROM questions'")
    doctor()
    doctor("--fail-on", "warning")
    doctor("--fail-on", "note", code=1)
    execute(healthy, "UPDATE questions SET embedding = NULL, status = '' WHERE id = 1")
    doctor("--fail-on", "error")
    doctor("--fail-on", "warning", code=1)
    execute(healthy, "UPDATE questions SET status = 'done' WHERE id = 1")
    said = doctor("--fail-on", "error", code=1)
    assert "error      done-without-vector: 1 rows are done" in said
    assert "for example: 1" in said
    assert "limosa plan limosa.toml" in said
    assert "stale: could not be checked" in doctor("--sample", "0")


def test_the_document_has_the_same_parts_whatever_is_found(healthy: str) -> None:
    well = document()
    execute(healthy, *ALL_AT_ONCE)
    ill = document()
    assert list(well) == list(ill) == ["place", "space", "at", "counts", "sent", "findings"]
    assert (ill["place"], ill["space"]) == ("public.questions.embedding", "hashing/words-1 (16)")
    assert sorted(ill["counts"]) == ["measured", "rows", "texts", "vectors"]
    parts = ["name", "verdict", "severity", "said", "count", "examples", "do", "sql"]
    assert {tuple(each) for document in (well, ill) for each in document["findings"]} == {tuple(parts)}
    names = [sorted(each["name"] for each in document["findings"]) for document in (well, ill)]
    assert names[0] == names[1] == sorted(set(names[0]))
    assert {each["verdict"] for each in ill["findings"]} == {"found", "clean", "unchecked"}
    assert next(each for each in ill["findings"] if each["name"] == "zero")["examples"] == [["2"], ["3"]]


def test_neither_page_nor_document_holds_a_text_a_vector_or_a_secret(healthy: str) -> None:
    execute(healthy, *ALL_AT_ONCE)
    page, printed = Path("doctor.html"), doctor("--html", "doctor.html", "--json")
    with psycopg.connect(healthy) as connection:
        found = connection.execute("SELECT string_agg(embedding::text, ' ') FROM questions").fetchone()
    assert found is not None
    numbers = set(re.findall(r"0\.\d{4,}", found[0]))
    assert len(numbers) > 3
    shown = page.read_text(encoding="utf-8")
    assert "<h2>Found</h2>" in shown
    assert "<script" not in shown
    assert "prefers-color-scheme: dark" in shown
    for said in (shown, printed):
        assert not [part for number in range(1, 41) for part in text_of(number) if part in said]
        assert "altogether other words" not in said
        assert healthy not in said
        assert healthy.split("@", maxsplit=1)[0].rsplit(":", 1)[1] not in said
        assert not [number for number in numbers if number in said]


def test_it_follows_a_migration_and_says_so_of_the_space(healthy: str) -> None:
    limosa("run", "--yes")
    before = dump(healthy, without=("limosa",))
    assert space() == "hashing/words-1 (16)"
    limosa("cutover", "--yes")
    assert space() == "hashing/words-2 (24)"
    limosa("finish", "--now", "--yes")
    assert space() == "hashing/words-2 (24)"
    assert "words-2" in before or "vector(24)" in before


def test_a_page_that_cannot_be_written_and_a_column_that_is_not_there_are_refused(healthy: str) -> None:
    assert "cannot be written" in doctor("--html", "nowhere/doctor.html", code=2)
    assert "has no column 'modell'" in doctor("--model-column", "modell", code=2)
    assert "fail-on" in doctor("--fail-on", "everything", code=2)


def test_another_store_is_refused_with_what_there_is_instead(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    with closing(sqlite3.connect("app.db")) as connection:
        connection.execute(TABLE)
    split = """name = "split"
    [source]
    store = "sqlite:///app.db"
    table = "embeddings"
    key = "embedding_id"
    vector = "embedding_data"
    [target]
    layout = "dimension_tables"
    table = "embeddings_{dimension}"
    dimensions = [3]"""
    Path("limosa.toml").write_text(split.replace("/app.db", str(tmp_path / "app.db")), encoding="utf-8")
    said = doctor(code=2)
    assert "Only vectors in one column of a table in Postgres are examined." in said
    assert "limosa run limosa.toml --dry-run" in said


def space() -> str:
    """The space against which the vectors are held, where no error is found but what the table's own column says."""
    found = document()
    errors = {each["name"] for each in found["findings"] if (each["verdict"], each["severity"]) == ("found", "error")}
    assert errors <= {"models"}, errors
    return str(found["space"])


def document() -> dict[str, Any]:
    """What ``--json`` prints."""
    found, _ = json.JSONDecoder().raw_decode(doctor("--json"))
    assert isinstance(found, dict)
    return found


def doctor(*arguments: str, code: int = 0) -> str:
    return limosa("doctor", *arguments, code=code)


def limosa(*arguments: str, code: int = 0) -> str:
    """Standard output of a call that ends with this exit code, then its standard error."""
    done = CliRunner().invoke(commands, list(arguments))
    assert done.exit_code == code, done.stdout + done.stderr
    assert "A bug" not in done.stderr
    return done.stdout + done.stderr
