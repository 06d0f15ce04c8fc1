"""A table with everything on it and around it that a backup has to bring back."""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from limosa.app import open_app
from limosa.config import load
from limosa.model.backup import Restored
from limosa.stores.postgres.backup.making import take_backup
from limosa.stores.postgres.store import PostgresStore, open_store
from tests.postgres.questions import dump, execute, make_questions

__all__ = ["REST", "back_up", "furnish", "put_back", "store_of", "table"]

REST = (
    "ALTER TABLE questions ALTER title SET STATISTICS 200",
    "ALTER TABLE questions ADD COLUMN number bigint GENERATED ALWAYS AS IDENTITY (START WITH 100 INCREMENT BY 5)",
    "ALTER TABLE questions ADD COLUMN place serial",
    'ALTER TABLE questions ADD COLUMN slug text COLLATE "C" GENERATED ALWAYS AS (lower(title)) STORED',
    "ALTER TABLE questions ADD COLUMN small halfvec(16)",
    "ALTER TABLE questions ADD COLUMN gone int",
    "ALTER TABLE questions DROP COLUMN gone",
    'ALTER TABLE questions ADD COLUMN "Odd ""name" text[] DEFAULT ARRAY[\'a,b\', NULL]',
    "ALTER TABLE questions ALTER body SET STORAGE EXTERNAL, ALTER small SET STORAGE MAIN, SET (fillfactor = 80)",
    "ALTER TABLE questions ALTER title SET (n_distinct = -0.5)",
    "UPDATE questions SET small = embedding::halfvec WHERE id % 3 = 0",
    "UPDATE questions SET embedding = NULL, body = NULL WHERE id % 7 = 0",
    "UPDATE questions SET body = E'tab\\tback\\\\slash\\nline\\r\\\\.' WHERE id = 5",
    "ALTER TABLE questions ADD CONSTRAINT titled CHECK (title <> '')",
    "ALTER TABLE questions ADD CONSTRAINT later CHECK (id > 1) NOT VALID",
    "ALTER TABLE questions ADD CONSTRAINT one_place UNIQUE (place) WITH (fillfactor = 70)"
    " DEFERRABLE INITIALLY DEFERRED",
    "CREATE TABLE authors (id int PRIMARY KEY)",
    "INSERT INTO authors VALUES (1)",
    "ALTER TABLE questions ADD COLUMN author int DEFAULT 1 REFERENCES authors ON DELETE SET NULL",
    "CREATE INDEX near ON questions USING hnsw (embedding vector_cosine_ops) WITH (m = 8)",
    "CREATE INDEX by_title ON questions (lower(title), id DESC) WHERE deleted_at IS NULL",
    "ALTER INDEX by_title ALTER COLUMN 1 SET STATISTICS 300",
    "CREATE STATISTICS together ON title, body FROM questions",
    "CREATE FUNCTION touched() RETURNS trigger LANGUAGE plpgsql AS"
    " 'BEGIN NEW.meta := ''{\"touched\": 1}''; RETURN NEW; END'",
    "CREATE TRIGGER touched BEFORE INSERT OR UPDATE ON questions FOR EACH ROW EXECUTE FUNCTION touched()",
    "CREATE TRIGGER rested AFTER UPDATE OF title ON questions FOR EACH ROW WHEN (NEW.id > 0)"
    " EXECUTE FUNCTION touched()",
    "ALTER TABLE questions DISABLE TRIGGER rested",
    "CREATE POLICY shown ON questions FOR SELECT TO PUBLIC USING (deleted_at IS NULL)",
    "CREATE POLICY bounded ON questions AS RESTRICTIVE FOR UPDATE USING (id > 0) WITH CHECK (id < 1000000)",
    "ALTER TABLE questions ENABLE ROW LEVEL SECURITY",
    "GRANT SELECT, INSERT ON questions TO PUBLIC",
    "GRANT UPDATE (title) ON questions TO pg_monitor WITH GRANT OPTION",
    "GRANT USAGE ON SEQUENCE questions_place_seq TO pg_monitor",
    "COMMENT ON TABLE questions IS 'What people''ve asked'",
    "COMMENT ON COLUMN questions.body IS 'long'",
    "COMMENT ON CONSTRAINT titled ON questions IS 'checked'",
    "COMMENT ON INDEX near IS 'approximate'",
    "COMMENT ON TRIGGER touched ON questions IS 'stamps'",
    "COMMENT ON POLICY shown ON questions IS 'not the deleted'",
    "COMMENT ON SEQUENCE questions_place_seq IS 'places'",
    "CREATE TABLE answers (id int PRIMARY KEY,"
    " question bigint CONSTRAINT asked REFERENCES questions ON DELETE CASCADE)",
    "INSERT INTO answers VALUES (1, 5), (2, 6), (3, NULL)",
    "COMMENT ON CONSTRAINT asked ON answers IS 'what it answers'",
    "CREATE POLICY with_question ON authors USING (EXISTS (SELECT FROM questions AS q WHERE q.author = authors.id))",
    "CREATE VIEW open_questions (key, name) WITH (security_invoker = true, check_option = cascaded) AS"
    " SELECT id, title FROM questions WHERE deleted_at IS NULL",
    "ALTER VIEW open_questions ALTER COLUMN name SET DEFAULT 'none'",
    "GRANT SELECT ON open_questions TO pg_monitor",
    "COMMENT ON VIEW open_questions IS 'still open'",
    "COMMENT ON COLUMN open_questions.name IS 'its title'",
    "CREATE RULE no_delete AS ON DELETE TO open_questions DO INSTEAD NOTHING",
    "CREATE VIEW narrow AS SELECT key FROM open_questions",
    "CREATE MATERIALIZED VIEW counted AS SELECT count(*) AS n, author FROM questions GROUP BY author",
    "CREATE UNIQUE INDEX counted_author ON counted (author)",
    "COMMENT ON MATERIALIZED VIEW counted IS 'by author'",
    "CREATE FUNCTION title_of(q questions) RETURNS text LANGUAGE sql STABLE AS 'SELECT q.title'",
    "REVOKE ALL ON FUNCTION title_of FROM PUBLIC",
    "CREATE FUNCTION newest() RETURNS bigint LANGUAGE sql STABLE BEGIN ATOMIC SELECT max(key) FROM open_questions; END",
    "COMMENT ON FUNCTION newest IS 'the last one'",
)
"""Everything that the table of questions lacks, in order."""


def furnish(url: str, *, rows: int = 40) -> None:
    """The table of questions with all of that."""
    make_questions(url, rows=rows)
    execute(url, *REST)


def store_of(file: Mapping[str, Any]) -> PostgresStore:
    """The store of a file; the address stands in LIMOSA_TEST_URL."""
    return open_store(os.environ["LIMOSA_TEST_URL"], load(file))


def back_up(file: Mapping[str, Any], *, kind: str = "table") -> Path:
    """Makes a backup below the working folder, as expand does; its folder."""
    store = store_of(file)
    try:
        folder = Path(f".limosa/backups/questions-{store.scope.id}.{kind}")
        take_backup(store.database, store.scope, str(folder))
        return folder
    finally:
        store.close()


def put_back(file: Mapping[str, Any], *, database: str | None = None, **wish: Any) -> Restored:
    """What ``limosa restore`` does when every question is answered with yes."""
    with open_app(file) as app:
        return app.restore(database=database, **wish)


def table(url: str) -> str:
    """A dump without what limosa remembers."""
    return dump(url, without=["limosa"])
