"""Opens a collection of Qdrant by its address."""

from __future__ import annotations

import warnings
from pathlib import Path

from limosa.errors import Refused
from limosa.ports.reference import secret
from limosa.stores.qdrant.collection import PATIENCE_S, QdrantCollection
from limosa.stores.qdrant.engine import Engine

__all__ = ["open_collection"]


def open_collection(url: str, name: str, key: str | None = None, *, patience_s: float = PATIENCE_S) -> QdrantCollection:
    """The collection of this name; connects when it is first asked.

    Args:
        url: ``qdrant://host:port`` (HTTP), ``qdrant+https://host``, ``qdrant+local:///folder`` (the client's local
            mode) or ``qdrant+edge:///folder`` (a folder of collections that the engine in this process opens).
        key: a reference to the API key; None where the server asks for none.

    Raises:
        Refused: the package is missing, or there is nothing at this address.
    """
    scheme, _, rest = url.partition("://")
    try:
        engine = _folder(scheme, Path(rest), name) if rest.startswith("/") else _server(scheme, rest, name, key)
    except ModuleNotFoundError as error:
        raise Refused(
            f"The package {error.name} is not installed.",
            needed="Qdrant's own client.",
            do="pip install 'limosa[qdrant]'",
        ) from error
    return QdrantCollection(engine, f"{scheme}/{name}", patience_s=patience_s)


def _folder(scheme: str, folder: Path, name: str) -> Engine:
    if scheme == "qdrant+edge":
        from limosa.stores.qdrant.edge import EdgeEngine

        return EdgeEngine(folder / name)
    from qdrant_client import QdrantClient

    from limosa.stores.qdrant.client import ClientEngine

    return ClientEngine(lambda: QdrantClient(path=str(folder)), name, folder=folder)


def _server(scheme: str, rest: str, name: str, key: str | None) -> Engine:
    from qdrant_client import QdrantClient

    from limosa.stores.qdrant.client import TIMEOUT_S, ClientEngine
    from limosa.stores.qdrant.reading import Reading

    token = secret(key) if key is not None else ""
    with warnings.catch_warnings():
        # That a key goes over HTTP is the address's own choice, and no news on every command's error stream.
        warnings.simplefilter("ignore", UserWarning)
        client = QdrantClient(
            url=f"{'https' if scheme.endswith('+https') else 'http'}://{rest}",
            # 6333 where an address names no port, as everywhere for Qdrant over HTTP.
            port=6333,
            api_key=token or None,
            timeout=TIMEOUT_S,
            check_compatibility=False,
        )
    reading = Reading(client.http.client.host, name, token, timeout_s=TIMEOUT_S)
    return ClientEngine(lambda: client, name, reading=reading)
