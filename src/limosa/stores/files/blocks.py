"""Parts of Parquet and Arrow, read block by block: pages in a row decode nothing twice, and memory stays bounded."""

from __future__ import annotations

from bisect import bisect_right
from collections import OrderedDict
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any, Protocol

import pyarrow as pa
import pyarrow.parquet as pq

from limosa.errors import Refused

__all__ = ["ARROW", "PARQUET", "ArrowPart", "Opened", "ParquetPart", "groups_of"]

PARQUET = (".parquet", ".pq")
ARROW = (".arrow", ".feather", ".ipc")
"""How names of parts end, the one that limosa writes first."""

BLOCK_BYTES = 2 << 20
"""Of one decoded block, about; a page of 1000 rows of 768 dimensions is 3 MB."""

KEPT = 3
"""Blocks, and ways through a row group, that one part keeps: as many as threads usually read at different places."""

GROUP_BYTES = 16 << 20
"""Of a row group that limosa writes, before compression: what any reader has in memory at once."""


class Opened(Protocol):
    """One part."""

    schema: Any

    def block(self, place: int) -> tuple[int, Any]:
        """The block in which a row is, and the number of its first row."""
        ...

    def batches(self, columns: Sequence[str] | None = None) -> Iterator[Any]:
        """All of it, block by block.

        Args:
            columns: only these; all where it is None.
        """
        ...

    def close(self) -> None:
        """Gives the file back."""
        ...


class ParquetPart:
    """A file of Parquet. A row group may be larger than memory: its blocks are decoded one behind the other."""

    def __init__(self, path: Path) -> None:
        try:
            # Without pre-buffering a column is read page by page.
            self._file = pq.ParquetFile(path, pre_buffer=False, buffer_size=1 << 20)
        except (pa.ArrowException, OSError) as error:
            raise _unreadable(path, error) from error
        self.schema = self._file.schema_arrow
        self._starts = [0]
        for group in range(self._file.num_row_groups):
            self._starts.append(self._starts[-1] + self._file.metadata.row_group(group).num_rows)
        size = sum(self._file.metadata.row_group(i).total_byte_size for i in range(self._file.num_row_groups))
        self._rows = max(64, min(16_384, BLOCK_BYTES * self._starts[-1] // max(1, size)))
        self._blocks: OrderedDict[int, Any] = OrderedDict()
        # Ways through a row group: its number, the row that comes next, and the blocks from there on.
        self._ways: list[tuple[int, int, Iterator[Any]]] = []

    def block(self, place: int) -> tuple[int, Any]:
        """The block in which a row is; decoded from where an earlier one ended, or from its row group's beginning."""
        for start, block in self._blocks.items():
            if start <= place < start + block.num_rows:
                self._blocks.move_to_end(start)
                return start, block
        group = bisect_right(self._starts, place) - 1
        known = [way for way in self._ways if way[0] == group and way[1] <= place]
        way = max(known, key=lambda each: each[1], default=None)
        if way is not None:
            self._ways.remove(way)
        _, at, rest = way or (group, self._starts[group], self._through([group], None))
        for block in rest:
            start, at = at, at + block.num_rows
            if place < at:
                self._keep(start, block)
                # What came to its end has the whole row group in memory still.
                if at < self._starts[group + 1]:
                    self._ways = [*self._ways[1 - KEPT :], (group, at, rest)]
                return start, block
        raise IndexError(place)

    def batches(self, columns: Sequence[str] | None = None) -> Iterator[Any]:
        """All of it, block by block."""
        return self._through(range(self._file.num_row_groups), columns)

    def close(self) -> None:
        """Gives the file back."""
        self._blocks.clear()
        self._ways.clear()
        self._file.close()

    def _through(self, groups: Sequence[int], columns: Sequence[str] | None) -> Iterator[Any]:
        wanted = list(columns) if columns is not None else None
        found: Iterator[Any] = self._file.iter_batches(
            self._rows, row_groups=list(groups), columns=wanted, use_threads=False
        )
        return found

    def _keep(self, start: int, block: Any) -> None:
        self._blocks[start] = block
        if len(self._blocks) > KEPT:
            self._blocks.popitem(last=False)


class ArrowPart:
    """A file of Arrow IPC, in its file or its stream format; mapped, so that what is not compressed is not copied."""

    def __init__(self, path: Path) -> None:
        self._path = path
        try:
            self._map = pa.memory_map(str(path))
            try:
                self._file = pa.ipc.open_file(self._map)
                self.schema = self._file.schema
                self._stream: list[Any] | None = None
                lengths = [each.num_rows for each in self._first_columns()]
            except pa.ArrowInvalid:
                self._map.seek(0)
                table = pa.ipc.open_stream(self._map).read_all()
                self.schema, self._stream = table.schema, table.to_batches()
                lengths = [each.num_rows for each in self._stream]
        except (pa.ArrowException, OSError) as error:
            raise _unreadable(path, error) from error
        self._starts = [0]
        for length in lengths:
            self._starts.append(self._starts[-1] + length)
        self._last: tuple[int, Any] | None = None

    def block(self, place: int) -> tuple[int, Any]:
        """The record batch in which a row is."""
        number = bisect_right(self._starts, place) - 1
        if self._last is None or self._last[0] != number:
            self._last = (number, self._batch(number))
        return self._starts[number], self._last[1]

    def batches(self, columns: Sequence[str] | None = None) -> Iterator[Any]:
        """All of it, batch by batch."""
        for number in range(len(self._starts) - 1):
            batch = self._batch(number)
            yield batch if columns is None else batch.select(list(columns))

    def close(self) -> None:
        """Gives the file back."""
        self._last = self._stream = None
        self._map.close()

    def _batch(self, number: int) -> Any:
        return self._file.get_batch(number) if self._stream is None else self._stream[number]

    def _first_columns(self) -> Iterator[Any]:
        """Every batch with one column: the others need not be unpacked to know how long it is."""
        options = pa.ipc.IpcReadOptions(included_fields=[0])
        found = pa.ipc.open_file(self._map, options=options)
        return (found.get_batch(number) for number in range(found.num_record_batches))


def groups_of(batches: Iterator[Any]) -> Iterator[Any]:
    """The same rows in tables of about ``GROUP_BYTES``."""
    held: list[Any] = []
    size = 0
    for batch in batches:
        held.append(batch)
        size += batch.nbytes
        if size >= GROUP_BYTES:
            yield pa.Table.from_batches(held).combine_chunks()
            held, size = [], 0
    if held:
        yield pa.Table.from_batches(held).combine_chunks()


def _unreadable(path: Path, error: Exception) -> Refused:
    return Refused(
        f"{path.name} cannot be read: {str(error).splitlines()[0]}.",
        needed="A whole file of the kind that the address names.",
        do="Write it again, or take it out of the folder.",
    )
