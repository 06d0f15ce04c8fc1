"""Lines of the application's own code that name what a migration changes: model, size, column, match function."""

from __future__ import annotations

import os
import re
import subprocess
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from limosa.errors import Refused
from limosa.model.migration import Migration
from limosa.plan.leavings import CLIENTS, references

__all__ = ["Mention", "mentions"]

MAX_FILE_BYTES = 1_000_000
"""Larger files are data, or made by a program; nobody edits them by hand."""

WIDTH = 120
"""Characters of a line that are shown."""

_SECRET = re.compile(
    r"""(?ix) \b [\w.-]* (?:key|token|secret|passw(?:or)?d|credential)s? [\w.-]* ["']? \s* (?::=|=>|[:=])
    | (?<!\w) (?:sk|pk|ghp|xox[a-z]|AIza|AKIA) [\w-]{12,}
    | ://[^/\s:@]+:[^@\s]+@"""
)
"""A line that gives a key a value, or holds what looks like one."""

_MADE = frozenset({"node_modules", "__pycache__", "site-packages"})
"""Folders of other people's code, where no repository says so."""

_NEAR = r".{0,40}?"
"""A number counts as a size with a word for it at most so far away: ``dimensions: int = 768``, ``vector(768)``."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Mention:
    """One line of a file.

    Attributes:
        file: path from the folder that was looked through.
        line: its number, from 1.
        what: what it names: ``model``, ``dimensions``, ``column`` or ``match function``; of a copy ``variable``,
            ``client``, ``collection`` or ``table``; the first that it names.
        text: the line without the spaces around it, at most 120 characters; a secret's value is left out.
    """

    file: str
    line: int
    what: str
    text: str


def mentions(migration: Migration, folder: Path, *, but: Path | None = None) -> list[Mention]:
    """The lines under a folder that name something of the old space, by file and line.

    What git ignores is left out where git and a repository are there, elsewhere folders whose name begins with a dot;
    binary files and those over 1 MB always. Names are found as words: nothing is run but ``git ls-files``.

    Args:
        but: a file that is left out: the migration's own, which names all of it.

    Raises:
        Refused: there is no such folder.
    """
    if not folder.is_dir():
        raise Refused(f"There is no folder {folder}.", needed="The folder of the application's code.")
    patterns = _patterns(migration)
    own = but.resolve() if but is not None else None
    files = [path for path in sorted(_files(folder)) if path.resolve() != own]
    return [each for path in files for each in _in_file(folder, path, patterns)]


def _patterns(migration: Migration) -> list[tuple[str, re.Pattern[str]]]:
    place, space = migration.source.place, migration.source.space
    if migration.copy is not None:
        return _of_store(migration)
    # A folder of a local model is named by its last part.
    named = [("model", _word(Path(space.model).name))]
    size, word = rf"(?<![\w.]){space.dimensions}(?!\w|\.\d)", "(?:dim|vec|embed|size)"
    named.append(("dimensions", rf"{word}{_NEAR}{size}|{size}{_NEAR}{word}"))
    if migration.match is not None:
        named.append(("match function", _word(migration.match.function.rpartition(".")[2].strip('"'))))
    named.append(("column", _word(place.vector)))
    return [(what, re.compile(pattern, re.IGNORECASE)) for what, pattern in named]


def _of_store(migration: Migration) -> list[tuple[str, re.Pattern[str]]]:
    """The old store: its variables, the packages that speak to it, and the place in it."""
    scheme = migration.source.place.store.partition("://")[0].partition("+")[0]
    # Behind a reference may be any of them.
    clients = CLIENTS.get(scheme) or tuple(each for known in CLIENTS.values() for each in known)
    names = [("variable", each) for each in references(migration)]
    names += [("client", each) for each in clients]
    address = migration.source.place.store.partition("://")[2].rstrip("/")
    names += [("address", address)] if address else []
    names.append(
        ("collection" if migration.copy and migration.copy.source is None else "table", migration.source.place.table)
    )
    return [(what, re.compile(_word(name), re.IGNORECASE)) for what, name in names]


def _word(name: str) -> str:
    return rf"(?<![\w-]){re.escape(name)}(?![\w-])"


def _files(folder: Path) -> Iterator[Path]:
    listed = _known_to_git(folder)
    if listed is not None:
        yield from listed
        return
    for root, folders, files in os.walk(folder):
        folders[:] = [name for name in folders if not name.startswith(".") and name not in _MADE]
        yield from (Path(root) / name for name in files)


def _known_to_git(folder: Path) -> list[Path] | None:
    """Files that git keeps or would keep; None without git, or where the folder is in no repository."""
    command = ["git", "-C", str(folder), "ls-files", "-z", "--cached", "--others", "--exclude-standard"]
    try:
        found = subprocess.run(command, capture_output=True, check=True)
    except (OSError, subprocess.CalledProcessError):
        return None
    names = (os.fsdecode(name) for name in found.stdout.split(b"\0") if name)
    return [folder / name for name in dict.fromkeys(names)]


def _in_file(folder: Path, path: Path, patterns: list[tuple[str, re.Pattern[str]]]) -> Iterator[Mention]:
    try:
        if not path.is_file() or path.is_symlink() or path.stat().st_size > MAX_FILE_BYTES:
            return
        content = path.read_bytes()
    except OSError:
        return
    if b"\0" in content[:8192]:
        return
    for number, line in enumerate(content.decode("utf-8", errors="replace").splitlines(), 1):
        what = next((what for what, pattern in patterns if pattern.search(line)), None)
        if what is not None:
            yield Mention(file=path.relative_to(folder).as_posix(), line=number, what=what, text=_shown(line))


def _shown(line: str) -> str:
    found = _SECRET.search(line)
    if found is None:
        return line.strip()[:WIDTH]
    return f"{line[: found.end()].strip()[: WIDTH - 4]} ..." if found[0][-1] in ":=>" else "(a line with a secret)"
