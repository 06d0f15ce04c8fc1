"""Vectors kept on this machine: bit for bit, by several processes, under a bound, and never at the work's expense."""

from __future__ import annotations

import multiprocessing
import resource
import signal
import sqlite3
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from multiprocessing.connection import Connection
from pathlib import Path

import numpy as np
import pytest

from limosa.lane.cache import Cache, Kept, default_path, keys_of, open_cache
from limosa.model.batch import Kind, Vectors
from limosa.model.space import Space

SPACE = Space(provider="openai", model="m", dimensions=64)
MB = 2**20


def vector(seed: int, d: int = 64) -> Vectors:
    return np.random.default_rng(seed).standard_normal(d, dtype=np.float32)


def key(number: int) -> bytes:
    return keys_of(SPACE, "host", "document", [f"text {number}"])[0]


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "vectors.db"


@pytest.fixture
def cache(path: Path) -> Iterator[Cache]:
    cache = Cache(path, limit_bytes=64 * MB)
    yield cache
    cache.close()


def test_what_was_kept_is_found_bit_for_bit(cache: Cache) -> None:
    odd = np.array([0.0, -0.0, 1e-45, -3.4e38, 1 / 3], dtype=np.float32)
    kept = {key(i): Kept(vector(i), i, i / 1000) for i in range(1, 1200)} | {key(0): Kept(odd)}
    cache.keep(kept)
    found = cache.find([*kept, key(5000)])
    assert found.keys() == kept.keys()
    assert all(found[each].vector.tobytes() == kept[each].vector.tobytes() for each in kept)
    assert all((found[each].tokens, found[each].cost_usd) == (kept[each].tokens, kept[each].cost_usd) for each in kept)
    cache.settle([key(i) for i in range(100)])
    found = cache.find(list(kept))
    assert [i for i in range(1200) if not found[key(i)].owed] == list(range(100))
    cache.settle([key(1), key(7777)])
    assert cache.find([]) == {}


def test_a_key_tells_everything_that_decides_a_vector_apart() -> None:
    parts: list[tuple[Space, str, Kind, str]] = [
        (SPACE, "host", "document", "text"),
        (replace(SPACE, revision="2"), "host", "document", "text"),
        (SPACE, "host:1", "document", "text"),
        (SPACE, "host", "query", "text"),
        (SPACE, "host", "document", "text "),
        (SPACE, "host", "document", ""),
        (SPACE, "host", "document", "document\x1ftext"),
        (SPACE, "ho", "document", "st\x1fdocument\x1ftext"),
        (SPACE, "host", "document", "\udfff"),
        (SPACE, "host", "document", "?"),
    ]
    keys = [keys_of(space, host, kind, [text])[0] for space, host, kind, text in parts]
    assert len(set(keys)) == len(keys)
    assert [keys_of(space, host, kind, [text])[0] for space, host, kind, text in parts] == keys


