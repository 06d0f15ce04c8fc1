"""Which lines of an application's code name what a migration changes."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest

from limosa.app import open_app
from limosa.errors import Refused
from limosa.model.migration import Migration
from limosa.plan.code import MAX_FILE_BYTES, Mention, mentions

FILES = {
    "app/search.py": """MODEL = "all-MiniLM-L6-v2"
DIMENSIONS: int = 384
rows = 384
vector_size = 3840
await db.execute("SELECT id FROM match_docs($1, 0.5, 10)")
doc.embedding = embed(text)
embeddings = []
embedding_model = "other"
""",
    "db/schema.sql": "CREATE TABLE docs (id int, v vector(384))\n",
    "conf.py": 'MODEL_KEY="hunter2 all-MiniLM-L6-v2"\nx = "sk-aaaaaaaaaaaaaaaaaaaa embedding"\n'
    'u = "postgresql://me:hunter2@db/docs?embedding"\n',
    "long.py": "embedding = " + "x" * 300 + "\n",
    "data.bin": "embedding\0\n",
    "big.csv": "embedding\n" * (MAX_FILE_BYTES // 10 + 1),
    ".hidden/secret.py": "embedding\n",
    "ignored/copy.py": "embedding\n",
}

EXPECTED = [
    ("app/search.py", 1, "model", 'MODEL = "all-MiniLM-L6-v2"'),
    ("app/search.py", 2, "dimensions", "DIMENSIONS: int = 384"),
    ("app/search.py", 5, "match function", 'await db.execute("SELECT id FROM match_docs($1, 0.5, 10)")'),
    ("app/search.py", 6, "column", "doc.embedding = embed(text)"),
    ("conf.py", 1, "model", "MODEL_KEY= ..."),
    ("conf.py", 2, "column", "(a line with a secret)"),
    ("conf.py", 3, "column", "(a line with a secret)"),
    ("db/schema.sql", 1, "dimensions", "CREATE TABLE docs (id int, v vector(384))"),
    ("long.py", 1, "column", "embedding = " + "x" * 108),
]


@pytest.fixture
def migration() -> Migration:
    space = {"provider": "onnx", "model": "models/all-MiniLM-L6-v2", "dimensions": 384}
    app = open_app(
        {
            "name": "docs",
            "source": {
                "store": "env:NOWHERE",
                "table": "docs",
                "key": "id",
                "text": "body",
                "vector": "embedding",
                "space": space,
            },
            "target": {
                "space": {"provider": "hashing", "model": "words-1", "dimensions": 8},
                "match": {"function": "app.match_docs", "returns": ["id"]},
            },
        }
    )
    return app.migration


@pytest.fixture
def code(tmp_path: Path) -> Path:
    for name, text in FILES.items():
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_text(text)
    return tmp_path


def test_lines_are_told_with_what_they_name_and_no_secret(migration: Migration, code: Path) -> None:
    found = [(each.file, each.line, each.what, each.text) for each in mentions(migration, code)]
    assert [each for each in found if not each[0].startswith("ignored/")] == EXPECTED
    assert any(each[0].startswith("ignored/") for each in found)


def test_what_git_ignores_is_left_out(migration: Migration, code: Path) -> None:
    (code / ".gitignore").write_text("ignored/\n.hidden/\n")
    subprocess.run(["git", "init", "-q", str(code)], check=True)  # noqa: S607 - the git of this machine
    found = mentions(migration, code)
    assert [(each.file, each.line, each.what, each.text) for each in found] == EXPECTED
    # A folder of the repository alone, with paths from there.
    inside = mentions(migration, code / "db")
    assert inside == [Mention(file="schema.sql", line=1, what="dimensions", text=EXPECTED[7][3])]


def test_the_file_of_the_migration_itself_is_left_out(migration: Migration, code: Path) -> None:
    (code / "limosa.toml").write_text('vector = "embedding"\n')
    assert [each.file for each in mentions(migration, code)].count("limosa.toml") == 1
    found = mentions(migration, code, but=code / "db" / ".." / "limosa.toml")
    assert {"limosa.toml", "conf.py"} & {each.file for each in found} == {"conf.py"}


def test_a_folder_that_is_not_there_is_refused(migration: Migration, code: Path) -> None:
    with pytest.raises(Refused, match="no folder"):
        mentions(migration, code / "nowhere")
