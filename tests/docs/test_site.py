"""The site of the documentation: made without a warning, with every page, and nothing in it comes from elsewhere."""

from __future__ import annotations

import re
import shutil
import subprocess
import sys
from pathlib import Path

from tests.docs.pages import CHECKOUT, pages

_NAMES = [page.name.removeprefix("docs/") for page in pages() if page.name.startswith("docs/")]


def _build(folder: Path) -> subprocess.CompletedProcess[str]:
    """Makes the site of the documentation in a folder."""
    argv = [str(Path(sys.executable).parent / "zensical"), "build", "--strict"]
    return subprocess.run(argv, cwd=folder, capture_output=True, text=True, timeout=120, check=False)


def test_the_menu_has_every_page_once() -> None:
    listed = re.findall(r": (\S+\.md)$", (CHECKOUT / "mkdocs.yml").read_text(encoding="utf-8"), re.MULTILINE)
    assert sorted(listed) == sorted(_NAMES)


def test_it_opens_offline(tmp_path: Path) -> None:
    shutil.copytree(CHECKOUT / "docs", tmp_path / "docs")
    shutil.copy(CHECKOUT / "mkdocs.yml", tmp_path)
    done = _build(tmp_path)
    assert done.returncode == 0, done.stdout + done.stderr
    site = tmp_path / "site"
    made = {path.relative_to(site).as_posix(): path for path in site.rglob("*.html")}
    assert {name.replace(".md", ".html") for name in _NAMES} <= set(made)
    for name, path in made.items():
        text = path.read_text(encoding="utf-8")
        fetched = re.findall(r"<(?:script|img|iframe|link)\b[^>]*?(?:src|href)=[\"']?((?:https?:)?//[^\"'\s>]+)", text)
        assert not fetched, name
    assert "conservation" in (site / "search.js").read_text(encoding="utf-8").lower()


def test_a_link_that_leads_nowhere_is_seen(tmp_path: Path) -> None:
    (tmp_path / "docs").mkdir()
    (tmp_path / "docs/index.md").write_text("# Here\n\n[there](#there)\n", encoding="utf-8")
    (tmp_path / "mkdocs.yml").write_text("site_name: here\nvalidation: {links: {anchors: warn}}\n", encoding="utf-8")
    done = _build(tmp_path)
    assert done.returncode != 0
    assert "anchor does not exist" in done.stdout + done.stderr
