"""Fixtures: a provider on loopback, and retries without their pauses."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import ExitStack

import pytest
import stamina

from tests.providers.openai_server import OpenAIServer
from tests.providers.server import ProviderServer
from tests.providers.service import Setup

__all__ = ["openai_server", "provider_server", "quick_retries"]


@pytest.fixture
def openai_server() -> Iterator[OpenAIServer]:
    """A server of its own for each test; vectors of 8 dimensions where a request names none."""
    with OpenAIServer() as server:
        yield server


@pytest.fixture
def provider_server() -> Iterator[Callable[..., ProviderServer]]:
    """Starts a server for each call, from the fields of Setup; all end with the test."""
    with ExitStack() as servers:
        yield lambda **setup: servers.enter_context(ProviderServer(Setup(**setup)))


@pytest.fixture
def quick_retries() -> Iterator[None]:
    """As many tries as ever, with no pause between them."""
    with stamina.set_testing(True, attempts=100, cap=True):
        yield
