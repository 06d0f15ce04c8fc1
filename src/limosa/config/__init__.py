"""The reader of ``limosa.toml``: a file or a mapping in, a migration out."""

from limosa.config.file import load

__all__ = ["load"]
