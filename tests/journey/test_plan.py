"""Plan to the end: the same twice, scripts that psql applies and run recognises, and the way back by hand."""

from __future__ import annotations

import os
import subprocess
import time
from pathlib import Path
from typing import Any

import psycopg
import pytest

from limosa.app import App, open_app
from limosa.errors import Refused
from limosa.stores.postgres.embedded import programs
from tests.postgres.questions import changed, dump, execute, job, make_questions
from tests.providers.openai_server import OpenAIServer

YES = frozenset({"--yes"})

MATCH = {"target.match": {"function": "match_questions", "returns": ["id", "title"], "filter": "meta"}}

FUNCTION = """CREATE FUNCTION match_questions(
    query_embedding vector(16), match_threshold float, match_count int, filter jsonb DEFAULT '{}')
RETURNS TABLE (id bigint, title text, similarity float) LANGUAGE sql STABLE AS $$
    SELECT q.id, q.title, 1 - (q.embedding <=> query_embedding) FROM questions AS q
    WHERE q.meta @> filter AND 1 - (q.embedding <=> query_embedding) > match_threshold
    ORDER BY q.embedding <=> query_embedding LIMIT match_count $$"""

SCRIPTS = [
    "01_expand.down.sql",
    "01_expand.up.sql",
    "02_index.down.sql",
    "02_index.up.sql",
    "03_cutover.down.sql",
    "03_cutover.up.sql",
    "04_finish.up.sql",
]


def by_hand(url: str, script: Path) -> str:
    """Runs a script with psql, again while it only fails to get a lock; what psql complained about."""
    program = programs(int(os.environ.get("LIMOSA_TEST_PG", "18"))) / "psql"
    argv = [str(program), "-X", "-q", "-v", "ON_ERROR_STOP=1", "-f", str(script), url]
    for _ in range(100):
        found = subprocess.run(argv, capture_output=True, text=True, check=False)
        if "lock timeout" not in found.stderr:
            break
        time.sleep(0.05)
    errors = [line for line in found.stderr.splitlines() if "ERROR" in line]
    assert bool(errors) == (found.returncode != 0), found.stderr
    return "\n".join(errors)


def make(url: str) -> dict[str, Any]:
    """A table with everything that a layout has to keep: NOT NULL, an index, a match function, views."""
    make_questions(url)
    execute(
        url,
        "ALTER TABLE questions ALTER embedding SET NOT NULL",
        "CREATE INDEX near ON questions USING hnsw (embedding vector_cosine_ops)",
        FUNCTION,
        "CREATE VIEW seen AS SELECT id, embedding FROM questions",
        "CREATE MATERIALIZED VIEW kept AS SELECT id, embedding FROM seen",
        "CREATE INDEX kept_near ON kept USING hnsw (embedding vector_cosine_ops)",
    )
    return changed(job(url), MATCH)


def heard(file: dict[str, Any]) -> tuple[App, list[str]]:
    lines: list[str] = []
    return open_app(file, say=lines.append), lines


def table(url: str) -> str:
    return dump(url, without=["limosa"])


def test_a_plan_is_the_same_twice_and_touches_nothing(database: str) -> None:
    file = make(database)
    before = dump(database)
    app, _ = heard(file)
    first, second = app.plan(), app.plan()
    other, _ = heard(file)
    third = other.plan()
    app.close()
    other.close()
    assert dump(database) == before
    for plan in (second, third):
        assert plan.hash == first.hash
        assert (plan.operations, plan.checks, plan.counts) == (first.operations, first.checks, first.counts)
        timed = {"embed_rows_per_s", "backfill_s", "total_s", "slowest"}
        assert {k: v for k, v in plan.estimates.items() if k not in timed} == {
            k: v for k, v in first.estimates.items() if k not in timed
        }


def test_scripts_that_were_applied_by_hand_are_recognised_and_lead_back(database: str, tmp_path: Path) -> None:
    file = make(database)
    before = table(database)
    app, lines = heard(file)
    plan = app.plan(sql=tmp_path / "sql")
    folder = tmp_path / "sql"
    assert sorted(path.name for path in folder.iterdir()) == SCRIPTS
    assert table(database) == before

    assert by_hand(database, folder / "03_cutover.up.sql") != ""
    assert by_hand(database, folder / "01_expand.up.sql") == ""
    assert app.plan().hash == plan.hash, "once it has begun, what was locked is shown"
    assert "not before limosa run" in by_hand(database, folder / "03_cutover.up.sql")
    proofs = app.run().proofs
    done_by_run = [operation.title for operation in plan.operations if operation.title in lines]
    titles = {step: [o.title for o in plan.operations if o.step == step] for step in ("expand", "index")}
    assert done_by_run == titles["index"]
    assert [proof.verdict for proof in proofs if proof.name == "conservation"] == ["proved"]

    assert by_hand(database, folder / "02_index.down.sql") == ""
    assert by_hand(database, folder / "02_index.up.sql") == ""
    assert by_hand(database, folder / "03_cutover.up.sql") == ""
    assert app.voyage.records.get().switched  # type: ignore[union-attr]
    assert columns(database)[-2:] == ["embedding_limosa_old", "embedding"]
    lines.clear()
    app.run()
    assert not [line for line in lines if line in {operation.title for operation in plan.operations}]

    for name in ("03_cutover", "02_index", "01_expand"):
        assert by_hand(database, folder / f"{name}.down.sql") == "", name
    assert table(database) == before
    with pytest.raises(Refused, match="has not begun"):
        app.verify()
    app.close()


