"""A table in use: made, changed at random by a writer, and compared with what it must be."""

from __future__ import annotations

import random
import threading
import time
from dataclasses import dataclass, field

import numpy as np
import psycopg

from limosa.app import App, open_app
from limosa.model.batch import Key
from tests.providers.openai_server import vector_of

__all__ = ["USD_PER_MILLION", "Searcher", "Writer", "docs_app", "stale_rows"]

NEW, OLD = ("new", 8), ("old", 6)
"""Model and dimensions of both spaces of ``docs``."""

USD_PER_MILLION = 1000.0
"""A tenth of a cent a token, so that small tables cost something."""


def docs_app(provider_url: str, *, model: str = NEW[0], **backfill: object) -> App:
    """The migration of ``docs`` to the space ``new``; the store is what LIMOSA_TEST_URL says."""

    def space(model: str, dimensions: int) -> dict[str, object]:
        return {
            "provider": "openai",
            "model": model,
            "dimensions": dimensions,
            "base_url": provider_url,
            "usd_per_million_tokens": USD_PER_MILLION,
        }

    return open_app(
        {
            "name": "journey",
            "source": {
                "store": "env:LIMOSA_TEST_URL",
                "table": "docs",
                "key": "id",
                "text": ["title", "body"],
                "vector": "embedding",
                "space": space(*OLD),
            },
            "target": {"space": space(model, NEW[1]), "match": {"function": "match_docs", "returns": ["id"]}},
            "backfill": {"batch_rows": 32, **backfill},
        }
    )


def _texts(connection: psycopg.Connection[tuple[object, ...]]) -> list[tuple[int, str]]:
    found = connection.execute(
        "SELECT id, concat_ws(E'\\n\\n', title, body) FROM docs WHERE title IS NOT NULL OR body IS NOT NULL"
    ).fetchall()
    return [(int(str(key)), str(text)) for key, text in found]


def stale_rows(url: str, column: str, *, model: str, d: int) -> list[Key]:
    """Keys of rows whose vector is missing or is not the embedding of the row's own text."""
    stale: list[Key] = []
    with psycopg.connect(url) as connection:
        vectors: dict[int, list[float] | None] = dict(
            connection.execute(f'SELECT id, "{column}"::real[] FROM docs').fetchall()
        )
        for key, text in _texts(connection):
            found = vectors[key]
            wanted = vector_of(text, model=model, d=d)
            if found is None or not np.allclose(np.asarray(found, dtype=np.float32), wanted, atol=1e-6):
                stale.append((str(key),))
    return stale


@dataclass
class Writer:
    """An application that inserts, edits and deletes, about ``rate`` times a second, until it is stopped.

    Attributes:
        errors: what its statements raised; must stay empty.
    """

    url: str
    rate: float = 50.0
    seed: int = 1
    errors: list[str] = field(default_factory=list)
    changes: int = 0

    def __enter__(self) -> Writer:
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._run, daemon=True)
        self._thread.start()
        return self

    def __exit__(self, *exc: object) -> None:
        self._stop.set()
        self._thread.join(30)

    def _run(self) -> None:
        rng = random.Random(self.seed)
        with psycopg.connect(self.url, autocommit=True) as connection:
            while not self._stop.is_set():
                try:
                    self._change(connection, rng)
                    self.changes += 1
                except psycopg.Error as error:
                    self.errors.append(str(error))
                time.sleep(rng.uniform(0.5, 1.5) / self.rate)

    def _change(self, connection: psycopg.Connection[tuple[object, ...]], rng: random.Random) -> None:
        found = connection.execute("SELECT id FROM docs ORDER BY random() LIMIT 1").fetchone()
        key = found[0] if found else 0
        word = f"{rng.random():.6f}"
        kind = rng.choices(["edit", "insert", "delete", "other", "blank", "renumber"], [40, 30, 8, 12, 5, 5])[0]
        if kind == "insert":
            connection.execute(
                "INSERT INTO docs (id, title, body) SELECT max(id) + 1, %s, %s FROM docs", (f"born {word}", word)
            )
        elif kind == "edit":
            connection.execute("UPDATE docs SET body = %s WHERE id = %s", (f"edited {word}", key))
        elif kind == "delete":
            connection.execute("DELETE FROM docs WHERE id = %s", (key,))
        elif kind == "other":
            connection.execute("UPDATE docs SET note = %s WHERE id = %s", (word, key))
        elif kind == "blank":
            connection.execute("UPDATE docs SET title = NULL, body = NULL WHERE id = %s", (key,))
        else:
            connection.execute("UPDATE docs SET id = (SELECT max(id) + 1 FROM docs) WHERE id = %s", (key,))


@dataclass
class Searcher:
    """An application that searches about ``rate`` times a second through the match function.

    Attributes:
        space: model and dimensions of its queries; may be changed while it runs.
        errors, empty: what must stay empty and zero.
    """

    url: str
    space: tuple[str, int] = OLD
    rate: float = 100.0
    errors: list[str] = field(default_factory=list)
    searches: int = 0
    empty: int = 0

    def __enter__(self) -> Searcher:
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._run, daemon=True)
        self._thread.start()
        return self

    def __exit__(self, *exc: object) -> None:
        self._stop.set()
        self._thread.join(30)

    def _run(self) -> None:
        rng = random.Random(2)
        with psycopg.connect(self.url, autocommit=True) as connection:
            while not self._stop.is_set():
                model, d = self.space
                query = vector_of(f"title {rng.randrange(100)}", model=model, d=d).tolist()
                try:
                    found = connection.execute(
                        "SELECT id FROM match_docs(%s::real[]::vector, -1.0, 5)", (query,)
                    ).fetchall()
                    self.empty += not found
                    self.searches += 1
                except psycopg.Error as error:
                    self.errors.append(str(error))
                time.sleep(rng.uniform(0.5, 1.5) / self.rate)
