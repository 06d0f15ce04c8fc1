"""SIGKILL while batch jobs are out: nothing is made twice, by the provider's own count, and nothing is lost."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import psycopg
import pytest

from tests.crash.world import World, make_table, start_driver, until
from tests.journey.batch_world import half_price, new_texts, require_right
from tests.providers.openai_server import Fault, OpenAIServer

ROWS = 60


def _states(url: str) -> list[str]:
    with psycopg.connect(url) as connection:
        if connection.execute("SELECT to_regclass('limosa.job')").fetchone() == (None,):
            return []
        return [str(state) for (state,) in connection.execute("SELECT state FROM limosa.job").fetchall()]


def _finish(world: World) -> None:
    process = start_driver(world, "run", url=world.url)
    process.join(120)
    assert process.exitcode == 0, world.output.read_text()
    process.close()


@pytest.fixture
def world(tmp_path: Path, database: str, openai_server: OpenAIServer) -> World:
    return make_table(database, tmp_path, provider_url=openai_server.base_url, rows=ROWS, lane="batch")


def _killed(world: World, when: Callable[[], bool]) -> None:
    process = start_driver(world, "run", url=world.url)
    until(when)
    process.kill()
    process.join(60)
    assert process.exitcode == -9


def _require_once(server: OpenAIServer) -> None:
    """Every text was in one job only, whatever became of the job."""
    items = [text for job in server.batches.jobs.values() for item in job.items for text in item.question.texts]
    assert len(items) == len(set(items))
    assert max(server.batched.values()) == 1


def _require_paid_once(url: str) -> None:
    """The ledger has the price of every text, half and once."""
    with psycopg.connect(url) as connection:
        found = connection.execute("SELECT sum(cost_usd) FROM limosa.chunk").fetchone()
    assert found is not None
    assert found[0] == pytest.approx(half_price(new_texts(url)))


def test_killed_after_the_job_was_made_and_before_its_name_was_noted(
    world: World, database: str, openai_server: OpenAIServer
) -> None:
    openai_server.batches.after_looks = None
    # The file goes up at once; the answer to the batch that was made of it comes too late.
    openai_server.batches.faults.fail(Fault(how="slow"), times=2)
    openai_server.batches.faults.fail(Fault(how="slow", delay_s=30.0), times=1)
    _killed(world, lambda: len(openai_server.batches.jobs) == 1)
    assert _states(database) == ["sending"]
    openai_server.batches.after_looks = 1
    _finish(world)
    require_right(database)
    _require_once(openai_server)
    _require_paid_once(database)


def test_killed_before_the_job_was_made(world: World, database: str, openai_server: OpenAIServer) -> None:
    openai_server.batches.faults.fail(Fault(how="slow"), times=1)
    openai_server.batches.faults.fail(Fault(how="slow", delay_s=30.0), times=1)
    _killed(world, lambda: openai_server.files == 1)
    assert not openai_server.batches.jobs
    assert _states(database) == ["sending"]
    _finish(world)
    require_right(database)
    _require_once(openai_server)
    _require_paid_once(database)


def test_killed_while_jobs_are_out(world: World, database: str, openai_server: OpenAIServer) -> None:
    openai_server.batches.after_looks = None
    _killed(world, lambda: _states(database).count("out") >= 2)
    openai_server.batches.finish()
    openai_server.batches.after_looks = 1
    _finish(world)
    require_right(database)
    _require_once(openai_server)
    _require_paid_once(database)


def test_killed_while_results_are_fetched(world: World, database: str, openai_server: OpenAIServer) -> None:
    openai_server.batches.after_looks = None
    process = start_driver(world, "run", url=world.url)
    until(lambda: _states(database).count("out") == len(_states(database)) >= 3)
    openai_server.batches.faults.always(Fault(how="slow", delay_s=0.3))
    openai_server.batches.finish()
    until(lambda: "fetched" in _states(database))
    process.kill()
    process.join(60)
    openai_server.batches.faults.always(None)
    openai_server.batches.after_looks = 1
    _finish(world)
    require_right(database)
    _require_once(openai_server)
    _require_paid_once(database)


def test_two_processes_share_the_jobs(world: World, database: str, openai_server: OpenAIServer) -> None:
    openai_server.batches.after_looks = 3
    first = start_driver(world, "run", url=database)
    until(lambda: openai_server.jobs >= 1)
    second = start_driver(world, "run", url=database)
    for process in (first, second):
        process.join(120)
        assert process.exitcode == 0, world.output.read_text()
    require_right(database)
    _require_once(openai_server)
    _require_paid_once(database)
