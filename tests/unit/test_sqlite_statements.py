"""SQL text is taken apart where SQLite would, and rows are packed into requests of bounded size."""

from __future__ import annotations

import pytest

from limosa.stores.sqlite.hrana_values import packed
from limosa.stores.sqlite.statements import parts, statements, verb


@pytest.mark.parametrize(
    ("script", "found"),
    [
        ("", []),
        (" ;; -- nothing ;\n", []),
        ("SELECT 1", ["SELECT 1"]),
        ("SELECT ';' ; SELECT \";\"", ["SELECT ';' ;", 'SELECT ";"']),
        ("/* ; */ SELECT 1 -- ;\n; SELECT 2;", ["/* ; */ SELECT 1 -- ;\n;", "SELECT 2;"]),
        (
            "CREATE TRIGGER g AFTER INSERT ON t BEGIN SELECT 1; SELECT 2; END; SELECT 3",
            ["CREATE TRIGGER g AFTER INSERT ON t BEGIN SELECT 1; SELECT 2; END;", "SELECT 3"],
        ),
    ],
)
def test_statements_of_a_script(script: str, found: list[str]) -> None:
    assert statements(script) == found


@pytest.mark.parametrize(
    ("sql", "word"),
    [("select 1", "SELECT"), (" -- a\n/* b */;\tBegin", "BEGIN"), ("-- only", ""), ("/* open", ""), ("(1)", "")],
)
def test_the_first_word(sql: str, word: str) -> None:
    assert verb(sql) == word


@pytest.mark.parametrize(
    ("sql", "found"),
    [
        ("SELECT 1", ("SELECT 1",)),
        ("?", ("", "")),
        ("VALUES (?, '?', ?)", ("VALUES (", ", '?', ", ")")),
        ("'it''s ?' ? \"?\" `?` [?] -- ?\n? /* ? */", ("'it''s ?' ", ' "?" `?` [?] -- ?\n', " /* ? */")),
    ],
)
def test_the_places_of_values(sql: str, found: tuple[str, ...]) -> None:
    assert parts(sql) == found


def test_rows_are_packed_in_order() -> None:
    rows = [(number, b"x" * 300_000) for number in range(20)]
    requests = list(packed("INSERT INTO t", "(?, ?)", "", rows))
    sizes = [[len(each["args"]) // 2 for each in request] for request in requests]
    # 400 KB of base64 a row: two in a statement of a megabyte, four such statements in a request of four.
    assert sizes == [[2] * 4, [2] * 4, [2] * 2]
    numbers = [each["args"][place]["value"] for request in requests for each in request for place in (0, 2)]
    assert numbers == [str(number) for number in range(20)]


def test_a_statement_has_fewer_values_than_sqlite_takes() -> None:
    rows = [(None,) * 1000] * 60
    (request,) = packed("INSERT INTO wide", "(...)", "", rows)
    assert [len(each["args"]) for each in request] == [20_000] * 3
    assert request[2]["sql"] == f"INSERT INTO wide VALUES {', '.join(['(...)'] * 20)} "
