"""Tables with partitions: there and back in both layouts, beside a writer, and killed in between."""

from __future__ import annotations

import json
import random
import time
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from urllib.parse import urlsplit

import numpy as np
import psycopg
import pytest

from limosa.app import App, open_app
from limosa.errors import Refused
from limosa.steps.verify import conserve
from tests.crash.proxy import Proxy
from tests.crash.world import World, dump, start_driver, until
from tests.journey.partition_world import ACCEPT, LAYOUTS, PARTS, fill, held, job_of, stale
from tests.journey.world import STEPS, Writer, asked, forward
from tests.providers.openai_server import OpenAIServer, vector_of


@pytest.fixture(params=list(LAYOUTS))
def layout(request: pytest.FixtureRequest) -> str:
    return str(request.param)


@pytest.fixture
def docs(database: str, monkeypatch: pytest.MonkeyPatch) -> str:
    monkeypatch.setenv("LIMOSA_TEST_URL", database)
    fill(database)
    return database


@pytest.fixture
def app(docs: str, openai_server: OpenAIServer, layout: str) -> Iterator[App]:
    app = open_app(job_of(openai_server, layout))
    yield app
    app.close()


ARMED = "SELECT tgname FROM pg_trigger WHERE tgname LIKE '%limosa%'"


def test_there_and_back_from_after_every_step_leaves_equal_dumps(docs: str, app: App, layout: str) -> None:
    before = dump(docs)
    # Verify changes nothing: what is taken back after it is what is taken back after the index.
    for last in (step for step in STEPS if step != "verify"):
        forward(app, last)
        assert asked(docs, ARMED) != []
        app.rollback()
        assert dump(docs) == before, last
    app.run(accept=ACCEPT)
    if layout == "column":
        asked(docs, "CREATE VIEW one AS SELECT embedding FROM docs_rest")
        with pytest.raises(Refused, match=r"made since the plan: view public\.one"):
            app.cutover()
        asked(docs, "DROP VIEW one")
    app.cutover()
    old = "embedding_limosa_old" if layout == "column" else "embedding"
    asked(docs, f"CREATE VIEW one AS SELECT {old} FROM docs_rest")
    with pytest.raises(Refused, match="view one reads"):
        app.finish(now=True)
    assert app.voyage.store.capture.intact() is None, "nothing of finish was done"
    asked(docs, "DROP VIEW one")
    app.finish(now=True)
    assert not stale(docs, LAYOUTS[layout])
    assert asked(docs, ARMED) == []
    if layout == "column":
        # The indexes have the names that the old ones had, on every partition.
        names = "SELECT c.relname FROM pg_class AS c JOIN pg_am AS a ON a.oid = relam WHERE amname = 'hnsw' ORDER BY 1"
        assert [name for (name,) in asked(docs, names)] == sorted(
            [f"{part}_embedding_idx" for part in PARTS] + ["docs_embedding_idx"]
        )


class _Tenants(Writer):
    """An application that inserts, edits and deletes, and moves rows between partitions, with new texts and without."""

    def _act(self, connection: psycopg.Connection[tuple[object, ...]], rng: random.Random) -> None:
        key = (rng.randrange(40), rng.randrange(200))
        row, word, to = "tenant = %s AND id = %s", f"{rng.random():.6f}", rng.randrange(40)
        kind = rng.choices(
            ["insert", "edit", "delete", "move", "rewrite", "blank", "other"], [25, 25, 5, 15, 15, 5, 10]
        )
        match kind[0]:
            case "insert":
                sql = "INSERT INTO docs (tenant, id, title, body) SELECT %s, max(id) + 1, %s, %s FROM docs"
                connection.execute(sql, (to, f"born {word}", word))
            case "edit":
                connection.execute(f"UPDATE docs SET body = %s WHERE {_ANY}", (f"edited {word}", *key))
            case "delete":
                connection.execute(f"DELETE FROM docs WHERE {row}", key)
            case "move":
                connection.execute(f"UPDATE docs SET tenant = %s WHERE {_ANY}", (to, *key))
            case "rewrite":
                connection.execute(f"UPDATE docs SET tenant = %s, body = %s WHERE {_ANY}", (to, f"moved {word}", *key))
            case "blank":
                connection.execute(f"UPDATE docs SET title = NULL, body = NULL WHERE {row}", key)
            case _:
                connection.execute(f"UPDATE docs SET note = %s WHERE {_ANY}", (word, *key))