def test_it_lies_in_the_users_cache_folder(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    assert default_path() == tmp_path / "limosa" / "vectors.db"
    monkeypatch.delenv("XDG_CACHE_HOME")
    monkeypatch.setenv("HOME", str(tmp_path))
    assert default_path() == tmp_path / ".cache" / "limosa" / "vectors.db"


def test_nobody_else_may_read_it(path: Path, cache: Cache) -> None:
    cache.keep({key(1): Kept(vector(1))})
    assert [
        file.name
        for file in path.parent.glob("vectors.db*")
        if "owner" not in file.name and file.stat().st_mode & 0o077
    ] == []


class TestProcesses:
    FORKS = multiprocessing.get_context("spawn")

    def test_three_at_once_lose_nothing(self, path: Path) -> None:
        processes = [self.FORKS.Process(target=_keep, args=(path, i * 200, 200, None)) for i in range(3)]
        for process in processes:
            process.start()
        for process in processes:
            process.join(120)
            assert process.exitcode == 0
        cache = Cache(path, limit_bytes=64 * MB)
        found = cache.find([key(i) for i in range(600)])
        cache.close()
        assert len(found) == 600
        assert all(found[key(i)].vector.tobytes() == vector(i).tobytes() for i in range(600))

    def test_threads_that_keep_and_settle_at_once_lose_nothing_of_each_other(self, path: Path) -> None:
        cache = Cache(path, limit_bytes=64 * MB)
        ready = threading.Barrier(40)

        def work(first: int) -> None:
            ready.wait(60)
            for start in range(first, first + 50, 10):
                part = {key(i): Kept(vector(i), i + 1) for i in range(start, start + 10)}
                cache.keep(part)
                assert cache.find(list(part)).keys() == part.keys()
                cache.settle([key(i) for i in range(start, start + 10, 2)])

        with ThreadPoolExecutor(40) as pool:
            for done in [pool.submit(work, 50 * n) for n in range(40)]:
                done.result(120)
        found = cache.find([key(i) for i in range(2000)])
        cache.close()
        assert all(found[key(i)].vector.tobytes() == vector(i).tobytes() for i in range(2000))
        assert all(found[key(i)].tokens == (0 if i % 2 == 0 else i + 1) for i in range(2000))

    def test_a_killed_one_leaves_what_keep_returned_for_and_what_it_owes(self, path: Path) -> None:
        ours, theirs = self.FORKS.Pipe(duplex=False)
        process = self.FORKS.Process(target=_keep, args=(path, 0, 100_000, theirs))
        process.start()
        theirs.close()
        returned = [ours.recv() for _ in range(60)]
        cache = Cache(path, limit_bytes=64 * MB)
        # While it lives, what it paid is its own to tell.
        assert not any(kept.owed for kept in cache.find([key(i) for i in returned]).values())
        process.kill()
        process.join(60)
        assert process.exitcode == -signal.SIGKILL
        while ours.poll():
            try:
                returned.append(ours.recv())
            except EOFError:
                break
        found = cache.find([key(i) for i in returned])
        assert sorted(found) == sorted(key(i) for i in returned)
        assert all(found[key(i)].tokens == i + 1 for i in returned)
        # It was handed over: a second one that looks is told nothing.
        other = Cache(path, limit_bytes=64 * MB)
        assert not any(kept.owed for kept in other.find([key(i) for i in returned]).values())
        assert all(kept.owed for kept in cache.find([key(i) for i in returned]).values())
        for each in (cache, other):
            each.close()


def _keep(path: Path, first: int, count: int, told: Connection | None) -> None:
    cache = Cache(path, limit_bytes=64 * MB)
    for i in range(first, first + count):
        cache.keep({key(i): Kept(vector(i), i + 1, 0.001)})
        if told is not None:
            told.send(i)
    cache.close()


class TestBound:
    LIMIT = 2 * MB

    def test_the_oldest_go_and_the_file_stays_near_its_bound(self, path: Path) -> None:
        cache = Cache(path, limit_bytes=self.LIMIT)
        for start in range(0, 4000, 50):
            cache.keep({key(i): Kept(vector(i, 1024)) for i in range(start, start + 50)})
        found = cache.find([key(i) for i in range(4000)])
        cache.close()
        assert path.stat().st_size < 1.5 * self.LIMIT
        numbers = [i for i in range(4000) if key(i) in found]
        assert 200 < len(numbers) < 600
        assert numbers == list(range(4000 - len(numbers), 4000))

    def test_what_is_owed_never_goes(self, path: Path) -> None:
        cache = Cache(path, limit_bytes=self.LIMIT)
        cache.keep({key(i): Kept(vector(i, 1024), 1, 0.0) for i in range(100)})
        for start in range(100, 3000, 50):
            cache.keep({key(i): Kept(vector(i, 1024)) for i in range(start, start + 50)})
        assert len(cache.find([key(i) for i in range(100)])) == 100
        cache.settle([key(i) for i in range(100)])
        for start in range(3000, 5000, 50):
            cache.keep({key(i): Kept(vector(i, 1024)) for i in range(start, start + 50)})
        assert cache.find([key(i) for i in range(100)]) == {}
        cache.close()

    def test_many_short_runs_keep_it_too(self, path: Path) -> None:
        for run in range(200):
            cache = Cache(path, limit_bytes=self.LIMIT)
            cache.keep({key(run * 20 + i): Kept(vector(i, 1024)) for i in range(20)})
            cache.close()
        assert path.stat().st_size < 1.5 * self.LIMIT


class TestIll:
    def test_a_file_of_another_version_is_begun_anew(self, path: Path) -> None:
        with sqlite3.connect(path) as connection:
            connection.execute("CREATE TABLE vector (other text)")
            connection.execute("INSERT INTO vector VALUES ('x')")
            connection.execute("PRAGMA user_version = 77")
        connection.close()
        self._works(path, said=0)

    @pytest.mark.parametrize("content", [b"not a database " * 1000, b"SQLite format 3\x00" + b"\xff" * 5000, b"x"])
    def test_a_file_that_is_none_is_begun_anew(self, path: Path, content: bytes) -> None:
        path.write_bytes(content)
        self._works(path, said=0)

    def _works(self, path: Path, *, said: int) -> None:
        lines: list[str] = []
        cache = open_cache(path, limit_bytes=MB, say=lines.append)
        assert cache is not None
        cache.keep({key(1): Kept(vector(1))})
        assert len(cache.find([key(1)])) == 1
        cache.close()
        assert len(lines) == said

    def test_a_folder_that_cannot_be_is_said_once(self, tmp_path: Path) -> None:
        (tmp_path / "file").write_text("in the way")
        lines: list[str] = []
        assert open_cache(tmp_path / "file" / "limosa" / "vectors.db", limit_bytes=MB, say=lines.append) is None
        assert len(lines) == 1
        assert lines[0].startswith("Vectors are not kept on this machine")

    def test_a_full_disk_is_said_once_and_the_work_goes_on(self, path: Path) -> None:
        process = multiprocessing.get_context("spawn").Process(target=_fill_the_disk, args=(path,))
        process.start()
        process.join(120)
        assert process.exitcode == 0
        lines = path.with_suffix(".said").read_text().splitlines()
        assert len(lines) == 1
        assert lines[0].startswith("Vectors are no longer kept on this machine")
        # The next one finds a sound file.
        self._works(path, said=0)

    def test_a_file_that_is_spoiled_meanwhile_is_said_once(self, path: Path) -> None:
        lines: list[str] = []
        cache = open_cache(path, limit_bytes=MB, say=lines.append)
        assert cache is not None
        with sqlite3.connect(path) as other:
            other.execute("DROP TABLE vector")
        other.close()
        for _ in range(3):
            assert cache.find([key(1)]) == {}
            cache.keep({key(1): Kept(vector(1))})
            cache.settle([key(1)])
        cache.close()
        cache.close()
        assert len(lines) == 1

    def test_after_closing_nothing_is_kept_and_nothing_said(self, path: Path) -> None:
        lines: list[str] = []
        cache = Cache(path, limit_bytes=MB, say=lines.append)
        cache.close()
        cache.keep({key(1): Kept(vector(1))})
        assert cache.find([key(1)]) == {}
        assert lines == []
        assert not list(path.parent.glob("*owner*"))


def _fill_the_disk(path: Path) -> None:
    signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    lines: list[str] = []
    cache = Cache(path, limit_bytes=64 * MB, say=lines.append)
    resource.setrlimit(resource.RLIMIT_FSIZE, (MB, MB))
    for start in range(0, 2000, 100):
        cache.keep({key(i): Kept(vector(i, 1024), 1, 0.0) for i in range(start, start + 100)})
        cache.find([key(start)])
        cache.settle([key(start)])
    cache.close()
    path.with_suffix(".said").write_text("\n".join(lines))
