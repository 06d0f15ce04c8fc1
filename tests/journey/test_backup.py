"""Backup, drop, restore: the same database, by pg_dump and by COPY; and everything that must not be put back."""

from __future__ import annotations

import json
import os
import shutil
import signal
import stat
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

import psycopg
import pytest

from limosa.app import open_app
from limosa.config import load
from limosa.errors import ProofFailed, Refused
from limosa.stores.postgres.backup.programs import BIN
from tests.contract.plans import named, planned
from tests.docs.pages import CHECKOUT
from tests.journey.backup_world import back_up, furnish, put_back, table
from tests.postgres.halting import Halting
from tests.postgres.questions import changed, execute, job, make_questions, title_of

YES = frozenset({"--yes"})

File = dict[str, Any]


@pytest.fixture
def file(database: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> File:
    """The file of a migration with a backup of its table; backups lie in a folder of the test's own."""
    monkeypatch.chdir(tmp_path)
    return changed(job(database), {"backfill.backup": "table"})


@pytest.fixture(params=["pg_dump", "copy"])
def way(request: pytest.FixtureRequest, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> str:
    """How the rows are written; there are no programs in an empty folder."""
    if request.param == "copy":
        monkeypatch.setenv(BIN, str(tmp_path))
    return str(request.param)


@contextmanager
def another_database(url: str) -> Iterator[str]:
    """An empty database on the same server; its address stands in LIMOSA_TEST_OTHER."""
    name = title_of(url) + "_other"
    execute(url, f"CREATE DATABASE {name} TEMPLATE template0")
    other = url.replace(f"/{title_of(url)}?", f"/{name}?")
    os.environ["LIMOSA_TEST_OTHER"] = other
    try:
        yield other
    finally:
        execute(url, f"DROP DATABASE {name} WITH (FORCE)")


def one(url: str, query: str) -> Any:
    with psycopg.connect(url) as connection:
        found = connection.execute(query.encode()).fetchone()
    assert found is not None
    return found[0]


def test_a_dropped_table_comes_back_with_all_that_hung_on_it(database: str, file: File, way: str) -> None:
    furnish(database)
    before = table(database)
    folder = back_up(file)
    assert json.loads((folder / "manifest.json").read_text())["method"] == way
    execute(database, "DROP TABLE questions CASCADE")
    assert "open_questions" not in table(database)
    assert put_back(file).missing == ()
    assert table(database) == before
    # Numbers go on where they were, on both kinds of sequence.
    execute(database, "INSERT INTO questions (id, title) VALUES (41, 'one more')")
    assert one(database, "SELECT (number, place)::text FROM questions WHERE id = 41") == "(300,41)"


def test_a_backup_is_for_its_owner_alone_and_holds_no_password(database: str, file: File) -> None:
    make_questions(database)
    folder = back_up(file)
    modes = {path.name: stat.S_IMODE(path.stat().st_mode) for path in (folder, *folder.iterdir())}
    assert modes == {folder.name: 0o700, "manifest.json": 0o600, "archive.dump": 0o600}
    assert stat.S_IMODE(folder.parent.stat().st_mode) == 0o700
    secret = str(psycopg.conninfo.conninfo_to_dict(database)["password"])
    assert not [path for path in folder.iterdir() if secret.encode() in path.read_bytes()]


def test_a_run_backs_up_before_it_changes_anything(database: str, file: File) -> None:
    make_questions(database)
    execute(database, "CREATE INDEX near ON questions USING hnsw (embedding vector_cosine_ops)")
    before = table(database)
    plan = planned(file)
    assert plan.operations[0].id == "backup"
    said = named(plan, "backup").said
    assert ".limosa/backups/questions-" in said
    assert "by pg_dump" in said
    assert int(plan.estimates["backup_disk_free_bytes"]) > int(plan.estimates["backup_bytes"]) > 0  # type: ignore[call-overload]
    app = open_app(file)
    app.run(accept=YES)
    for each in (file, changed(file, {"name": "another", "backfill.backup": None})):
        with pytest.raises(Refused, match="under way"):
            put_back(each, replace=True, path=next(Path(".limosa/backups").glob("*.table")))
    app.rollback()
    app.close()
    assert table(database) == before
    execute(database, "DROP TABLE questions")
    assert put_back(file).way == "missing"
    assert table(database) == before
    # The next run makes a backup of its own, and writes over none.
    app = open_app(file)
    app.run(accept=YES)
    app.close()
    assert len(list(Path(".limosa/backups").glob("questions-*.table"))) == 2


def test_a_table_that_went_while_a_migration_was_under_way_comes_back(database: str, file: File) -> None:
    make_questions(database)
    before = table(database)
    app = open_app(file)
    app.run(accept=YES)
    app.close()
    execute(database, "DROP TABLE questions CASCADE")
    put_back(file)
    app = open_app(file)
    app.rollback()
    app.close()
    assert table(database) == before


def test_a_whole_database_goes_into_an_empty_one_and_one_table_of_it_back(database: str, file: File) -> None:
    furnish(database)
    before = table(database)
    back_up(file, kind="database")
    with another_database(database) as other:
        done = put_back(file, database="env:LIMOSA_TEST_OTHER")
        assert (done.way, done.rows) == ("database", 40)
        assert table(other) == before
        with pytest.raises(Refused, match="is not empty"):
            put_back(file, database="env:LIMOSA_TEST_OTHER")
    execute(database, "DROP TABLE questions CASCADE")
    put_back(file)
    assert table(database) == before


def test_rows_are_replaced_under_everything_that_stands(database: str, file: File, way: str) -> None:
    furnish(database)
    execute(
        database,
        "CREATE TABLE deaths AS SELECT 0::bigint AS id",
        "CREATE FUNCTION noted() RETURNS trigger LANGUAGE plpgsql AS"
        " 'BEGIN INSERT INTO deaths VALUES (1); RETURN NULL; END'",
        "CREATE TRIGGER noted AFTER INSERT OR DELETE OR TRUNCATE ON questions EXECUTE FUNCTION noted()",
        "ALTER TABLE questions ENABLE ALWAYS TRIGGER noted",
    )
    back_up(file)
    before = table(database)
    execute(
        database,
        "UPDATE questions SET title = title || '!' WHERE id > 20",
        "DELETE FROM questions WHERE id = 3",
        "TRUNCATE deaths",
        "INSERT INTO deaths VALUES (0)",
    )
    assert put_back(file, replace=True).way == "replace"
    assert table(database) == before
    # A key that is not among the rows of the backup: everything stays as it was.
    execute(database, "INSERT INTO questions (id, title) VALUES (99, 'later')", "INSERT INTO answers VALUES (9, 99)")
    later = table(database)
    with pytest.raises(Refused, match="asked"):
        put_back(file, replace=True)
    assert table(database) == later


def test_rows_go_beside_a_table_that_has_changed_since(database: str, file: File, way: str) -> None:
    furnish(database)
    back_up(file)
    execute(database, "ALTER TABLE questions DROP COLUMN small CASCADE", "CREATE ROLE other_reader")
    execute(database, "ALTER DEFAULT PRIVILEGES GRANT SELECT ON TABLES TO other_reader")
    try:
        with pytest.raises(Refused, match=r"differ in small .*halfvec\(16\)"):
            put_back(file, replace=True)
        with pytest.raises(Refused, match=r"The table public\.questions is there"):
            put_back(file)
        assert put_back(file, into="questions_then").place == "public.questions_then"
        assert one(database, "SELECT count(small) FROM questions_then") == 13
        assert not one(database, "SELECT has_table_privilege('other_reader', 'questions_then', 'SELECT')")
        with pytest.raises(Refused, match=r"There is a table public\.questions_then already"):
            put_back(file, into="questions_then")
    finally:
        execute(database, "DROP OWNED BY other_reader", "DROP ROLE other_reader")


def _flip(path: Path) -> None:
    content = bytearray(path.read_bytes())
    content[len(content) // 2] ^= 1
    path.write_bytes(content)


DAMAGES: dict[str, tuple[Callable[[Path], object], str]] = {
    "a bit of the rows": (lambda folder: _flip(_rows(folder)), "other bytes"),
    "the end of the rows": (lambda folder: os.truncate(_rows(folder), 2000), "2,000 bytes instead of"),
    "the rows": (lambda folder: _rows(folder).unlink(), "cannot be read"),
    "the manifest": (lambda folder: os.truncate(folder / "manifest.json", 90), "manifest of"),
    "a column of the manifest": (lambda folder: _edit(folder, columns=[{}]), "manifest of"),
}


def _rows(folder: Path) -> Path:
    return next(path for path in folder.iterdir() if path.name != "manifest.json")


def _edit(folder: Path, **values: Any) -> None:
    path = folder / "manifest.json"
    path.write_text(json.dumps({**json.loads(path.read_text()), **values}))


def test_a_damaged_backup_is_refused(database: str, file: File, way: str) -> None:
    make_questions(database)
    whole = back_up(file)
    execute(database, "DROP TABLE questions")
    before = table(database)
    for name, (damage, said) in DAMAGES.items():
        folder = Path(name)
        shutil.copytree(whole, folder)
        damage(folder)
        with pytest.raises(Refused, match=said):
            put_back(file, path=folder)
    # Rows that are whole, and not those that were counted: the proof fails, and nothing stays.
    _edit(whole, digest="0" * 16)
    with pytest.raises(ProofFailed, match="another digest"):
        put_back(file)
    assert table(database) == before


def test_what_cannot_be_made_again_is_told_and_the_rows_are_back(database: str, file: File) -> None:
    furnish(database)
    back_up(file)
    execute(database, "DROP TABLE questions CASCADE", "DROP TABLE answers")
    with pytest.raises(ProofFailed, match=r"(?s)40 rows.*asked on table (public\.)?answers.*does not exist"):
        put_back(file)
    assert one(database, "SELECT count(*) FROM narrow") == 40


_CHILD = """import json, sys
from tests.docs.pages import CHECKOUT
from tests.journey.backup_world import back_up
back_up(json.loads(sys.argv[1]))
"""

_LARGE = "UPDATE questions SET body = (SELECT string_agg(md5((id * i)::text), '') FROM generate_series(1, 2000) AS i)"


def test_killed_in_the_middle_it_is_made_anew(database: str, file: File, way: str) -> None:
    make_questions(database)
    execute(database, _LARGE)
    folder = Path(f".limosa/backups/questions-{load(file).id}.table")
    partial = folder.with_name(folder.name + ".partial")
    # 2.6 MB of rows; what is asked of the catalogue takes less than one.
    with Halting(database, most_bytes=1_800_000) as halting:
        surroundings = {**os.environ, "LIMOSA_TEST_URL": halting.url, "PYTHONPATH": str(CHECKOUT)}
        argv = [sys.executable, "-c", _CHILD, json.dumps(file)]
        with subprocess.Popen(argv, env=surroundings) as child:
            try:
                assert halting.halted.wait(60)
                _until(lambda: _size(partial) > 100_000)
                assert _sessions(database) == (2 if way == "pg_dump" else 1)
                assert "secret" not in _command_lines(database)
            finally:
                child.send_signal(signal.SIGKILL)
        assert not folder.exists()
        # No program is left that goes on with it, and holds its snapshot.
        halting.released.set()
        _until(lambda: _sessions(database) == 0)
    assert back_up(file) == folder
    assert not partial.exists()
    made = folder.stat().st_ino
    # What is complete is recognised, and not made again.
    back_up(file)
    assert folder.stat().st_ino == made
    execute(database, "DROP TABLE questions")
    assert put_back(file).rows == 40


def _size(folder: Path) -> int:
    return sum(path.stat().st_size for path in folder.iterdir()) if folder.exists() else 0


def _sessions(url: str) -> int:
    query = "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() AND application_name IN ({0})"
    return int(one(url, query.format("'limosa', 'pg_dump'")))


def _command_lines(url: str) -> str:
    """Of every process of this machine, with the password marked."""
    secret = str(psycopg.conninfo.conninfo_to_dict(url)["password"]).encode()
    found = b""
    for path in Path("/proc").glob("[0-9]*/cmdline"):
        with suppress(OSError):
            found += path.read_bytes()
    return found.replace(b"secret", b"").replace(secret, b"secret").decode(errors="replace")


def _until(condition: Callable[[], bool]) -> None:
    ends = time.monotonic() + 30
    while not condition():
        assert time.monotonic() < ends
        time.sleep(0.02)


def test_what_is_written_meanwhile_is_in_all_of_the_backup_or_in_none(database: str, file: File, way: str) -> None:
    make_questions(database)
    execute(database, _LARGE)
    stop = threading.Event()

    def write() -> None:
        with psycopg.connect(database, autocommit=True) as connection:
            while not stop.is_set():
                connection.execute("UPDATE questions SET title = title || '.' WHERE id = 1 + random() * 39")
                connection.execute("INSERT INTO questions (id, title) SELECT max(id) + 1, 'new' FROM questions")

    writer = threading.Thread(target=write)
    writer.start()
    try:
        back_up(file)
    finally:
        stop.set()
        writer.join()
    execute(database, "DROP TABLE questions")
    assert put_back(file).rows >= 40


def test_a_backup_of_another_table_is_refused(database: str, file: File) -> None:
    make_questions(database)
    folder = back_up(file)
    execute(database, "ALTER TABLE questions RENAME TO others")
    with pytest.raises(Refused, match=r"holds public\.questions\."):
        put_back(changed(file, {"source.table": "others"}), path=folder)


def test_another_migration_s_backup_is_not_taken_for_ours(database: str, file: File) -> None:
    make_questions(database)
    folder = back_up(file)
    _edit(folder, migration="00000000")
    with pytest.raises(Refused, match="of another migration"):
        back_up(file)
    with pytest.raises(Refused, match="There is no backup of the migration"):
        put_back(file)
