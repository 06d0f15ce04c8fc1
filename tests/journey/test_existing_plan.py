"""What plan says of a table that stands already, before anything is touched."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import closing
from dataclasses import replace
from pathlib import Path
from typing import Any

import psycopg
import pytest

from limosa.app import open_app
from limosa.model.plan import Check
from limosa.model.point import Collected, VectorSpec
from tests.crash.world import dump
from tests.journey.collection_world import D, Stand
from tests.journey.existing_world import ACCEPT, COLUMNS, TABLE, copied, points, sql, text, vector, world

NAMESPACE = "6f1d2c1e-6a0e-4d3a-9d53-0a2f3c0f8a11"

REFUSED: dict[str, tuple[str, dict[str, Any], str]] = {
    "a column that is not there": (
        "",
        {"columns": COLUMNS | {"title": "title", "body": "body"}},
        "There is a table public.documents already, without the columns title, body; it has id, content, slug",
    ),
    "nowhere for the rest": (
        "ALTER TABLE documents DROP COLUMN metadata",
        {},
        'ALTER TABLE "public"."documents" ADD COLUMN "metadata" jsonb;',
    ),
    "a rest of another type": ("", {"rest": "owner"}, "public.documents.owner is bigint, and cannot hold the rest"),
    "a column that needs a value": (
        "ALTER TABLE documents ALTER COLUMN created DROP DEFAULT",
        {},
        "public.documents.created is NOT NULL and without a default",
    ),
    "a generated column": (
        "",
        {"columns": {**COLUMNS, "words": "words"}},
        "public.documents.words is GENERATED ALWAYS",
    ),
    "an identity": (
        "ALTER TABLE documents ADD COLUMN number int GENERATED ALWAYS AS IDENTITY",
        {"columns": {**COLUMNS, "number": "number"}},
        "public.documents.number is GENERATED ALWAYS",
    ),
    "a type that nothing is written to": (
        "ALTER TABLE documents ADD COLUMN price numeric",
        {"columns": {**COLUMNS, "price": "price"}},
        "public.documents.price is of the type numeric",
    ),
    "a time that is rounded": (
        "ALTER TABLE documents ALTER COLUMN created TYPE timestamptz(0)",
        {"columns": {**COLUMNS, "created": "created"}},
        "public.documents.created keeps 0 digits of a second",
    ),
    "another size": (
        "ALTER TABLE documents DROP COLUMN embedding, ADD COLUMN embedding vector(8)",
        {},
        f"public.documents.embedding takes 8 dimensions, and the source's vectors have {D}",
    ),
    "no size, and an index": (
        "ALTER TABLE documents DROP COLUMN embedding, ADD COLUMN embedding vector",
        {},
        "public.documents.embedding is a vector without a size",
    ),
    "another kind": (
        "ALTER TABLE documents DROP COLUMN embedding, ADD COLUMN embedding sparsevec",
        {},
        "public.documents.embedding is sparsevec, and the source's vectors are dense",
    ),
    "half the width": (
        f"ALTER TABLE documents DROP COLUMN embedding, ADD COLUMN embedding halfvec({D})",
        {},
        "public.documents.embedding is of the type halfvec",
    ),
    "no vector at all": ("", {"vector": "content", "columns": {}}, "public.documents.content is of the type text"),
    "a key that is not unique": (
        "ALTER TABLE documents DROP CONSTRAINT documents_pkey, ALTER COLUMN id DROP NOT NULL",
        {},
        'ALTER TABLE "public"."documents" ADD UNIQUE ("id"), ALTER COLUMN "id" SET NOT NULL;',
    ),
    "one that is so in a part": (
        "ALTER TABLE documents DROP CONSTRAINT documents_pkey;"
        " CREATE UNIQUE INDEX ON documents (id) WHERE owner > 0; CREATE UNIQUE INDEX ON documents ((id::text));"
        " CREATE UNIQUE INDEX ON documents (id, slug); ALTER TABLE documents ADD UNIQUE (id) DEFERRABLE",
        {},
        "public.documents.id is to be the key of points, and is not UNIQUE.",
    ),
    "a key of another type": (
        "",
        {"key": "owner"},
        "public.documents.owner is bigint, and cannot hold the source's ids, UUIDs",
    ),
    "made ids elsewhere": (
        "",
        {"key": {"column": "owner", "old": "slug", "uuid5": "{slug}", "namespace": NAMESPACE}, "columns": {}},
        "public.documents.owner is bigint, and cannot hold ids that are made",
    ),
    "a view": (
        "ALTER TABLE documents RENAME TO papers; CREATE VIEW documents AS SELECT * FROM papers",
        {},
        "There is public.documents already, which is a view",
    ),
    "a partitioned table": (
        "ALTER TABLE documents RENAME TO papers; CREATE TABLE documents (LIKE papers) PARTITION BY RANGE (id)",
        {},
        "which is partitioned",
    ),
    "a partition": (
        "CREATE TABLE whole (LIKE documents INCLUDING GENERATED) PARTITION BY RANGE (id);"
        " ALTER TABLE whole ATTACH PARTITION documents DEFAULT",
        {},
        "which is a partition of another table",
    ),
    "heirs": ("CREATE TABLE heirs () INHERITS (documents)", {}, "which has tables that inherit from it"),
    "a name that no table has": (
        "DROP TABLE documents; CREATE SEQUENCE documents",
        {},
        "There is public.documents already, which is no table",
    ),
}


@pytest.fixture
def near(database: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Stand]:
    monkeypatch.setenv("LIMOSA_TEST_URL", database)
    monkeypatch.chdir(tmp_path)
    with world(database, tmp_path) as near:
        yield near


def told(near: Stand, **target: object) -> list[Check]:
    with closing(copied(near, **target)) as app:
        return list(app.plan().checks)


def said(checks: list[Check], *verdicts: str) -> str:
    return "\n".join(f"{each.said} {each.do}" for each in checks if not verdicts or each.verdict in verdicts)


def test_what_cannot_be_is_refused_by_name(database: str, near: Stand) -> None:
    wrong = {}
    for name, (statement, target, expected) in REFUSED.items():
        sql(database, f"DROP SCHEMA public CASCADE; CREATE SCHEMA public; CREATE EXTENSION vector; {TABLE} {statement}")
        found = said(told(near, **target), "refused")
        if expected not in found:
            wrong[name] = found
    assert wrong == {}


def test_a_table_as_the_source_needs_a_mapping(database: str, near: Stand, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OTHER_TEST_URL", database)
    make = "CREATE TABLE papers AS SELECT id, content, embedding FROM documents LIMIT 5; ALTER TABLE papers"
    sql(database, f"{make} ADD PRIMARY KEY (id); UPDATE documents SET id = gen_random_uuid()")
    job: dict[str, Any] = {
        "name": "papers",
        "source": {"store": "env:OTHER_TEST_URL", "table": "papers"},
        "target": {"store": "env:LIMOSA_TEST_URL", "table": "documents"},
    }
    with closing(open_app(job)) as app:
        assert "does not say into which columns of public.documents" in said(list(app.plan().checks), "refused")
    job["target"]["columns"] = {"content": "content"}
    with closing(open_app(job)) as app:
        assert app.run(accept=ACCEPT).verdict == "proved"
        assert sql(database, "SELECT count(*) FROM documents") == [(35,)]


def test_what_a_person_should_know_is_said(database: str, near: Stand) -> None:
    sql(
        database,
        """ALTER TABLE documents ENABLE ROW LEVEL SECURITY;
        CREATE INDEX mine ON documents USING hnsw (embedding vector_cosine_ops);
        CREATE TABLE notes (document uuid REFERENCES documents ON DELETE CASCADE, other uuid REFERENCES documents);
        CREATE FUNCTION nothing() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN RETURN NULL; END';
        CREATE TRIGGER audit AFTER INSERT OR DELETE ON documents FOR EACH ROW EXECUTE FUNCTION nothing();
        CREATE TRIGGER off AFTER INSERT ON documents FOR EACH ROW EXECUTE FUNCTION nothing();
        ALTER TABLE documents DISABLE TRIGGER off""",
    )
    before = dump(database)
    with closing(copied(near)) as app:
        plan = app.plan()
    assert not plan.refusals
    assert {each.flag for each in plan.questions} == {"--accept-existing", "--accept-triggers"}
    asked, noted = said(list(plan.questions)), said(list(plan.checks), "note")
    assert "with 30 rows; points would become rows beside them, and none of them is touched" in asked
    assert "for every row that limosa writes, or takes back: audit (insert, delete)." in asked
    assert "go or change with it, by notes_document_fkey of notes" in asked
    assert "by notes_other_fkey of notes cannot go" in noted
    assert "Every row goes into mine as it arrives" in noted
    assert "Row security is on for public.documents" in noted
    # One that will do stands already.
    assert [each.id for each in plan.operations if each.step == "index"] == []
    assert dump(database) == before


def test_a_role_is_told_what_it_lacks(database: str, near: Stand, monkeypatch: pytest.MonkeyPatch) -> None:
    info = psycopg.conninfo.conninfo_to_dict(database)
    guest = f"guest_{info['dbname']}"
    sql(database, f"CREATE ROLE {guest} LOGIN PASSWORD 'plain'; GRANT SELECT ON documents TO {guest}")
    url = database.replace(f"{info['user']}:{info['password']}@", f"{guest}:plain@")
    monkeypatch.setenv("LIMOSA_TEST_URL", url)
    found = said(told(near), "refused")
    sql(database, f"DROP OWNED BY {guest}; DROP ROLE {guest}")
    assert f"{guest} does not own public.documents; {info['user']} does. GRANT" in found
    assert f'GRANT INSERT, UPDATE, DELETE ON "public"."documents" TO "{guest}";' in found
    assert f'GRANT CREATE ON SCHEMA "public" TO "{guest}";' in found


def test_ids_that_a_sequence_will_come_to_are_asked_about(database: str, near: Stand) -> None:
    vectors = {"": VectorSpec(name="", dimensions=D)}
    numbered = [replace(each, key=(str(n),), payload={"content": "own"}) for n, each in enumerate(points(range(3)), 1)]
    near.fill("numbered", Collected(points=0, ids="uint63", vectors=vectors), numbered)
    sql(database, "CREATE TABLE notes (id serial PRIMARY KEY, content text, metadata jsonb, embedding vector(24))")
    job = {"name": "notes", "source": near.section("numbered")}
    target = {"store": "env:LIMOSA_TEST_URL", "table": "notes", "columns": {"content": "content"}}
    with closing(open_app({**job, "target": target})) as app:
        assert "where it comes to one of them, the application's INSERT fails" in said(list(app.plan().questions))
        sql(database, "SELECT setval('notes_id_seq', 1000)")
        assert app.run(accept=ACCEPT).verdict == "proved"
        app.cutover()
        sql(database, "INSERT INTO notes (content, embedding) VALUES ('born', %s)", text(vector(1)))
        app.run()
        assert set(near.points("numbered")) == {("1",), ("2",), ("3",), ("1001",)}
        app.rollback()
    assert sql(database, "SELECT * FROM notes") == []
