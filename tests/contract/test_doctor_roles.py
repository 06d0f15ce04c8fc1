"""What a doctor says as a role that may not see everything: what it saw, and why it could not look at the rest."""

from __future__ import annotations

from tests.contract.ills_of_vectors import ALL_AT_ONCE, MANY, SICK, by_name, examined, found
from tests.postgres.questions import execute, job, title_of


def test_who_may_only_read_finds_the_same(healthy: str, reader: str) -> None:
    name = "reader_" + title_of(healthy)
    execute(healthy, f"GRANT SELECT ON questions TO {name}")
    assert [each for each in examined(job(reader)).findings if each.verdict != "clean"] == []
    execute(healthy, *ALL_AT_ONCE[:-4])
    assert found(examined(job(reader))) == found(examined(job(healthy)))


def test_what_a_role_may_not_read_is_unchecked_with_the_reason(healthy: str, reader: str) -> None:
    name = "reader_" + title_of(healthy)
    execute(healthy, *SICK["zero"].sql)
    nothing = examined(job(reader))
    assert nothing.counts == {}
    assert by_name(nothing, "zero").verdict == "unchecked"
    assert "GRANT SELECT" in by_name(nothing, "zero").said
    assert by_name(nothing, "metric").verdict == "clean"
    execute(healthy, f"GRANT SELECT (id, title, embedding) ON questions TO {name}")
    vectors = examined(job(reader))
    assert found(vectors) == {"zero": 2}
    for each in ("missing", "without-text", "duplicates", "stale", "other-model"):
        assert by_name(vectors, each).said.endswith("may not read body"), each
    execute(
        healthy, f"REVOKE SELECT (embedding) ON questions FROM {name}", f"GRANT SELECT (body) ON questions TO {name}"
    )
    texts = examined(job(reader))
    assert by_name(texts, "zero").said.endswith("may not read embedding")
    assert (vectors.counts, texts.counts) == (
        {"rows": 40, "vectors": 40, "measured": 40},
        {"rows": 40, "texts": 40},
    )


def test_vectors_that_may_not_be_read_are_not_taken_for_none(healthy: str, reader: str) -> None:
    execute(
        healthy,
        f"GRANT SELECT (id, title, body) ON questions TO reader_{title_of(healthy)}",
        "DROP INDEX questions_hnsw",
        MANY.format(last=4999),
        "CREATE INDEX large ON questions USING hnsw (embedding vector_cosine_ops) WITH (ef_construction = 32)",
        "ANALYZE questions",
    )
    assert by_name(examined(job(reader), sample=0), "oversized-index").verdict == "clean"
    execute(healthy, "DROP INDEX large")
    assert by_name(examined(job(reader), sample=0), "no-index").verdict == "unchecked"


def test_rows_that_policies_may_hide_are_not_counted(healthy: str, reader: str) -> None:
    name = "reader_" + title_of(healthy)
    execute(healthy, f"GRANT SELECT ON questions TO {name}", "ALTER TABLE questions ENABLE ROW LEVEL SECURITY")
    hidden = examined(job(reader))
    assert hidden.counts == {}
    assert "policies may hide rows" in by_name(hidden, "missing").said
    assert "BYPASSRLS" in by_name(hidden, "missing").said
    assert by_name(hidden, "stale").verdict == "unchecked"
    assert found(hidden) == {"iterative-scan": None}


def test_a_ledger_that_may_not_be_read_is_told(healthy: str, reader: str) -> None:
    name = "reader_" + title_of(healthy)
    execute(healthy, f"GRANT SELECT ON questions TO {name}", "CREATE SCHEMA limosa", "CREATE TABLE limosa.migration ()")
    assert by_name(examined(job(reader)), "ledger").verdict == "unchecked"
