"""`limosa restore` as a person and a script call it: what it asks, prints and ends with."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.journey.backup_world import back_up, table
from tests.journey.test_cli import JOB, Cli
from tests.postgres.questions import changed, execute, job, make_questions

_FILE = JOB.partition("[target.match]")[0]


def test_what_restore_asks_and_how_it_ends(database: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    Path("limosa.toml").write_text(_FILE)
    make_questions(database)
    file = changed(job(database), {"name": "words"})
    cli = Cli(database)
    assert "There is no backup of the migration 'words' here." in cli("restore", code=2)
    folder = back_up(file)
    before = table(database)
    assert "limosa restore limosa.toml --into NAME" in cli("restore", code=2)
    assert "Nobody can be asked: Replace every row of public.questions" in cli("restore", "--replace", code=2)
    assert "One of --into, --replace and --database." in cli("restore", "--replace", "--into", "q", code=2)
    facts = cli.facts("restore", "--into", "then", "--yes")
    assert (facts["place"], facts["rows"], facts["way"]) == ("public.then", 40, "beside")
    execute(database, "DROP TABLE public.then", "UPDATE questions SET body = 'other' WHERE id = 40")
    changed_since = table(database)
    assert cli.answer("restore", "--replace", reply="questions")[0] == 2
    assert table(database) == changed_since
    assert cli.answer("restore", "--replace", reply="public.questions")[0] == 0
    assert table(database) == before
    execute(database, "DROP TABLE questions")
    said = cli("restore", "--yes", "--from", str(folder.absolute()))
    assert "public.questions: 40 rows are back, equal to those of the backup of" in said
    assert table(database) == before
    monkeypatch.setenv("LIMOSA_TEST_URL", "postgresql://localhost:1/none")
    assert "does not answer" in cli("restore", "--yes", code=3)
    monkeypatch.setenv("LIMOSA_TEST_URL", "sqlite:///app.db")
    assert "The backups of this store are not put back by limosa." in cli("restore", "--yes", code=2)
