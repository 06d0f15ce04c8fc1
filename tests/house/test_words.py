"""The repository speaks of itself alone: no registry's address, no path of somebody's machine."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

from tests.house.tree import CHECKOUT

# Put together from parts, so that this file passes its own test.
_DOT = r"\."
FORBIDDEN = re.compile(
    "|".join(
        [
            rf"pypi{_DOT}org",
            rf"python" rf"hosted{_DOT}org",
            rf"npm" rf"js{_DOT}(?:org|com)",
            rf"registry{_DOT}yarn",
            rf"deb" rf"ian{_DOT}org",
            rf"crates" rf"{_DOT}io",
            rf"proxy{_DOT}go" rf"lang",
            r"(?<![\w.~*])/(?:root|work|home/\w+|opt/wheels|Users/\w+)/",
            r"\bTO" r"DO\b",
            r"\bFIX" r"ME\b",
        ]
    )
)
SKIPPED = {".git", ".venv", "__pycache__", ".limosa", "dist", "site", ".import_linter_cache"}
TEXTS = {".py", ".md", ".toml", ".lock", ".sql", ".yml", ".yaml", ".json", ".txt", ".cfg", ".ini", ".sh", ".jsonl", ""}


def test_no_file_names_a_registry_or_a_machine() -> None:
    files = list(_texts(CHECKOUT))
    assert CHECKOUT / "Makefile" in files
    assert CHECKOUT / "requirements.lock" in files
    found = [f"{path.relative_to(CHECKOUT)}: {said}" for path in files for said in forbidden(path.read_bytes())]
    assert not found, "\n".join(found)


def test_forbidden_words_are_seen() -> None:
    registry, home = "https://" + "py" + "pi.org/simple", "cd /" + "work/main"
    assert forbidden(f"a\n{registry}\n{home}\n".encode()) == ["line 2", "line 3"]
    assert forbidden(b"frame/work/s and ./home/user") == []


def forbidden(content: bytes) -> list[str]:
    """The lines of a file that hold what must not stand in the repository."""
    lines = content.decode(errors="replace").splitlines()
    return [f"line {number}" for number, line in enumerate(lines, 1) if FORBIDDEN.search(line)]


def _texts(folder: Path) -> Iterator[Path]:
    for path in sorted(folder.iterdir()):
        if path.is_dir():
            hidden = path.name.startswith(".") and path.name != ".ci"
            if path.name not in SKIPPED and not hidden:
                yield from _texts(path)
        elif path.suffix in TEXTS:
            yield path
