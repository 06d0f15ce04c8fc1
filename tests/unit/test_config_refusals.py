"""What a wrong file gets: every problem at once, each with its line, and no secret."""

from __future__ import annotations

import pickle
import traceback
from pathlib import Path

import pytest

from limosa.config import load
from limosa.config.schema import SECTIONS
from limosa.errors import Refused

GOOD = """name = "n"
[source]
store = "embedded"
table = "t"
key = "id"
text = "body"
vector = "v"
[source.space]
provider = "hashing"
model = "h"
dimensions = 8
[target]
layout = "column"
[target.space]
provider = "hashing"
model = "h"
dimensions = 16
"""


def refusal(folder: Path, text: str) -> Refused:
    path = folder / "limosa.toml"
    path.write_text(text, encoding="utf-8")
    with pytest.raises(Refused) as caught:
        load(path)
    return caught.value


def problems(folder: Path, text: str) -> list[str]:
    first, *rest = refusal(folder, text).what.split("\n")
    assert first == f"limosa.toml has {len(rest)} problem{'s' if len(rest) > 1 else ''}:"
    return [line.removeprefix("  ") for line in rest]


@pytest.mark.parametrize(
    ("old", "new", "said"),
    [
        ('table = "t"', 'tabel = "t"', "line 4, [source] tabel: unknown key; did you mean table?"),
        ("dimensions = 8", "dimension = 8", "line 11, [source.space] dimension: unknown key; did you mean dimensions?"),
        (
            'layout = "column"',
            "batch_rows = 5",
            "line 13, [target] batch_rows: unknown key here; it belongs in [backfill].",
        ),
        (
            'name = "n"',
            'model = "n"',
            "line 1, model: unknown key here; it belongs in [source.space] or in [target.space].",
        ),
        ('layout = "column"', "zzz = 5", "line 13, [target] zzz: unknown key; known are layout, store, table,"),
        (
            'vector = "v"',
            'vector = "v"\npayload = ["a"]',
            "line 8, [source] payload: it belongs to copying a payload; needed is",
        ),
        (
            "dimensions = 16",
            'dimensions = "16"',
            "line 17, [target.space] dimensions: '16' was given; needed is a whole number",
        ),
        (
            "dimensions = 16",
            "dimensions = 0",
            "line 17, [target.space] dimensions: 0 was given; needed is a whole number from 1",
        ),
        ("dimensions = 16", "dimensions = true", "line 17, [target.space] dimensions: true was given; needed"),
        ("dimensions = 16", "dimensions = 1979-05-27", "line 17, [target.space] dimensions: a date was given; needed"),
        (
            'vector = "v"',
            'vector = ["v", "w"]',
            "line 7, [source] vector: a list was given; needed is the name of the vector",
        ),
        ('text = "body"', 'text = ["a", 1]', "line 6, [source] text: 1 was given; needed is the name of a text column"),
        ('text = "body"', "text = []", "line 6, [source] text: a list was given; needed is the name of a text column"),
        ('text = "body"', 'text = ["a", "a"]', "line 6, [source] text: a name stands twice"),
        ('text = "body"', 'text = ["a",\n""]', "line 7, [source] text: a blank name"),
        ('text = "body"\n', "", "line 2, [source]: nothing says where texts come from"),
        ('text = "body"', 'text = "body"\ntemplate = "{a}"', "line 7, [source] template: text and template are given"),
        ('text = "body"', 'template = "{a.b}"', "line 6, [source] template: {a.b} reaches into a value"),
        (
            'text = "body"',
            'query = "SELECT a, text FROM t"',
            "line 6, [source] query: the query gives not every key column",
        ),
        (
            'layout = "column"',
            'text = "a"\nquery = "SELECT * FROM t"',
            "line 14, [target] query: text and query are given",
        ),
        ('layout = "column"', 'layout = "side_table"', "line 13, [target] layout: the application reads through"),
        ('layout = "column"', 'vector_table = "v"', "line 13, [target] vector_table: it belongs to layout"),
        ('layout = "column"', 'view = "v"', "line 13, [target] view: it belongs to layout"),
        ('layout = "column"', 'table = "u"', "line 13, [target] table: what goes to another place is a copy"),
        (
            'layout = "column"',
            'store = "env:X"',
            "line 13, [target] store: what goes to another place is a copy",
        ),
        (
            'layout = "column"',
            'key = ["id", "b"]',
            "line 13, [target] key: what goes to another place is a copy",
        ),
        ('layout = "column"', 'where = "a"', "line 13, [target] where: what goes to another place is a copy"),
        (
            'layout = "column"',
            'vector = "w"',
            "line 13, [target] vector: the new column gets the old one's name",
        ),
        (
            'layout = "column"',
            "index = true",
            "line 13, [target] index: true was given; needed is a section [target.index]",
        ),
        (
            'layout = "column"',
            "index.kind = 'hsnw'",
            "line 13, [target.index] kind: 'hsnw' was given; needed is \"hnsw\" or",
        ),
        (
            'layout = "column"',
            "index = {lists = 5}",
            'line 13, [target.index] lists: it belongs to an index of kind = "ivfflat".',
        ),
        (
            'layout = "column"',
            'index = {kind = "ivfflat", m = 5}',
            'line 13, [target.index] m: it belongs to an index of kind = "hnsw"',
        ),
        (
            'layout = "column"',
            "index = {m = 40}",
            "line 13, [target.index] m: ef_construction is 64; needed is at least 2 * m",
        ),
        (
            'layout = "column"',
            "match = {function = 'f'}",
            "line 13, [target.match] returns: it is missing; needed is the name",
        ),
        ('name = "n"', "", "name: it is missing; needed is 1 to 60 letters"),
        ('name = "n"', 'name = "a b"', "line 1, name: 'a b' was given; needed is 1 to 60 letters"),
        ('name = "n"', 'name = "n\\n"', "line 1, name: 'n\\n' was given; needed is 1 to 60 letters"),
        ('name = "n"', f'name = "{"n" * 61}"', f"line 1, name: '{'n' * 37}...' was given"),
        (
            'name = "n"',
            'name = "n"\nsoak_days = -1',
            "line 2, soak_days: -1 was given; needed is a whole number of days",
        ),
        (
            'name = "n"',
            'name = "n"\nbackfill = 3',
            "line 2, backfill: a number was given; needed is a section [backfill]",
        ),
        (
            'name = "n"',
            'name = "n"\nbackfill.batch_rows = 10001',
            "line 2, [backfill] batch_rows: 10001 was given; needed",
        ),
        (
            'name = "n"',
            'name = "n"\nbackfill.max_lag_s = 0',
            "line 2, [backfill] max_lag_s: 0 was given; needed is a number of seconds from 1 to 3600, or false.",
        ),
        (
            'name = "n"',
            'name = "n"\nbackfill.max_lag_s = true',
            "line 2, [backfill] max_lag_s: true was given; needed is a number of seconds",
        ),
        (
            'name = "n"',
            'name = "n"\nbackfill.wait_while = "UPDATE t SET a = 1"',
            "line 2, [backfill] wait_while: this is no SELECT; needed is one that answers true",
        ),
        (
            'name = "n"',
            'name = "n"\nbackfill.wait_while = "SELECT true;"',
            "line 2, [backfill] wait_while: the query ends with a semicolon",
        ),
        (
            'name = "n"',
            'name = "n"\nbackfill.pause_file = " "',
            "line 2, [backfill] pause_file: ' ' was given; needed is the path of a file.",
        ),
        (
            'name = "n"',
            'name = "n"\nbackfill.budget_usd = nan',
            "line 2, [backfill] budget_usd: nan was given; needed is",
        ),
        (
            'name = "n"',
            'name = "n"\nbackfill.budget_usd = -0.5',
            "line 2, [backfill] budget_usd: -0.5 was given; needed is",
        ),
        (
            'name = "n"',
            'name = "n"\nbackfill.backup = "tabel"',
            "line 2, [backfill] backup: 'tabel' is not known; did you mean \"table\"",
        ),
        (
            'name = "n"',
            'name = "n"\nbackfill.usage = {table = "paid", columns = {who = 3}}',
            "line 2, [backfill.usage.columns] who: 3 was given; needed is column =",
        ),
        (
            'name = "n"',
            'name = "n"\nsoak_days = 1\nbackfill = {soak_days = 1}',
            "line 2, soak_days: it stands at the top and in",
        ),
    ],
)
def test_one_problem_is_told_with_its_line(tmp_path: Path, old: str, new: str, said: str) -> None:
    assert old in GOOD
    found = problems(tmp_path, GOOD.replace(old, new, 1))
    assert any(line.startswith(said) for line in found), found