def columns(url: str) -> list[str]:
    with psycopg.connect(url) as connection:
        rows = connection.execute(
            "SELECT attname FROM pg_attribute WHERE attrelid = 'questions'::regclass AND attnum > 0"
            " AND NOT attisdropped ORDER BY attnum"
        ).fetchall()
    return [str(row[0]) for row in rows]


def test_the_switch_by_hand_waits_for_what_changed(database: str, tmp_path: Path) -> None:
    file = make(database)
    app, _ = heard(file)
    app.plan(sql=tmp_path)
    app.run(accept=YES)
    execute(database, "UPDATE questions SET title = 'another' WHERE id = 3")
    assert "rows changed since; limosa run FILE" in by_hand(database, tmp_path / "03_cutover.up.sql")
    app.run()
    assert by_hand(database, tmp_path / "03_cutover.up.sql") == ""
    execute(database, "UPDATE questions SET title = 'a third' WHERE id = 4")
    assert "limosa rollback FILE" in by_hand(database, tmp_path / "03_cutover.down.sql")
    app.run()
    assert "limosa rollback FILE" in by_hand(database, tmp_path / "03_cutover.down.sql")
    assert by_hand(database, tmp_path / "04_finish.up.sql") == ""
    assert columns(database)[-1] == "embedding"
    assert app.voyage.records.get().step == "finish"  # type: ignore[union-attr]
    with psycopg.connect(database) as connection:
        found = connection.execute("SELECT count(*), min(vector_dims(embedding)) FROM questions").fetchall()
        triggers = connection.execute("SELECT tgname FROM pg_trigger WHERE NOT tgisinternal").fetchall()
    assert found == [(40, 24)]
    assert triggers == []
    app.close()


def test_a_finished_migration_has_nothing_to_do_and_the_next_one_takes_its_views_away(database: str) -> None:
    file = make(database)
    app, _ = heard(file)
    app.run(accept=YES)
    app.cutover()
    assert [check.name for check in app.plan().checks if check.verdict == "note"][:1] == ["under-way"]
    app.finish(now=True)
    assert [check.name for check in app.plan().refusals] == ["nothing-to-do"]
    app.close()
    again = changed(file, {"name": "again", "source.space": file["target"]["space"]})
    back = {"provider": "hashing", "model": "words-3", "dimensions": 32}
    unnamed, _ = heard(changed(again, {"target.space": back, "target.match": None}))
    said = [check.said for check in unnamed.plan().refusals]
    unnamed.close()
    assert len(said) == 1
    assert said[0].startswith("public.match_questions was made by an earlier migration")
    second, _ = heard(changed(again, {"target.space": back}))
    plan = second.plan()
    assert not plan.refusals, plan.refusals
    second.run(accept=YES)
    second.cutover()
    second.finish(now=True)
    second.close()
    with psycopg.connect(database) as connection:
        views = connection.execute("SELECT count(*) FROM pg_views WHERE schemaname = 'limosa'").fetchall()
    assert views == [(1,)]


def test_rows_that_hold_a_target_vector_are_not_counted_again(database: str) -> None:
    file = make(database)
    app, _ = heard(changed(file, {"backfill.batch_rows": 4}))
    app.run(accept=YES, limit=8)
    counts = app.plan().counts
    app.close()
    assert 8 <= counts["with_target"] < 40
    assert counts["to_embed"] == 40 - counts["with_target"]


def test_the_estimated_bytes_are_near_what_it_takes(database: str) -> None:
    make_questions(database, rows=600)
    app, _ = heard(changed(job(database), {"target.space.dimensions": 768}))
    before, estimates = used(database), app.plan().estimates
    app.run(accept=YES)
    app.close()
    after = used(database)
    for name in ("toast", "heap", "index", "wal"):
        if name == "wal":
            told = number(estimates, "wal_bytes") + number(estimates, "index_wal_bytes")
        else:
            told = number(estimates, f"{name}_bytes_after") - number(estimates, f"{name}_bytes_before")
        # What the ledger writes, and pages that are half full, weigh more in a small table.
        assert 0.7 < (after[name] - before[name]) / told < 1.4, (name, before, after, told)


