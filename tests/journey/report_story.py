"""One migration from its first batch to its end, with the report as it was at every turn; told once for many tests."""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import psycopg
import pytest
from typer.testing import CliRunner

from limosa.cli.main import commands
from tests.providers.openai_server import OpenAIServer
from tests.providers.vectors import vector_of

__all__ = ["KEY", "NASTY", "ROWS", "WORD", "Moment", "Page", "Story", "tell"]

ROWS, WITHOUT_TEXT, REFUSED = 120, 5, 2
WORD = "kittiwake"
"""Stands in every text, and must stand in no report."""

KEY = "sk-a-key-that-nobody-may-see"
NASTY = "<script>alert('name')</script>"
_REASON = "<img src=x onerror=alert(1)>"
_TABLE = f'"docs {NASTY}"'
_JOB = f"""
name = "storied"
[source]
store = "env:LIMOSA_TEST_URL"
table = '''{_TABLE}'''
key = "id"
text = ["title", '<b>body</b>']
vector = "embedding"
[source.space]
provider = "openai"
model = "old"
dimensions = 6
base_url = "{{url}}"
key = "env:LIMOSA_TEST_KEY"
usd_per_million_tokens = 1000.0
[target.space]
provider = "openai"
model = "new"
dimensions = 8
base_url = "{{url}}"
key = "env:LIMOSA_TEST_KEY"
usd_per_million_tokens = 1000.0
[backfill]
batch_rows = 16
"""


class Page(HTMLParser):
    """A page as a browser reads it: its text, its tags, and whether each was closed."""

    def __init__(self, html: str) -> None:
        super().__init__()
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self.open: list[str] = []
        self.astray: list[str] = []
        self.said: list[str] = []
        self.feed(html)
        self.close()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attrs)))
        if tag not in {"meta", "link", "br"}:
            self.open.append(tag)

    def handle_endtag(self, tag: str) -> None:
        if not self.open or self.open.pop() != tag:
            self.astray.append(tag)

    def handle_data(self, data: str) -> None:
        if self.open and self.open[-1] != "style":
            self.said.append(data)

    @property
    def text(self) -> str:
        return " ".join(" ".join(self.said).split())


@dataclass(frozen=True)
class Moment:
    """What the commands said at one time.

    Attributes:
        code: exit code of ``report``.
    """

    code: int
    html: str
    report: dict[str, Any]
    status: dict[str, Any]

    @property
    def page(self) -> Page:
        return Page(self.html)


@dataclass
class Story:
    """The moments by name, and what no report may hold.

    Attributes:
        refused: what was said before the first run; unwritten: what, of a file that cannot be written.
    """

    moments: dict[str, Moment] = field(default_factory=dict)
    secrets: list[str] = field(default_factory=list)
    refused: str = ""
    unwritten: str = ""

    def __getitem__(self, name: str) -> Moment:
        return self.moments[name]


class _Teller:
    def __init__(self, url: str, file: Path) -> None:
        self.url, self.file = url, file
        self.story = Story()

    def cli(self, *arguments: str, code: int | None = 0) -> tuple[int, str]:
        done = CliRunner().invoke(commands, [arguments[0], str(self.file), *arguments[1:]])
        assert code is None or done.exit_code == code, done.stdout + done.stderr
        assert "A bug" not in done.stderr, done.stderr
        return done.exit_code, done.stdout + done.stderr

    def sql(self, statement: str, **params: object) -> list[tuple[Any, ...]]:
        with psycopg.connect(self.url, autocommit=True) as connection:
            cursor = connection.execute(statement.encode(), params or None)
            return cursor.fetchall() if cursor.description else []

    def quietly(self, statement: str, **params: object) -> None:
        """Past the triggers, as a person with too many rights may."""
        with psycopg.connect(self.url) as connection:
            names = connection.execute(
                "SELECT quote_ident(tgname) FROM pg_trigger WHERE tgrelid = %s::regclass AND NOT tgisinternal",
                (_TABLE,),
            ).fetchall()
            connection.execute(f"ALTER TABLE {_TABLE} DISABLE TRIGGER USER".encode())
            connection.execute(statement.encode(), params)
            for (name,) in names:
                connection.execute(f"ALTER TABLE {_TABLE} ENABLE ALWAYS TRIGGER {name}".encode())

    def keep(self, name: str) -> None:
        output = self.file.with_name(f"{name}.html")
        code, _ = self.cli("report", "-o", str(output), code=None)
        self.story.moments[name] = Moment(
            code, output.read_text(encoding="utf-8"), self._json("report"), self._json("status")
        )

    def _json(self, command: str) -> dict[str, Any]:
        found, _ = json.JSONDecoder().raw_decode(self.cli(command, "--json", code=None)[1])
        assert isinstance(found, dict)
        return found