def test_all_problems_are_told_at_once_in_the_order_of_the_file(tmp_path: Path) -> None:
    text = GOOD.replace('table = "t"', 'tabel = "t"').replace("dimensions = 16", "dimensions = 0")
    text = text.replace('layout = "column"', 'where = "x"').replace('text = "body"', "text = 5")
    assert [line.split(":")[0] for line in problems(tmp_path, text)] == [
        "line 2, [source] table",
        "line 4, [source] tabel",
        "line 6, [source] text",
        "line 13, [target] where",
        "line 17, [target.space] dimensions",
    ]


def test_a_mapping_has_the_same_problems_without_lines() -> None:
    with pytest.raises(Refused) as caught:
        load({"name": "n", "source": 5, 7: 8})  # type: ignore[dict-item]
    assert caught.value.what.split("\n") == [
        "the mapping has 2 problems:",
        "  source: a number was given; needed is a section [source].",
        "  7: unknown key; known are name, source, target, backfill, verify, soak_days.",
    ]


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ('store = "embedded"', 'store = "postgresql://u:hunter2@h/d"'),
        ('store = "embedded"', 'store = "hunter2"'),
        ('store = "embedded"', 'store = ["hunter2"]'),
        ('store = "embedded"', "store = 72727272"),
        ('store = "embedded"', 'store.url = "hunter2"'),
        ('store = "embedded"', 'store = "embedded"\npassword = "hunter2"'),
        ('key = "id"', 'key = ["id", ["hunter2"]]'),
        ('key = "id"', "key = 72727272"),
        ("dimensions = 8", 'dimensions = 8\nkey = "sk-hunter2"'),
        ("dimensions = 8", 'dimensions = 8\nkey = "env:sk-hunter2"'),
        ("dimensions = 8", "dimensions = 8\nkey = 72727272"),
        ("dimensions = 8", 'dimensions = 8\nbase_url = "https://u:hunter2@h/"'),
        ("dimensions = 8", 'dimensions = 8\nbase_url = "hunter2"'),
        ("dimensions = 8", 'dimensions = 8\napi_key = "hunter2"'),
        ('layout = "column"', 'store = "postgresql://u:hunter2@h/d"'),
        ('layout = "column"', 'match = "hunter2"'),
        ('name = "n"', 'name = "n"\nbackfill = "hunter2"'),
    ],
)
def test_what_may_be_a_secret_is_shown_nowhere_not_even_in_the_traceback(tmp_path: Path, old: str, new: str) -> None:
    assert old in GOOD
    error = refusal(tmp_path, GOOD.replace(old, new, 1))
    shown = str(error) + "".join(traceback.format_exception(error))
    assert "hunter2" not in shown
    assert "72727272" not in shown


