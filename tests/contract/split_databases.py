"""The table ``embeddings`` on each engine, reached through the engine itself."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from limosa.app import App, open_app
from limosa.stores.sqlite.engine import Engine, Value
from tests.journey.split_world import DIMENSIONS, ILLS, TABLE, job_of, row_for

__all__ = ["TARGETS", "TOKEN", "Db"]

TOKEN = "LIMOSA_TEST_TOKEN"

TARGETS = (*(f"embeddings_{d}" for d in DIMENSIONS), "embeddings_other")
COLUMNS = "item_id, item_type, embedding_data, embedding_vector, dimension, model, created_at"


@dataclass(frozen=True)
class Db:
    """One database with the table that is split."""

    engine: Engine
    url: str
    token: bool

    def fill(self, rows: int = 120) -> None:
        """Makes the table, with the ills among its rows."""
        if self.engine.path is not None:
            self.rows("PRAGMA journal_mode = wal", write=True)
        self.do(TABLE)
        sent: list[Sequence[object]] = [row_for(f"id-{number:05}", number) for number in range(rows)]
        sent += [
            (f"ill-{name}", 0, "ill", text, blob, d, "m", "2026-02-01") for name, (text, blob, d, _) in ILLS.items()
        ]
        connection = self.engine.connect()
        connection.insert("INSERT INTO embeddings", "(?, ?, ?, ?, ?, ?, ?, ?)", "", sent)  # type: ignore[arg-type]
        connection.close()

    def do(self, *statements: str) -> None:
        connection = self.engine.connect()
        for statement in statements:
            connection.script(statement)
        connection.close()

    def rows(self, sql: str, *params: Value, write: bool = False) -> list[tuple[Value, ...]]:
        connection = self.engine.connect(write=write)
        found = connection.execute(sql, params)
        connection.close()
        return found

    def job(self, **changes: object) -> dict[str, object]:
        job = job_of(self.url, **changes)
        if self.token:
            job["source"]["token"] = f"env:{TOKEN}"  # type: ignore[index]
        return job

    def app(self, **changes: object) -> App:
        return open_app(self.job(**changes))

    def app_where(self, where: str) -> App:
        job = self.job()
        job["source"]["where"] = where  # type: ignore[index]
        return open_app(job)

    def dump(self) -> list[str]:
        """Every object and every row but limosa's own; a name that was changed and changed back stands in quotes."""
        made = self.rows(
            "SELECT type, name, sql FROM sqlite_master WHERE name NOT LIKE 'limosa%' AND name NOT LIKE 'sqlite%'"
            " AND name NOT LIKE 'libsql%' AND tbl_name NOT LIKE 'limosa%'"
        )
        lines = [str(sql).replace('"embeddings"', "embeddings") for _, _, sql in made]
        for kind, name, _ in made:
            if kind == "table":
                lines += [repr(row) for row in self.rows(f'SELECT * FROM "{name!s}"')]
        return sorted(lines)

    def stale(self) -> list[str]:
        """Keys whose row in the targets is missing, double, or not their own, bit for bit."""
        targets: dict[str, list[object]] = {}
        for table in TARGETS:
            for key, *row in self.rows(f"SELECT embedding_id, {COLUMNS} FROM {table}"):
                targets.setdefault(str(key), []).append((table, row))
        wrong: list[str] = []
        for key, item, kind, text, blob, d, model, created in self.rows("SELECT * FROM embeddings"):
            name = str(key)
            expected: list[object] = []
            if (text is not None or blob is not None) and not name.startswith("ill-"):
                bits = blob if blob is not None else _bits(str(text))
                table = f"embeddings_{d}" if d in DIMENSIONS else "embeddings_other"
                expected = [(table, [item, kind, text, bits, d, model, created])]
            if targets.pop(name, []) != expected:
                wrong.append(name)
        return wrong + list(targets)


def _bits(text: str) -> bytes:
    return np.array(json.loads(text), dtype="<f4").tobytes()
