"""Tables with partitions: there and back in both layouts, beside a writer, and with partitions that come and go."""

from __future__ import annotations

import json
import random
import time
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from urllib.parse import urlsplit

import numpy as np
import psycopg
import pytest

from limosa import flow
from limosa.app import App, open_app
from limosa.errors import ProofFailed
from limosa.model.proof import Proof
from limosa.steps.backfill import backfill, catch_up
from limosa.steps.expand import expand
from limosa.steps.index import index
from limosa.steps.verify import conserve, verify
from tests.crash.proxy import Proxy
from tests.crash.world import World, dump, start_driver
from tests.journey.world import Writer
from tests.providers.openai_server import OpenAIServer, vector_of

ACCEPT = frozenset({"--accept-reconnect", "--accept-triggers"})
LAYOUTS = {"column": "docs", "side_table": "docs_embedding_8"}
Job = dict[str, object]
PARTS = ("docs_0", "docs_1", "docs_2", "docs_rest")

TABLE = """
CREATE TABLE docs (tenant int, id bigint, title text, body text, embedding vector(6) NOT NULL, note text DEFAULT 'kept',
    PRIMARY KEY (tenant, id)) PARTITION BY RANGE (tenant);
CREATE TABLE docs_0 PARTITION OF docs FOR VALUES FROM (0) TO (10);
CREATE TABLE docs_1 (note text, gone int, embedding vector(6) NOT NULL, id bigint NOT NULL, body text, title text,
    tenant int NOT NULL);
ALTER TABLE docs_1 DROP COLUMN gone, ALTER note SET DEFAULT 'kept';
ALTER TABLE docs ATTACH PARTITION docs_1 FOR VALUES FROM (10) TO (20);
CREATE TABLE docs_2 PARTITION OF docs FOR VALUES FROM (20) TO (30);
CREATE TABLE docs_rest PARTITION OF docs DEFAULT;
INSERT INTO docs (tenant, id, title, body, embedding)
SELECT i % 40, i, CASE WHEN i % 10 <> 0 THEN 'title ' || i END, CASE WHEN i % 5 <> 0 THEN 'body ' || i END,
    ARRAY[i, 1, 2, 3, 4, 5]::vector
FROM generate_series(1, {rows}) AS i;
CREATE INDEX docs_embedding_idx ON docs USING hnsw (embedding vector_cosine_ops);
CREATE FUNCTION match_docs(query_embedding vector, match_threshold double precision, match_count integer)
RETURNS TABLE(id bigint, similarity double precision) LANGUAGE sql STABLE AS $$
    SELECT d.id, 1 - (d.embedding <=> query_embedding) FROM docs d
    WHERE 1 - (d.embedding <=> query_embedding) > match_threshold
    ORDER BY d.embedding <=> query_embedding LIMIT match_count
$$;
"""


def _fill(url: str, *, rows: int = 120) -> None:
    with psycopg.connect(url, autocommit=True) as connection:
        connection.execute(TABLE.replace("{rows}", str(rows)))
        found = connection.execute("SELECT tenant, id, concat_ws(E'\\n\\n', title, body) FROM docs").fetchall()
        vectors = [(vector_of(text, model="old", d=6).tolist(), t, key) for t, key, text in found if text]
        with connection.transaction(), connection.cursor() as cursor:
            cursor.executemany("UPDATE docs SET embedding = %s::real[]::vector WHERE tenant = %s AND id = %s", vectors)


def _asked(url: str, sql: str, *params: object) -> list[tuple[object, ...]]:
    with psycopg.connect(url, autocommit=True) as connection:
        cursor = connection.execute(sql.encode(), params or None)
        return cursor.fetchall() if cursor.description else []


def _job(provider: OpenAIServer, layout: str, *, variable: str = "LIMOSA_TEST_URL", **backfill: object) -> Job:
    def space(model: str, d: int) -> Job:
        return {"provider": "openai", "model": model, "dimensions": d, "base_url": provider.base_url}

    source = {"store": f"env:{variable}", "table": "docs", "key": ["tenant", "id"], "text": ["title", "body"]}
    match = {"function": "match_docs", "returns": ["id"]}
    return {
        "name": "parts",
        "source": {**source, "vector": "embedding", "space": space("old", 6)},
        "target": {"layout": layout, "space": space("new", 8), "match": match},
        "backfill": {"batch_rows": 32, **backfill},
    }


@pytest.fixture(params=list(LAYOUTS))
def layout(request: pytest.FixtureRequest) -> str:
    return str(request.param)


@pytest.fixture
def docs(database: str, monkeypatch: pytest.MonkeyPatch) -> str:
    monkeypatch.setenv("LIMOSA_TEST_URL", database)
    _fill(database)
    return database


@pytest.fixture
def app(docs: str, openai_server: OpenAIServer, layout: str) -> Iterator[App]:
    app = open_app(_job(openai_server, layout))
    yield app
    app.close()


