"""What is asked of a migration while it runs: kept alike in every dialect, also by ledgers that older versions made."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial

import pytest

from limosa.control.records import Records
from limosa.control.reports import Reports
from limosa.control.schema import SWEPT, schema, statements, tables
from limosa.control.wishes import NAMES, Wishes, checked
from limosa.errors import Refused
from limosa.model.wish import Wished
from limosa.ports.tx import Begin

GOOD = {
    "requests_in_flight": "8",
    "requests_per_minute": "500",
    "tokens_per_minute": "1000000",
    "budget_usd": "2.5",
    "lane": "batch",
}


def test_nothing_is_asked_where_there_is_no_ledger(begin: Begin) -> None:
    wishes = Wishes(begin, "a")
    assert wishes.read() == Wished()
    assert not wishes.resume()
    with begin(snapshot=True) as tx:
        assert not tables(tx.dialect) & _tables(begin)


def test_a_pause_holds_until_it_is_taken_back(begin: Begin) -> None:
    wishes, other = Wishes(begin, "a"), Wishes(begin, "b")
    wishes.pause("nightly backup")
    first = Wishes(begin, "a").read().pause
    assert first is not None
    assert (first.why, first.said) == ("nightly backup", "paused: nightly backup")
    assert other.read() == Wished()

    wishes.pause()
    again = wishes.read().pause
    assert again is not None
    assert (again.why, again.said, again.since) == ("", "paused", first.since)

    assert not other.resume()
    assert wishes.resume()
    assert wishes.read() == Wished()
    assert not wishes.resume()
    kinds = [(kind, detail) for _, kind, detail in Reports(begin, "a").events()]
    assert kinds == [("resumed", ""), ("paused", ""), ("paused", "nightly backup")]


def test_settings_are_set_and_taken_back(begin: Begin) -> None:
    wishes = Wishes(begin, "a")
    wishes.set(GOOD)
    assert set(GOOD) == set(NAMES)
    assert wishes.read().settings == {
        "requests_in_flight": 8,
        "requests_per_minute": 500,
        "tokens_per_minute": 1_000_000,
        "budget_usd": 2.5,
        "lane": "batch",
    }
    wishes.set({"lane": "direct", "budget_usd": "default", "tokens_per_minute": "default"})
    assert wishes.read().settings == {"requests_in_flight": 8, "requests_per_minute": 500, "lane": "direct"}


@pytest.mark.parametrize(
    ("name", "text", "said"),
    [
        ("budget", "1", "Did you mean budget_usd?"),
        ("pause", "1", "One of: requests_in_flight, requests_per_minute, tokens_per_minute, budget_usd, lane."),
        ("requests_in_flight", "0", "A whole number from 1 to 1000, or default to take it back."),
        ("requests_in_flight", "1.5", "A whole number from 1 to 1000"),
        ("tokens_per_minute", "", "A whole number"),
        ("budget_usd", "nan", "A number of dollars, 0 or more"),
        ("budget_usd", "-1", "A number of dollars"),
        ("lane", "fast", "Direct or batch"),
    ],
)
def test_what_cannot_be_set_is_refused_and_nothing_is_set(begin: Begin, name: str, text: str, said: str) -> None:
    wishes = Wishes(begin, "a")
    with pytest.raises(Refused) as caught:
        wishes.set({"requests_per_minute": "7", name: text})
    assert said in str(caught.value)
    assert wishes.read() == Wished()


def test_what_a_newer_version_set_is_left_out(begin: Begin) -> None:
    wishes = Wishes(begin, "a")
    wishes.set({"lane": "batch"})
    with begin() as tx:
        for name, value in (("colour", "blue"), ("budget_usd", "much")):
            tx.execute(statements(tx.dialect, "wishes")["wish"], {"migration": "a", "name": name, "value": value})
    assert wishes.read().settings == {"lane": "batch"}


def test_the_ledger_of_an_older_version_gets_the_table_when_it_is_needed(begin: Begin) -> None:
    records, wishes = Records(begin, "a"), Wishes(begin, "a")
    wishes.pause()
    acts: list[Callable[[], None]] = [wishes.pause, partial(records.retire, "finish"), records.prepare]
    for act in acts:
        _drop_wishes(begin)
        assert Wishes(begin, "a").read() == Wished()
        act()
        with begin(snapshot=True) as tx:
            assert tables(tx.dialect) <= _tables(begin)


def test_what_is_asked_ends_with_the_migration(begin: Begin) -> None:
    wishes = Wishes(begin, "a")
    wishes.pause()
    wishes.set(GOOD)
    Wishes(begin, "b").pause()
    Records(begin, "a").retire("finish")
    assert wishes.read() == Wished()
    assert Wishes(begin, "b").read().pause is not None


def test_every_dialect_has_the_same_statements_and_tables() -> None:
    for stem in ("chunks", "migrations", "samples", "wishes"):
        assert set(statements("postgres", stem)) == set(statements("sqlite", stem))
    ours, theirs = ({name.replace(".", "_") for name in tables(dialect)} for dialect in ("postgres", "sqlite"))
    assert theirs - ours == {"limosa_turn", "limosa_layout"}
    assert not ours - theirs
    assert {f"sweep_{name}" for name in SWEPT} <= set(statements("postgres", "migrations"))
    assert len(schema("postgres")) > len(ours)
    assert checked("lane", "default") is None


def _tables(begin: Begin) -> set[str]:
    with begin(snapshot=True) as tx:
        return {name for (name,) in tx.execute(statements(tx.dialect, "migrations")["tables"], {})}


def _drop_wishes(begin: Begin) -> None:
    with begin() as tx:
        for name in tables(tx.dialect):
            if name.endswith("wish"):
                tx.execute(f"DROP TABLE {name}")
