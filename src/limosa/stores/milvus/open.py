"""Opens a collection of Milvus by its address."""

from __future__ import annotations

from pathlib import Path

from limosa.errors import Refused
from limosa.ports.asking import PATIENCE_S
from limosa.ports.reference import secret
from limosa.stores.milvus.collection import MilvusCollection

__all__ = ["open_collection"]


def open_collection(url: str, name: str, key: str | None = None, *, patience_s: float = PATIENCE_S) -> MilvusCollection:
    """The collection of this name; connects when it is first asked.

    Args:
        url: ``milvus://host:port`` or ``milvus+local:///file.db``, which the engine in this process opens.
        key: a reference to the token, such as ``user:password``; None where the server asks for none.

    Raises:
        Refused: the package is missing.
    """
    scheme, _, rest = url.partition("://")
    try:
        from limosa.stores.milvus.client import MilvusEngine
    except ModuleNotFoundError as error:
        raise Refused(
            f"The package {error.name} is not installed.",
            needed="Milvus's own package.",
            do="pip install 'limosa[milvus]'",
        ) from error
    if scheme.endswith("+local"):
        engine = MilvusEngine(rest, name, file=Path(rest))
    else:
        # 19530 where an address names no port, as everywhere for Milvus.
        address = rest if ":" in rest else f"{rest}:19530"
        engine = MilvusEngine(f"http://{address}", name, token=secret(key) if key is not None else "")
    return MilvusCollection(engine, f"{scheme}/{name}", patience_s=patience_s)
