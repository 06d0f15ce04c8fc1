"""One table becomes one for each dimension: there, back, there again, with every vector compared bit for bit."""

from __future__ import annotations

import sqlite3
from collections.abc import Callable, Iterable, Iterator
from contextlib import closing
from pathlib import Path

import numpy as np
import pytest

from limosa.app import App
from limosa.errors import ProofFailed, Refused
from limosa.model.proof import Proof
from tests.journey.split_world import ILLS, Writer, dump, make_table, row_for, split_app, stale_rows, vector_for

ACCEPT = frozenset({"--accept-view"})

EDIT = """UPDATE embeddings SET embedding_data = '[1, 2, 3]', embedding_vector = NULL, dimension = 3
WHERE embedding_id LIKE 'id-%'"""


@pytest.fixture
def path(tmp_path: Path) -> Path:
    path = tmp_path / "app.db"
    make_table(path)
    return path


@pytest.fixture
def app(path: Path) -> Iterator[App]:
    with closing(split_app(path)) as app:
        yield app


def _different(proofs: Iterable[Proof]) -> list[str]:
    return [f"{proof.name}: {proof.said}" for proof in proofs if proof.verdict != "proved"]


def test_a_split_goes_there_and_back_and_there_again(path: Path, app: App) -> None:
    before = dump(path)
    with closing(sqlite3.connect(path)) as connection:
        read = connection.execute("SELECT * FROM embeddings ORDER BY embedding_id").fetchall()
    assert not _different(app.run(accept=ACCEPT).proofs)
    assert not stale_rows(path)
    app.cutover()
    assert not _different(app.verify())
    with closing(sqlite3.connect(path)) as connection:
        assert connection.execute("SELECT * FROM embeddings ORDER BY embedding_id").fetchall() == read
    app.rollback()
    assert dump(path) == before
    app.run(accept=ACCEPT)
    app.cutover()
    app.finish(drop_old=True)
    with closing(sqlite3.connect(path)) as connection:
        assert connection.execute("SELECT * FROM embeddings ORDER BY embedding_id").fetchall() == read
        names = {name for (name,) in connection.execute("SELECT name FROM sqlite_master")}
    assert "embeddings_limosa_old" not in names
    assert not stale_rows(path)


def test_every_verb_may_come_from_another_process(path: Path) -> None:
    verbs: list[Callable[[App], object]] = [
        lambda app: app.run(accept=ACCEPT),
        lambda app: app.cutover(),
        lambda app: app.verify(),
        lambda app: app.rollback(chunk=1),
        lambda app: app.run(),
        lambda app: app.rollback(),
        lambda app: app.run(accept=ACCEPT),
        lambda app: app.cutover(),
        lambda app: app.finish(drop_old=True),
    ]
    for verb in verbs:
        with closing(split_app(path)) as app:
            verb(app)
    assert not stale_rows(path)
    with closing(split_app(path)) as app:
        assert app.voyage.record().step == "finish"
    assert not list(path.parent.glob("app.db-limosa-*"))


def test_every_row_that_cannot_be_carried_is_dead_with_its_reason(path: Path, app: App) -> None:
    app.run(accept=ACCEPT)
    reasons = {letter.key[0].removeprefix("ill-"): letter.reason for letter in app.voyage.letters.each(kind="dead")}
    assert reasons.keys() == ILLS.keys()
    assert not [(name, why) for name, why in reasons.items() if ILLS[name][3] not in why]


@pytest.mark.parametrize("wal", [False, True], ids=["rollback-journal", "write-ahead-log"])
def test_a_plan_and_a_dry_run_change_nothing(tmp_path: Path, wal: bool) -> None:
    path = tmp_path / "app.db"
    make_table(path, wal=wal)
    before, content = path.read_bytes(), dump(path)
    with closing(split_app(path)) as app:
        facts = app.plan(rehearse=True).facts
    assert facts["embeddings_3"] == 46
    assert facts["embeddings_other"] == 46
    assert facts["dead"] == len(ILLS)
    assert dump(path) == content
    assert [file.name for file in tmp_path.iterdir() if "wal" not in file.name and "shm" not in file.name] == ["app.db"]
    if not wal:
        assert path.read_bytes() == before