_ANY = "(tenant, id) = (SELECT tenant, id FROM docs WHERE (tenant, id) >= (%s, %s) ORDER BY tenant, id LIMIT 1)"


def test_beside_a_writer_that_moves_rows_and_truncates_a_partition(docs: str, app: App, layout: str) -> None:
    asked(docs, "ALTER TABLE docs ALTER embedding DROP NOT NULL")
    truncate = "TRUNCATE docs_2" + (" CASCADE" if layout == "side_table" else "")
    with _Tenants(docs) as writer:
        app.run(accept=ACCEPT)
        asked(docs, truncate)
        held(app.run().proofs)
        app.cutover()
        _wait_for(writer, 30)
        app.run()
        asked(docs, truncate)
        _wait_for(writer, 10)
    app.run()
    assert not writer.errors
    assert not stale(docs, LAYOUTS[layout])
    assert conserve(app.voyage).lost == 0
    # What is listed is there, and no vector stands without its row.
    listed = "SELECT key FROM limosa.exception WHERE (key[1]::int, key[2]::bigint) NOT IN (SELECT tenant, id FROM docs)"
    assert asked(docs, listed) == []
    assert asked(docs, "SELECT count(*) > 0 FROM limosa.exception") == [(True,)]
    app.rollback()
    assert not asked(docs, "SELECT relname FROM pg_class WHERE relname LIKE '%limosa%' OR relname = 'docs_embedding_8'")


ATTACHED = """SELECT part.relname, x.indisvalid, x.indexrelid::int FROM pg_inherits AS h
JOIN pg_index AS x ON x.indexrelid = h.inhrelid JOIN pg_class AS part ON part.oid = x.indrelid
WHERE h.inhparent = to_regclass('docs_embedding_limosa_idx') ORDER BY 1"""


@pytest.mark.parametrize(("at", "after"), [("docs_1_embedding_limosa_idx", False), ("ALTER INDEX", True)])
def test_killed_in_the_middle_of_the_index_builds_it_goes_on_there_or_back(
    docs: str, openai_server: OpenAIServer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, at: str, after: bool
) -> None:
    before = dump(docs)
    job = tmp_path / "job.json"
    job.write_text(json.dumps(job_of(openai_server, "column", variable="LIMOSA_CRASH_URL")))
    parts = urlsplit(docs)
    proxy = Proxy(str(parts.hostname), parts.port or 0, kill_at=lambda label, number: at in label, after=after)
    host, port = proxy.address
    through = parts._replace(netloc=f"{parts.username}:{parts.password}@{host}:{port}").geturl()
    process = start_driver(World(job, docs), "run", url=through)
    proxy.victim = process.pid
    process.join(60)
    proxy.close()
    assert proxy.killed is not None, (tmp_path / "job.out").read_text()
    built = asked(docs, ATTACHED)
    assert [row[:2] for row in built] == [("docs_0", True)]
    with _copied(docs) as copy:
        monkeypatch.setenv("LIMOSA_CRASH_URL", copy)
        with closing(open_app(json.loads(job.read_text()))) as app:
            app.rollback()
        assert dump(copy) == before
    monkeypatch.setenv("LIMOSA_CRASH_URL", docs)
    with closing(open_app(json.loads(job.read_text()))) as app:
        held(app.run().proofs)
        whole = asked(docs, ATTACHED)
        # What stood was not built again.
        assert [row[:2] for row in whole] == [(part, True) for part in PARTS]
        assert built[0] in whole
        assert asked(docs, "SELECT reloptions FROM pg_class WHERE relname LIKE 'docs\\__'") == [(None,)] * 3
        app.rollback()
    assert dump(docs) == before


