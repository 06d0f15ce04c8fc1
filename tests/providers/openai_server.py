"""The server that most tests use: OpenAI's protocol with short vectors."""

from __future__ import annotations

from tests.providers.faults import Fault
from tests.providers.server import ProviderServer
from tests.providers.service import Setup
from tests.providers.vectors import vector_of

__all__ = ["Fault", "OpenAIServer", "vector_of"]


class OpenAIServer(ProviderServer):
    """A ProviderServer that speaks OpenAI's protocol.

    Args:
        dimensions: size of the vectors where a request names none.
        sized: whether requests may name ``dimensions``; otherwise they are answered 400.
        key: the bearer token to insist on; None for none.
        refused: texts that contain this are refused with 400, and their whole batch with them.
    """

    def __init__(
        self, *, dimensions: int = 8, sized: bool = True, key: str | None = None, refused: str = "[refuse me]"
    ) -> None:
        super().__init__(Setup(protocol="openai", dimensions=dimensions, sized=sized, key=key, refused=refused))