def test_rows_that_change_meanwhile_are_followed_to_the_end(path: Path, app: App) -> None:
    with Writer(path, rate=200) as writer:
        app.run(accept=ACCEPT)
        app.cutover()
        while writer.count < 60 and not writer.errors:
            app.run()
    app.run()
    assert not writer.errors
    assert not stale_rows(path)
    assert not _different(app.verify())
    with Writer(path, seed=4) as writer:
        app.finish(drop_old=True)
    assert not writer.errors


def test_both_layouts_are_readable_together_while_the_table_is_split(path: Path, app: App) -> None:
    app.run(accept=ACCEPT, limit=60)
    with closing(sqlite3.connect(path, isolation_level=None)) as connection:

        def rows(name: str) -> list[tuple[object, ...]]:
            return connection.execute(f"SELECT * FROM {name} ORDER BY embedding_id").fetchall()

        assert 0 < connection.execute("SELECT count(*) FROM embeddings_4").fetchone()[0] < 45
        assert rows("embeddings_limosa_both") == rows("embeddings")
        # Nobody follows now; what stands in a target is never what was.
        connection.execute(EDIT)
        connection.execute("INSERT OR REPLACE INTO embeddings SELECT * FROM embeddings WHERE embedding_id < 'id-00050'")
        assert rows("embeddings_limosa_both") == rows("embeddings")
        connection.execute("UPDATE limosa_layout SET reads = 'new'")
        assert rows("embeddings_limosa_both") == []
        connection.execute("UPDATE limosa_layout SET reads = 'old'")
        assert rows("embeddings_limosa_both") == rows("embeddings")
    app.run()
    assert not stale_rows(path)
    app.cutover()
    with closing(sqlite3.connect(path)) as connection:
        layout = connection.execute("SELECT name, layout, version, changed FROM limosa_layout").fetchone()
    assert layout[:3] == ("embeddings", "dimension_tables", 1)


def test_what_was_written_through_the_view_stays_after_a_rollback(path: Path, app: App) -> None:
    app.run(accept=ACCEPT)
    app.cutover()
    row = row_for("after", 6)
    with closing(sqlite3.connect(path, isolation_level=None)) as connection:
        connection.execute("INSERT INTO embeddings VALUES (?, ?, ?, ?, ?, ?, ?, ?)", row)
        connection.execute("UPDATE embeddings SET item_type = 'changed' WHERE embedding_id = 'id-00004'")
        connection.execute("DELETE FROM embeddings WHERE embedding_id = 'id-00005'")
        # Readable at once, before anybody has followed.
        assert connection.execute("SELECT * FROM embeddings WHERE embedding_id = 'after'").fetchall() == [row]
        read = connection.execute("SELECT * FROM embeddings ORDER BY embedding_id").fetchall()
    app.rollback()
    with closing(sqlite3.connect(path)) as connection:
        assert connection.execute("SELECT * FROM embeddings ORDER BY embedding_id").fetchall() == read


def test_old_code_goes_on_writing_after_finish(path: Path, app: App) -> None:
    app.run(accept=ACCEPT)
    app.cutover()
    app.finish(drop_old=True)
    blob = vector_for("later", 4).astype("<f4").tobytes()
    rows = {
        "blob": ("blob", 1, "x", None, blob, 4, "m", "t"),
        "text": ("text", 2, "x", "[1, 2, 3]", None, 3, "m", "t"),
        "none": ("none", 3, "x", None, None, None, "m", "t"),
    }
    with closing(sqlite3.connect(path, isolation_level=None)) as connection:
        for row in rows.values():
            connection.execute("INSERT INTO embeddings VALUES (?, ?, ?, ?, ?, ?, ?, ?)", row)
        for name, row in rows.items():
            found = connection.execute("SELECT * FROM embeddings WHERE embedding_id = ?", (name,)).fetchall()
            assert found == [row]
        stored = connection.execute("SELECT embedding_vector FROM embeddings_4 WHERE embedding_id = 'blob'").fetchall()
        assert stored == [(blob,)]
        connection.execute(
            "UPDATE embeddings SET embedding_vector = ?, dimension = 4 WHERE embedding_id = 'none'", (blob,)
        )
        connection.execute("DELETE FROM embeddings WHERE embedding_id = 'text'")
        assert connection.execute("SELECT count(*) FROM embeddings_4 WHERE embedding_id = 'none'").fetchone() == (1,)
        left = "SELECT count(*) FROM embeddings WHERE embedding_id IN ('blob', 'text', 'none')"
        assert connection.execute(left).fetchone() == (2,)


