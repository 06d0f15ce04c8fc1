"""Single values of the file: stores, secrets, templates, queries, words."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from hypothesis import given
from hypothesis import strategies as st

from limosa.config import values


@pytest.mark.parametrize(
    "store",
    [
        "embedded",
        "env:DATABASE_URL",
        "postgresql://localhost/db",
        "postgresql://user@localhost:5432/db",
        "postgresql://user:@localhost/db",
        "postgresql://h1:5432,h2:5433/db?target_session_attrs=any",
        "postgresql://srv:5432/db?user=admin@srv",
        "postgresql:///db?host=/run/postgresql",
        "postgresql://[::1]:5432/db",
        "libsql:///data/@home/app.db",
        "qdrant://host:6333",
        "qdrant+local:///data/qdrant",
    ],
)
def test_a_store_without_a_secret_is_taken(store: str) -> None:
    assert values.store(store) == store


@pytest.mark.parametrize(
    "store",
    [
        "postgresql://user:hunter2@localhost/db",
        "postgresql://:hunter2@localhost/db",
        "postgresql://user:hunter2/x@localhost/db",
        "postgresql://user:12/hunter2@localhost/db",
        "postgresql://user:hunter2?x@localhost/db",
        "postgresql://user:hunter2#x@localhost/db",
        "postgresql://u@h:hunter2@localhost/db",
        "postgresql://localhost/db?user=u&password=hunter2",
        "postgresql://localhost/db?sslpassword=hunter2",
        "libsql://host?authToken=hunter2",
        "qdrant://host:6333?api_key=hunter2",
        "qdrant://host:6333?api-key=hunter2",
        "host=localhost password=hunter2",
        "host=localhost password = hunter2",
    ],
)
def test_a_store_with_a_secret_is_refused_and_not_shown(store: str) -> None:
    with pytest.raises(ValueError, match="password or token") as caught:
        values.store(store)
    assert "hunter2" not in str(caught.value)


@pytest.mark.parametrize("store", ["", "hunter2", "host=localhost", "env:", "env:a-b", "Embedded", "postgresql://"])
def test_what_is_no_store_is_refused_and_not_shown(store: str) -> None:
    with pytest.raises(ValueError, match="needed is a") as caught:
        values.store(store)
    assert "hunter2" not in str(caught.value)


PASSWORDS = st.text(st.characters(codec="ascii", categories=["L", "N"]), min_size=8, max_size=20)


@given(PASSWORDS, st.sampled_from(["", "/", "#", "?", ":", "@", "%2F", "/?", "[", "]"]), PASSWORDS)
def test_no_password_in_a_user_part_is_taken(before: str, between: str, after: str) -> None:
    with pytest.raises(ValueError, match="password or token"):
        values.store(f"postgresql://user:x{before}{between}{after}@localhost:5432/db")


@pytest.mark.parametrize("url", ["http://127.0.0.1:8080/v1", "https://api.example.org/v1"])
def test_a_base_url_is_taken(url: str) -> None:
    assert values.base_url(url) == url


@pytest.mark.parametrize("url", ["", "api.example.org", "ftp://h", "https://", "https://u:p@h/v1", "https://h?key= x"])
def test_a_wrong_base_url_is_refused(url: str) -> None:
    with pytest.raises(ValueError, match="URL"):
        values.base_url(url)


@pytest.mark.parametrize("key", ["sk-hunter2", "", "env:", "env:sk-hunter2", "$HUNTER2"])
def test_a_key_in_the_file_is_refused_and_not_shown(key: str) -> None:
    with pytest.raises(ValueError, match="must not stand in the file") as caught:
        values.secret(key)
    assert "hunter2" not in str(caught.value).lower()


@pytest.mark.parametrize("template", ["{title}", "{{literal}} {title}\n\n{body}", "{größe}", "{two words}"])
def test_a_template_is_taken(template: str) -> None:
    assert values.template(template) == template


@pytest.mark.parametrize(
    ("template", "said"),
    [
        ("", "no column"),
        ("plain", "no column"),
        ("{{title}}", "no column"),
        ("{title", "braces do not match"),
        ("title}", "braces do not match"),
        ("{}", "names no column"),
        ("{ title }", "names no column"),
        ("{title!r}", "carries a format"),
        ("{title:>10}", "carries a format"),
        ("{title:{width}}", "carries a format"),
        ("{title.upper}", "reaches into"),
        ("{title[0]}", "reaches into"),
    ],
)
def test_a_wrong_template_is_refused(template: str, said: str) -> None:
    with pytest.raises(ValueError, match=said):
        values.template(template)


@pytest.mark.parametrize(
    "query",
    [
        "SELECT id, title AS text FROM t",
        "select * from v",
        "-- texts\nWITH a AS (SELECT 1) SELECT id, text FROM a",
        '/* texts */ (SELECT id, b AS "text" FROM t)',
    ],
)
def test_a_query_is_taken(query: str) -> None:
    assert values.query(query) == query


@pytest.mark.parametrize(
    ("query", "said"),
    [
        ("", "no SELECT"),
        ("DELETE FROM t", "no SELECT"),
        ("selection, text", "no SELECT"),
        ("SELECT id, text FROM t;  ", "semicolon"),
        ("SELECT id, body AS context FROM t", "no column text"),
    ],
)
def test_a_wrong_query_is_refused(query: str, said: str) -> None:
    with pytest.raises(ValueError, match=said):
        values.query(query)


@pytest.mark.parametrize(
    ("check", "word", "said"),
    [
        (values.layout, "dimension_tables", "belongs to a split"),
        (values.layout, "colum", 'did you mean "column"'),
        (values.oversize, "truncat", 'did you mean "truncate"'),
        (values.backup, "data", 'did you mean "database"'),
        (values.backup, "xyz", 'needed is "none" or "table" or "database"'),
    ],
)
def test_words_of_later_and_unknown_words_are_told_apart(check: Callable[[str], str], word: str, said: str) -> None:
    with pytest.raises(ValueError, match=said):
        check(word)


@pytest.mark.parametrize("name", ["", "  ", "a\0b"])
def test_a_name_that_no_database_takes_is_refused(name: str) -> None:
    with pytest.raises(ValueError, match="name"):
        values.column(name)
