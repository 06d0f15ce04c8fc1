"""One collection by Chroma's own client, with its errors in limosa's words."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import chromadb
import httpx
from chromadb.api import ClientAPI
from chromadb.api.collection_configuration import CreateCollectionConfiguration, CreateHNSWConfiguration
from chromadb.api.models.Collection import Collection
from chromadb.config import Settings
from chromadb.errors import (
    AuthorizationError,
    ChromaAuthError,
    ChromaError,
    InternalError,
    NotFoundError,
    RateLimitError,
)

from limosa.errors import LimosaError, Refused, RowRefused, Transient

__all__ = ["ChromaClient", "TIMEOUT_S", "of_folder", "of_server"]

TIMEOUT_S = 60
"""An answer that takes longer is not waited for; the client itself would wait for ever."""

_FILE = "chroma.sqlite3"
"""What makes a folder one of Chroma's."""

_PASSING = frozenset({408, 425, 429})


def of_folder(folder: Path) -> Callable[[], ClientAPI]:
    """Opens the engine in this process, where somebody asks for it."""
    return lambda: chromadb.PersistentClient(str(folder), settings=_settings())


def of_server(rest: str, *, https: bool, token: str | None) -> Callable[[], ClientAPI]:
    """Connects to a server.

    Args:
        rest: of its address, behind the scheme: host, port, and tenant and database where they are named.
    """
    address = urlsplit(f"//{rest}")
    tenant, _, database = address.path.strip("/").partition("/")
    named = {"tenant": tenant, "database": database} if tenant and database else {}

    def connect() -> ClientAPI:
        client = chromadb.HttpClient(
            address.hostname or "localhost",
            # 8000 where an address names no port, as everywhere for Chroma over HTTP.
            address.port or (443 if https else 8000),
            ssl=https,
            headers={"x-chroma-token": token} if token else None,
            settings=_settings(),
            **named,
        )
        for session in _sessions(client):
            session.timeout = httpx.Timeout(TIMEOUT_S)
        return client

    return connect


def _sessions(client: ClientAPI) -> list[httpx.Client]:
    """What speaks to a server: two, which the client gives no timeout and does not close (seen with chromadb 1.5.9)."""
    speakers = (client, getattr(client, "_admin_client", None))
    found = [getattr(getattr(each, "_server", None), "_session", None) for each in speakers]
    return [each for each in found if isinstance(each, httpx.Client)]


def _settings() -> Settings:
    return Settings(anonymized_telemetry=False)


class ChromaClient:
    """One collection; threads may share it.

    Args:
        connect: makes the client when it is first asked.
        folder: of the engine in this process; None for a server.

    Raises:
        Transient: the server is not there, or ill; it is asked again.
        Refused: it is there, and says no.
        RowRefused: it does not take what was sent.
    """

    def __init__(self, connect: Callable[[], ClientAPI], name: str, *, folder: Path | None = None) -> None:
        self._connect = connect
        self._name = name
        self._folder = folder
        self._opening = threading.Lock()
        self._client: ClientAPI | None = None
        self._found: Collection | None = None

    @contextmanager
    def asked(self, *, afresh: bool = False) -> Iterator[Any]:
        """Chroma's own collection, for calls whose errors become limosa's.

        Args:
            afresh: what it says of itself is asked for again.
        """
        with self._words():
            found = None if afresh else self._found
            if found is None:
                self._must_be_there()
                found = self._found = self._opened().get_collection(self._name, embedding_function=None)
            yield found

    def batch(self) -> int:
        """The most points of one request. 5,461 for SQLite, which binds six values a point, of 32,766 at most."""
        with self._words():
            return self._opened().get_max_batch_size()

    def stands(self) -> bool:
        """Whether the collection is there."""
        if self._folder is not None and not (self._folder / _FILE).is_file():
            return False
        try:
            with self.asked(afresh=True):
                return True
        except Refused as error:
            if isinstance(error.__cause__, NotFoundError):
                return False
            raise

    def make(self, *, graph: CreateHNSWConfiguration, metadata: Mapping[str, Any]) -> None:
        """Makes it; a folder too, where there is none."""
        with self._words():
            self._found = self._opened().create_collection(
                self._name,
                configuration=CreateCollectionConfiguration(hnsw=graph),
                metadata=dict(metadata) or None,
                embedding_function=None,
            )

    def drop(self) -> None:
        """Takes it away."""
        self._found = None
        with self._words(), suppress(NotFoundError):
            self._opened().delete_collection(self._name)

    def close(self) -> None:
        """Closes the client; safe to call again."""
        with self._opening:
            client, self._client, self._found = self._client, None, None
        if client is not None:
            for session in _sessions(client):
                session.close()
            client.close()  # type: ignore[attr-defined]

    def _opened(self) -> ClientAPI:
        with self._opening:
            if self._client is None:
                self._client = self._connect()
            return self._client

    def _must_be_there(self) -> None:
        if self._folder is not None and not (self._folder / _FILE).is_file():
            raise Refused(
                f"There is no Chroma in the folder {self._folder.name}.",
                needed=f"A folder with {_FILE} in it.",
                do="Check store in the file.",
            )

    @contextmanager
    def _words(self) -> Iterator[None]:
        try:
            yield
        except LimosaError:
            raise
        except NotFoundError as error:
            # It may have been taken away and made again: the next call looks for it by its name.
            self._found = None
            raise Refused(
                f"Chroma has no collection {self._name!r}.", do="Check store and collection in the file."
            ) from error
        except Exception as error:
            raise _in_words(error) from error


def _in_words(error: Exception) -> Exception:
    status = _status(error)
    if isinstance(error, (ChromaAuthError, AuthorizationError)) or status in {401, 403}:
        return Refused(
            "Chroma does not let limosa in.",
            needed="A token that may read and write the collection.",
            do="Set token in the file to a reference such as env:CHROMA_TOKEN.",
        )
    passing = isinstance(error, (InternalError, RateLimitError, httpx.TransportError))
    if passing or status >= 500 or status in _PASSING or "Could not connect" in str(error):
        return Transient(
            f"Chroma does not answer as it should: {type(error).__name__}.",
            do="Start the server or mend the way to it; then repeat the command.",
        )
    if isinstance(error, (ChromaError, ValueError, TypeError)):
        return RowRefused(f"Chroma does not take it: {str(error).partition(chr(10))[0][:200]}")
    return error if status == 0 else Refused(f"Chroma refuses ({status}).", do="This is about the request itself.")


def _status(error: BaseException | None) -> int:
    """Of the answer that an error was made from; 0 where there was none. The client keeps it in the chain only."""
    while error is not None:
        if isinstance(error, httpx.HTTPStatusError):
            return error.response.status_code
        error = error.__cause__ or error.__context__
    return 0