@contextmanager
def _copied(url: str) -> Iterator[str]:
    """The same database a second time, once nobody uses it any more."""
    parts = urlsplit(url)
    name = parts.path.removeprefix("/")
    server = parts._replace(path="/postgres").geturl()
    until(lambda: asked(server, "SELECT FROM pg_stat_activity WHERE datname = %s", name) == [])
    asked(server, f"CREATE DATABASE {name}_copy TEMPLATE {name}")
    yield parts._replace(path=f"/{name}_copy").geturl()
    asked(server, f"DROP DATABASE {name}_copy WITH (FORCE)")


def test_every_partition_is_searched_by_its_index_and_written_by_its_key(
    docs: str, openai_server: OpenAIServer
) -> None:
    asked(docs, "ALTER TABLE docs ALTER embedding DROP NOT NULL")
    asked(
        docs,
        "INSERT INTO docs SELECT i % 40, i, 'title', 'more ' || i FROM generate_series(200, 2000) AS i",
    )
    asked(docs, "VACUUM ANALYZE docs")
    app = open_app(job_of(openai_server, "column"))
    asked(docs, "CREATE PUBLICATION half FOR TABLE docs_1 (tenant, id, title), docs_2")
    assert "published by half without a list of columns" in " ".join(check.said for check in app.plan().refusals)
    asked(docs, "DROP PUBLICATION half")
    plan = app.plan()
    assert plan.estimates["heap_bytes_before"] == asked(docs, _HEAP)[0][0]
    notes = {check.name: check.said for check in plan.checks}
    assert "docs has 4 partitions (docs_0, docs_1, docs_2, docs_rest)" in notes["partitions"]
    assert "one lock of the table and its 4 partitions" in notes["partition-locks"]
    app.run(accept=ACCEPT, limit=500)
    ends = app.voyage.store.ends(0)
    rows = ends.source.read(("11", "0"), ("19", "9999"), limit=32)
    assert len(rows) == 32
    vectors = np.stack([vector_of(str(row.text), model="new", d=8) for row in rows])
    looked = "SELECT relname, seq_scan, idx_scan FROM pg_stat_xact_user_tables WHERE relname LIKE 'docs%'"
    with ends.target.begin() as tx:
        before = set(tx.execute(looked))
        assert len(ends.target.write(rows, vectors, tx).landed) == 32
        found = {row[0]: row[1:] for row in set(tx.execute(looked)) - before}
        at_first = {row[0]: row[1:] for row in before}
    # Of the partitions it has looked into that of these keys alone, and by an index or a tuple id.
    assert [(name, scans[0] - at_first.get(name, (0, 0))[0]) for name, scans in found.items()] in ([("docs_1", 0)], [])
    app.run()
    proofs = {proof.name: proof for proof in app.verify()}
    assert proofs["index"].verdict == proofs["recall"].verdict == "proved"
    # The table itself has no statistics before somebody analyses it; its partitions have.
    asked(
        docs, "UPDATE pg_class SET reltuples = CASE relkind WHEN 'p' THEN -1 ELSE 4e6 END WHERE relname LIKE 'docs%%'"
    )
    evidence = app.voyage.store.witness(0).evidence("new")
    assert evidence is not None
    assert not evidence.norms().whole
    asked(docs, "DROP INDEX docs_embedding_limosa_idx")
    assert {proof.name: proof.verdict for proof in app.verify()}["index"] == "different"
    app.rollback()
    app.close()


_HEAP = "SELECT sum(pg_relation_size(relid))::bigint FROM pg_partition_tree('docs')"


def _wait_for(writer: Writer, changes: int) -> None:
    wanted = writer.count + changes
    while writer.count < wanted and not writer.errors:
        time.sleep(0.01)
