"""The reader of ``limosa.toml``: a file or a mapping in, a migration out; and the writer of a first draft of one."""

from limosa.config.file import load

__all__ = ["load"]
