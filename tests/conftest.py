"""What all tests share: the Postgres, libSQL and provider fixtures, and the data that lies beside a checkout."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import settings

_TESTS = Path(__file__).resolve().parent

pytest_plugins = [
    f"tests.{name}.fixtures" for name in ("postgres", "providers", "sqld") if (_TESTS / name / "fixtures.py").exists()
]


# How long an example takes says something of the machine, and nothing of the code.
settings.register_profile("limosa", deadline=None)
settings.load_profile("limosa")


@pytest.fixture(autouse=True)
def _own_cache(tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch) -> None:
    """No test finds what another one was answered."""
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path_factory.mktemp("cache")))


@pytest.fixture(scope="session")
def shared_data() -> Path:
    """The folder with real text and models beside the checkout; most machines have none."""
    folder = _TESTS.parent.parent / "shared"
    if not folder.is_dir():
        pytest.skip("there is no folder with shared data beside the checkout")
    return folder