def number(estimates: dict[str, object], name: str) -> int:
    value = estimates[name]
    assert isinstance(value, int)
    return value


def used(url: str) -> dict[str, int]:
    with psycopg.connect(url) as connection:
        row = connection.execute(
            "SELECT pg_total_relation_size(reltoastrelid), pg_relation_size(oid), pg_indexes_size(oid),"
            " pg_current_wal_lsn() - '0/0'::pg_lsn FROM pg_class WHERE relname = 'questions'"
        ).fetchall()[0]
    return dict(zip(("toast", "heap", "index", "wal"), map(int, row), strict=True))


def test_fill_has_scripts_of_its_own(database: str, tmp_path: Path) -> None:
    make_questions(database)
    execute(database, "UPDATE questions SET embedding = NULL WHERE id <= 9")
    before = table(database)
    app, lines = heard(changed(job(database), {"target": {}}))
    plan = app.plan(sql=tmp_path)
    assert plan.shape == "fill"
    assert plan.counts["to_embed"] == 9
    assert sorted(path.name for path in tmp_path.iterdir()) == [SCRIPTS[0], SCRIPTS[1], SCRIPTS[6]]
    assert by_hand(database, tmp_path / "01_expand.up.sql") == ""
    assert by_hand(database, tmp_path / "01_expand.down.sql") == ""
    assert table(database) == before
    assert by_hand(database, tmp_path / "01_expand.up.sql") == ""
    app.run()
    assert not [line for line in lines if line in {operation.title for operation in plan.operations}]
    assert by_hand(database, tmp_path / "04_finish.up.sql") == ""
    app.close()
    with psycopg.connect(database) as connection:
        assert connection.execute("SELECT count(*) FROM questions WHERE embedding IS NULL").fetchall() == [(0,)]


def test_scripts_of_a_refused_plan_are_not_written(database: str, tmp_path: Path) -> None:
    make_questions(database)
    execute(database, "CREATE RULE q AS ON UPDATE TO questions WHERE new.embedding IS NULL DO ALSO SELECT 1")
    app, _ = heard(job(database))
    with pytest.raises(Refused, match=r"The rule on public\.questions"):
        app.plan(sql=tmp_path / "sql")
    app.close()
    assert not (tmp_path / "sql").exists()


def paid(server: OpenAIServer, **space: object) -> dict[str, object]:
    return {
        "provider": "openai",
        "model": "text-embedding-3-small",
        "dimensions": 24,
        "base_url": server.base_url,
        **space,
    }


def test_a_budget_below_the_estimate_is_refused_before_anything_is_touched(
    database: str, openai_server: OpenAIServer
) -> None:
    make_questions(database)
    before = dump(database)
    file = changed(job(database), {"target.space": paid(openai_server, usd_per_million_tokens=1000.0)})
    app, _ = heard(changed(file, {"backfill.budget_usd": 0.01}))
    plan = app.plan()
    with pytest.raises(Refused, match="the budget is"):
        app.run(accept=YES)
    app.close()
    assert [check.name for check in plan.refusals] == ["budget"]
    cost, tokens = plan.estimates["cost_usd"], plan.estimates["tokens"]
    assert isinstance(cost, float)
    assert isinstance(tokens, int)
    assert cost == pytest.approx(tokens / 1000)
    assert plan.estimates["price_source"] == "usd_per_million_tokens in the file"
    assert dump(database) == before
    app, _ = heard(changed(file, {"backfill.budget_usd": cost * 2}))
    assert not app.plan().refusals
    app.close()


def test_plan_names_where_texts_will_be_sent(database: str, openai_server: OpenAIServer) -> None:
    make_questions(database)
    app, _ = heard(changed(job(database), {"target.space": paid(openai_server)}))
    plan = app.plan()
    app.close()
    told = next(check for check in plan.checks if check.name == "sends-to")
    assert "127.0.0.1" in told.said
    assert "the columns title, body" in told.said
    assert plan.estimates["columns_sent"] == ["title", "body"]
    assert plan.estimates["price_usd_per_million_tokens"] == 0.02
    assert plan.estimates["price_seen"] == "2026-07-03"


def test_a_new_model_of_another_size_is_refused(database: str, openai_server: OpenAIServer) -> None:
    make_questions(database)
    openai_server.sized = False
    space = paid(openai_server, model="fixed", dimensions=12, usd_per_million_tokens=0)
    app, _ = heard(changed(job(database), {"target.space": space}))
    plan = app.plan()
    app.close()
    told = next(check for check in plan.refusals if check.name == "new-model")
    assert "vectors of 8 dimensions" in told.said
    assert "dimensions" in told.do
