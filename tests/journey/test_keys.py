"""Every kind of key, name, text and element type goes the whole way, there and back."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import psycopg
import pytest

from limosa.app import App, open_app
from tests.crash.world import dump, fill_table
from tests.providers.openai_server import OpenAIServer, vector_of

ACCEPT = frozenset({"--accept-reconnect", "--accept-downtime"})


@dataclass(frozen=True)
class Case:
    """One table: how it is made, how the file names it, and the text of a row as SQL."""

    table: str
    columns: str
    fill: str
    key: str | tuple[str, ...]
    text: dict[str, object]
    said: str
    where: str | None = None
    index: dict[str, object] | None = None


LINES = "'line ' || i"
CASES = {
    "bigint": Case(
        "docs", "id bigint PRIMARY KEY, body text", f"i, {LINES}", "id", {"text": "body"}, "body", where="id % 7 <> 0"
    ),
    "uuid": Case(
        "docs", "id uuid PRIMARY KEY, body text", f"gen_random_uuid(), {LINES}", "id", {"text": "body"}, "body"
    ),
    "text": Case(
        "docs",
        'id text COLLATE "C" PRIMARY KEY, body text',
        f"'k ' || (i * 7919 % 1000) || '\\'' || chr(228), {LINES}",
        "id",
        {"text": "body"},
        "body",
    ),
    "composite": Case(
        "docs",
        "tenant uuid, at timestamptz, n int, body text, PRIMARY KEY (tenant, at, n)",
        "('00000000-0000-0000-0000-00000000000' || i % 3)::uuid, timestamptz '2020-01-01 00:00:00.123456+02'"
        f" + i * interval '1.5 hour', i, {LINES}",
        ("tenant", "at", "n"),
        {"text": "body"},
        "body",
        where="body LIKE 'line %' AND n > 3",
    ),
    "any name": Case(
        '"My Schema"."Que%stions ""é"""',
        '"Select" bigint PRIMARY KEY, "Body $1 %s" text, "from" text',
        f"i, {LINES}, CASE WHEN i % 3 = 0 THEN 'more' END",
        "Select",
        {"template": "{Body $1 %s} -- {from}"},
        """coalesce("Body $1 %s", '') || ' -- ' || coalesce("from", '')""",
    ),
    "joined text": Case(
        "docs",
        "id bigint PRIMARY KEY, body text",
        f"i, {LINES}",
        "id",
        {"query": "SELECT d.id, d.body || ' of ' || o.name AS text FROM docs d JOIN owners o ON o.n = d.id % 3"},
        "body || ' of ' || (SELECT name FROM owners WHERE n = id % 3)",
    ),
    "halfvec": Case(
        "docs",
        "id bigint PRIMARY KEY, body text",
        f"i, {LINES}",
        "id",
        {"text": ["body"]},
        "body",
        index={"kind": "hnsw", "metric": "l2", "type": "halfvec"},
    ),
    "ivfflat": Case(
        "docs",
        "id bigint PRIMARY KEY, body text",
        f"i, {LINES}",
        "id",
        {"text": ["body"]},
        "body",
        index={"kind": "ivfflat", "metric": "ip", "lists": 1},
    ),
}


def make(url: str, case: Case) -> None:
    with psycopg.connect(url, autocommit=True) as connection:
        connection.execute('CREATE SCHEMA "My Schema"')
        connection.execute("CREATE TABLE owners (n bigint, name text)")
        connection.execute("INSERT INTO owners VALUES (0, 'Ann'), (1, 'Bob'), (2, 'Cyd')")
        connection.execute(f"CREATE TABLE {case.table} ({case.columns}, embedding vector(6))")
        filled = case.fill.replace("\\'", "''")
        connection.execute(f"INSERT INTO {case.table} SELECT {filled}, NULL FROM generate_series(1, 90) AS i")


def app_for(case: Case, provider: OpenAIServer, *, layout: str = "column") -> App:
    def space(model: str, d: int) -> dict[str, object]:
        return {"provider": "openai", "model": model, "dimensions": d, "base_url": provider.base_url}

    source: dict[str, object] = {
        "store": "env:LIMOSA_TEST_URL",
        "table": case.table,
        "key": case.key if isinstance(case.key, str) else list(case.key),
        "vector": "embedding",
        "space": space("old", 6),
        **case.text,
    }
    if case.where is not None:
        source["where"] = case.where
    target: dict[str, object] = {"space": space("new", 8), "layout": layout}
    if layout == "side_table":
        target |= {
            "vector_table": '"beside %s"',
            "match": {"function": "match_keys", "returns": list(_names(case.key))},
        }
    if case.index is not None:
        target["index"] = case.index
    return open_app({"name": "keys", "soak_days": 0, "source": source, "target": target, "backfill": {"batch_rows": 7}})


