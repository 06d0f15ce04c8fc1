"""The parts of a folder and their index, kept in step with each other and with what others do in the folder."""

from __future__ import annotations

import json
import os
import re
import shutil
import tempfile
from bisect import bisect_right
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import asdict
from itertools import accumulate, groupby
from pathlib import Path

from limosa.errors import Refused
from limosa.model.point import Point, VectorSpec
from limosa.stores.files.folder import Folder, Part, put, sync
from limosa.stores.files.format import Format
from limosa.stores.files.index import Index, Place
from limosa.stores.files.noting import Rows, added, built, cleaned, merged, rewritten
from limosa.stores.files.shape import MARKER, Shape, own, shape_of_text, specs_of, text_of

__all__ = ["MERGED_BYTES", "SMALL_PARTS", "Parts", "run_of"]

SMALL_PARTS = 50
"""Small parts at the end that may be; one more, and they become one. Opening a part costs about a millisecond."""

MERGED_BYTES = 64 << 20
"""Of a part, about: what is rewritten, in less than a second, when one of its rows is changed."""

_GROWTH = 4
"""A part is merged with younger ones when it is at most so many times as large as all of them: so a row is written
again about log4(rows) times, however small the batches are."""

_INDEX = ".limosa-index.sqlite"
_OURS = re.compile(r"part-([0-9]{8,})\.")


