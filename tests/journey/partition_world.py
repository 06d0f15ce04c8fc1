"""A table with partitions, its migration in both layouts, and what must hold of it."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import psycopg

from limosa.model.proof import Proof
from tests.journey.world import asked
from tests.providers.openai_server import OpenAIServer, vector_of

__all__ = ["ACCEPT", "LAYOUTS", "PARTS", "Job", "fill", "held", "job_of", "stale", "work"]

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


def fill(url: str, *, rows: int = 120) -> None:
    """Makes the table, with the old model's vectors."""
    with psycopg.connect(url, autocommit=True) as connection:
        connection.execute(TABLE.replace("{rows}", str(rows)))
        found = connection.execute("SELECT tenant, id, concat_ws(E'\\n\\n', title, body) FROM docs").fetchall()
        vectors = [(vector_of(text, model="old", d=6).tolist(), t, key) for t, key, text in found if text]
        with connection.transaction(), connection.cursor() as cursor:
            cursor.executemany("UPDATE docs SET embedding = %s::real[]::vector WHERE tenant = %s AND id = %s", vectors)


def job_of(provider: OpenAIServer, layout: str, *, variable: str = "LIMOSA_TEST_URL", **backfill: object) -> Job:
    """The file: both spaces, the layout, and a match function."""

    def space(model: str, d: int) -> Job:
        return {"provider": "openai", "model": model, "dimensions": d, "base_url": provider.base_url}

    source = {"store": f"env:{variable}", "table": "docs", "key": ["tenant", "id"], "text": ["title", "body"]}
    match = {"function": "match_docs", "returns": ["id"]}
    return {
        "name": "parts",
        "soak_days": 0,
        "source": {**source, "vector": "embedding", "space": space("old", 6)},
        "target": {"layout": layout, "space": space("new", 8), "match": match},
        "backfill": {"batch_rows": 32, **backfill},
    }


def stale(url: str, table: str, column: str = "embedding") -> list[object]:
    """Keys of rows whose new vector is missing, or is not the embedding of the row's own text."""
    wrong: list[object] = []
    rows = asked(
        url,
        f"SELECT d.tenant, d.id, concat_ws(E'\\n\\n', d.title, d.body), v.\"{column}\"::real[] FROM docs AS d"
        f" LEFT JOIN {table} AS v ON v.tenant = d.tenant AND v.id = d.id WHERE coalesce(d.title, d.body) IS NOT NULL",
    )
    for tenant, key, text, vector in rows:
        wanted = vector_of(str(text), model="new", d=8)
        if vector is None or not np.allclose(np.asarray(vector, dtype=np.float32), wanted, atol=1e-6):
            wrong.append((tenant, key))
    return wrong


def work(layout: str) -> str:
    """The column of the new vectors before cutover."""
    return "embedding_limosa" if layout == "column" else "embedding"


def held(proofs: Sequence[Proof]) -> None:
    """There are proofs, and none came out different."""
    assert not [proof for proof in proofs if proof.verdict == "different"]
    assert proofs
