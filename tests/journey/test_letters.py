"""Rows without a vector, by the command line: listed, written to a file, and queued again in parts."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path

import psycopg
import pytest

from limosa.steps.retry import possible_keys
from tests.journey.test_cli import JOB, Cli, make_questions

TWO_KEYS = JOB.replace('key = "id"', 'key = ["tenant", "id"]').replace('returns = ["id"]', 'returns = ["tenant", "id"]')
ODD = 'it\'s "too long"\nπ > 3'


@pytest.fixture
def cli(database: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Cli:
    """A table of questions that is filled, and a limosa.toml."""
    (tmp_path / "limosa.toml").write_text(JOB, encoding="utf-8")
    make_questions(database, 20)
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("LIMOSA_TEST_URL", database)
    return Cli(database)


def test_all_rows_of_a_reason_are_queued_and_tried_again(cli: Cli) -> None:
    cli("run", "--yes")
    list_as(cli.url, "dead", ODD, [["7"], ["8"]])
    list_as(cli.url, "dead", "too long by far", [["9"]])
    said = cli("retry", "--reason", "long", code=2)
    assert "too long by far" in said
    assert waiting(cli.url) == []
    assert "Rows queued: 2. limosa run limosa.toml" in cli("retry", "--reason", "it's")
    assert waiting(cli.url) == [["7"], ["8"]]
    # They are pending, and no longer dead.
    found = cli.facts("status")
    assert (found["conservation"]["pending"], found["conservation"]["dead"]) == (2, 1)
    cli("run")
    assert [letter["key"] for letter in cli.facts("status", "--failed")["dead"]] == [["9"]]
    assert "No row is dead or skipped for a reason with 'it' in it." in cli("retry", "--reason", "it", code=2)


def test_skipped_rows_are_queued_by_their_reason_or_key(cli: Cli) -> None:
    cli("run", "--yes")
    assert "No row is dead." in cli("retry")
    for option in (["--reason", "blank"], ["--key", "0"], ["--key", '["0"]'], ["--key", "[0]"]):
        assert "Rows queued: 1." in cli("retry", *option)
        assert waiting(cli.url) == [["0"]]
        cli("run")
        assert waiting(cli.url) == []
    # Nothing about it has changed: it is skipped again, and stands once on the list.
    assert "skipped   1: the text is blank (key 0)" in cli("status", "--failed")


def test_a_key_that_is_not_known_queues_nothing(cli: Cli) -> None:
    cli("run", "--yes")
    list_as(cli.url, "dead", "why", [["7"]])
    said = cli("retry", "--key", "7", "--key", "70", code=2)
    assert "No dead or skipped row has the key '70'." in said
    assert "limosa status limosa.toml --failed --export -" in said
    assert waiting(cli.url) == []
    assert "One of --reason and --key" in cli("retry", "--key", "7", "--reason", "why", code=2)
    assert "Rows queued: 1." in cli("retry", "--key", "7", "--key", "7")


def test_keys_of_several_columns(cli: Cli, tmp_path: Path) -> None:
    (tmp_path / "limosa.toml").write_text(TWO_KEYS, encoding="utf-8")
    with psycopg.connect(cli.url, autocommit=True) as connection:
        connection.execute("ALTER TABLE questions DROP CONSTRAINT questions_pkey")
        connection.execute("ALTER TABLE questions ADD tenant text NOT NULL DEFAULT 'a', ALTER id TYPE text")
        connection.execute("ALTER TABLE questions ADD PRIMARY KEY (tenant, id)")
        connection.execute("UPDATE questions SET tenant = 'a/b', id = 'c' WHERE id = '1'")
        connection.execute("UPDATE questions SET tenant = 'a', id = 'b/c' WHERE id = '2'")
    cli("run", "--yes")
    list_as(cli.url, "dead", "why", [["a", "7"], ["a/b", "c"], ["a", "b/c"]])
    assert "a/7" in cli("status", "--failed")
    assert "Rows queued: 1." in cli("retry", "--key", "a/7")
    assert waiting(cli.url) == [["a", "7"]]
    said = cli("retry", "--key", "a/b/c", code=2)
    assert '["a", "b/c"] or ["a/b", "c"]' in said
    cli("retry", "--key", '["a", "b/c"]')
    assert waiting(cli.url) == [["a", "7"], ["a", "b/c"]]
    for wrong in ("a", "a/8", '["a"]', '["a", "7", "x"]', "/" * 40):
        assert "2 values" in cli("retry", "--key", wrong, code=2)
    cli("run")
    assert [letter["key"] for letter in cli.facts("status", "--failed")["dead"]] == [["a/b", "c"]]


def test_every_row_is_written_to_a_file_or_to_standard_output(cli: Cli, tmp_path: Path) -> None:
    # Before it has begun there is none.
    assert cli("status", "--failed", "--export", "-") == "Rows written: 0.\n"
    cli("run", "--yes")
    list_as(cli.url, "dead", ODD, [["7"]])
    said = cli("status", "--failed", "--export", "-").splitlines()
    assert said[-1] == "Rows written: 2."
    assert "Rows written: 2." in cli("status", "--export", "failed.jsonl")
    assert (tmp_path / "failed.jsonl").read_text(encoding="utf-8").splitlines() == said[:-1]
    lines = [json.loads(line) for line in said[:-1]]
    assert [set(line) for line in lines] == [{"key", "kind", "reason", "at"}] * 2
    assert [(line["key"], line["kind"], line["reason"]) for line in lines] == [
        (["0"], "skipped", "the text is blank"),
        (["7"], "dead", ODD),
    ]
    assert "cannot be written" in cli("status", "--failed", "--export", str(tmp_path), code=2)


@pytest.mark.parametrize(
    ("text", "columns", "keys"),
    [
        ("7", 1, [("7",)]),
        ("a/b", 1, [("a/b",)]),
        ('["7"]', 1, [('["7"]',), ("7",)]),
        ("a/b", 2, [("a", "b")]),
        ("a/b/c", 2, [("a", "b/c"), ("a/b", "c")]),
        ("a//c", 3, [("a", "", "c")]),
        ('["a/b", 7]', 2, [("a/b", "7"), ('["a', 'b", 7]')]),
        ("a", 2, []),
        ("[1, null]", 2, []),
    ],
)
def test_what_a_text_may_mean_as_a_key(text: str, columns: int, keys: list[tuple[str, ...]]) -> None:
    assert list(possible_keys(text, columns=columns)) == keys


def list_as(url: str, kind: str, reason: str, keys: Sequence[list[str]]) -> None:
    """Takes the vectors of rows away and puts them on the list of those that have none."""
    with psycopg.connect(url, autocommit=True) as connection, connection.cursor() as cursor:
        cursor.executemany(
            "INSERT INTO limosa.exception (migration, key, kind, reason) SELECT id, %s, %s, %s FROM limosa.migration",
            [(key, kind, reason) for key in keys],
        )
        cursor.executemany(
            "UPDATE questions SET embedding_limosa = NULL"
            " WHERE concat_ws('/', to_jsonb(questions) ->> 'tenant', id) = %s",
            [("/".join(key),) for key in keys],
        )


def waiting(url: str) -> list[list[str]]:
    """Keys that wait to be read again."""
    with psycopg.connect(url, autocommit=True) as connection:
        return [key for (key,) in connection.execute("SELECT key FROM limosa.change ORDER BY id").fetchall()]
