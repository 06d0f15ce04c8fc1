"""From a database that no file describes to a plan: chosen by options, by questions at a terminal, or refused."""

from __future__ import annotations

import json
import os
import pty
import select
import shlex
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

from limosa.cli.main import commands
from limosa.config import load
from tests.postgres.candidates import NOTES, SPACES, make_candidates
from tests.postgres.questions import dump, execute, make_questions

FROM = {table: ("--from-provider", space.provider, "--from-model", space.model) for table, space in SPACES.items()}
END_OF_INPUT = "\x04"
TO = ("--provider", "hashing", "--model", "words-3", "--dimensions", "24")


@pytest.fixture(scope="module")
def three(module_database: str) -> str:
    make_candidates(module_database)
    return module_database


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty folder in which the commands run."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("TERM", "xterm")
    for name in ("COLUMNS", "FORCE_COLOR"):
        monkeypatch.delenv(name, raising=False)
    return tmp_path


@pytest.fixture
def at_three(three: str, folder: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("DATABASE_URL", three)
    return folder


@pytest.fixture
def at_own(database: str, folder: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("DATABASE_URL", database)
    return folder


def limosa(*arguments: str, code: int = 0) -> str:
    """Standard output of a call that ends with this exit code, then its standard error."""
    done = CliRunner().invoke(commands, list(arguments))
    assert done.exit_code == code, done.stdout + done.stderr
    assert "A bug" not in done.stderr
    return done.stdout + done.stderr


def facts(*arguments: str, code: int = 0) -> dict[str, Any]:
    """The JSON document of a call."""
    found, _ = json.JSONDecoder().raw_decode(limosa(*arguments, "--json", code=code))
    assert isinstance(found, dict)
    return found


def at_terminal(*arguments: str, typed: str) -> tuple[int, str]:
    """Exit code and output of a call at a terminal, where a person types this; killed where it waits for more."""
    here, there = pty.openpty()
    argv = [sys.executable, "-m", "limosa", *arguments]
    with subprocess.Popen(argv, stdin=there, stdout=there, stderr=there) as process:
        os.close(there)
        os.write(here, typed.encode())
        said = _read_all(here)
        try:
            process.wait(timeout=30)
        finally:
            process.kill()
    os.close(here)
    return process.returncode, said


def _read_all(terminal: int) -> str:
    said = b""
    while select.select([terminal], [], [], 30)[0]:
        try:
            part = os.read(terminal, 65536)
        except OSError:  # Linux says so when the other side is closed
            break
        if not part:
            break
        said += part
    return said.decode(errors="replace")


@pytest.mark.parametrize("table", sorted(SPACES))
def test_each_column_is_chosen_by_options_and_planned_without_an_edit(at_three: Path, table: str) -> None:
    chosen = facts("init", "--table", table, *FROM[table], *TO)["chosen"]
    # What was written reads back as what was chosen.
    assert load("limosa.toml") == load(chosen)
    assert chosen["source"]["table"] == table
    plan = facts("plan")
    assert [check for check in plan["checks"] if check["verdict"] == "refused"] == []
    assert plan["counts"]["rows"] == {"public.questions": 40, NOTES: 60, "app.chunks": 20}[table]
    assert {check["name"] for check in plan["checks"] if check["verdict"] == "ok"} >= {"key", "vector", "space"}


def test_what_the_database_says_is_written_with_where_it_stands(at_three: Path) -> None:
    limosa("init", "--table", NOTES, *TO)
    notes = (at_three / "limosa.toml").read_text(encoding="utf-8")
    assert "# The column embedding_model says: hashing/words-1." in notes
    assert "the column embedding_model also says old-one (5.0%)" in notes
    migration = load("limosa.toml")
    assert migration.source.space.model == "words-1"
    assert migration.source.place.key == ("tenant", "noteId")
    assert migration.index is not None
    assert (migration.index.metric, migration.index.type, migration.index.m, migration.index.ef_construction) == (
        "l2",
        "halfvec",
        8,
        32,
    )
    limosa("init", "chunks.toml", "--table", "app.chunks", *TO)
    chunks = load("chunks.toml")
    assert (chunks.source.space.model, chunks.source.place.text.columns) == ("words-2", ("content",))
    assert chunks.index is not None
    assert chunks.index.metric == "ip"


def test_a_function_that_fits_becomes_the_match_function(at_three: Path) -> None:
    limosa("init", "--table", "questions", *FROM["public.questions"], *TO)
    match = load("limosa.toml").match
    assert match is not None
    assert (match.function, match.returns, match.filter) == ("public.match_questions", ("id", "title"), None)
    assert load("limosa.toml").index is None
    limosa("init", "notes.toml", "--table", NOTES, *TO)
    assert load("notes.toml").match is None
    assert '# function = "match_odd_notes"' in (at_three / "notes.toml").read_text(encoding="utf-8")


def test_several_columns_are_listed_with_what_chooses_them(at_three: Path) -> None:
    said = limosa("init", code=2)
    assert "has 3 vector columns that could be meant" in said
    for table in SPACES:
        assert f"--table {shlex.quote(table)}" in said
    error = facts("init", code=2)
    assert [each["table"] for each in error["candidates"]] == [NOTES, "public.questions", "app.chunks"]
    assert (error["chosen"], error["error"]["exit_code"]) == (None, 2)
    assert list(at_three.iterdir()) == []


def test_yes_takes_the_first(at_three: Path) -> None:
    limosa("init", "--yes", *TO)
    assert load("limosa.toml").source.place.table == NOTES


def test_a_person_is_asked_with_the_proposals_as_answers(at_three: Path) -> None:
    code, said = at_terminal("init", typed="9\n3\ncontents\ncontent,url\n\nhashing/words-4\n20\n")
    assert code == 0, said
    assert "There is no number 9." in said
    assert "Did you mean 'content'?" in said
    assert "The column's comment says: hashing/words-2" in said
    migration = load("limosa.toml")
    assert migration.source.place.table == "app.chunks"
    assert migration.source.place.text.columns == ("content", "url")
    assert migration.source.space.title == "hashing/words-2 (12)"
    assert migration.target.space.title == "hashing/words-4 (20)"
    assert "limosa plan limosa.toml" in said


def test_only_what_is_open_is_asked_and_breaking_off_leaves_no_file(at_three: Path) -> None:
    named = ("--table", "questions", "--text", "body", *FROM["public.questions"], *TO[:-2])
    code, said = at_terminal("init", *named, typed=END_OF_INPUT)
    assert code == 2, said
    assert "Its dimensions" in said
    assert "Text columns" not in said
    assert "Model" not in said
    assert "nothing was written" in said
    assert list(at_three.iterdir()) == []


def test_a_file_that_is_there_stays(at_three: Path) -> None:
    (at_three / "limosa.toml").write_text("mine", encoding="utf-8")
    assert "limosa.toml is there already" in limosa("init", "--yes", *TO, code=2)
    assert (at_three / "limosa.toml").read_text(encoding="utf-8") == "mine"
    limosa("init", "--yes", "--force", *TO)
    assert load("limosa.toml").source.place.table == NOTES


def test_what_nobody_knows_is_asked_for_by_its_option(at_three: Path) -> None:
    said = limosa("init", "--table", "questions", *TO, code=2)
    assert "--from-provider and --from-model" in said
    said = limosa("init", "--table", "questions", *FROM["public.questions"], "--model", "my-own", code=2)
    assert "--provider and --dimensions" in said
    said = limosa("init", "--table", "questions", *TO, "--from-model", "m", "--from-provider", "hashin", code=2)
    assert "--from-provider hashing" in said
    said = limosa("init", "--table", NOTES, *TO, "--key", "tenant", code=2)
    assert "--key tenant,noteId" in said
    assert "Did you mean 'title'?" in limosa("init", "--table", "questions", "--text", "titel", code=2)
    assert list(at_three.iterdir()) == []


def test_the_same_model_fills_what_has_no_vector(at_three: Path) -> None:
    assert "target" not in facts("init", "--table", "chunks", "--model", "hashing/words-2")["chosen"]
    assert load("limosa.toml").shape == "fill"
    assert facts("plan")["counts"]["to_embed"] == 5


def test_a_column_that_is_not_there_says_what_is(at_three: Path) -> None:
    said = limosa("init", "--vector", "embeding", code=2)
    assert "no vector column called 'embeding'" in said
    assert "public.questions.embedding" in said
    assert "no vector column in the table 'answers'" in limosa("init", "--table", "answers", code=2)


def test_a_secret_is_neither_written_nor_shown(three: str, folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("DATABASE_URL", raising=False)
    assert "DATABASE_URL is not set" in limosa("init", code=2)
    said = limosa("init", "--store", three, code=2)
    assert "--store env:DATABASE_URL" in said
    assert three.split("@", maxsplit=1)[0].rsplit(":", 1)[-1] not in said
    assert list(folder.iterdir()) == []


def test_nothing_found_says_what_was_looked_at(at_own: Path) -> None:
    execute(os.environ["DATABASE_URL"], "CREATE TABLE plain (id int PRIMARY KEY, body text)")
    said = limosa("init", code=2)
    assert "There is no vector column in" in said
    assert "1 in all; schemas: public" in said


def test_a_model_of_something_else_is_not_taken_for_that_of_the_vectors(at_own: Path) -> None:
    execute(
        os.environ["DATABASE_URL"],
        "CREATE TABLE messages (id int PRIMARY KEY, content text, model text, embedding vector(1536))",
        "INSERT INTO messages VALUES (1, 'one', 'openai/gpt-4o'), (2, 'two', 'openai/gpt-4o'), (3, 'three', 'claude')",
    )
    limosa("init", *TO)
    guessed = (at_own / "limosa.toml").read_text(encoding="utf-8")
    assert "A guess from the size, 1536." in guessed
    assert "claude" not in guessed
    execute(os.environ["DATABASE_URL"], "COMMENT ON TABLE messages IS 'vectors of text-embedding-ada-002'")
    limosa("init", "--force", *TO)
    assert load("limosa.toml").source.space.model == "text-embedding-ada-002"


def test_names_and_values_that_look_like_toml_stay_what_they_are(at_own: Path) -> None:
    url = os.environ["DATABASE_URL"]
    make_questions(url)
    title, body = 'a "b"\n[target]\nlayout = "in_place"', "text 'ü' \\\x7f"
    execute(
        url,
        "ALTER TABLE questions RENAME COLUMN title TO " + '"' + title.replace('"', '""') + '"',
        f'ALTER TABLE questions RENAME COLUMN body TO "{body}"',
        "COMMENT ON TABLE questions IS E'hashing/words-1\\nname = \"stolen\"'",
    )
    before = dump(url)
    chosen = facts("init", "--text", f"{title},{body}", *TO)["chosen"]
    migration = load("limosa.toml")
    assert migration == load(chosen)
    assert (migration.name, migration.source.place.text.columns) == ("questions-words-3-24", (title, body))
    assert migration.source.space.model == "words-1"
    assert [check for check in facts("plan")["checks"] if check["verdict"] == "refused"] == []
    assert dump(url) == before