@pytest.mark.parametrize("switched", [False, True], ids=["before-cutover", "after-cutover"])
@pytest.mark.parametrize("part", ["chunk", "table"])
def test_a_part_is_taken_back_and_carried_again(path: Path, app: App, part: str, switched: bool) -> None:
    app.run(accept=ACCEPT)
    if switched:
        app.cutover()
    with closing(sqlite3.connect(path)) as connection:
        read = connection.execute("SELECT * FROM embeddings ORDER BY embedding_id").fetchall()
        carried = connection.execute("SELECT count(*) FROM embeddings_4").fetchone()
    if part == "chunk":
        app.rollback(chunk=min(app.voyage.reports.chunks()))
    else:
        app.rollback(table="embeddings_4")
    classes = {proof.name: proof for proof in app.verify()}
    assert classes["conservation"].verdict == "proved"
    assert classes["conservation"].evidence["pending"]
    assert classes["bits"].verdict == "proved"
    with closing(sqlite3.connect(path)) as connection:
        assert connection.execute("SELECT * FROM embeddings ORDER BY embedding_id").fetchall() == read
        if part == "table":
            assert connection.execute("SELECT count(*) FROM embeddings_4").fetchone() == (0,)
    assert not _different(app.run().proofs)
    with closing(sqlite3.connect(path)) as connection:
        assert connection.execute("SELECT count(*) FROM embeddings_4").fetchone() == carried
    with pytest.raises(Refused, match="no chunk 999"):
        app.rollback(chunk=999)


@pytest.mark.parametrize(
    ("harm", "proof"),
    [
        ("UPDATE embeddings_4 SET embedding_vector = zeroblob(16) WHERE embedding_id = 'id-00001'", "bits"),
        ("UPDATE embeddings_4 SET item_id = 7777 WHERE embedding_id = 'id-00001'", "bits"),
        ("DELETE FROM embeddings_4 WHERE embedding_id = 'id-00001'", "conservation"),
        (
            "INSERT INTO embeddings_3 SELECT embedding_id, 1, '', '', 3, '', '', NULL, 0 FROM embeddings_4 LIMIT 1",
            "tables",
        ),
        ("INSERT INTO embeddings_3 VALUES ('stray', 1, '', '', 3, '', '', NULL, 0)", "tables"),
        (
            "INSERT INTO embeddings_other SELECT * FROM embeddings_4 WHERE embedding_id = 'id-00001';"
            " DELETE FROM embeddings_4 WHERE embedding_id = 'id-00001'",
            "tables",
        ),
        ("DROP INDEX embeddings_3_item_id", "indexes"),
    ],
)
def test_harm_is_found_by_its_proof_and_finish_drops_nothing(path: Path, app: App, harm: str, proof: str) -> None:
    app.run(accept=ACCEPT)
    app.cutover()
    with closing(sqlite3.connect(path, isolation_level=None)) as connection:
        connection.executescript(harm)
    found = {each.name: each.verdict for each in app.verify()}
    assert found[proof] == "different"
    with pytest.raises(ProofFailed):
        app.finish(drop_old=True)
    with closing(sqlite3.connect(path)) as connection:
        assert connection.execute("SELECT count(*) FROM embeddings_limosa_old").fetchone() == (210,)


def test_the_backup_is_the_database_of_before(path: Path, app: App) -> None:
    before = dump(path)
    app.run(accept=ACCEPT)
    (backup,) = path.parent.glob("app.db.limosa-*")
    assert dump(backup) == before


def test_views_of_others_read_the_view_and_come_back(path: Path, app: App) -> None:
    with closing(sqlite3.connect(path, isolation_level=None)) as connection:
        connection.execute("CREATE VIEW named AS SELECT embedding_id, item_type FROM embeddings WHERE item_id > 5")
        connection.execute("CREATE TABLE log (id TEXT)")
        connection.execute(
            "CREATE TRIGGER audited AFTER DELETE ON embeddings BEGIN INSERT INTO log VALUES (OLD.embedding_id); END"
        )
    before = dump(path)
    app.run(accept=ACCEPT)
    app.cutover()
    with closing(sqlite3.connect(path, isolation_level=None)) as connection:
        made = connection.execute("SELECT sql FROM sqlite_master WHERE name = 'named'").fetchone()
        assert "limosa" not in made[0]
        assert connection.execute("SELECT count(*) FROM named").fetchone() == (194,)
        connection.execute("DELETE FROM embeddings WHERE embedding_id = 'id-00050'")
        assert connection.execute("SELECT id FROM log").fetchall() == [("id-00050",)]
        connection.execute("INSERT INTO embeddings VALUES (?, ?, ?, ?, ?, ?, ?, ?)", row_for("id-00050", 50))
        connection.execute("DELETE FROM log")
    app.rollback()
    assert sorted(dump(path).splitlines()) == sorted(before.splitlines())