def _names(key: str | tuple[str, ...]) -> tuple[str, ...]:
    return (key,) if isinstance(key, str) else key


# Keys, names and halfvec are what the other layouts have statements of their own for.
ELSEWHERE = ("composite", "any name", "text", "halfvec")


@pytest.mark.parametrize(
    ("layout", "name"),
    [("column", name) for name in CASES] + [(each, name) for each in ("side_table", "in_place") for name in ELSEWHERE],
)
def test_a_table_of_this_kind_goes_there_and_back(
    database: str, openai_server: OpenAIServer, monkeypatch: pytest.MonkeyPatch, name: str, layout: str
) -> None:
    case = CASES[name]
    monkeypatch.setenv("LIMOSA_TEST_URL", database)
    make(database, case)
    before = dump(database)
    app = app_for(case, openai_server, layout=layout)
    proofs = app.run(accept=ACCEPT).proofs
    assert {proof.verdict for proof in proofs} <= {"proved", "unchecked"}
    app.cutover()
    app.rollback()
    assert dump(database) == before
    again = app.run(accept=ACCEPT).proofs
    assert {proof.verdict for proof in again} <= {"proved", "unchecked"}, again
    app.cutover()
    app.finish()
    app.close()
    schema = f"{case.table.partition('.')[0]}." if "." in case.table else ""
    keys = ", ".join(f'"{name}"' for name in _names(case.key))
    beside = f""" LEFT JOIN {schema}"beside %s" USING ({keys})""" if layout == "side_table" else ""
    with psycopg.connect(database) as connection:
        rows = connection.execute(
            f"SELECT {case.said}, embedding::real[], coalesce({case.where or 'true'}, false)"
            f" FROM {case.table}{beside}".encode()
        ).fetchall()
    assert len(rows) == 90
    for text, vector, kept in rows:
        if kept:
            assert np.allclose(vector, vector_of(text, model="new", d=8), atol=1e-3)
        else:
            assert vector is None


def test_a_text_that_is_put_together_anew_goes_back_to_the_old_one(
    database: str, openai_server: OpenAIServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("LIMOSA_TEST_URL", database)
    fill_table(database, rows=30)
    with psycopg.connect(database, autocommit=True) as connection:
        connection.execute("DROP FUNCTION match_docs(vector, double precision, integer)")

    def space(model: str, d: int) -> dict[str, object]:
        return {"provider": "openai", "model": model, "dimensions": d, "base_url": openai_server.base_url}

    source = {"store": "env:LIMOSA_TEST_URL", "table": "docs", "key": "id", "vector": "embedding"}
    app = open_app(
        {
            "name": "texts",
            "source": {**source, "text": ["title", "body"], "space": space("old", 6)},
            "target": {"template": "{title}: {body}", "space": space("old", 6)},
        }
    )
    app.run(accept=ACCEPT)
    app.cutover()
    with psycopg.connect(database, autocommit=True) as connection:
        connection.execute("UPDATE docs SET title = 'other' WHERE id = 3")
    app.run()
    with psycopg.connect(database) as connection:
        new = connection.execute("SELECT embedding::real[] FROM docs WHERE id = 3").fetchone()
    app.rollback()
    app.close()
    with psycopg.connect(database) as connection:
        old = connection.execute("SELECT embedding::real[] FROM docs WHERE id = 3").fetchone()
    assert new is not None
    assert old is not None
    assert np.allclose(new[0], vector_of("other: body 3", model="old", d=6), atol=1e-6)
    assert np.allclose(old[0], vector_of("other\n\nbody 3", model="old", d=6), atol=1e-6)


def test_a_key_is_the_same_key_under_every_setting_of_the_application(
    database: str, openai_server: OpenAIServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    case = CASES["composite"]
    monkeypatch.setenv("LIMOSA_TEST_URL", database)
    make(database, case)
    app = app_for(case, openai_server)
    app.run(accept=ACCEPT)
    with psycopg.connect(database, autocommit=True, options="-c timezone=Asia/Tokyo -c datestyle=German") as connection:
        connection.execute("UPDATE docs SET body = 'line of another time zone' WHERE n = 10")
    app.run()
    app.cutover()
    app.close()
    with psycopg.connect(database) as connection:
        found = connection.execute("SELECT embedding::real[] FROM docs WHERE n = 10").fetchone()
        left = connection.execute("SELECT count(*) FROM limosa.change").fetchone()
    assert found is not None
    assert np.allclose(found[0], vector_of("line of another time zone", model="new", d=8), atol=1e-6)
    assert left == (0,)