def test_a_syntax_error_is_told_with_its_line(tmp_path: Path) -> None:
    error = refusal(tmp_path, 'name = "n"\n[source\n')
    assert error.what.startswith("limosa.toml is not valid TOML: ")
    assert "line 2" in error.what


@pytest.mark.parametrize("text", ["a = " + "[" * 100_000, "a = 1" + "0" * 5000])
def test_what_tomllib_gives_up_on_is_refused(tmp_path: Path, text: str) -> None:
    assert refusal(tmp_path, text).what.startswith("limosa.toml is not valid TOML: ")


def test_a_file_that_cannot_be_read_is_refused(tmp_path: Path) -> None:
    with pytest.raises(Refused, match=r"There is no file .*missing\.toml"):
        load(tmp_path / "missing.toml")
    with pytest.raises(Refused, match="cannot be read"):
        load(tmp_path)
    (tmp_path / "latin.toml").write_bytes('name = "é"'.encode("latin-1"))
    with pytest.raises(Refused, match=r"latin\.toml is not UTF-8: byte 8"):
        load(tmp_path / "latin.toml")


def test_a_refusal_survives_pickling(tmp_path: Path) -> None:
    error = refusal(tmp_path, "")
    assert str(pickle.loads(pickle.dumps(error))) == str(error)  # noqa: S301


