"""The tutorial: its table is made as shown, and its commands end well, one after the other."""

from __future__ import annotations

import shlex
from pathlib import Path

import pytest
from typer.testing import CliRunner

from limosa.cli.main import commands
from tests.docs.pages import pages

_PAGE = next(page for page in pages() if page.name == "docs/tutorial.md")


@pytest.fixture
def folder(server_folder: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty folder; the server that is started in it is stopped at the end."""
    server_folder.mkdir()
    monkeypatch.chdir(server_folder)
    monkeypatch.setenv("TERM", "xterm")
    monkeypatch.delenv("COLUMNS", raising=False)
    return server_folder


def test_doing_one_yourself(folder: Path) -> None:
    at = next(i for i, block in enumerate(_PAGE.blocks) if block.language == "python")
    said = ""
    for block in _PAGE.blocks[at:]:
        if block.language == "python":
            exec(compile(block.text, block.place, "exec"), {})  # noqa: S102 - the page's own example
        elif block.language == "toml":
            (folder / "limosa.toml").write_text(block.text, encoding="utf-8")
        else:
            said += "".join(_limosa(line) for line in block.text.splitlines() if line.startswith("limosa "))
    assert 'table = "public.notes"' in (folder / "looked.toml").read_text(encoding="utf-8")
    assert "--accept-reconnect" in said
    assert " 0 pending + 0 lost" in said
    assert "Rolled back." in said
    assert (folder / "report.html").exists()


def _limosa(line: str) -> str:
    done = CliRunner().invoke(commands, shlex.split(line)[1:])
    assert done.exit_code == 0, f"{line}\n{done.stdout}{done.stderr}"
    return done.stdout