class Parts:
    """Calls come one at a time."""

    def __init__(self, folder: Folder, format_: Format) -> None:
        self.folder = folder
        self.format = format_
        self._index: Index | None = None
        self._shape: Shape | None = None
        self._seen: tuple[str | None, list[Part]] | None = None
        self._aside: Path | None = None
        self._writing = False

    def stands(self) -> bool:
        """Whether there is a marker, or a part."""
        return self._marker is not None or bool(self.folder.parts())

    def make(self, specs: Mapping[str, VectorSpec]) -> None:
        """Makes folder and marker."""
        path = self.folder.path
        try:
            path.mkdir(parents=True, exist_ok=True)
            put(path / MARKER, lambda aside: aside.write_text(text_of(specs), encoding="utf-8"))
        except OSError as error:
            raise Refused(f"The folder {self.folder.name} cannot be made: {error.strerror}.") from error

    def ready(self) -> tuple[Index, Shape]:
        """Index and shape of the parts as they are now.

        Raises:
            Refused: there are none, or they cannot be read as they are.
        """
        seen = (self._marker, self.folder.parts())
        if seen == (None, []):
            raise Refused(
                f"There is no collection in the folder {self.folder.name}.",
                needed=f"Files whose names end in {' or '.join(self.folder.suffixes)}.",
                do="Check store and collection in the file.",
            )
        if self._index is None or seen != self._seen or self._shape is None:
            self.forget()
            self._index = self._opened()
            self._shape = shape_of_text(self._index.fact("shape") or "")
        self._check(self._index, self._shape)
        return self._index, self._shape

    @property
    def seen(self) -> object:
        """Another value whenever the parts are other ones."""
        return self._seen

    def points(self, places: Sequence[Place]) -> list[Point]:
        """The points at these places, which are in order."""
        assert self._shape is not None  # noqa: S101 - whoever has places asked for the index before
        found: list[Point] = []
        for name, group in groupby(places, key=lambda place: place[2]):
            found += self.format.points(self.folder.path / name, [place for *_, place in group], self._shape)
        return found

    @contextmanager
    def writing(self) -> Iterator[tuple[Index, Shape]]:
        """Index and shape, while no other process writes; what a crash has left is gone."""
        _, shape = self.ready()
        if not shape.ours or self.folder.single:
            raise Refused(
                f"limosa does not change the files of {self.folder.name}: it did not write them.",
                needed="A folder that limosa made.",
                do="Copy the collection to a new one, and change that.",
            )
        with self.folder.locked():
            self._writing = True
            try:
                index, shape = self.ready()
                self.folder.sweep()
                self._clean(index, shape)
                yield index, shape
            finally:
                self._writing = False

    def append(self, points: Sequence[Point]) -> None:
        """Makes a part of points whose ids stand nowhere."""
        index, shape = self._both()
        numbers = [int(found[1]) for part in self.folder.parts() if (found := _OURS.match(part.name))]
        name = f"part-{max(numbers, default=0) + 1:08d}{self.folder.suffixes[0]}"
        places = put(self.folder.path / name, lambda aside: self.format.save(aside, points, shape))
        added(index, self.folder.part(name), [each.key[0] for each in points], places)
        self._see()

    def change(self, name: str, changed: Mapping[int, Point | None], gone: Sequence[str] = ()) -> None:
        """Puts other points in places of a part, or none; the ids of those are ``gone``."""
        index, shape = self._both()
        path = self.folder.path / name
        if len(index.places(name)) == len(gone):
            self._remove([path])
            rewritten(index, None, name, gone, [])
        else:
            places = put(path, lambda aside: self.format.change(aside, [path], changed, shape))
            rewritten(index, self.folder.part(name), name, gone, places)
        self._see()

    def merge(self) -> None:
        """Makes one part of small ones, where there are many."""
        index, shape = self._both()
        run = run_of(self.folder.parts())
        if len(run) < 2:
            return
        paths = [self.folder.path / part.name for part in run]
        # Until the others are gone their rows stand twice, and the later ones count.
        places = put(paths[-1], lambda aside: self.format.change(aside, paths, {}, shape))
        self._remove(paths[:-1])
        merged(index, [part.name for part in run], self.folder.part(run[-1].name), places)
        self._see()

    def drop(self) -> None:
        """Takes away the marker, then every part, the index and the lock."""
        strange = self.folder.single or next(
            (each.name for each in self.folder.parts() if not _OURS.match(each.name)), ""
        )
        if strange:
            raise Refused(
                f"limosa does not remove {strange}: it did not write it.",
                needed="A folder whose parts are all limosa's.",
                do="Move it elsewhere, or remove it yourself; then repeat the command.",
            )
        with self.folder.locked():
            path = self.folder.path
            (path / MARKER).unlink(missing_ok=True)
            sync(path)
            self._remove([path / part.name for part in self.folder.parts()])
            self.close()
            for each in path.glob(f"{_INDEX}*"):
                each.unlink(missing_ok=True)
            self.folder.sweep()
            self.folder.clear()

    def forget(self) -> None:
        """Looks at everything anew when it is asked next."""
        if self._index is not None:
            self._index.close()
        self._index = self._shape = self._seen = None
        self.format.forget()

    def close(self) -> None:
        """Gives every file back."""
        self.forget()
        if self._aside is not None:
            shutil.rmtree(self._aside, ignore_errors=True)
            self._aside = None

    @property
    def _marker(self) -> str | None:
        path = self.folder.path / MARKER
        return path.read_text(encoding="utf-8") if not self.folder.single and path.is_file() else None

    def _both(self) -> tuple[Index, Shape]:
        assert self._index is not None  # noqa: S101 - inside ``writing``
        assert self._shape is not None  # noqa: S101
        return self._index, self._shape

    def _check(self, index: Index, shape: Shape) -> None:
        twice = index.fact("twice")
        if shape.ours or twice == "0":
            return
        examples = ", ".join((index.fact("examples") or "").split("\n"))
        raise Refused(
            f"{twice} ids stand in more than one row of {self.folder.name}, such as {examples}.",
            needed="An id for each row.",
            do="Take the rows out that are not wanted, or give them ids of their own.",
        )

    def _opened(self) -> Index:
        """The index that stands, if it is of these parts; else a new one."""
        path = self._index_path()
        if (found := self._standing(path)) is not None:
            return found
        if self._writing or self._aside is not None:
            return self._built(path)
        with self.folder.locked():
            # Another process may have made it meanwhile.
            return self._standing(path) or self._built(path)

    def _index_path(self) -> Path:
        path = self.folder.path
        single = self.folder.single
        if os.access(path, os.W_OK):
            return path / (f".limosa-{single}.sqlite" if single else _INDEX)
        self._aside = self._aside or Path(tempfile.mkdtemp(prefix="limosa-"))
        return self._aside / _INDEX

    def _standing(self, path: Path) -> Index | None:
        if not path.is_file():
            return None
        self._seen = (self._marker, self.folder.parts())
        found = Index(path)
        if found.parts() == self._seen[1] and found.fact("marker") == (self._seen[0] or ""):
            return found
        found.close()
        return None

    def _built(self, path: Path) -> Index:
        marker, parts = self._seen = (self._marker, self.folder.parts())
        self.folder.check()
        specs = None if marker is None else specs_of(marker, MARKER)
        paths = [self.folder.path / part.name for part in parts]
        shape = own(specs or {}) if not parts else self.format.survey(paths, specs)
        rows: list[tuple[Part, Rows]] = [
            (part, self.format.keys(each, shape)) for part, each in zip(parts, paths, strict=True)
        ]
        return built(path, rows, {"shape": json.dumps(asdict(shape)), "marker": marker or ""})

    def _clean(self, index: Index, shape: Shape) -> None:
        """Takes rows away in whose place later ones count: what a merge left that did not come to its end."""
        if index.fact("twice") == "0":
            return
        for part in self.folder.parts():
            live = set(index.places(part.name))
            rows = [place for _, some in self.format.keys(self.folder.path / part.name, shape) for place in some]
            hidden: dict[int, Point | None] = {place: None for place in rows if place not in live}
            if hidden:
                self.change(part.name, hidden)
        cleaned(index)

    def _remove(self, paths: Sequence[Path]) -> None:
        for each in paths:
            each.unlink(missing_ok=True)
        sync(self.folder.path)

    def _see(self) -> None:
        """What was just written is no news."""
        self.format.forget()
        self._seen = (self._marker, self.folder.parts())


def run_of(parts: Sequence[Part]) -> Sequence[Part]:
    """Neighbours that are to be one part: the oldest of the small ones at the end, where these are too many."""
    count, size = 0, 0
    for part in reversed(parts):
        if part.size > MERGED_BYTES // 2 or (count and part.size > _GROWTH * size):
            break
        count += 1
        size += part.size
    if count <= SMALL_PARTS:
        return ()
    small = parts[len(parts) - count :]
    sizes = list(accumulate(part.size for part in small))
    return small[: max(2, bisect_right(sizes, MERGED_BYTES))]
