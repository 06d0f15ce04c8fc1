"""Stage: everything the demo needs, started in a folder and taken down again, whatever happens."""

from __future__ import annotations

import contextlib
import signal
import sys
import tempfile
from collections.abc import Iterator, Sequence
from dataclasses import asdict
from pathlib import Path

from limosa.app import App, open_app
from limosa.cli.demo.companion import Companion, companion
from limosa.cli.demo.corpus import Docstring, first_sentence
from limosa.embedders.find import find
from limosa.errors import Refused
from limosa.model.migration import Side
from limosa.ports.embedder import Embedder
from limosa.stores.postgres.embedded import Server, embedded_folder, embedded_url, start

__all__ = [
    "ANSWERS",
    "FILE",
    "SEARCHERS",
    "SEARCHES_PER_S",
    "WRITES_PER_S",
    "application",
    "embedder_of",
    "folder_for",
    "migration",
    "running",
    "server_in",
]

FILE = """\
name = "docs-chars"

[source]
store = "embedded"
table = "docs"
key = "id"
text = ["title", "body"]
vector = "embedding"

[source.space]
provider = "hashing"
model = "words-1"
dimensions = 256

[target.space]
provider = "hashing"
model = "chars-4"
dimensions = 768

[target.match]
function = "match_docs"
returns = ["id", "title"]
"""
"""The demo's limosa.toml."""

WRITES_PER_S = 50
"""Of one connection; with the searches a busy small service."""

SEARCHES_PER_S = 100
"""Of all searching connections together."""

SEARCHERS = 2
"""Connections that search."""

ANSWERS = 5
"""Rows that a search asks for."""

QUERIES = 500
"""Different texts that the application searches for and writes."""


@contextlib.contextmanager
def folder_for(keep: Path | None) -> Iterator[Path]:
    """The folder of the demo, which is the current one while the block runs; removed unless it is kept.

    Raises:
        Refused: the folder to keep holds something already.
    """
    with contextlib.ExitStack() as stack:
        if keep is None:
            home = Path(
                stack.enter_context(tempfile.TemporaryDirectory(prefix="limosa-demo-", ignore_cleanup_errors=True))
            )
            # A server that root starts may run as another user, who must be able to come this far.
            home.chmod(0o755)
        else:
            home = _empty(keep.expanduser().absolute())
        stack.enter_context(contextlib.chdir(home))
        yield home


@contextlib.contextmanager
def running() -> Iterator[None]:
    """While the block runs, SIGTERM ends it as Ctrl-C does: with everything stopped."""
    before = signal.signal(signal.SIGTERM, lambda number, frame: sys.exit(128 + number))
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, before)


@contextlib.contextmanager
def server_in(home: Path) -> Iterator[tuple[Server, str]]:
    """The server that ``store = "embedded"`` means in this folder, and the database's address; then it stops."""
    folder, version = embedded_folder("embedded", home)
    with start(folder, version=version) as server:
        yield server, embedded_url("embedded", home)


@contextlib.contextmanager
def migration(home: Path) -> Iterator[App]:
    """The migration of the demo's file, which is written first."""
    path = home / "limosa.toml"
    path.write_text(FILE, encoding="utf-8")
    with open_app(path) as app:
        yield app


@contextlib.contextmanager
def application(url: str, app: App, docs: Sequence[Docstring]) -> Iterator[Companion]:
    """The application, not yet at work; ends with the block."""
    step = max(1, len(docs) // QUERIES)
    spaces = {"old": app.migration.source.space, "new": app.migration.target.space}
    with companion(
        {
            "url": url,
            "writes_per_s": WRITES_PER_S,
            "searches_per_s": SEARCHES_PER_S,
            "searchers": SEARCHERS,
            "answers": ANSWERS,
            "queries": [first_sentence(each.body) or each.title for each in docs[::step]],
            "spaces": {name: asdict(space) for name, space in spaces.items()},
        }
    ) as made:
        yield made


def embedder_of(side: Side) -> Embedder:
    """The model of one side, as the application uses it: without limosa's flow."""
    return find(side.space, side.endpoint)


def _empty(folder: Path) -> Path:
    try:
        folder.mkdir(parents=True, exist_ok=True)
        busy = any(folder.iterdir())
    except OSError as error:
        raise Refused(
            f"{folder} cannot be used: {error.strerror}.", do="Name a folder that you may write to."
        ) from error
    if busy:
        raise Refused(f"{folder} is not empty.", needed="A new or an empty folder.", do="Name another one.")
    return folder
