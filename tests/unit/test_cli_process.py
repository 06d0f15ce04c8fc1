"""A process that is limosa's own looks for cycles less often; one that uses it as a library goes on as it was."""

from __future__ import annotations

import gc
from collections.abc import Iterator
from pathlib import Path

import pytest

from limosa.app import open_app
from limosa.cli.opening import opened

FILE = """
name = "there"
[source]
store = "jsonl://{folder}"
collection = "notes"
[target]
store = "parquet://{folder}"
collection = "away"
"""


@pytest.fixture
def file(tmp_path: Path) -> Iterator[Path]:
    threshold = gc.get_threshold()
    gc.unfreeze()
    written = tmp_path / "limosa.toml"
    written.write_text(FILE.format(folder=tmp_path))
    yield written
    gc.set_threshold(*threshold)
    gc.unfreeze()


def test_a_command_looks_for_cycles_less_often(file: Path) -> None:
    with opened(file):
        assert gc.get_threshold()[0] >= 10_000
        assert gc.get_freeze_count() > 10_000, "modules are not looked through again"


def test_a_library_leaves_that_to_the_program(file: Path) -> None:
    threshold = gc.get_threshold()
    with open_app(file):
        assert (gc.get_threshold(), gc.get_freeze_count()) == (threshold, 0)
