"""A backfill by batch jobs: the same vectors at half the price, whatever the provider makes of the jobs."""

from __future__ import annotations

import threading
from collections import Counter
from collections.abc import Callable, Iterator

import psycopg
import pytest

from limosa.app import App
from limosa.control.jobs import Jobs
from limosa.errors import LimosaError, Refused, Transient
from limosa.steps.backfill import backfill
from limosa.steps.status import status
from tests.crash.world import fill_table
from tests.journey.batch_world import ACCEPT, app_of, batched_jobs, half_price, new_texts, require_right, spent, vectors
from tests.providers.openai_server import Fault, OpenAIServer
from tests.providers.server import ProviderServer


@pytest.fixture
def docs(database: str, monkeypatch: pytest.MonkeyPatch) -> str:
    monkeypatch.setenv("LIMOSA_TEST_URL", database)
    fill_table(database, rows=200)
    return database


@pytest.fixture
def openers() -> Iterator[Callable[..., App]]:
    opened: list[App] = []

    def open_it(server: ProviderServer, *, lane: str = "batch", budget_usd: float | None = None) -> App:
        opened.append(app_of(server, lane=lane, budget_usd=budget_usd))
        return opened[-1]

    yield open_it
    for app in opened:
        app.close()


@pytest.mark.parametrize("protocol", ["openai", "google"])
def test_a_whole_migration_is_what_direct_gives_at_half_the_price(
    docs: str,
    openers: Callable[..., App],
    provider_server: Callable[..., ProviderServer],
    monkeypatch: pytest.MonkeyPatch,
    tmp_path_factory: pytest.TempPathFactory,
    protocol: str,
) -> None:
    by_jobs, at_once = (provider_server(protocol=protocol) for _ in range(2))
    app = openers(by_jobs)
    proofs = app.run(accept=ACCEPT).proofs
    assert all(proof.verdict == "proved" for proof in proofs if proof.name == "conservation")
    found, texts = vectors(docs), new_texts(docs)
    assert by_jobs.batched.keys() == set(texts)
    # The plan's sample and verify's canaries ask at once, and for a few only.
    assert by_jobs.embedded.total() < len(texts) / 2
    assert spent(app) == pytest.approx(half_price(texts))
    app.rollback()
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path_factory.mktemp("another")))
    direct = openers(at_once, lane="direct")
    direct.run(accept=ACCEPT)
    assert not at_once.batched
    # Bit for bit, as the database prints them.
    assert found == vectors(docs)
    assert spent(direct) == pytest.approx(2 * half_price(texts))


def test_while_rows_are_filled_nothing_is_asked_at_once(
    docs: str, openers: Callable[..., App], openai_server: OpenAIServer
) -> None:
    app = openers(openai_server)
    app.run(accept=ACCEPT, limit=1)
    before = openai_server.texts
    app.voyage.stop.clear()
    _backfill(app)
    assert openai_server.texts == before
    assert openai_server.batched


def test_texts_that_a_job_did_not_make_are_asked_for_at_once_and_only_they(
    docs: str, openers: Callable[..., App], openai_server: OpenAIServer
) -> None:
    with psycopg.connect(docs, autocommit=True) as connection:
        connection.execute("UPDATE docs SET body = 'please refuse me' WHERE id IN (5, 77)")
    openai_server.refused = "refuse me"
    openai_server.batches.failing = lambda text: text.endswith("3")
    app = openers(openai_server)
    app.run(accept=ACCEPT, limit=1)
    before = Counter(openai_server.embedded)
    _backfill(app)
    asked = set(Counter(openai_server.embedded) - before)
    failing = {text for text in new_texts(docs) if text.endswith("3") and "refuse me" not in text}
    assert asked
    assert asked <= failing
    assert failing <= set(openai_server.embedded)
    assert not failing & set(openai_server.batched)
    letters = list(app.voyage.letters.each(kind="dead"))
    assert [letter.key for letter in letters] == [("5",), ("77",)]
    assert all("refuses the text" in letter.reason for letter in letters)
    assert openai_server.jobs == len(batched_jobs(docs))


