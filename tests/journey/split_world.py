"""An embeddings table as applications keep it: vectors of every model in one table, as JSON text, blob, or both."""

from __future__ import annotations

import json
import random
import sqlite3
import threading
import time
from collections.abc import Mapping
from contextlib import closing
from dataclasses import dataclass, field
from pathlib import Path
from typing import Self

import numpy as np

from limosa.app import App, open_app

__all__ = [
    "DIMENSIONS",
    "ILLS",
    "TABLE",
    "Writer",
    "dump",
    "job_of",
    "make_table",
    "row_for",
    "split_app",
    "stale_rows",
    "vector_for",
]

DIMENSIONS = (3, 4, 8)
"""Small ones: what is proved of them holds for 3072."""

TABLE = """CREATE TABLE embeddings (
    embedding_id TEXT PRIMARY KEY, item_id INTEGER, item_type TEXT, embedding_data TEXT, embedding_vector BLOB,
    dimension INTEGER, model TEXT, created_at TEXT DEFAULT CURRENT_TIMESTAMP)"""

ILLS: Mapping[str, tuple[str | None, bytes | None, int | None, str]] = {
    "nan": ("[NaN, 1.0, 2.0]", None, 3, "NaN"),
    "infinity": ("[1.0, Infinity, 2.0]", None, 3, "infinity"),
    "too-large": ("[1.0, 1e39, 2.0]", None, 3, "infinity"),
    "empty": ("[]", None, 0, "empty"),
    "length": ("[1.0, 2.0, 3.0]", None, 4, "3 elements and says 4"),
    "broken": ("[1.0, 2.0", None, 3, "JSON"),
    "object": ('{"a": 1}', None, 3, "array"),
    "disagree": ("[1.0, 2.0, 3.0]", np.array([1, 2, 4], dtype="<f4").tobytes(), 3, "blob and text disagree"),
    "odd-blob": (None, b"\x00" * 5, 1, "5 bytes"),
    "nan-blob": (None, np.array([1, np.nan, 2], dtype="<f4").tobytes(), 3, "NaN"),
}
"""Rows that cannot be carried: text, blob, dimension, and a word of the reason."""


def vector_for(name: str, d: int) -> np.ndarray[tuple[int], np.dtype[np.float32]]:
    """The vector that belongs to a name, shape (d,), float32; the same at every call."""
    rng = np.random.default_rng(list(f"{name}/{d}".encode()))
    vector = rng.standard_normal(d).astype(np.float32)
    vector[0] = np.float32(-0.0) if rng.random() < 0.1 else vector[0]
    return vector


def row_for(name: str, number: int) -> tuple[object, ...]:
    """A row under a key: by turns as text, as blob and as both; every eleventh has no vector."""
    d = (*DIMENSIONS, 5)[number % 4]
    vector = vector_for(name, d)
    text: str | None = json.dumps([float(value) for value in vector])
    blob: bytes | None = vector.astype("<f4").tobytes()
    kind = number % 3
    if number % 11 == 10:
        text = blob = None
    elif kind == 0:
        blob = None
    elif kind == 1:
        text = None
    return (name, number, "note" if number % 2 else None, text, blob, d, f"model-{d}", f"2026-01-{number % 28 + 1:02}")


def make_table(path: Path, *, rows: int = 200, ills: bool = True, wal: bool = True) -> None:
    """A file with the table ``embeddings``, with the ills among its rows."""
    with closing(sqlite3.connect(path, isolation_level=None)) as connection:
        connection.execute(f"PRAGMA journal_mode = {'wal' if wal else 'delete'}")
        connection.execute("BEGIN")
        connection.execute(TABLE)
        order = list(range(rows))
        random.Random(5).shuffle(order)
        insert = "INSERT INTO embeddings VALUES (?, ?, ?, ?, ?, ?, ?, ?)"
        connection.executemany(insert, [row_for(f"id-{number:05}", number) for number in order])
        if ills:
            for name, (text, blob, d, _) in ILLS.items():
                connection.execute(insert, (f"ill-{name}", 0, "ill", text, blob, d, "model-ill", "2026-02-01"))
        connection.execute("COMMIT")


def job_of(url: str, **changes: object) -> dict[str, object]:
    """The file's mapping; ``changes`` go to [target]."""
    return {
        "name": "split",
        "source": {
            "store": url,
            "table": "embeddings",
            "key": "embedding_id",
            "vector": ["embedding_vector", "embedding_data"],
            "dimension": "dimension",
            "model": "model",
        },
        "target": {
            "layout": "dimension_tables",
            "table": "embeddings_{dimension}",
            "dimensions": list(DIMENSIONS),
            "indexes": ["item_id", ["model", "item_type"]],
            **changes,
        },
        "backfill": {"batch_rows": 16},
    }


