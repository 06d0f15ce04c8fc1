"""Every link leads somewhere, every file shown is one that limosa takes, every word of make exists."""

from __future__ import annotations

import re
import tomllib
from collections.abc import Mapping
from pathlib import Path

import pytest
from pydantic import BaseModel

from limosa.config import load
from limosa.config.copy import COPY_SECTIONS
from limosa.config.schema import SECTIONS
from limosa.config.split import SPLIT_SECTIONS
from limosa.errors import LimosaError
from tests.docs.pages import CHECKOUT, Block, Page, pages

_FILES = [block for page in pages() for block in page.blocks if block.language == "toml"]


@pytest.mark.parametrize("page", pages(), ids=lambda page: page.name)
def test_links_lead_somewhere(page: Page) -> None:
    assert [link for link in page.links if not _leads(page, link)] == []


def test_every_page_is_linked_from_another() -> None:
    linked = {_target(page, link)[0] for page in pages() for link in page.links}
    assert {page.name for page in pages() if page.name.startswith("docs/")} <= linked


@pytest.mark.parametrize("block", _FILES, ids=lambda block: block.place)
def test_every_file_shown_is_one_that_limosa_takes(block: Block, tmp_path: Path) -> None:
    file = tmp_path / "limosa.toml"
    file.write_text(block.text, encoding="utf-8")
    assert load(file).name == tomllib.loads(block.text)["name"]


def test_a_file_with_an_unknown_key_would_be_seen(tmp_path: Path) -> None:
    file = tmp_path / "limosa.toml"
    file.write_text(_FILES[0].text.replace("vector =", "vectors ="), encoding="utf-8")
    with pytest.raises(LimosaError, match="vectors"):
        load(file)


@pytest.mark.parametrize(
    ("name", "sections"), [("file", SECTIONS), ("split-file", SPLIT_SECTIONS), ("copy-file", COPY_SECTIONS)]
)
def test_every_key_of_the_file_is_described_and_no_other(
    name: str, sections: Mapping[tuple[str, ...], type[BaseModel]]
) -> None:
    page = next(page for page in pages() if page.name == f"docs/reference/{name}.md")
    described = _described(page)
    for path, section in sections.items():
        # The sections have headings of their own.
        keys = set(section.model_fields) - ({"source", "target", "backfill", "verify"} if path == () else set())
        assert described[path] == keys, ".".join(path) or "top"


def test_the_words_of_make_exist() -> None:
    words = set(re.findall(r"^([a-z]+):", (CHECKOUT / "Makefile").read_text(encoding="utf-8"), re.MULTILINE))
    named = {word for page in pages() for word in re.findall(r"`?\bmake ([a-z]+)`?", _code(page))}
    assert {"setup", "demo", "test", "check", "bench", "docs"} <= words
    assert named <= words


def _code(page: Page) -> str:
    return "\n".join([*re.findall(r"`[^`\n]+`", page.prose), *(b.text for b in page.blocks if b.language == "console")])


def _target(page: Page, link: str) -> tuple[str, str]:
    path, _, anchor = link.partition("#")
    file = (CHECKOUT / page.name).parent / path if path else CHECKOUT / page.name
    return file.resolve().relative_to(CHECKOUT).as_posix(), anchor


def _leads(page: Page, link: str) -> bool:
    name, anchor = _target(page, link)
    known = {each.name: each for each in pages()}
    if name not in known:
        return not anchor and (CHECKOUT / name).exists()
    return not anchor or anchor in known[name].anchors


def _described(page: Page) -> dict[tuple[str, ...], set[str]]:
    """Keys in the first column of the tables, by section; one heading may name several sections."""
    found: dict[tuple[str, ...], set[str]] = {}
    for part in re.split(r"^## ", page.prose, flags=re.MULTILINE)[1:]:
        heading, _, body = part.partition("\n")
        cells = re.findall(r"^\| (`.*?) \|", body, re.MULTILINE)
        keys = {key for cell in cells for key in re.findall(r"`(\w+)`", cell)}
        sections = (
            [()] if heading == "Top" else [tuple(name.split(".")) for name in re.findall(r"\[([\w.]+)\]", heading)]
        )
        found.update(dict.fromkeys(sections, keys))
    return found
