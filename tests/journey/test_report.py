"""The report says what is so: the same figures as status, never success before it is proved, and no word of a text."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from dataclasses import asdict
from pathlib import Path

import psycopg
import pytest

from limosa.app import open_app
from limosa.cli.pages.report.document import document
from limosa.steps.report import report
from limosa.stores.postgres.embedded import Server
from tests.journey.report_story import KEY, NASTY, ROWS, WORD, Page, Story, tell
from tests.journey.split_world import make_table, split_app
from tests.postgres.fixtures import fresh_database
from tests.providers.openai_server import OpenAIServer

AT_WORK = ["begun", "verified", "pending", "lost", "different", "unchecked", "switched"]
MOMENTS = [*AT_WORK, "rolled back", "finished"]
SUCCESS = "Proved, and complete"


@pytest.fixture(scope="module")
def story(pg_server: Server, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Story]:
    folder = tmp_path_factory.mktemp("story")
    with fresh_database(pg_server) as url, OpenAIServer(key=KEY) as server, pytest.MonkeyPatch.context() as patch:
        patch.setenv("LIMOSA_TEST_URL", url)
        patch.setenv("LIMOSA_TEST_KEY", KEY)
        patch.setenv("XDG_CACHE_HOME", str(folder / "cache"))
        yield tell(url, folder, server)


def test_there_is_no_report_before_the_first_run(story: Story) -> None:
    assert "there is nothing to report" in story.refused


def test_a_report_that_cannot_be_written_is_refused(story: Story) -> None:
    assert "cannot be written: No such file or directory" in story.unwritten
    assert "Name another one after -o" in story.unwritten


@pytest.mark.parametrize(
    ("name", "verdict", "code", "said"),
    [
        ("begun", "not complete", 0, "Not complete"),
        ("rolled back", "not complete", 0, "The migration was rolled back"),
        ("verified", "proved", 0, SUCCESS),
        ("pending", "not complete", 0, "1 row waits to be embedded. None is lost."),
        ("lost", "different", 1, f"Of {ROWS} rows 1 are lost"),
        ("different", "different", 1, "The proof “canary” came out different."),
        ("unchecked", "could not be checked", 0, "The proof “canary” could not be made."),
        ("switched", "proved", 0, SUCCESS),
        ("finished", "proved", 0, SUCCESS),
    ],
)
def test_the_verdict_is_what_is_so(story: Story, name: str, verdict: str, code: int, said: str) -> None:
    moment = story[name]
    assert (moment.report["ruling"]["verdict"], moment.code) == (verdict, code)
    assert said in moment.page.text
    assert (SUCCESS in moment.page.text) == (verdict == "proved")


@pytest.mark.parametrize("name", AT_WORK)
def test_the_figures_are_those_of_status(story: Story, name: str) -> None:
    found, status = story[name].report, story[name].status
    assert found["conservation"] == status["conservation"]
    assert (found["state"], found["step"], found["switched"]) == (status["state"], status["step"], status["switched"])
    assert found["bill"]["spending"] == status["spending"]
    assert found["bill"]["tokens"] == status["tally"]["tokens"] > 0
    assert [each["verdict"] for each in found["proofs"]] == [each["verdict"] for each in status["proofs"]]
    text = story[name].page.text
    counts = found["conservation"]
    assert f"{counts['rows']} rows = {counts['done']} done + {counts['skipped']} skipped" in text
    assert f"${status['spending']['paid_usd']:.4f}" in text
    assert all(
        f"{each['verdict']} {each['name']}" in text for each in found["proofs"] if each["verdict"] != "unchecked"
    )


def test_a_finished_migration_keeps_its_evidence_and_says_when_it_was_made(story: Story) -> None:
    before, after = story["switched"].report, story["finished"].report
    assert after["bill"]["spending"] == before["bill"]["spending"]
    assert {**after["conservation"], "at_expand": ROWS} == before["conservation"]
    assert after["proofs"] == before["proofs"]
    assert after["counted_at"] == after["proved_at"] == before["proved_at"] < before["counted_at"]
    assert after["course"]["filled"] == before["course"]["filled"]
    assert [each["why"] for each in after["likeness"]] == ["the old vectors went with finish", ""]
    assert {each["state"] for each in after["operations"]} == {"swept"}
    text = story["finished"].page.text
    assert "Counted by the last verify" in text
    assert "5 were skipped and 2 could not be embedded. Their reasons were listed until finish." in text


def test_a_count_whose_time_is_forgotten_is_not_dated_to_the_report(story: Story) -> None:
    after = story["long finished"].report
    assert after["conservation"] == story["finished"].report["conservation"]
    assert (after["counted_at"], after["proved_at"]) == (None, None)
    text = story["long finished"].page.text
    assert "Counted by the last verify, at a time that was not kept; nothing follows the table since finish." in text
    assert "Counted on" not in text


def test_what_a_rollback_took_back_is_not_counted_again(story: Story) -> None:
    before, after = story["begun"].report, story["rolled back"].report
    assert (after["conservation"], after["proofs"], after["proved_at"]) == (None, [], None)
    assert after["bill"]["tokens"] == before["bill"]["tokens"] > 0
    assert after["course"]["filled"] == before["course"]["filled"] > 0
    again = story["verified"].report
    assert again["course"]["filled"] == ROWS
    back = next(each["at"] for each in again["events"] if each["kind"] == "rollback")
    assert before["began"] < back < again["began"], "a plan that is locked again is dated again"


def test_the_course_is_told(story: Story) -> None:
    course = story["verified"].report["course"]
    assert course["filled"] == ROWS
    cells = course["cells"]
    assert cells[0]["from_s"] == 0
    assert cells[-1]["to_s"] == pytest.approx(course["worked_s"])
    assert [cell["filled"] for cell in cells] == sorted(cell["filled"] for cell in cells)
    assert cells[-1]["filled"] == ROWS
    counted = sum(cell["rate_per_s"] * (cell["to_s"] - cell["from_s"]) for cell in cells)
    assert counted == pytest.approx(ROWS)
    for kind in ("writes", "requests"):
        assert course[kind]["count"] >= sum(cell[kind]["count"] for cell in cells if cell[kind]) > 0
        assert 0 < course[kind]["p50_ms"] <= course[kind]["p95_ms"]
    # What the try before the rollback was answered is kept: only the rest is asked for, 16 texts at a time.
    assert 5 <= course["requests"]["count"] < ROWS


def test_similarities_and_recall_are_drawn(story: Story) -> None:
    old, new = story["verified"].report["likeness"]
    assert (old["space"], new["space"]) == ("openai/old (6)", "openai/new (8)")
    assert (new["rows"], new["pairs"]) == (113, 113 * 112 // 2)
    assert sum(new["counts"]) == new["pairs"]
    assert -1 <= new["low"] <= new["median"] <= new["high"] <= 1
    recall = next(each for each in story["verified"].report["proofs"] if each["name"] == "recall")["evidence"]
    assert sum(recall["queries_by_missed"]) == recall["queries"]
    titles = {attrs.get("aria-label") for tag, attrs in story["verified"].page.tags if tag == "svg"} - {None}
    assert len(titles) == 7


@pytest.mark.parametrize("name", MOMENTS)
def test_no_text_no_vector_and_no_secret_is_told(story: Story, name: str) -> None:
    moment = story[name]
    assert WORD in story.secrets
    found = [secret for secret in story.secrets if secret in moment.html or secret in str(moment.report)]
    assert not found
    # Keys stand behind these words, and are nobody's business who may not see the table.
    assert "for example" not in moment.html
    assert "examples" not in str(moment.report)
    assert moment.report["left_out"] or name in {"rolled back", "finished"}


@pytest.mark.parametrize("name", MOMENTS)
def test_the_page_is_whole_and_asks_for_nothing(story: Story, name: str) -> None:
    page = story[name].page
    assert not page.open
    assert not page.astray
    assert {tag for tag, _ in page.tags}.isdisjoint({"script", "img", "iframe", "form"})
    addresses = [value for _, attrs in page.tags for key, value in attrs.items() if key in {"src", "href"}]
    assert addresses == ["data:,"]
    policy = [attrs["content"] for tag, attrs in page.tags if attrs.get("http-equiv") == "Content-Security-Policy"]
    assert policy == ["default-src 'none'; style-src 'unsafe-inline'; img-src data:"]
    assert not [attrs for _, attrs in page.tags if any(key.startswith("on") or key == "style" for key in attrs)]
    assert "http" not in story[name].html.replace("http-equiv", "")


def test_names_and_reasons_are_text_and_no_markup(story: Story) -> None:
    page = story["unchecked"].page
    for nasty in (NASTY, "<img src=x onerror=alert(1)>", "<b>body</b>"):
        assert nasty in page.text
        assert nasty not in story["unchecked"].html


def test_a_split_is_reported_without_similarities(tmp_path: Path) -> None:
    path = tmp_path / "app.db"
    make_table(path, rows=40)
    with closing(split_app(path)) as app:
        app.run(accept=frozenset({"--yes"}))
        found = report(app.voyage)
        page = Page(document(found))
        _astray(path)
        app.verify()
        told = document(report(app.voyage))
    assert found.ruling.verdict == "proved"
    assert found.conservation is not None
    assert found.conservation.rows == 50
    assert (found.likeness, found.course.filled, found.subject.old) == ((), 50, None)
    assert {"bits", "tables"} <= {proof.name for proof in found.proofs}
    assert not page.open
    assert not page.astray
    assert "SQLite" in asdict(found.subject)["versions"]
    assert "Nothing was to be paid" in page.text
    kinds = "keys stand in two tables, keys stand in the table of another length, keys have no row in the source."
    assert kinds in Page(told).text
    assert "for example" not in told
    assert "id-000" not in told


def _astray(path: Path) -> None:
    """A row that stands in a second table, which is not of its length, and one that has no row in the source."""
    with closing(sqlite3.connect(path, isolation_level=None)) as connection:
        listed = "item_id, item_type, embedding_data, embedding_vector, dimension, model, created_at, had_vector"
        for table, key in (("embeddings_other", "embedding_id"), ("embeddings_3", "'id-00099'")):
            connection.execute(
                f"INSERT INTO {table} (embedding_id, {listed}) SELECT {key}, {listed} FROM embeddings_3 LIMIT 1"
            )


def test_two_at_work_at_once_add_up(database: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("LIMOSA_TEST_URL", database)
    rows = 1200
    with psycopg.connect(database) as connection:
        connection.execute("CREATE TABLE birds (id int PRIMARY KEY, seen text, embedding vector(8))")
        connection.execute(f"INSERT INTO birds SELECT i, 'seen ' || i || ' times' FROM generate_series(1, {rows}) AS i")
    source = {"store": "env:LIMOSA_TEST_URL", "table": "birds", "key": "id", "text": "seen", "vector": "embedding"}
    space = {"provider": "hashing", "model": "words-1", "dimensions": 8}
    job = {"name": "fill", "source": {**source, "space": space}, "backfill": {"batch_rows": 8}}
    with closing(open_app(job)) as one, closing(open_app(job)) as other:
        one.run(accept=frozenset({"--yes"}), limit=8)
        with ThreadPoolExecutor(2) as pool:
            ran = [pool.submit(app.run) for app in (one, other)]
            assert all(each.result() for each in ran)
        found, page = report(one.voyage), Page(document(report(other.voyage)))
        took = [app.voyage.meter.read().rows for app in (one, other)]
    assert sum(took) == rows
    assert all(took), "both were at work"
    assert found.ruling.verdict == "proved"
    assert found.course.filled == rows
    assert sum(cell.rate_per_s * (cell.to_s - cell.from_s) for cell in found.course.cells) == pytest.approx(rows)
    assert found.course.writes is not None
    assert found.course.writes.count >= len(took)
    old, new = found.likeness
    assert (old.counts, new.rows) == ((), 256)
    assert "a fill keeps its space" in page.text
    assert "the missing vectors were made" in page.text
