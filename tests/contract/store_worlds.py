"""The worlds in which a store's contract is checked: one table each, on the real engine."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import count

import psycopg

from limosa.app import App, open_app
from limosa.model.batch import Key
from tests.contract.split_databases import Db
from tests.crash.world import dump
from tests.journey.split_world import row_for

__all__ = ["PostgresWorld", "SqliteWorld"]


@dataclass(frozen=True)
class PostgresWorld:
    """Texts that get another model's vectors."""

    url: str

    def app(self) -> App:
        space = {"provider": "hashing", "dimensions": 8}
        return open_app(
            {
                "name": "contract",
                "source": {
                    "store": "env:LIMOSA_TEST_URL",
                    "table": "docs",
                    "key": "id",
                    "text": ["title", "body"],
                    "vector": "embedding",
                    "space": {**space, "model": "words-1", "dimensions": 6},
                },
                "target": {"space": {**space, "model": "words-2"}},
                "backfill": {"batch_rows": 10},
            }
        )

    def keys(self) -> list[Key]:
        return [(str(key),) for (key,) in self._run("SELECT id FROM docs ORDER BY id")]

    def insert(self) -> Key:
        found = self._run("INSERT INTO docs (id, body) SELECT max(id) + 1, 'born' FROM docs RETURNING id")
        return (str(found[0][0]),)

    def edit(self, key: Key) -> None:
        self._run("UPDATE docs SET body = coalesce(body, '') || ' edited' WHERE id = %s RETURNING 1", int(key[0]))

    def delete(self, key: Key) -> None:
        self._run("DELETE FROM docs WHERE id = %s RETURNING 1", int(key[0]))

    def dump(self) -> object:
        return dump(self.url)

    def _run(self, sql: str, *params: object) -> list[tuple[object, ...]]:
        with psycopg.connect(self.url, autocommit=True) as connection:
            return connection.execute(sql.encode(), params).fetchall()


_numbers = count(1)


@dataclass(frozen=True)
class SqliteWorld:
    """Vectors that go to a table for their dimension."""

    db: Db

    def app(self) -> App:
        job = self.db.job()
        return open_app({**job, "backfill": {"batch_rows": 10}})

    def keys(self) -> list[Key]:
        return [(str(key),) for (key,) in self.db.rows("SELECT embedding_id FROM embeddings ORDER BY embedding_id")]

    def insert(self) -> Key:
        key = f"z-born-{next(_numbers):05}"
        connection = self.db.engine.connect()
        connection.insert("INSERT INTO embeddings", "(?, ?, ?, ?, ?, ?, ?, ?)", "", [row_for(key, 7)])  # type: ignore[list-item]
        connection.close()
        return (key,)

    def edit(self, key: Key) -> None:
        self._run("UPDATE embeddings SET embedding_data = '[1, 2, 3]', embedding_vector = NULL, dimension = 3", key)

    def delete(self, key: Key) -> None:
        self._run("DELETE FROM embeddings", key)

    def dump(self) -> object:
        return self.db.dump()

    def _run(self, sql: str, key: Key) -> None:
        connection = self.db.engine.connect()
        connection.execute(f"{sql} WHERE embedding_id = ?", key)
        connection.close()