def test_a_job_that_ran_out_of_time_goes_out_once_more_with_what_is_missing(
    docs: str, openers: Callable[..., App], openai_server: OpenAIServer
) -> None:
    app = openers(openai_server)
    app.run(accept=ACCEPT, limit=1)
    openai_server.batches.after_looks = None
    before = openai_server.texts
    running = threading.Thread(target=_backfill, args=(app,), daemon=True)
    running.start()
    _until(lambda: openai_server.jobs >= 3)
    openai_server.batches.expire(share=0.5)
    openai_server.batches.after_looks = 2
    running.join(60)
    assert not running.is_alive()
    require_right(docs)
    assert openai_server.texts == before
    assert max(openai_server.batched.values()) == 1
    assert max(tries for _, _, tries in batched_jobs(docs)) == 2


def test_a_job_that_is_refused_as_a_whole_says_why_and_the_direct_lane_goes_on(
    docs: str, openers: Callable[..., App], openai_server: OpenAIServer
) -> None:
    app = openers(openai_server)
    openai_server.batches.invalidate("this organisation may not")
    with pytest.raises(Refused, match="this organisation may not") as refused:
        app.run(accept=ACCEPT)
    assert "lane" in refused.value.do
    direct = openers(openai_server, lane="direct")
    direct.run()
    require_right(docs)


def test_a_job_for_which_there_was_no_room_goes_out_again(
    docs: str, openers: Callable[..., App], openai_server: OpenAIServer
) -> None:
    openai_server.batches.invalidate("Enqueued token limit reached", code="token_limit_exceeded")
    app = openers(openai_server)
    running = threading.Thread(target=app.run, kwargs={"accept": ACCEPT}, daemon=True)
    running.start()
    _until(lambda: any(state == "sending" and reason == "crowded" for _, state, reason in _states(docs)))
    with psycopg.connect(docs, autocommit=True) as connection:
        # Nobody waits a minute here.
        connection.execute("UPDATE limosa.job SET next_look = now() WHERE reason = 'crowded'")
    running.join(60)
    assert not running.is_alive()
    require_right(docs)
    assert max(openai_server.batched.values()) == 1


def test_the_budget_refuses_a_job_before_it_is_sent(
    docs: str, openers: Callable[..., App], openai_server: OpenAIServer
) -> None:
    app = openers(openai_server)
    app.run(accept=ACCEPT, limit=1)
    begun = spent(app)
    room = half_price(new_texts(docs)) / 3
    poor = openers(openai_server, budget_usd=begun + room)
    with pytest.raises(Refused, match="used up"):
        poor.run()
    out = half_price(list(openai_server.batched)) + half_price(_texts_out(openai_server))
    assert 0 < out <= room
    rich = openers(openai_server, budget_usd=100.0)
    rich.run()
    require_right(docs)
    assert max(openai_server.batched.values()) == 1


def _backfill(app: App) -> None:
    app.voyage.stop.clear()
    assert backfill(app.voyage)


def _until(true: Callable[[], bool]) -> None:
    for _ in range(3000):
        if true():
            return
        threading.Event().wait(0.01)
    pytest.fail("it did not come to that")


def _states(url: str) -> list[tuple[str, str, str]]:
    with psycopg.connect(url) as connection:
        if connection.execute("SELECT to_regclass('limosa.job')").fetchone() == (None,):
            return []
        return [
            (str(tag), str(state), str(reason))
            for tag, state, reason in connection.execute("SELECT tag, state, reason FROM limosa.job").fetchall()
        ]


def _texts_out(server: ProviderServer) -> list[str]:
    jobs = list(server.batches.jobs.values())
    return [text for job in jobs if not job.ended for item in job.items for text in item.question.texts]


def test_to_the_direct_lane_in_mid_run_keeps_what_jobs_have_made(
    docs: str, openers: Callable[..., App], openai_server: OpenAIServer
) -> None:
    _stopped_with_jobs_out(openers(openai_server), openai_server)
    openai_server.batches.done_when_cancelled = 0.5
    before = openai_server.texts
    direct = openers(openai_server, lane="direct")
    _backfill(direct)
    require_right(docs)
    assert {job.state for job in openai_server.batches.jobs.values()} == {"cancelled"}
    made, asked = openai_server.batched.total(), openai_server.texts - before
    assert made
    assert asked
    # What was made is not asked for again.
    assert made + asked == len(set(new_texts(docs)))


