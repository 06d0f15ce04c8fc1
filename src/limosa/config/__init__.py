"""The reader of ``limosa.toml``: a file or a mapping in, a migration out."""

from limosa.config.file import load
from limosa.config.reference import resolve

__all__ = ["load", "resolve"]
