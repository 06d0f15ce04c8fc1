"""Opens a table of LanceDB by its address."""

from __future__ import annotations

from pathlib import Path

from limosa.errors import Refused
from limosa.ports.asking import PATIENCE_S
from limosa.stores.lancedb.collection import LanceCollection

__all__ = ["open_collection"]


def open_collection(url: str, name: str, key: str | None = None, *, patience_s: float = PATIENCE_S) -> LanceCollection:
    """The table of this name; opened when it is first asked.

    Args:
        url: ``lancedb:///folder``.
        key: not needed for a folder.

    Raises:
        Refused: the package is missing, or the address is no folder's.
    """
    scheme, _, rest = url.partition("://")
    if not rest.startswith("/"):
        raise Refused("This is no folder of LanceDB.", needed="An address such as lancedb:///data/lance.")
    try:
        from limosa.stores.lancedb.table import LanceTable
    except ModuleNotFoundError as error:
        raise Refused(
            f"The package {error.name} is not installed.",
            needed="LanceDB's own package.",
            do="pip install 'limosa[lancedb]'",
        ) from error
    return LanceCollection(LanceTable(Path(rest), name), f"{scheme}/{name}", patience_s=patience_s)