def test_back_to_the_batch_lane(docs: str, openers: Callable[..., App], openai_server: OpenAIServer) -> None:
    app = openers(openai_server, lane="direct")
    app.run(accept=ACCEPT, limit=64)
    before = openai_server.texts
    batch = openers(openai_server)
    _backfill(batch)
    assert openai_server.texts == before
    assert openai_server.batched
    require_right(docs)


def test_a_stop_says_what_is_out_and_the_next_run_fetches_it(
    docs: str, openers: Callable[..., App], openai_server: OpenAIServer
) -> None:
    said = _stopped_with_jobs_out(openers(openai_server), openai_server)
    assert any("out with" in line and "limosa run" in line for line in said)
    found = status(openers(openai_server).voyage)
    assert found.jobs.count == openai_server.jobs
    assert found.jobs.texts
    openai_server.batches.finish()
    openers(openai_server).run()
    require_right(docs)
    assert max(openai_server.batched.values()) == 1


def test_a_rollback_calls_the_jobs_off(docs: str, openers: Callable[..., App], openai_server: OpenAIServer) -> None:
    _stopped_with_jobs_out(openers(openai_server), openai_server)
    jobs = openai_server.batches.jobs
    openers(openai_server).rollback()
    assert jobs
    assert {job.state for job in jobs.values()} <= {"cancelling", "cancelled"}
    assert not batched_jobs(docs)


def test_a_plan_shows_the_ways_side_by_side_and_refuses_one_that_is_not_there(
    docs: str, openers: Callable[..., App], openai_server: OpenAIServer, provider_server: Callable[..., ProviderServer]
) -> None:
    plan = openers(openai_server).plan()
    ways = plan.estimates["lanes"]
    assert isinstance(ways, dict)
    assert ways["batch"]["cost_usd"] == pytest.approx(ways["direct"]["cost_usd"] / 2)
    assert plan.estimates["cost_usd"] == ways["batch"]["cost_usd"]
    assert [check.verdict for check in plan.checks if check.name == "lane"] == ["note"]
    openai_server.batches.faults.always(Fault(status=404, code="unknown_url", message="no such path"))
    refused = openers(openai_server).plan()
    assert [check.verdict for check in refused.checks if check.name == "lane"] == ["refused"]


def _stopped_with_jobs_out(app: App, server: OpenAIServer) -> list[str]:
    """Begins, and stops while every job waits; what was said."""
    server.batches.after_looks = None
    said: list[str] = []
    app.voyage.say = said.append
    errors: list[LimosaError] = []

    def run() -> None:
        try:
            app.run(accept=ACCEPT)
        except LimosaError as error:
            errors.append(error)

    running = threading.Thread(target=run, daemon=True)
    running.start()
    _until(lambda: "waiting for" in app.voyage.meter.waiting)
    app.voyage.stop.set()
    running.join(30)
    assert not running.is_alive()
    assert [type(error) for error in errors] == [Transient]
    return said


def test_a_chunk_whose_job_is_out_rests_until_it_is_to_be_looked_at(
    docs: str, openers: Callable[..., App], openai_server: OpenAIServer
) -> None:
    app = openers(openai_server)
    _stopped_with_jobs_out(app, openai_server)
    with psycopg.connect(docs, autocommit=True) as connection:
        connection.execute("UPDATE limosa.job SET next_look = now() + interval '1 hour'")
    ledger, jobs = app.voyage.ledger(), Jobs(app.voyage.store.begin, app.migration.id)
    assert ledger.claim() is None
    jobs.wake()
    claim = ledger.claim(fresh=False)
    assert claim is not None
    assert len(jobs.of(claim)) == 1
    jobs.park(claim, 3600.0)
    ledger.release([claim])
    other = ledger.claim()
    assert other is not None
    assert other.id != claim.id
    ledger.release([other])