def _stale(url: str, table: str, column: str = "embedding") -> list[object]:
    """Keys of rows whose new vector is missing, or is not the embedding of the row's own text."""
    stale: list[object] = []
    rows = _asked(
        url,
        f"SELECT d.tenant, d.id, concat_ws(E'\\n\\n', d.title, d.body), v.\"{column}\"::real[] FROM docs AS d"
        f" LEFT JOIN {table} AS v ON v.tenant = d.tenant AND v.id = d.id WHERE coalesce(d.title, d.body) IS NOT NULL",
    )
    for tenant, key, text, vector in rows:
        wanted = vector_of(str(text), model="new", d=8)
        if vector is None or not np.allclose(np.asarray(vector, dtype=np.float32), wanted, atol=1e-6):
            stale.append((tenant, key))
    return stale


def _work(layout: str) -> str:
    return "embedding_limosa" if layout == "column" else "embedding"


def _held(proofs: Sequence[Proof]) -> None:
    assert not [proof for proof in proofs if proof.verdict == "different"]
    assert proofs


def _verified(app: App) -> None:
    catch_up(app.voyage)
    _held(verify(app.voyage))


STEPS: dict[str, Callable[[App], object]] = {
    "expand": lambda app: expand(app.voyage),
    "backfill": lambda app: backfill(app.voyage),
    "index": lambda app: index(app.voyage),
    "verify": _verified,
    "cutover": lambda app: app.cutover(),
}