def test_every_key_says_what_it_needs() -> None:
    for section, model in SECTIONS.items():
        for key, field in model.model_fields.items():
            assert field.description, (section, key)


@pytest.mark.parametrize(
    ("line", "said"),
    [
        ("max_lag_s = 5", "line 12, [backfill] max_lag_s: SQLite has no replicas that could be behind; needed is"),
        ("max_lock_waits = 5", "line 12, [backfill] max_lock_waits: SQLite does not say who waits for a lock"),
        ("wait_while = 'DELETE FROM t'", "line 12, [backfill] wait_while: this is no SELECT"),
        ("wait_whle = 'SELECT 1'", "line 12, [backfill] wait_whle: unknown key; did you mean wait_while?"),
    ],
)
def test_a_split_has_no_brakes_that_sqlite_cannot_have(tmp_path: Path, line: str, said: str) -> None:
    text = f"""name = "n"
[source]
store = "sqlite:///app.db"
table = "t"
key = "id"
vector = "v"
[target]
layout = "dimension_tables"
table = "t_{{dimension}}"
dimensions = [3]
[backfill]
{line}
"""
    assert [problem for problem in problems(tmp_path, text) if problem.startswith(said)]


@pytest.mark.parametrize(
    ("place", "key", "said"),
    [
        ("collection", 'column = "id"', "[target.key] column: a collection has no columns; points have one id there."),
        ("table", 'old = "was"', "[target.key] column: needed is the name of the column for the ids."),
    ],
)
def test_made_ids_have_a_column_in_a_table_alone(tmp_path: Path, place: str, key: str, said: str) -> None:
    store = "postgresql://host/db" if place == "table" else "qdrant://other:6333"
    text = f"""name = "n"
[source]
store = "qdrant://one:6333"
collection = "a"
[target]
store = "{store}"
{place} = "b"
[target.key]
uuid5 = "{{number}}"
namespace = "7d3c0a52-4c34-4a6f-9d59-0f6c5a3a4b21"
{key}
"""
    found = problems(tmp_path, text)
    assert len(found) == 1
    assert said in found[0]


def test_a_collection_has_no_types_of_postgres(tmp_path: Path) -> None:
    text = """name = "n"
[source]
store = "qdrant://one:6333"
collection = "a"
[target]
store = "qdrant://other:6333"
collection = "b"
[target.index]
type = "halfvec"
"""
    said = "line 9, [target.index] type: a collection has no types of pgvector's; it belongs to a table."
    assert problems(tmp_path, text) == [said]
    table = text.replace('qdrant://other:6333"\ncollection', 'postgresql://host/db"\ntable')
    path = tmp_path / "limosa.toml"
    path.write_text(table, encoding="utf-8")
    index = load(path).index
    assert index is not None
    assert index.type == "halfvec"
