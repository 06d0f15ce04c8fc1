"""The page about Python: its examples, one after the other, on a table as the page describes it."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import psycopg
import pytest

from limosa.embedders.hashing import open_embedder
from limosa.model.space import Endpoint, Space
from tests.docs.pages import pages
from tests.docs.python_page import PAGE, made
from tests.postgres.questions import execute, text_of

_PAGE = next(page for page in pages() if page.name == "docs/how-to/use-from-python.md")
_OLD = Space(provider="hashing", model="words-1", dimensions=256)
_ROWS = 20


@pytest.fixture
def folder(database: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder with the page's file, and the table that it names."""
    (file,) = [block.text for block in _PAGE.blocks if block.language == "toml"]
    (tmp_path / "limosa.toml").write_text(file, encoding="utf-8")
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("DATABASE_URL", database)
    execute(database, "CREATE TABLE questions (id bigint PRIMARY KEY, title text, body text, embedding vector(256))")
    texts = [text_of(number) for number in range(_ROWS)]
    vectors = open_embedder(_OLD, Endpoint()).embed(["\n\n".join(text) for text in texts], "document").vectors
    with psycopg.connect(database, autocommit=True) as connection:
        for number, (text, vector) in enumerate(zip(texts, vectors, strict=True)):
            connection.execute(
                "INSERT INTO questions VALUES (%s, %s, %s, %s::real[]::vector)", (number, *text, vector.tolist())
            )
    return tmp_path


def test_every_example_runs(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    names: dict[str, Any] = {}
    for block in _PAGE.blocks:
        if block.language == "python":
            exec(compile(block.text, block.place, "exec"), names)  # noqa: S102 - the page's own examples
    said = capsys.readouterr().out
    assert f"{_ROWS} rows, {_ROWS} to embed" in said
    assert "--accept-reconnect" in said
    assert f"proved {_ROWS} 0.0" in said
    assert f"verified verify {_ROWS} rows = {_ROWS} done" in said
    assert "True\n0 rows are without an old vector" in said
    assert "Nothing was changed:" in said
    assert "True" in said.splitlines()
    assert (folder / "report.html").read_text(encoding="utf-8").lower().startswith("<!doctype html>")
    assert 'model = "words-3"' in (folder / "other.toml").read_text(encoding="utf-8")


def test_the_reference_is_made_of_the_docstrings_as_they_are() -> None:
    assert PAGE.read_text(encoding="utf-8") == made(), "make docs brings it in step"
