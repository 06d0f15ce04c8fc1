"""Into a table that stands already: points become rows beside the application's own, of which none is touched."""

from __future__ import annotations

import threading
import uuid
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import psycopg
import pytest

from limosa.errors import Refused
from limosa.steps.voyage import carry_out
from tests.crash.world import dump, until
from tests.journey.collection_world import Stand
from tests.journey.existing_world import (
    ACCEPT,
    POINTS,
    clerk,
    copied,
    edit,
    key,
    listed,
    own_rows,
    owner,
    points,
    sql,
    text,
    vector,
    world,
)


@pytest.fixture
def near(database: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Stand]:
    monkeypatch.setenv("LIMOSA_TEST_URL", database)
    monkeypatch.chdir(tmp_path)
    with world(database, tmp_path) as near:
        yield near


def test_the_way_there_and_back_and_there_again(database: str, near: Stand) -> None:
    before, own = dump(database), own_rows(database)
    with closing(copied(near)) as app:
        with pytest.raises(Refused, match=r"30 rows; points would become rows beside them.*\n.*\n.*--accept-existing"):
            app.run()
        ending = app.run(accept=ACCEPT)
        assert (ending.verdict, ending.step) == ("proved", "verify")
        assert sql(database, "SELECT count(*) FROM documents") == [(POINTS + 30,)]
        assert own_rows(database) == own
        app.rollback()
        assert dump(database) == before
        assert sql(database, "SELECT count(*) FROM pg_class WHERE relname LIKE 'landed%'") == [(0,)]
        assert app.run(accept=ACCEPT).verdict == "proved"
        # What changes at the source changes the point's row, and the columns that are the application's stay.
        sql(database, "UPDATE documents SET owner = 99 WHERE id = %s", key(3))
        edit(near, points([3], stars=33), gone=[4])
        assert app.run().verdict == "proved"
        assert sql(database, "SELECT stars, owner FROM documents WHERE id = %s", key(3)) == [(33, 99)]
        assert sql(database, "SELECT count(*) FROM documents WHERE id = %s", key(4)) == [(0,)]
        assert app.cutover() == 0
        app.finish(now=True)
    assert own_rows(database) == own
    assert sql(database, "SELECT count(*) FROM documents") == [(POINTS + 29,)]
    assert sql(database, "SELECT count(*) FROM pg_trigger WHERE NOT tgisinternal") == [(0,)]
    assert sql(database, "SELECT obj_description('documents'::regclass)") == [("the application's own words",)]


def test_what_the_application_changes_flows_back(database: str, near: Stand, monkeypatch: pytest.MonkeyPatch) -> None:
    with owner(database) as url, clerk(database) as role:
        monkeypatch.setenv("LIMOSA_TEST_URL", url)
        _flows_back(database, near, role)


def _flows_back(database: str, near: Stand, role: str) -> None:
    with closing(copied(near)) as app:
        app.run(accept=ACCEPT)
        # Before the switch its new rows are its own.
        insert = "INSERT INTO documents (id, content, embedding) VALUES (%s, %s, %s)"
        sql(database, insert, key(-500), "own 500", text(vector(1)), role=role)
        app.run()
        app.cutover()
        own = own_rows(database)
        sql(database, insert, key(700), "born", text(vector(700)), role=role)
        sql(database, "UPDATE documents SET content = 'edited', stars = NULL WHERE id = %s", key(1), role=role)
        sql(database, "DELETE FROM documents WHERE id = ANY (%s::uuid[])", [key(2), key(-1)], role=role)
        sql(database, "UPDATE documents SET id = %s WHERE id = %s", key(701), key(5), role=role)
        sql(database, "UPDATE documents SET owner = 1 WHERE id = %s", key(-2), role=role)
        sql(database, "UPDATE documents SET id = %s WHERE id = %s", key(-600), key(-3), role=role)
        assert {change.key[0] for change in app.voyage.store.capture.take(100)} == set(map(key, (700, 1, 2, 5, 701)))
        assert app.run().verdict == "proved"
        found = near.points("points")
        assert found[key(700),].payload == {"content": "born"}
        assert found[key(1),].payload == {"content": "edited", "slug": "point-1", "more": {"of it": [1]}}
        assert {(key(2),), (key(5),)}.isdisjoint(found)
        assert found[key(701),].payload["content"] == "text 5"
        assert len(found) == POINTS
        assert listed(database) == {each for (each,) in found}
        app.rollback()
    left = own_rows(database)
    assert sql(database, "SELECT count(*) FROM documents") == [(30,)]
    # Those that the application changed are as it left them, and all others are where they were.
    assert len(set(own.splitlines()) - set(left.splitlines())) == 3


