"""SIGKILL at every commit point of a split, before the commit is sent and after it was made; in files of both kinds."""

from __future__ import annotations

import collections
from dataclasses import dataclass
from pathlib import Path

import pytest

from tests.crash.split import Kill, contents, file_of, fresh, left_over, quick_folder, reached, start_split
from tests.crash.world import World

FORWARD = "run,cutover,run,finish"
BACK = "run,cutover,rollback"

QUIET_RUNS = 3
"""What threads commit in another order in every run is no point of every run: those of all three are asked for."""

TRIES = 5
"""How often a point is tried before it counts as not reached, for the same reason."""

Point = tuple[str, int]
"""A commit by what it commits, and the how manieth of its like."""


def _drive(world: World, verbs: str, kill: Kill | None = None) -> int | None:
    process = start_split(world, verbs, kill)
    process.join(120)
    code = process.exitcode
    process.close()
    return code


def _resumed(world: World, verbs: str) -> str:
    """What went wrong when a person typed it again: all verbs from the beginning; on the way back, that alone."""
    code = _drive(world, "back" if verbs == BACK else verbs)
    return "" if code == 0 else f"ended with {code}:\n{world.output.read_text()}"


def _points(labels: list[str]) -> list[Point]:
    """Every commit of the steps; of what workers commit again and again, the first of each kind."""
    seen: collections.Counter[str] = collections.Counter()
    points: list[Point] = []
    for label in labels:
        seen[label] += 1
        if seen[label] == 1 or not label.startswith(("UPDATE limosa_chunk", "INSERT INTO limosa_chunk")):
            points.append((label, seen[label]))
    return points


def _wanted(labels: list[str]) -> list[Point]:
    """The points of a run; of the way back where it differs from the way forward, which has its own test."""
    turn = next((i for i, label in enumerate(labels) if "SET direction" in label), 0)
    forward = set(_points(labels[:turn]))
    return [point for point in _points(labels) if point not in forward]


def _quiet(folder: Path, verbs: str, *, wal: bool) -> list[list[Point]]:
    """The points of runs that are not killed; what the last one made stays in the folder."""
    runs: list[list[Point]] = []
    for _ in range(QUIET_RUNS):
        world = fresh(folder, wal=wal)
        code = _drive(world, verbs)
        assert code == 0, world.output.read_text()
        runs.append(_wanted(reached(world)[0]))
    return runs


@pytest.mark.parametrize(
    ("verbs", "after", "wal"),
    [
        pytest.param(
            verbs,
            after,
            wal,
            id=f"{way}-{'after' if after else 'before'}-the-commit-{'write-ahead-log' if wal else 'rollback-journal'}",
            # Each way once with each journal; all of them take three minutes.
            marks=[] if after == (way == "back") else [pytest.mark.soak],
        )
        for way, verbs in (("forward", FORWARD), ("back", BACK))
        for after in (False, True)
        for wal in (True, False)
    ],
)
def test_a_kill_at_every_commit_point_changes_nothing(verbs: str, after: bool, wal: bool) -> None:
    with quick_folder() as folder:
        path = file_of(fresh(folder, wal=wal))
        untouched = contents(path)
        first, *others = _quiet(folder, verbs, wal=wal)
        case = _Case(folder, verbs, wal, untouched, expected=contents(path))
        assert (case.expected == untouched) == (verbs == BACK)
        points = [point for point in first if all(point in other for other in others)]
        assert len(points) >= {FORWARD: 45, BACK: 18}[verbs]
        wrong = [said for point in points for said in case.killed(Kill(*point, after))]
    assert not wrong, "\n".join(wrong)


@dataclass(frozen=True)
class _Case:
    folder: Path
    verbs: str
    wal: bool
    untouched: str
    expected: str

    def killed(self, kill: Kill) -> list[str]:
        """What is wrong after a run that was killed there, and after it was started again."""
        for _ in range(TRIES):
            world = fresh(self.folder, wal=self.wal)
            _drive(world, self.verbs, kill)
            found = reached(world)[1]
            wrong = [*self._backups(), _resumed(world, self.verbs), *self._backups(), *left_over(world)]
            if contents(file_of(world)) != self.expected:
                wrong.append("the contents differ")
            if found or any(wrong):
                return [f"{kill}: {said}" for said in wrong if said]
        return [f"{kill}: not reached"]

    def _backups(self) -> list[str]:
        """What bears a backup's name and is not the whole database of before."""
        found = [file for file in self.folder.glob("app.db.limosa-*") if file.suffix != ".partial"]
        return [f"{file.name} is no backup" for file in found if contents(file) != self.untouched]
