"""What plan says of a backup: where, how and how large; and what stands in its way."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import pytest

from limosa.app import open_app
from limosa.errors import LimosaError
from limosa.stores.postgres.backup.programs import BIN
from tests.contract.plans import named, planned
from tests.postgres.questions import changed, elsewhere, execute, job, make_questions, title_of

File = dict[str, Any]


@pytest.fixture
def file(database: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> File:
    """The file of a migration with a backup of its table, which would lie in a folder of the test's own."""
    monkeypatch.chdir(tmp_path)
    return changed(job(database), {"backfill.backup": "table"})


def test_a_whole_database_needs_pg_dump(file: File, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    make_questions(os.environ["LIMOSA_TEST_URL"])
    monkeypatch.setenv(BIN, str(tmp_path))
    told = named(planned(changed(file, {"backfill.backup": "database"})), "backup")
    assert told.verdict == "refused"
    assert 'backup = "table"' in told.do
    assert "by COPY" in named(planned(file), "backup").said


def test_a_column_of_the_table_s_row_type_is_told_beforehand(database: str, file: File) -> None:
    make_questions(database)
    execute(database, "CREATE TABLE kept (old questions)")
    assert "column old of table" in named(planned(file), "backup-leaves-out").said


def test_a_disk_that_is_too_small_is_refused(database: str, file: File, monkeypatch: pytest.MonkeyPatch) -> None:
    make_questions(database)
    # A file system that is always full.
    monkeypatch.chdir("/proc")
    told = named(planned(file), "backup")
    assert (told.verdict, "0 are free" in told.said) == ("refused", True)


def test_a_role_that_may_not_read_every_row_is_refused(database: str, file: File) -> None:
    make_questions(database)
    role = "reader_" + title_of(database)
    execute(
        database,
        f"CREATE ROLE {role} LOGIN PASSWORD 'secret'",
        f"ALTER TABLE questions OWNER TO {role}",
        f"GRANT CREATE ON DATABASE {title_of(database)} TO {role}",
        f"GRANT CREATE ON SCHEMA public TO {role}",
        "CREATE TABLE closed (id int)",
        "CREATE TABLE filtered (id int)",
        "ALTER TABLE filtered ENABLE ROW LEVEL SECURITY",
        f"GRANT SELECT ON filtered TO {role}",
    )
    try:
        os.environ["LIMOSA_TEST_URL"] = elsewhere(database, user=role, password="secret")
        assert named(planned(file), "backup").verdict == "note"
        told = named(planned(changed(file, {"backfill.backup": "database"})), "backup")
        assert told.verdict == "refused"
        assert f'GRANT SELECT ON public.closed TO "{role}"' in told.do
        assert "public.filtered (row security)" in told.said
        execute(database, "ALTER TABLE questions ENABLE ROW LEVEL SECURITY, FORCE ROW LEVEL SECURITY")
        assert named(planned(file), "row-security").verdict == "refused"
    finally:
        os.environ["LIMOSA_TEST_URL"] = database
        execute(database, f"REASSIGN OWNED BY {role} TO CURRENT_USER", f"DROP OWNED BY {role}", f"DROP ROLE {role}")


def test_scripts_make_no_backup(database: str, file: File, tmp_path: Path) -> None:
    make_questions(database)
    app = open_app(file)
    with pytest.raises(LimosaError, match="A script cannot make the backup"):
        app.plan(sql=tmp_path / "sql")
    app.close()