def test_a_table_that_is_emptied(database: str, near: Stand) -> None:
    with closing(copied(near)) as app, clerk(database) as role:
        app.run(accept=ACCEPT)
        # Before the switch the points come again, and what took the place of one does not go.
        sql(database, "TRUNCATE documents", role=role)
        assert listed(database) == set()
        sql(database, "INSERT INTO documents (id, content) VALUES (%s, 'own 1')", key(1), role=role)
        app.run()
        assert len(listed(database)) == POINTS - 1
        app.cutover()
        sql(database, "TRUNCATE documents", role=role)
        app.run()
        # The one that was dead is the source's alone.
        assert set(near.points("points")) == {(key(1),)}
        app.finish(now=True)


def test_rows_of_the_application_that_have_a_points_id_stay_and_the_point_is_dead(database: str, near: Stand) -> None:
    sql(database, "INSERT INTO documents (id, content) VALUES (%s, 'own 9'), (%s, 'own 10')", key(9), key(10))
    own = own_rows(database)
    with closing(copied(near)) as app:
        assert app.run(accept=ACCEPT).verdict == "proved"
        dead = {letter.key[0]: letter.reason for letter in app.failed(kind="dead")}
        assert set(dead) == {key(9), key(10)}
        assert all("a row of the application's has this id" in why for why in dead.values())
        # A point that goes at the source takes no row of the application's with it.
        edit(near, points([10], stars=5), gone=[9])
        app.retry()
        app.run()
        assert own_rows(database) == own
        sql(database, "DELETE FROM documents WHERE id = %s", key(10))
        app.retry()
        assert app.run().verdict == "proved"
        assert sql(database, "SELECT stars FROM documents WHERE id = %s", key(10)) == [(5,)]
        # A row that takes the place of a point's that the application deleted is the application's.
        sql(database, "DELETE FROM documents WHERE id = %s", key(11))
        sql(database, "INSERT INTO documents (id, content) VALUES (%s, 'own 11')", key(11))
        own = own_rows(database)
        edit(near, points([11], stars=6))
        app.run()
        assert {letter.key[0] for letter in app.failed(kind="dead")} == {key(11)}
        app.rollback()
    assert own_rows(database) == own


def test_what_a_constraint_refuses_is_dead_alone(database: str, near: Stand) -> None:
    sql(
        database,
        """CREATE TABLE owners (name text PRIMARY KEY);
        INSERT INTO owners VALUES ('me');
        ALTER TABLE documents ADD COLUMN author text REFERENCES owners DEFERRABLE INITIALLY DEFERRED;
        CREATE FUNCTION no_evil() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN
            IF NEW.content = 'evil' THEN RAISE EXCEPTION 'no evil here' USING ERRCODE = '45001'; END IF;
            IF NEW.content = 'silent' THEN RETURN NULL; END IF;
            RETURN NEW; END $$;
        CREATE TRIGGER no_evil BEFORE INSERT OR UPDATE ON documents FOR EACH ROW EXECUTE FUNCTION no_evil();
        CREATE INDEX ON documents (content)""",
    )
    odd = {
        1: {"slug": "own-1"},
        2: {"stars": -1},
        30: {"author": "nobody"},
        31: {"author": "me"},
        32: {"slug": "x" * 41},
        60: {"content": None},
        61: {"content": "evil"},
        62: {"content": "silent"},
        63: {"content": "".join(chr(0x4E00 + (n * 7919) % 20000) for n in range(6000))},
        64: {"stars": "many"},
    }
    for number, payload in odd.items():
        edit(near, points([number], **payload))  # type: ignore[arg-type]
    columns = {"content": "content", "slug": "slug", "stars": "stars", "author": "author"}
    with closing(copied(near, columns=columns)) as app:
        assert [check.flag for check in app.plan().questions] == ["--accept-existing", "--accept-triggers"]
        ending = app.run(accept={*ACCEPT, "--accept-triggers"})
        assert ending.verdict == "proved", ending.proofs
        dead = {letter.key[0]: letter.reason for letter in app.failed(kind="dead")}
        assert set(dead) == {key(number) for number in odd if number != 31}
        for number, why in (
            (1, "documents_slug_key"),
            (2, "documents_stars_check"),
            (30, "documents_author_fkey"),
            (32, "too long for type"),
            (60, "null value in column"),
            (61, "no evil here"),
            (62, "keeps it out"),
            (63, "index row requires"),
            (64, "the column takes whole numbers"),
        ):
            assert why in dead[key(number)]
        # One that stood and does not fit any more goes, and is dead.
        edit(near, points([7], slug="own-2") + points([61], content="good"))
        assert app.run().verdict == "proved"
        assert {key(7)} == {letter.key[0] for letter in app.failed(kind="dead")} - set(dead)
        assert sql(database, "SELECT count(*) FROM documents WHERE id = %s", key(7)) == [(0,)]
        app.rollback()
    assert sql(database, "SELECT count(*) FROM documents") == [(30,)]


