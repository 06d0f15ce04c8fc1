"""SIGKILL at every commit point, before the commit is sent and before its answer is heard."""

from __future__ import annotations

import collections
from functools import partial
from pathlib import Path
from typing import NamedTuple
from urllib.parse import urlsplit

import psycopg
import pytest

from tests.crash.proxy import Proxy
from tests.crash.world import World, clear, dump, make_table, start_driver
from tests.providers.openai_server import OpenAIServer

FORWARD = "run,cutover,run,finish"
BACK = "run,cutover,rollback"


def _proxied(proxy: Proxy, url: str) -> str:
    parts = urlsplit(url)
    host, port = proxy.address
    return parts._replace(netloc=f"{parts.username}:{parts.password}@{host}:{port}").geturl()


SCHEMA = ("CREATE", "ALTER", "DROP")
"""How the commits begin that change the schema."""


class Kills(NamedTuple):
    """A commit is killed before it is sent, or after it and before its answer; every so manieth of the points."""

    after: bool
    every: int = 1


Point = tuple[str, int]
"""A commit by what it commits, and the how manieth of its like."""


def _is(wanted: Point, label: str, occurrence: int) -> bool:
    return (label, occurrence) == wanted


def _points(labels: list[str]) -> list[Point]:
    """Every change of the schema; of what workers commit again and again, the first of each kind."""
    seen: collections.Counter[str] = collections.Counter()
    points: list[Point] = []
    for label in labels:
        seen[label] += 1
        if seen[label] == 1 or label.startswith(SCHEMA):
            points.append((label, seen[label]))
    return points


def _proxy(url: str) -> Proxy:
    info = psycopg.conninfo.conninfo_to_dict(url)
    return Proxy(str(info["host"]), int(info["port"] or 5432))


def _drive(world: World, verbs: str, proxy: Proxy) -> tuple[int | None, str]:
    process = start_driver(world, verbs, url=_proxied(proxy, world.url))
    proxy.victim = process.pid
    process.join(120)
    proxy.close()
    code = process.exitcode
    process.close()
    return code, world.output.read_text()


def _resume(world: World, verbs: str) -> None:
    """What a person would type again: all verbs from the beginning; on the way back, that alone."""
    process = start_driver(world, verbs, url=world.url)
    process.join(120)
    assert process.exitcode == 0, world.output.read_text()
    process.close()


def _fresh(url: str, folder: Path, provider: OpenAIServer, layout: str) -> World:
    clear(url)
    return make_table(url, folder, provider_url=provider.base_url).laid_out(layout)


QUIET_RUNS = 3
"""A commit that a slow machine made a worker cut in two is no point of every run: those of all three are asked for."""

TRIES = 5
"""How often a point is tried before it counts as not reached, for the same reason."""


def _quiet(database: str, folder: Path, provider: OpenAIServer, verbs: str, layout: str) -> list[list[str]]:
    """The commits of runs that are not killed; the last one's end stays in the database."""
    runs: list[list[str]] = []
    for _ in range(QUIET_RUNS):
        world = _fresh(database, folder, provider, layout)
        proxy = _proxy(database)
        code, output = _drive(world, verbs, proxy)
        assert code == 0, output
        runs.append(proxy.labels)
    return runs


def _wanted(labels: list[str]) -> list[Point]:
    """The points of a run; of the way back where it differs from the way forward, which has its own test."""
    turn = next((i for i, label in enumerate(labels) if "SET direction" in label), 0)
    forward = set(_points(labels[:turn]))
    return [point for point in _points(labels) if point not in forward]


@pytest.mark.timeout(600)
@pytest.mark.parametrize(
    ("layout", "verbs", "kills"),
    [
        pytest.param("column", FORWARD, Kills(after=False, every=2), id="column-forward-every-second"),
        pytest.param("column", BACK, Kills(after=True, every=2), id="column-back-every-second"),
        pytest.param(
            "column", FORWARD, Kills(after=False), id="column-forward-before-the-commit", marks=pytest.mark.soak
        ),
        pytest.param(
            "column", FORWARD, Kills(after=True), id="column-forward-before-its-answer", marks=pytest.mark.soak
        ),
        pytest.param("column", BACK, Kills(after=False), id="column-back-before-the-commit", marks=pytest.mark.soak),
        pytest.param("column", BACK, Kills(after=True), id="column-back-before-its-answer", marks=pytest.mark.soak),
        pytest.param("side_table", FORWARD, Kills(after=True), id="side-table-forward", marks=pytest.mark.soak),
        pytest.param("side_table", BACK, Kills(after=False), id="side-table-back", marks=pytest.mark.soak),
        pytest.param("in_place", FORWARD, Kills(after=False), id="in-place-forward", marks=pytest.mark.soak),
        pytest.param("in_place", BACK, Kills(after=True), id="in-place-back", marks=pytest.mark.soak),
    ],
)
def test_a_kill_at_every_commit_point_changes_nothing(
    database: str, tmp_path: Path, openai_server: OpenAIServer, layout: str, verbs: str, kills: Kills
) -> None:
    _fresh(database, tmp_path, openai_server, layout)
    untouched = dump(database)
    first, *others = [_wanted(labels) for labels in _quiet(database, tmp_path, openai_server, verbs, layout)]
    expected = dump(database)
    assert (expected == untouched) == (verbs == BACK)
    points = [point for point in first if all(point in other for other in others)]
    if layout != "column":
        # What workers commit is the same in every layout, and killed above.
        points = [point for point in points if point[0].startswith(SCHEMA)]
    assert len(points) >= ({FORWARD: 25, BACK: 10}[verbs] if layout == "column" else 3)
    wrong: list[str] = []
    for point in points[:: kills.every]:
        for _ in range(TRIES):
            world = _fresh(database, tmp_path, openai_server, layout)
            proxy = _proxy(database)
            proxy.kill_at, proxy.after = partial(_is, point), kills.after
            _drive(world, verbs, proxy)
            _resume(world, "back" if verbs == BACK else verbs)
            if dump(database) != expected:
                wrong.append(f"different: {point}")
            if proxy.killed is not None:
                break
        else:
            wrong.append(f"not reached: {point}")
    assert not wrong, "\n".join(wrong)
