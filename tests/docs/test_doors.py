"""The page about doors: it lists the groups that there are, what it names is there, and its example is found."""

from __future__ import annotations

import importlib
import re
import sys
import tomllib
from collections.abc import Iterator
from pathlib import Path

import pytest

import limosa
from tests.docs.pages import CHECKOUT, pages

_PAGE = next(page for page in pages() if page.name == "docs/reference/doors.md")


def test_every_group_of_entry_points_has_its_row_and_no_other() -> None:
    project = tomllib.loads((CHECKOUT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    rows = re.findall(r"^\| `(limosa\.\w+)` \|", _PAGE.text, re.MULTILINE)
    assert sorted(rows) == sorted(project["entry-points"])


def test_what_the_page_names_is_there() -> None:
    named = re.findall(r"`(limosa\.(?:ports|testing|stores)\.[\w.]+)`", _PAGE.prose)
    assert len(named) > 10
    for name in named:
        module, _, attribute = name.rpartition(".")
        found = importlib.import_module(module)
        assert hasattr(found, attribute) or importlib.import_module(name), name


@pytest.fixture
def installed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """The example, as an installer lays it out."""
    text = {block.language: block.text for block in _PAGE.blocks}
    (tmp_path / "lots_discovery.py").write_text(text["python"], encoding="utf-8")
    info = tmp_path / "lots_discovery-1.0.dist-info"
    info.mkdir()
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: lots-discovery\nVersion: 1.0\n")
    (info / "entry_points.txt").write_text(text["ini"].replace("project.entry-points.", "").replace('"', ""))
    monkeypatch.syspath_prepend(str(tmp_path))
    yield
    sys.modules.pop("lots_discovery", None)


@pytest.mark.usefixtures("installed")
def test_the_example_is_found_by_its_scheme() -> None:
    found = limosa.discover("lots://here")
    assert (found.database, [each.table for each in found.candidates]) == ("here", ["notes"])
    assert limosa.discover("lots://here", table="others").candidates == ()
    wishes = limosa.Wishes(
        from_provider="hashing", from_model="words-1", provider="hashing", model="words-2", dimensions=96
    )
    assert 'text = "body"' in limosa.draft("lots://here", wishes)
