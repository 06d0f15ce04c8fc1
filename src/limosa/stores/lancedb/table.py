"""One table by LanceDB's own package, with its errors in limosa's words."""

from __future__ import annotations

import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from datetime import timedelta
from pathlib import Path
from typing import Any

import lancedb
import pyarrow as pa
from lancedb.index import BTree

from limosa.errors import LimosaError, Refused, RowRefused, Transient
from limosa.model.batch import Vectors
from limosa.model.point import Collected
from limosa.stores.lancedb.layout import Layout, layout_of, made_schema

__all__ = ["LanceTable"]

MERGE_EVERY = 64
"""Writes between two merges of small files: each write makes one file, and a page reads in all of them. 120 writes of
250 rows: reading 500 rows took 0.11 s before and 0.02 s after, the merge itself 0.1 s (lancedb 0.40)."""

_NEVER = timedelta(days=36_500)
"""Versions of a table are its user's: none is cleared away."""

_PAGE = 5000


class LanceTable:
    """One table in a folder; threads may share it.

    Raises:
        Refused: it is not there, or LanceDB says no.
        RowRefused: it does not take what was sent.
        Transient: somebody else wrote at the same time.
    """

    def __init__(self, folder: Path, name: str) -> None:
        self._folder = folder
        self._name = name
        self._opening = threading.Lock()
        self._opened: Any = None
        self._writes = 0

    def stands(self) -> bool:
        """Whether the table is there."""
        return (self._folder / f"{self._name}.lance").is_dir()

    def make(self, wanted: Collected) -> None:
        """Makes the table, and an index of its ids."""
        with self._words():
            self._folder.mkdir(parents=True, exist_ok=True)
            made = self._connected().create_table(self._name, schema=made_schema(wanted))
            made.create_index("id", config=BTree())

    def drop(self) -> None:
        """Takes the table away."""
        self.close()
        with self._words():
            self._connected().drop_table(self._name)

    def layout(self) -> Layout:
        """Its columns."""
        with self._words():
            return layout_of(self._table().schema)

    def metrics(self) -> dict[str, str]:
        """By column, how its index compares vectors."""
        with self._words():
            table = self._table()
            indexes = {each.name: each.columns[0] for each in table.list_indices() if len(each.columns) == 1}
            stats = {column: table.index_stats(name) for name, column in indexes.items()}
            return {column: str(each.distance_type) for column, each in stats.items() if each and each.distance_type}

    def count(self) -> int:
        """How many rows there are."""
        with self._words():
            return int(self._table().count_rows())

    def ids(self, key: str) -> Iterator[list[Any]]:
        """All ids of one version of the table, in no order."""
        with self._words():
            for batch in self._table().search().select([key]).to_batches(batch_size=_PAGE):
                yield batch.column(0).to_pylist()

    def rows(self, condition: str, columns: Sequence[str] | None, limit: int) -> pa.Table:
        """Rows of a condition; None for all columns."""
        with self._words():
            query = self._table().search().where(condition).limit(limit)
            found: pa.Table = (query if columns is None else query.select(list(columns))).to_arrow()
            return found

    def merge(self, key: str, rows: pa.Table) -> None:
        """Writes rows in the place of those with the same ids, of which there is one each at the most."""
        with self._words():
            table = self._table()
            wanted = table.merge_insert(key).when_matched_update_all().when_not_matched_insert_all()
            # A row without a vector counts as one with a bad one.
            wanted.execute(rows, on_bad_vectors="null")
            self._writes += 1
            if self._writes % MERGE_EVERY == 0:
                table.optimize(cleanup_older_than=_NEVER)

    def delete(self, condition: str) -> None:
        """Takes rows away."""
        with self._words():
            self._table().delete(condition)

    def nearest(
        self, column: str, vector: Vectors, k: int, *, key: str, metric: str, condition: str = ""
    ) -> list[tuple[Any, float]]:
        """At most k ids and their distances, the smallest first, of rows that a condition holds for; empty for all."""
        with self._words():
            query = self._table().search(vector, vector_column_name=column).distance_type(metric).limit(k)
            if condition:
                # Before the search, which is LanceDB's own way where nothing is said.
                query = query.where(condition, prefilter=True)
            found = query.select([key, "_distance"]).to_arrow()
            return list(zip(found[key].to_pylist(), found["_distance"].to_pylist(), strict=True))

    def close(self) -> None:
        """Gives up what it holds; safe to call again."""
        with self._opening:
            self._opened = None

    def _table(self) -> Any:
        if not self.stands():
            raise Refused(
                f"There is no table {self._name} in the folder {self._folder.name}.",
                needed="A folder of LanceDB's with this table in it.",
                do="Check store and collection in the file.",
            )
        with self._opening:
            if self._opened is None:
                self._opened = self._connected().open_table(self._name)
            return self._opened

    def _connected(self) -> Any:
        # Without an interval a table that is open never shows what others write (seen with lancedb 0.40).
        return lancedb.connect(str(self._folder), read_consistency_interval=timedelta(0))

    @contextmanager
    def _words(self) -> Iterator[None]:
        try:
            yield
        except LimosaError:
            raise
        except Exception as error:
            raise _in_words(error) from error


def _in_words(error: Exception) -> Exception:
    said = str(error).strip().partition("\n")[0][:200]
    if "conflict" in said.lower():
        return Transient("Somebody else wrote to the table at the same time.", do="Repeat the command.")
    if isinstance(error, (ValueError, TypeError, OverflowError)) or "Arrow error" in said:
        return RowRefused(f"LanceDB does not take it: {said}")
    if isinstance(error, (RuntimeError, OSError)):
        return Transient(f"LanceDB does not answer as it should: {said}", do="Look at disk and folder; then repeat.")
    return error
