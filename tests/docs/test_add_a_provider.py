"""The page about a provider of one's own: its package is put together as shown, found, and passes the shipped suite."""

from __future__ import annotations

import runpy
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from limosa.embedders.find import find
from limosa.errors import RowRefused
from limosa.model.space import Endpoint, Space
from tests.docs.pages import pages

_PAGE = next(page for page in pages() if page.name == "docs/how-to/add-a-provider.md")


def _block(language: str, start: str) -> str:
    return next(block.text for block in _PAGE.blocks if block.language == language and block.text.startswith(start))


@pytest.fixture
def lots(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """The package of the page, as an installer lays it out."""
    (tmp_path / "lots_embedder.py").write_text(_block("python", '"""The provider'), encoding="utf-8")
    (tmp_path / "test_lots.py").write_text(_block("python", "from limosa.embedders.find"), encoding="utf-8")
    info = tmp_path / "lots_embedder-1.0.dist-info"
    info.mkdir()
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: lots-embedder\nVersion: 1.0\n")
    points = _block("ini", "[project.entry-points").replace('[project.entry-points."limosa.embedders"]', "")
    (info / "entry_points.txt").write_text("[limosa.embedders]\n" + points.replace('"', ""))
    monkeypatch.syspath_prepend(str(tmp_path))
    yield tmp_path
    sys.modules.pop("lots_embedder", None)


def test_its_own_test_passes(lots: Path) -> None:
    runpy.run_path(str(lots / "test_lots.py"))["test_lots"]()


def test_long_texts_are_refused(lots: Path) -> None:
    embedder = find(Space(provider="lots", model="drawn", dimensions=4), Endpoint())
    assert embedder.count(["word " * 513]) == [513]
    with pytest.raises(RowRefused, match="512"):
        embedder.embed(["word " * 513], "document")