@pytest.mark.parametrize(
    ("ill", "said"),
    [
        ("CREATE TABLE child (id TEXT REFERENCES embeddings (embedding_id))", "Foreign keys of child"),
        ("CREATE TABLE embeddings_4 (id TEXT)", "embeddings_4 stands already"),
        ("INSERT INTO embeddings (embedding_id) VALUES (NULL)", "not all of type text"),
        ("INSERT INTO embeddings (embedding_id) VALUES (x'00')", "not all of type text"),
        (
            "UPDATE embeddings SET embedding_vector = '[1]' WHERE embedding_id = 'id-00001'",
            "something else than a blob",
        ),
        (
            "CREATE TRIGGER own AFTER INSERT ON embeddings BEGIN UPDATE embeddings SET item_id = 1; END",
            "own name embeddings themselves",
        ),
    ],
)
def test_what_a_split_cannot_carry_is_refused_before_anything_is_touched(
    path: Path, app: App, ill: str, said: str
) -> None:
    with closing(sqlite3.connect(path, isolation_level=None)) as connection:
        connection.execute(ill)
    before = dump(path)
    with pytest.raises(Refused, match=said):
        app.run(accept=ACCEPT)
    assert dump(path) == before


def test_integer_keys_that_the_database_gives_go_on_being_given(tmp_path: Path) -> None:
    path = tmp_path / "app.db"
    # By turns of two lengths: a key that was given must not be mixed up with another table's row numbers.
    vectors = {number: np.arange(number, number + 3 + number % 2, dtype="<f4").tobytes() for number in range(1, 40)}
    with closing(sqlite3.connect(path, isolation_level=None)) as connection:
        connection.execute(
            "CREATE TABLE embeddings (embedding_id INTEGER PRIMARY KEY, embedding_vector BLOB, embedding_data TEXT,"
            " dimension INTEGER, model TEXT, item_id INTEGER, item_type TEXT)"
        )
        sql = "INSERT INTO embeddings (embedding_id, embedding_vector) VALUES (?, ?)"
        connection.executemany(sql, vectors.items())
    with closing(split_app(path)) as app:
        app.run(accept=ACCEPT)
        app.cutover()
        _give_keys(path, 40)
        assert not _different(app.run().proofs)
        app.finish(drop_old=True)
    _give_keys(path, 41)


def _give_keys(path: Path, expected: int) -> None:
    give = "INSERT INTO embeddings (embedding_vector) VALUES (zeroblob(12))"
    with closing(sqlite3.connect(path, isolation_level=None)) as connection:
        connection.execute(give)
        found = connection.execute("SELECT max(embedding_id), count(*) FROM embeddings").fetchone()
        assert found == (expected, expected)
        assert connection.execute("SELECT max(embedding_id) FROM embeddings_3").fetchone() == (expected,)


def test_a_backup_of_an_earlier_run_is_never_written_over_and_works_when_restored(path: Path) -> None:
    before = dump(path)
    with closing(split_app(path)) as app:
        app.run(accept=ACCEPT)
        app.rollback()
        app.run(accept=ACCEPT)
    first, _ = sorted(path.parent.glob("app.db.limosa-*"))
    assert dump(first) == before
    for file in path.parent.glob("app.db*"):
        if file != first:
            file.unlink()
    # The copy remembers the turn of the run that made it, which is long over.
    first.rename(path)
    with closing(split_app(path)) as restored:
        assert not _different(restored.run(accept=ACCEPT).proofs)
        restored.cutover()
    assert not stale_rows(path)


def test_a_plan_of_a_migration_that_has_begun_does_not_refuse_its_own_tables(path: Path, app: App) -> None:
    app.run(accept=ACCEPT)
    assert not app.plan().refusals
    app.cutover()
    with closing(split_app(path)) as again:
        assert not again.plan().refusals
