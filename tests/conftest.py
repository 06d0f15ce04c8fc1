"""What all tests share: the Postgres, libSQL and provider fixtures, and the data that lies beside a checkout."""

from __future__ import annotations

from pathlib import Path

import pytest

_TESTS = Path(__file__).resolve().parent

pytest_plugins = [
    f"tests.{name}.fixtures" for name in ("postgres", "providers", "sqld") if (_TESTS / name / "fixtures.py").exists()
]


@pytest.fixture(scope="session")
def shared_data() -> Path:
    """The folder with real text and models beside the checkout; most machines have none."""
    folder = _TESTS.parent.parent / "shared"
    if not folder.is_dir():
        pytest.skip("there is no folder with shared data beside the checkout")
    return folder
