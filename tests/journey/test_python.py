"""The whole way from Python: every verb of an open migration, what it gives back, and how it is closed."""

from __future__ import annotations

import inspect
import tomllib
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, assert_type

import pytest

import limosa
from limosa.cli.main import commands
from limosa.embedders.hashing import open_embedder
from limosa.errors import LimosaError, Refused, Transient
from limosa.model.batch import Embedded, Kind
from limosa.model.space import Endpoint, Space
from tests.postgres.questions import ROWS, changed, dump, execute, job, make_questions

ACCEPT = {"--accept-reconnect"}


@pytest.fixture
def file(database: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> dict[str, Any]:
    """The file's contents for a table of questions, of which one has no text."""
    monkeypatch.chdir(tmp_path)
    make_questions(database)
    execute(
        database, "ALTER TABLE questions ALTER title DROP NOT NULL", "UPDATE questions SET title = NULL WHERE id = 7"
    )
    execute(database, "UPDATE questions SET body = NULL WHERE id = 7")
    monkeypatch.setenv("LIMOSA_TEST_URL", database)
    return job(database)


@pytest.fixture
def migration(file: dict[str, Any]) -> Iterator[limosa.App]:
    with limosa.open(file) as opened:
        yield opened


def test_the_way_there_and_back_by_verbs(migration: limosa.App, database: str) -> None:
    before = _lines(database)
    plan = assert_type(migration.plan(), limosa.Plan)
    assert plan.counts["rows"] == ROWS
    assert {check.flag for check in plan.questions} == ACCEPT
    with pytest.raises(Refused, match="An answer"):
        migration.run()
    assert assert_type(migration.status(), limosa.Status).state == "not begun"

    ending = assert_type(migration.run(accept=ACCEPT), limosa.Ending)
    assert (ending.verdict, ending.step, ending.switched) == ("proved", "verify", False)
    assert (ending.tally.done, ending.tally.skipped) == (ROWS - 1, 1)
    assert [proof.name for proof in ending.proofs] == [proof.name for proof in migration.verify()]

    assert migration.cutover() == 0
    status = migration.status()
    assert (status.state, status.switched) == ("switched", True)
    assert status.conservation is not None
    assert status.conservation.complete

    assert migration.rollback() == []
    assert _lines(database) == before
    assert migration.run(accept=ACCEPT).verdict == "proved"
    migration.cutover()
    migration.finish(now=True)
    assert migration.status().state == "finished"
    assert migration.run().step == "finish"


def test_verbs_that_look(migration: limosa.App) -> None:
    migration.run(accept=ACCEPT)
    found = assert_type(migration.search("godwit", k=3), list[limosa.Found])
    assert [(side.side, len(side.hits)) for side in found] == [("old", 3), ("new", 3)]
    pairs = assert_type(migration.duplicates(threshold=-1.0, limit=2), list[limosa.Duplicates])
    assert [len(side.pairs) for side in pairs] == [2, 2]

    diagnosis = assert_type(migration.doctor(sample=2), limosa.Diagnosis)
    report = assert_type(migration.report(), limosa.Report)
    assert {finding.name: finding.verdict for finding in diagnosis.findings}["zero"] == "clean"
    assert report.subject.name == "questions"
    assert all(limosa.page(each).lower().startswith("<!doctype html>") for each in (diagnosis, report))

    (left,) = migration.failed()
    assert assert_type(left, limosa.Letter).key == ("7",)
    assert list(migration.failed(kind="dead")) == []
    assert migration.retry(keys=["7"]) == 1
    assert migration.run().verdict == "proved"


def test_verbs_that_steer(migration: limosa.App) -> None:
    assert assert_type(migration.run(accept=ACCEPT, limit=1), limosa.Ending).verdict == "limited"
    assert migration.set(budget_usd=2.5, requests_in_flight=3) == {"budget_usd": 2.5, "requests_in_flight": 3}
    assert migration.set(budget_usd=None) == {"requests_in_flight": 3}
    for values in ({"budget": 1}, {"lane": "slow"}, {}):
        with pytest.raises(Refused):
            migration.set(**values)
    assert migration.status().settings == {"requests_in_flight": 3}

    migration.pause("the nightly\n backup")
    paused = migration.status().paused
    assert paused is not None
    assert paused.why == "the nightly backup"
    assert [migration.resume(), migration.resume()] == [True, False]

    migration.stop()
    with pytest.raises(Transient, match="stopped on request"):
        migration.run()
    assert migration.run().verdict == "proved"


def test_a_backup_is_put_back_where_the_caller_agrees(file: dict[str, Any]) -> None:
    told: list[tuple[int, str]] = []

    def refuse(backup: limosa.Backup, way: str) -> None:
        told.append((backup.rows, way))
        raise Refused("No.")

    with limosa.open(changed(file, {"backfill.backup": "table"})) as migration:
        migration.run(accept=ACCEPT)
        with pytest.raises(Refused, match="No"):
            migration.restore(into="questions_then", agree=refuse)
        restored = assert_type(migration.restore(into="questions_then"), limosa.Restored)
    assert told == [(ROWS, "beside")]
    assert (restored.place, restored.rows) == ("public.questions_then", ROWS)


def test_a_draft_of_what_was_discovered_can_be_opened(file: dict[str, Any], database: str) -> None:
    before = dump(database)
    found = assert_type(limosa.discover("env:LIMOSA_TEST_URL"), limosa.Discovery)
    assert [candidate.table for candidate in found.candidates] == ["public.questions"]
    source, target = file["source"]["space"], file["target"]["space"]
    wishes = limosa.Wishes(
        text=("title", "body"), from_provider=source["provider"], from_model=source["model"], **target
    )
    with limosa.open(tomllib.loads(limosa.draft("env:LIMOSA_TEST_URL", wishes))) as migration:
        assert migration.migration.target.space.title == "hashing/words-2 (24)"
        assert not migration.plan().refusals
    assert dump(database) == before


def _lines(url: str) -> list[str]:
    """A dump without what limosa remembers; the order of rows is the server's."""
    return sorted(dump(url, without=["limosa"]).splitlines())


def test_every_command_is_a_verb() -> None:
    named = {name for name, _ in inspect.getmembers(limosa.App, inspect.isfunction) if not name.startswith("_")}
    # demo brings a database of its own, and init has no migration yet: limosa.draft does what it does.
    assert {str(command.name) for command in commands.registered_commands} - {"demo", "init"} <= named


def test_a_closed_migration_refuses_every_verb(migration: limosa.App) -> None:
    migration.plan()
    migration.close()
    migration.close()
    verbs: list[Callable[[], object]] = [
        migration.plan, migration.run, migration.stop, migration.status, migration.failed, migration.retry,
        migration.pause, migration.resume, migration.set, migration.verify, migration.report, migration.doctor,
        migration.cutover, migration.rollback, migration.finish, migration.restore,
        lambda: migration.search("godwit"), lambda: migration.duplicates(threshold=0.5),
    ]  # fmt: skip
    for verb in verbs:
        with pytest.raises(Refused, match="was closed"):
            verb()


def test_an_error_closes_what_was_opened(file: dict[str, Any]) -> None:
    with pytest.raises(Refused, match="An answer"), limosa.open(file) as migration:
        migration.run()
    with pytest.raises(Refused, match="was closed"):
        migration.plan()


def test_two_migrations_are_open_at_once(file: dict[str, Any], database: str) -> None:
    execute(database, "CREATE TABLE answers (LIKE questions INCLUDING ALL)", "INSERT INTO answers TABLE questions")
    said: list[str] = []
    other = changed(file, {"name": "answers", "source.table": "answers"})
    with limosa.open(file) as one, limosa.open(other, say=said.append) as two:
        one.run(accept=ACCEPT)
        assert (two.status().state, said) == ("not begun", [])
        two.run(accept=ACCEPT, limit=1)
        one.cutover()
        assert (one.status().switched, two.status().switched) == (True, False)
        one.close()
        assert two.run().verdict == "proved"
        assert any("public.answers" in line for line in said)


def test_an_embedder_of_the_callers_own_is_asked(migration: limosa.App) -> None:
    class Counting:
        def __init__(self, space: Space) -> None:
            self._inner = open_embedder(space, Endpoint())
            self.texts = 0

        def __getattr__(self, name: str) -> Any:
            return getattr(self._inner, name)

        def embed(self, texts: list[str], kind: Kind) -> Embedded:
            self.texts += len(texts)
            return self._inner.embed(texts, kind)

    counting: Any = Counting(migration.migration.target.space)
    migration.use_embedder("target", counting)
    assert migration.run(accept=ACCEPT).verdict == "proved"
    assert counting.texts >= ROWS - 1


def test_what_verbs_give_back_is_frozen_and_stands_at_the_door() -> None:
    functions = {"discover", "draft", "ensure", "open", "page", "__version__"}
    for name in set(limosa.__all__) - functions - {"App"}:
        kind: Any = getattr(limosa, name)
        assert kind.__dataclass_params__.frozen, name
        assert kind.__name__ == name
    assert set(limosa.__all__) <= set(dir(limosa))
    with pytest.raises(AttributeError, match="godwit"):
        limosa.godwit  # noqa: B018


def test_a_file_that_cannot_be_used_is_refused_before_anything_is_opened() -> None:
    with pytest.raises(LimosaError, match="There is no file"):
        limosa.open("absent.toml")