@pytest.mark.parametrize(("table", "left"), [("papers", ("drop-old", "give-up")), ("documents", ("drop-old",))])
def test_a_finish_that_died_half_way_is_completed(
    database: str, near: Stand, table: str, left: tuple[str, ...]
) -> None:
    with closing(copied(near, table=table)) as app:
        app.run(accept=ACCEPT)
        app.cutover()
        sql(database, f"UPDATE {table} SET content = 'last words' WHERE id = %s", key(1))
        if "give-up" not in left:
            app.run()
        carry_out(app.voyage, "finish", leave=left)
    with closing(copied(near, table=table)) as app:
        app.finish(now=True)
        assert app.status().state == "finished"
    assert near.points("points")[key(1),].payload["content"] == "last words"


def test_rows_that_are_locked_hold_up_no_other_and_those_that_are_referred_to_stay(database: str, near: Stand) -> None:
    sql(database, "CREATE TABLE notes (document uuid REFERENCES documents)")
    before = dump(database)
    with closing(copied(near)) as app:
        app.run(accept=ACCEPT)
        edit(near, points([6, 7], stars=66), gone=[8])
        with psycopg.connect(database) as busy:
            busy.execute("UPDATE documents SET owner = 1 WHERE id = ANY (%s)", ([uuid.UUID(key(n)) for n in (7, 8)],))
            on = threading.Thread(target=app.run)
            on.start()
            until(lambda: sql(database, "SELECT stars FROM documents WHERE id = %s", key(6)) == [(66,)])
            busy.rollback()
        on.join(60)
        assert sql(database, "SELECT id::text, stars FROM documents WHERE id IN (%s, %s)", key(7), key(8)) == [
            (key(7), 66)
        ]
        sql(database, "INSERT INTO notes VALUES (%s)", key(3))
        with pytest.raises(Refused, match="violates foreign key constraint"):
            app.rollback()
        sql(database, "TRUNCATE notes")
        with psycopg.connect(database) as busy:
            busy.execute("UPDATE documents SET owner = 1 WHERE id = %s", (key(4),))
            back = threading.Thread(target=app.rollback)
            back.start()
            until(lambda: sql(database, "SELECT count(*) FROM documents") == [(31,)])
            assert back.is_alive()
        back.join(60)
    assert dump(database) == before


def test_ids_that_are_made_overwrite_no_row_of_the_application(database: str, near: Stand) -> None:
    space = uuid.UUID("6f1d2c1e-6a0e-4d3a-9d53-0a2f3c0f8a11")
    made = {"column": "id", "old": "old_id", "uuid5": "{slug}", "namespace": str(space)}
    sql(database, "ALTER TABLE documents ADD old_id text NOT NULL UNIQUE DEFAULT gen_random_uuid()::text")
    sql(database, "INSERT INTO documents (id, content) VALUES (%s, 'own 5')", uuid.uuid5(space, "point-5"))
    own = own_rows(database)
    with closing(copied(near, key=made)) as app:
        assert app.run(accept=ACCEPT).verdict == "proved"
        [letter] = app.failed(kind="dead")
        assert letter.key == (key(5),)
        assert "a row of the application's has the same id by the template" in letter.reason
        # Two that change what they are named by take each other's id, and one goes on with a new one.
        edit(near, points([1], slug="point-2") + points([2], slug="point-1") + points([3], slug="new", stars=9))
        assert app.run().verdict == "proved"
        ids = dict(sql(database, "SELECT old_id, id FROM documents"))
        assert [ids[key(n)] for n in (1, 2, 3)] == [uuid.uuid5(space, each) for each in ("point-2", "point-1", "new")]
        assert own_rows(database) == own
        app.rollback()
    assert own_rows(database) == own


def test_indexes_and_functions_that_limosa_makes_are_the_only_ones_that_go(database: str, near: Stand) -> None:
    sql(
        database,
        "CREATE INDEX documents_embedding_idx ON documents USING hnsw (embedding vector_l2_ops);"
        " CREATE INDEX part ON documents USING hnsw (embedding vector_cosine_ops) WHERE owner > 5",
    )
    before = dump(database)
    match = {"function": "match_documents", "returns": ["id", "content"]}
    with closing(copied(near, match=match)) as app:
        ending = app.run(accept=ACCEPT)
        assert ending.verdict == "proved"
        made = "SELECT indexdef FROM pg_indexes WHERE indexname LIKE %s AND indexdef LIKE %s"
        [(definition,)] = sql(database, made, "documents_embedding_%_idx", "%vector_cosine_ops%")
        assert "WHERE" not in definition
        found = sql(database, "SELECT content FROM match_documents(%s, 0, 5)", text(vector(8)))
        assert found[0] == ("text 8",)
        app.rollback()
    assert dump(database) == before
