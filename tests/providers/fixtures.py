"""Fixtures: a provider on loopback, and retries without their pauses."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
import stamina

from tests.providers.openai_server import OpenAIServer

__all__ = ["openai_server", "quick_retries"]


@pytest.fixture
def openai_server() -> Iterator[OpenAIServer]:
    """A server of its own for each test; vectors of 8 dimensions where a request names none."""
    with OpenAIServer() as server:
        yield server


@pytest.fixture
def quick_retries() -> Iterator[None]:
    """As many tries as ever, with no pause between them."""
    with stamina.set_testing(True, attempts=100, cap=True):
        yield