def test_there_and_back_from_after_every_step_leaves_equal_dumps(docs: str, app: App, layout: str) -> None:
    before = dump(docs)
    for last in STEPS:
        flow.begin(app.voyage, app.plan())
        for name, step in STEPS.items():
            step(app)
            if name == last:
                break
        assert dump(docs) != before
        app.rollback()
        assert dump(docs) == before, last
    app.run(accept=ACCEPT)
    app.cutover()
    app.finish()
    assert not _stale(docs, LAYOUTS[layout])
    assert _asked(docs, "SELECT tgname FROM pg_trigger WHERE tgname LIKE '%limosa%'") == []
    if layout == "column":
        # The indexes have the names that the old ones had, on every partition.
        names = "SELECT c.relname FROM pg_class AS c JOIN pg_am AS a ON a.oid = relam WHERE amname = 'hnsw' ORDER BY 1"
        assert [name for (name,) in _asked(docs, names)] == sorted(
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
    _asked(docs, "ALTER TABLE docs ALTER embedding DROP NOT NULL")
    truncate = "TRUNCATE docs_2" + (" CASCADE" if layout == "side_table" else "")
    with _Tenants(docs) as writer:
        app.run(accept=ACCEPT)
        _asked(docs, truncate)
        _held(app.run().proofs)
        app.cutover()
        _wait_for(writer, 30)
        app.run()
        _asked(docs, truncate)
        _wait_for(writer, 10)
    app.run()
    assert not writer.errors
    assert not _stale(docs, LAYOUTS[layout])
    assert conserve(app.voyage).lost == 0
    # What is listed is there, and no vector stands without its row.
    listed = "SELECT key FROM limosa.exception WHERE (key[1]::int, key[2]::bigint) NOT IN (SELECT tenant, id FROM docs)"
    assert _asked(docs, listed) == []
    assert _asked(docs, "SELECT count(*) > 0 FROM limosa.exception") == [(True,)]
    app.rollback()
    assert not _asked(
        docs, "SELECT relname FROM pg_class WHERE relname LIKE '%limosa%' OR relname = 'docs_embedding_8'"
    )


def test_a_text_that_changes_while_its_row_moves_leaves_no_old_vector(docs: str, app: App, layout: str) -> None:
    app.run(accept=ACCEPT)
    _asked(docs, "UPDATE docs SET tenant = 11, body = 'another' WHERE id = 3")
    _asked(docs, "UPDATE docs SET tenant = 12 WHERE id = 4")
    assert [key for key in _stale(docs, LAYOUTS[layout], _work(layout)) if key == (11, 3)] == [(11, 3)]
    vector = f'SELECT "{_work(layout)}" IS NOT NULL FROM {LAYOUTS[layout]} WHERE id = 3'
    assert _asked(docs, vector) in ([(False,)], [])
    _held(app.run().proofs)
    assert not _stale(docs, LAYOUTS[layout], _work(layout))


def test_partitions_that_come_and_go_meanwhile_are_followed(docs: str, app: App, layout: str) -> None:
    flow.begin(app.voyage, app.plan())
    expand(app.voyage)
    backfill(app.voyage)
    if layout == "column":
        _asked(docs, "ALTER TABLE docs DETACH PARTITION docs_2")
    _asked(docs, "CREATE TABLE docs_9 PARTITION OF docs FOR VALUES FROM (90) TO (100)")
    _asked(
        docs, "INSERT INTO docs SELECT 91, i, 'title', 'made ' || i, '[1,2,3,4,5,6]' FROM generate_series(1, 9) AS i"
    )
    _asked(docs, "CREATE TABLE docs_8 (LIKE docs INCLUDING ALL)")
    _asked(
        docs, "INSERT INTO docs_8 SELECT 81, i, 'title', 'came ' || i, '[1,2,3,4,5,6]' FROM generate_series(1, 9) AS i"
    )
    _asked(docs, "ALTER TABLE docs ATTACH PARTITION docs_8 FOR VALUES FROM (80) TO (90)")
    wrong = app.voyage.store.capture.intact()
    assert wrong == "public.docs_8, public.docs_9 came after expand and is not armed yet: limosa run FILE does that."
    assert conserve(app.voyage).lost == 9
    _held(app.run().proofs)
    assert app.voyage.store.capture.intact() is None
    assert not _stale(docs, LAYOUTS[layout], _work(layout))
    before = _exceptions(docs)
    _asked(docs, "TRUNCATE docs_9" + (" CASCADE" if layout == "side_table" else ""))
    assert _exceptions(docs) == before
    if layout == "side_table":
        # TRUNCATE of one takes the vectors of all; the foreign key keeps a partition whose vectors stand.
        assert _asked(docs, "SELECT count(*) FROM docs_embedding_8") == [(0,)]
        _held(app.run().proofs)
        with pytest.raises(psycopg.errors.ForeignKeyViolation):
            _asked(docs, "ALTER TABLE docs DETACH PARTITION docs_0")
        _asked(docs, "DELETE FROM docs_embedding_8 WHERE tenant < 10")
    _asked(docs, "ALTER TABLE docs DETACH PARTITION docs_0")
    assert app.cutover() == 0
    _held(app.run().proofs)
    assert 0 < len(_exceptions(docs)) < len(before)
    assert not _stale(docs, LAYOUTS[layout])
    _asked(docs, "CREATE TABLE docs_7 PARTITION OF docs FOR VALUES FROM (70) TO (80)")
    with pytest.raises(ProofFailed, match=r"docs_7 came after expand.*limosa run FILE"):
        app.finish()
    app.run()
    app.finish()
    assert _asked(docs, "SELECT tgrelid::regclass FROM pg_trigger WHERE tgname LIKE '%limosa%'") == []


ATTACHED = """SELECT part.relname, x.indisvalid, x.indexrelid::int FROM pg_inherits AS h
JOIN pg_index AS x ON x.indexrelid = h.inhrelid JOIN pg_class AS part ON part.oid = x.indrelid
WHERE h.inhparent = to_regclass('docs_embedding_limosa_idx') ORDER BY 1"""


@pytest.mark.parametrize(("at", "after"), [("docs_1_embedding_limosa_idx", False), ("ALTER INDEX", True)])
def test_killed_in_the_middle_of_the_index_builds_it_goes_on_there_or_back(
    docs: str, openai_server: OpenAIServer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, at: str, after: bool
) -> None:
    monkeypatch.setenv("LIMOSA_CRASH_URL", docs)
    before = dump(docs)
    job = tmp_path / "job.json"
    job.write_text(json.dumps(_job(openai_server, "column", variable="LIMOSA_CRASH_URL")))
    parts = urlsplit(docs)
    for resumed in (True, False):
        proxy = Proxy(str(parts.hostname), parts.port or 0, kill_at=lambda label, number: at in label, after=after)
        host, port = proxy.address
        through = parts._replace(netloc=f"{parts.username}:{parts.password}@{host}:{port}").geturl()
        process = start_driver(World(job, docs), "run", url=through)
        proxy.victim = process.pid
        process.join(60)
        proxy.close()
        assert proxy.killed is not None, (tmp_path / "job.out").read_text()
        built = _asked(docs, ATTACHED)
        assert [row[:2] for row in built] == [("docs_0", True)]
        app = open_app(json.loads(job.read_text()))
        if resumed:
            _held(app.run().proofs)
            whole = _asked(docs, ATTACHED)
            # What stood was not built again.
            assert [row[:2] for row in whole] == [(part, True) for part in PARTS]
            assert built[0] in whole
            assert _asked(docs, "SELECT reloptions FROM pg_class WHERE relname LIKE 'docs\\__'") == [(None,)] * 3
        app.rollback()
        app.close()
        assert dump(docs) == before


def test_every_partition_is_searched_by_its_index_and_written_by_its_key(
    docs: str, openai_server: OpenAIServer
) -> None:
    _asked(docs, "ALTER TABLE docs ALTER embedding DROP NOT NULL")
    _asked(
        docs,
        "INSERT INTO docs SELECT i % 40, i, 'title', 'more ' || i FROM generate_series(200, 2000) AS i",
    )
    _asked(docs, "VACUUM ANALYZE docs")
    app = open_app(_job(openai_server, "column"))
    plan = app.plan()
    assert plan.estimates["heap_bytes_before"] == _asked(docs, _HEAP)[0][0]
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
    _asked(docs, "DROP INDEX docs_embedding_limosa_idx")
    assert {proof.name: proof.verdict for proof in app.verify()}["index"] == "different"
    app.rollback()
    app.close()


_HEAP = "SELECT sum(pg_relation_size(relid))::bigint FROM pg_partition_tree('docs')"


def _exceptions(url: str) -> list[tuple[object, ...]]:
    return _asked(url, "SELECT key, kind FROM limosa.exception ORDER BY key")


def _wait_for(writer: Writer, changes: int) -> None:
    wanted = writer.count + changes
    while writer.count < wanted and not writer.errors:
        time.sleep(0.01)
