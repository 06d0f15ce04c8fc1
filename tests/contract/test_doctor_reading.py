"""What a doctor reads: of many rows a part, drawn evenly, and no vector that it does not need."""

from __future__ import annotations

import re
import time
from collections.abc import Callable
from contextlib import closing

from limosa.app import open_app
from limosa.steps.doctor import scrutiny_of
from limosa.stores.postgres.doctor.examination import PostgresExamination
from limosa.stores.postgres.doctor.tally import tally
from tests.contract.ills_of_vectors import MANY, by_name, drawn, examined, rows
from tests.postgres.questions import changed, execute, job


def test_of_many_rows_a_part_of_the_vectors_is_read(healthy: str) -> None:
    execute(
        healthy,
        "UPDATE questions SET embedding = array_fill(0::real, ARRAY[16])::vector WHERE id > 20",
        "UPDATE questions SET embedding = NULL, status = '' WHERE id IN (1, 2)",
    )
    diagnosis = examined(job(healthy), whole_rows=10)
    zero, missing = by_name(diagnosis, "zero"), by_name(diagnosis, "missing")
    assert 0 < diagnosis.counts["measured"] < 38
    assert zero.count is not None
    assert 0 < zero.count < 20
    assert re.search(r"\(one vector in \d was read, by a hash of its key\)$", zero.said)
    assert (missing.count, diagnosis.counts["vectors"]) == (2, 38)
    assert examined(job(healthy), whole_rows=10).counts == diagnosis.counts


def test_of_many_rows_the_sample_is_drawn_from_some_pages(healthy: str) -> None:
    execute(healthy, MANY.format(last=2999), "ANALYZE questions")
    assert examined(job(healthy), sample=5, whole_rows=500).sent.startswith("5 texts")
    # Where these pages hold nothing of the filter, the whole table is looked at.
    few = changed(job(healthy), {"source.where": "id <= 3"})
    assert sorted(drawn(few, 3, whole_rows=10)[0]) == [1, 2, 3]


def test_the_sample_is_of_rows_from_anywhere(healthy: str) -> None:
    several = drawn(job(healthy), 5, times=10)
    assert {len(keys) for keys in several} == {5}
    # Of fifty keys out of forty that are drawn evenly none is above 30 once in two million times.
    assert max(max(keys) for keys in several) > 30
    assert any(keys != several[0] for keys in several)


def test_only_vectors_that_are_chosen_are_unpacked(healthy: str) -> None:
    execute(
        healthy,
        "DROP INDEX questions_hnsw",
        "ALTER TABLE questions SET (autovacuum_enabled = off)",
        "ALTER TABLE questions ALTER embedding TYPE vector(700) USING NULL",
        # Too large for their rows, they are kept out of line.
        """INSERT INTO questions (id, title, embedding) SELECT i, 'row ' || i,
            (SELECT array_agg(sin(i * k)::real) FROM generate_series(1, 700) AS k)::vector
        FROM generate_series(100, 499) AS i""",
        "ANALYZE questions",
    )
    file = changed(job(healthy), {"source.space.dimensions": 700})
    whole = unpacked(healthy, lambda: examined(file, sample=0))
    part = unpacked(healthy, lambda: examined(file, sample=0, whole_rows=44))
    assert whole >= 400
    assert part < whole / 4
    assert 2 <= unpacked(healthy, lambda: drawn(file, 2)) < 40


def test_a_column_of_many_values_is_not_kept_value_by_value(healthy: str) -> None:
    execute(
        healthy,
        "ALTER TABLE questions SET (autovacuum_enabled = off)",
        "DROP INDEX questions_hnsw",
        MANY.format(last=5999),
        "UPDATE questions SET embedding_model = md5(id::text)",
        "ANALYZE questions",
    )
    with closing(open_app(job(healthy))) as app:
        examination = app.voyage.store.witness(0).examination(scrutiny_of(app.voyage))
        assert isinstance(examination, PostgresExamination)
        with examination.subject.database.begin(snapshot=True) as tx:
            tx.raw("SET LOCAL work_mem = '384kB'")
            assert tally(tx, examination.subject, {}).models is None
    # Some groups fit into this memory; one for each row would go to files.
    assert handed_in(healthy, "SELECT temp_files FROM pg_stat_database WHERE datname = current_database()") == 0
    told = by_name(examined(job(healthy), sample=0), "models")
    assert (told.verdict, "more than 20 values" in told.said) == ("unchecked", True)


def unpacked(url: str, call: Callable[[], object]) -> int:
    """How many values that are kept out of line a call reads: each takes a search of their index."""
    count = """SELECT s.idx_scan FROM pg_stat_all_tables AS s JOIN pg_class AS c ON c.reltoastrelid = s.relid
        WHERE c.oid = 'questions'::regclass"""
    before = handed_in(url, count)
    call()
    return handed_in(url, count) - before


def handed_in(url: str, count: str) -> int:
    """What the server has counted once every other session has handed in its share, which it does as it ends."""
    while rows(url, "SELECT FROM pg_stat_activity WHERE datname = current_database() AND pid <> pg_backend_pid()"):
        time.sleep(0.01)
    return int(str(rows(url, count)[0][0]))
