"""A table in use: made, changed at random by a writer, and compared with what it must be."""

from __future__ import annotations

import random
import threading
import time
from abc import ABC, abstractmethod
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Self

import numpy as np
import psycopg

from limosa import flow
from limosa.app import App, open_app
from limosa.model.batch import Key
from limosa.steps.backfill import backfill, catch_up
from limosa.steps.expand import expand
from limosa.steps.index import index
from limosa.steps.verify import verify
from tests.providers.openai_server import vector_of

__all__ = [
    "Application",
    "LAYOUTS",
    "NEW",
    "OLD",
    "STEPS",
    "USD_PER_MILLION",
    "Searcher",
    "Writer",
    "asked",
    "docs_app",
    "forward",
    "stale_rows",
]

NEW, OLD = ("new", 8), ("old", 6)
"""Model and dimensions of both spaces of ``docs``."""

LAYOUTS = {"column": "docs", "side_table": "docs_embedding_8", "in_place": "docs"}
"""Each layout, and the table that has the new vectors of ``docs``."""

USD_PER_MILLION = 1000.0
"""A tenth of a cent a token, so that small tables cost something."""


Named = tuple[str, int]
"""A model and its dimensions."""


def docs_app(
    provider_url: str,
    *,
    name: str = "journey",
    source: Named = OLD,
    target: Named | None = NEW,
    provider: str = "openai",
    layout: str = "column",
    **backfill: object,
) -> App:
    """The migration of ``docs`` to another space, or without one a fill; the store is what LIMOSA_TEST_URL says."""

    def space(named: Named) -> dict[str, object]:
        return {
            "provider": provider,
            "model": named[0],
            "dimensions": named[1],
            "base_url": provider_url,
            "usd_per_million_tokens": USD_PER_MILLION,
        }

    job: dict[str, object] = {
        "name": name,
        "soak_days": 0,
        "source": {
            "store": "env:LIMOSA_TEST_URL",
            "table": "docs",
            "key": "id",
            "text": ["title", "body"],
            "vector": "embedding",
            "space": space(source),
        },
        "backfill": {"batch_rows": 32, **backfill},
    }
    if target is not None:
        match = {"function": "match_docs", "returns": ["id"]}
        job["target"] = {"layout": layout, "space": space(target), "match": match}
    return open_app(job)


def _verified(app: App) -> None:
    catch_up(app.voyage)
    assert not [proof for proof in verify(app.voyage) if proof.verdict == "different"]


STEPS: dict[str, Callable[[App], object]] = {
    "expand": lambda app: expand(app.voyage),
    "backfill": lambda app: backfill(app.voyage),
    "index": lambda app: index(app.voyage),
    "verify": _verified,
    "cutover": lambda app: app.cutover(),
}
"""Each step that rollback takes back, alone."""


def forward(app: App, last: str) -> None:
    """Begins, and goes up to and with a step."""
    flow.begin(app.voyage, app.plan())
    for name, step in STEPS.items():
        step(app)
        if name == last:
            return


def asked(url: str, sql: str, *params: object, role: str | None = None) -> list[tuple[object, ...]]:
    """What the database answers, to a role where one is named; nothing for a statement without rows."""
    with psycopg.connect(url, autocommit=True) as connection:
        if role is not None:
            connection.execute(f"SET ROLE {role}".encode())
        cursor = connection.execute(sql.encode(), params or None)
        return cursor.fetchall() if cursor.description else []


def _texts(connection: psycopg.Connection[tuple[object, ...]]) -> list[tuple[int, str]]:
    found = connection.execute(
        "SELECT id, concat_ws(E'\\n\\n', title, body) FROM docs WHERE title IS NOT NULL OR body IS NOT NULL"
    ).fetchall()
    return [(int(str(key)), str(text)) for key, text in found]


def stale_rows(url: str, column: str, *, model: str, d: int, table: str = "docs") -> list[Key]:
    """Keys of rows whose vector is missing or is not the embedding of the row's own text.

    Args:
        table: the one that has the vectors.
    """
    stale: list[Key] = []
    with psycopg.connect(url) as connection:
        vectors: dict[int, list[float] | None] = dict(
            connection.execute(f'SELECT id, "{column}"::real[] FROM {table}').fetchall()
        )
        for key, text in _texts(connection):
            found = vectors.get(key)
            wanted = vector_of(text, model=model, d=d)
            if found is None or not np.allclose(np.asarray(found, dtype=np.float32), wanted, atol=1e-6):
                stale.append((str(key),))
    return stale


@dataclass
class Application(ABC):
    """Does something about ``rate`` times a second in a thread of its own, until it is stopped.

    Attributes:
        errors: what its statements raised; must stay empty.
        count: how often it did it.
    """

    url: str
    rate: float
    errors: list[str] = field(default_factory=list)
    count: int = 0

    def __enter__(self) -> Self:
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._run, daemon=True)
        self._thread.start()
        return self

    def __exit__(self, *exc: object) -> None:
        self._stop.set()
        self._thread.join(30)

    def _run(self) -> None:
        rng = random.Random(1)
        with psycopg.connect(self.url, autocommit=True) as connection:
            while not self._stop.is_set():
                try:
                    self._act(connection, rng)
                    self.count += 1
                except psycopg.Error as error:
                    self.errors.append(str(error))
                time.sleep(rng.uniform(0.5, 1.5) / self.rate)

    @abstractmethod
    def _act(self, connection: psycopg.Connection[tuple[object, ...]], rng: random.Random) -> None:
        """One statement of the application's."""


@dataclass
class Writer(Application):
    """An application that inserts, edits and deletes."""

    rate: float = 50.0

    def _act(self, connection: psycopg.Connection[tuple[object, ...]], rng: random.Random) -> None:
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
class Searcher(Application):
    """An application that searches through the match function.

    Attributes:
        space: model and dimensions of its queries; may be changed while it runs.
        empty: how many searches answered nothing; must stay zero.
    """

    rate: float = 100.0
    space: Named = OLD
    empty: int = 0

    def _act(self, connection: psycopg.Connection[tuple[object, ...]], rng: random.Random) -> None:
        model, d = self.space
        query = vector_of(f"title {rng.randrange(100)}", model=model, d=d).tolist()
        found = connection.execute("SELECT id FROM match_docs(%s::real[]::vector, -1.0, 5)", (query,)).fetchall()
        self.empty += not found
