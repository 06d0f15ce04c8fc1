"""Opens a collection of Chroma by its address."""

from __future__ import annotations

from pathlib import Path

from limosa.errors import Refused
from limosa.ports.asking import PATIENCE_S
from limosa.ports.reference import secret
from limosa.stores.chroma.collection import ChromaCollection

__all__ = ["open_collection"]


def open_collection(url: str, name: str, key: str | None = None, *, patience_s: float = PATIENCE_S) -> ChromaCollection:
    """The collection of this name; connects when it is first asked.

    Args:
        url: ``chroma://host:port`` (HTTP), ``chroma+https://host``, either with ``/tenant/database`` behind it where
            these are not the default ones, or ``chroma+local:///folder``, which the engine in this process opens.
        key: a reference to the token that is sent as ``x-chroma-token``; None where the server asks for none.

    Raises:
        Refused: the package is missing, or the address is not one of these.
    """
    scheme, _, rest = url.partition("://")
    try:
        from limosa.stores.chroma.client import ChromaClient, of_folder, of_server
    except ModuleNotFoundError as error:
        raise Refused(
            f"The package {error.name} is not installed.",
            needed="Chroma's own package.",
            do="pip install 'limosa[chroma]'",
        ) from error
    if scheme.endswith("+local"):
        client = ChromaClient(of_folder(Path(rest)), name, folder=Path(rest))
    else:
        token = secret(key) if key is not None else None
        client = ChromaClient(of_server(rest, https=scheme.endswith("+https"), token=token), name)
    return ChromaCollection(client, f"{scheme}/{name}", patience_s=patience_s)
