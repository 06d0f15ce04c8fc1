"""Fixtures: providers on loopback."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import ExitStack

import pytest

from tests.providers.openai_server import OpenAIServer
from tests.providers.server import ProviderServer
from tests.providers.service import Setup

__all__ = ["openai_server", "provider_server"]


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
