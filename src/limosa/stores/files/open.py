"""Opens a folder of files by its address."""

from __future__ import annotations

import os
from pathlib import Path

from limosa.errors import Refused
from limosa.stores.files.collection import FileCollection
from limosa.stores.files.folder import Folder
from limosa.stores.files.format import Format
from limosa.stores.files.parts import Parts

__all__ = ["open_collection"]


def open_collection(url: str, name: str, key: str | None = None) -> FileCollection:
    """The collection of this name; its files are looked at when it is first asked.

    Args:
        url: ``parquet:///folder``, ``arrow:///folder`` or ``jsonl:///folder``.
        name: of a folder inside it with parts, or of one file there, without its ending.
        key: not used: a folder asks for no secret.

    Raises:
        Refused: the package is missing, or the address or the name is none of a folder.
    """
    kind, _, base = url.partition("://")
    if not base.startswith("/") or name in {"", ".", ".."} or Path(name).name != name or name[0] == ".":
        raise Refused(
            "Files are in a folder with a whole path, and a collection is a folder inside it.",
            needed=f"An address such as {kind}:///data/export, and the name of a folder there.",
        )
    format_ = _format(kind)
    parts = Parts(Folder(Path(base), name, format_.suffixes), format_)
    return FileCollection(parts, f"{kind}/{name}", finite=kind == "jsonl")


def _format(kind: str) -> Format:
    if kind == "jsonl":
        from limosa.stores.files.lines import LinesFormat

        return LinesFormat()
    # Looked at once, when Arrow is loaded: its own allocator keeps more of what was freed (see bench.copying).
    os.environ.setdefault("ARROW_DEFAULT_MEMORY_POOL", "system")
    try:
        from limosa.stores.files.tables import TableFormat
    except ModuleNotFoundError as error:
        raise Refused(
            f"The package {error.name} is not installed.",
            needed="The library of Arrow, which reads and writes these files.",
            do="pip install 'limosa[parquet]'",
        ) from error
    return TableFormat(kind)