@dataclass
class Writer:
    """An application that inserts, edits, deletes and gives other keys, until it is stopped.

    Attributes:
        errors: what its statements raised; must stay empty.
        count: how many changes it made.
        longest_s: its longest wait for one.
    """

    path: Path
    rate: float = 50.0
    seed: int = 3
    errors: list[str] = field(default_factory=list)
    count: int = 0
    longest_s: float = 0.0

    def __enter__(self) -> Self:
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._run, daemon=True)
        self._thread.start()
        return self

    def __exit__(self, *exc: object) -> None:
        self._stop.set()
        self._thread.join(60)

    def _run(self) -> None:
        rng = random.Random(self.seed)
        with closing(sqlite3.connect(self.path, isolation_level=None, timeout=30)) as connection:
            while not self._stop.is_set():
                started = time.monotonic()
                try:
                    self._change(connection, rng)
                    self.count += 1
                except sqlite3.Error as error:
                    self.errors.append(str(error))
                self.longest_s = max(self.longest_s, time.monotonic() - started)
                time.sleep(rng.uniform(0.5, 1.5) / self.rate)

    def _change(self, connection: sqlite3.Connection, rng: random.Random) -> None:
        name = f"id-{rng.randrange(200):05}"
        fresh = row_for(f"new-{rng.random():.9f}", rng.randrange(1000))
        kind = rng.choices(["edit", "insert", "delete", "payload", "key", "replace"], [30, 25, 10, 15, 10, 10])[0]
        if kind == "insert":
            connection.execute("INSERT INTO embeddings VALUES (?, ?, ?, ?, ?, ?, ?, ?)", fresh)
        elif kind == "replace":
            # As a whole row, and of another length perhaps.
            row = (name, *fresh[1:])
            connection.execute("INSERT OR REPLACE INTO embeddings VALUES (?, ?, ?, ?, ?, ?, ?, ?)", row)
        elif kind == "edit":
            sql = "UPDATE embeddings SET embedding_data = ?, embedding_vector = ?, dimension = ? WHERE embedding_id = ?"
            connection.execute(sql, (*fresh[3:6], name))
        elif kind == "delete":
            connection.execute("DELETE FROM embeddings WHERE embedding_id = ?", (name,))
        elif kind == "payload":
            connection.execute("UPDATE embeddings SET item_type = ? WHERE embedding_id = ?", (f"{rng.random()}", name))
        else:
            sql = "UPDATE embeddings SET embedding_id = ? WHERE embedding_id = ?"
            connection.execute(sql, (f"moved-{rng.random():.9f}", name))


def stale_rows(path: Path) -> list[str]:
    """Keys of ``embeddings`` whose row in the targets is missing, double, or not their own, bit for bit.

    Computed here from the table itself: text by way of Python's own float, which is exact for what was
    written from float32.
    """
    wrong: list[str] = []
    with closing(sqlite3.connect(path)) as connection:
        rows = connection.execute("SELECT * FROM embeddings").fetchall()
        for key, item, kind, text, blob, d, model, created in rows:
            table = f"embeddings_{d}" if d in DIMENSIONS else "embeddings_other"
            found = []
            for name in (*(f"embeddings_{each}" for each in DIMENSIONS), "embeddings_other"):
                columns = "item_id, item_type, embedding_data, embedding_vector, dimension, model, created_at"
                for row in connection.execute(f"SELECT {columns} FROM {name} WHERE embedding_id = ?", (key,)):
                    found.append((name, row))
            if (text is None and blob is None) or str(key).startswith("ill-"):
                expected = []
            else:
                bits = blob if blob is not None else np.array(json.loads(text), dtype="<f4").tobytes()
                expected = [(table, (item, kind, text, bits, d, model, created))]
            if found != expected:
                wrong.append(str(key))
    return wrong


def split_app(path: Path, **changes: object) -> App:
    """The migration of that table."""
    return open_app(job_of(f"sqlite://{path}", **changes))


def dump(path: Path) -> str:
    """Every statement that makes the database again, without limosa's own tables.

    SQLite writes a name that was changed and changed back in quotes: the same name.
    """
    with closing(sqlite3.connect(path)) as connection:
        lines = [line for line in connection.iterdump() if "limosa_" not in line and "sqlite_sequence" not in line]
    return "\n".join(sorted(lines)).replace('"embeddings"', "embeddings")
