"""Reads ``limosa.toml``, or a mapping of the same form, and tells everything that is wrong with it at once."""

from __future__ import annotations

import tomllib
from collections.abc import Mapping
from pathlib import Path

from limosa.config.lines import lines_of
from limosa.errors import Refused
from limosa.model.migration import Migration

__all__ = ["load"]


def load(source: Path | str | Mapping[str, object]) -> Migration:
    """The migration that a file describes; touches nothing else and resolves no reference.

    Args:
        source: the path of a TOML file, or a mapping of the same form in which None is left out.

    Raises:
        Refused: there is no such file, it is not valid TOML, or its content cannot be used; all
            problems of the content are told at once, in the order of the file.
    """
    if isinstance(source, Mapping):
        return _migration(source, name="the mapping", text="", folder=Path())
    path = Path(source)
    text = _read(path)
    return _migration(_parse(text, path.name), name=path.name, text=text, folder=path.parent)


def _migration(raw: Mapping[str, object], *, name: str, text: str, folder: Path) -> Migration:
    # pydantic takes a tenth of a second to import, which commands that need no file should not pay.
    from limosa.config.build import build
    from limosa.config.copy import CopyFile, build_copy, is_copy
    from limosa.config.problems import problems_of, report
    from limosa.config.schema import File
    from limosa.config.split import SplitFile, build_split, is_split

    plain = _plain_table(raw)
    problems = problems_of(plain)
    if not problems:
        if is_split(plain):
            return build_split(SplitFile.model_validate(plain))
        if is_copy(plain):
            return build_copy(CopyFile.model_validate(plain))
        return build(File.model_validate(plain), folder)
    count = "1 problem" if len(problems) == 1 else f"{len(problems)} problems"
    listed = "\n".join(f"  {line}" for line in report(problems, lines_of(text)))
    raise Refused(f"{name} has {count}:\n{listed}", do="Correct it and repeat the command; nothing was touched.")


def _read(path: Path) -> str:
    try:
        # Editors on Windows put a byte order mark first, which tomllib does not take.
        return path.read_bytes().decode("utf-8-sig")
    except FileNotFoundError as exc:
        raise Refused(f"There is no file {path}.", do="Check the path of limosa.toml.") from exc
    except UnicodeDecodeError as exc:
        raise Refused(
            f"{path.name} is not UTF-8: byte {exc.start} cannot be read.",
            needed="TOML is always UTF-8.",
            do="Save the file as UTF-8.",
        ) from exc
    except OSError as exc:
        raise Refused(
            f"{path} cannot be read: {exc.strerror or type(exc).__name__}.", needed="A file that may be read."
        ) from exc


def _parse(text: str, name: str) -> dict[str, object]:
    try:
        return tomllib.loads(text)
    # A number of thousands of digits gives a bare ValueError, arrays nested too deep a RecursionError.
    except (ValueError, RecursionError) as exc:
        raise Refused(
            f"{name} is not valid TOML: {exc}.", needed="A text as on https://toml.io.", do="Correct that line."
        ) from exc


def _plain_table(table: Mapping[str, object]) -> dict[str, object]:
    return {str(key): _plain(value) for key, value in table.items() if value is not None}


def _plain(value: object) -> object:
    if isinstance(value, Mapping):
        return _plain_table(value)
    return [_plain(item) for item in value] if isinstance(value, list | tuple) else value