def tell(url: str, folder: Path, server: OpenAIServer) -> Story:
    """Runs it all, once."""
    file = folder / "limosa.toml"
    file.write_text(_JOB.replace("{url}", server.base_url), encoding="utf-8")
    teller = _Teller(url, file)
    _fill(teller)
    teller.story.refused = teller.cli("report", "-o", str(folder / "none.html"), code=2)[1]
    assert not (folder / "none.html").exists()
    teller.cli("run", "--yes", "--limit", "40")
    teller.keep("begun")
    teller.story.unwritten = teller.cli("report", "-o", str(folder / "no folder" / "report.html"), code=2)[1]
    teller.cli("rollback", "--yes")
    teller.keep("rolled back")
    teller.cli("run", "--yes")
    teller.keep("verified")
    _spoil(teller)
    teller.cli("cutover", "--yes")
    teller.keep("switched")
    teller.cli("finish", "--now", "--yes")
    teller.keep("finished")
    teller.sql(
        "INSERT INTO limosa.event (migration, kind, detail) SELECT id, 'paused', 'and so on' FROM limosa.migration"
        " CROSS JOIN generate_series(1, 200)"
    )
    teller.keep("long finished")
    teller.story.secrets.append(str(psycopg.conninfo.conninfo_to_dict(url)["password"]))
    return teller.story


def _fill(teller: _Teller) -> None:
    teller.sql(f'CREATE TABLE {_TABLE} (id int PRIMARY KEY, title text, "<b>body</b>" text, embedding vector(6))')
    for number in range(ROWS):
        body = None if number < WITHOUT_TEXT else f"{WORD} seen {number} times"
        if number >= ROWS - REFUSED:
            body = f"{WORD} {number} [refuse me]"
        text = body or ""
        vector = vector_of(text, model="old", d=6).tolist() if body else None
        teller.sql(
            f"INSERT INTO {_TABLE} VALUES (%(id)s, NULL, %(body)s, %(vector)s::real[]::vector)",
            id=number,
            body=body,
            vector=vector,
        )
        if vector:
            teller.story.secrets += [f"{vector[0]:.6f}", f"{vector_of(text, model='new', d=8)[0]:.6f}"]
    teller.story.secrets += [WORD, KEY, teller.url]


def _spoil(teller: _Teller) -> None:
    """Everything that can stand between a migration and its proof, one after another, and mended each time."""
    teller.sql(f"UPDATE {_TABLE} SET title = 'edited' WHERE id = 60")
    teller.keep("pending")
    teller.cli("run", "--yes")

    teller.sql(f"CREATE TABLE kept AS SELECT id, embedding_limosa AS vector FROM {_TABLE}")
    teller.quietly(f"UPDATE {_TABLE} SET embedding_limosa = NULL WHERE id = 50")
    teller.keep("lost")
    teller.quietly(
        f"UPDATE {_TABLE} SET embedding_limosa = array_fill(0.5, ARRAY[8])::vector"
        " WHERE id = 50 OR embedding_limosa IS NOT NULL"
    )
    teller.cli("verify", code=1)
    teller.keep("different")

    teller.quietly(f"UPDATE {_TABLE} AS t SET embedding_limosa = kept.vector FROM kept WHERE kept.id = t.id")
    teller.sql("UPDATE limosa.exception SET reason = %(reason)s WHERE kind = 'skipped'", reason=_REASON)
    quoting = f"The provider refuses the text (400): {WORD} is no good"
    teller.sql("UPDATE limosa.exception SET reason = %(reason)s WHERE kind = 'dead'", reason=quoting)
    teller.cli("pause", "--why", NASTY)
    teller.cli("resume")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("LIMOSA_TEST_KEY", "another")
        teller.cli("verify")
        teller.keep("unchecked")
    teller.cli("verify")
