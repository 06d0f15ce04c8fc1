"""Keys without a vector are listed in pages and queued again, alike on every engine."""

from __future__ import annotations

import json
import tracemalloc
from collections.abc import Sequence
from pathlib import Path

import pytest

from limosa.cli.export import export_letters
from limosa.control.letters import PAGE_ROWS, Letters
from limosa.control.schema import as_json, prepare, statements
from limosa.errors import Refused
from limosa.model.batch import Key
from limosa.ports.tx import Begin

ODD = 'it\'s "too long"\nπ > 3 \\ 100 % %(x)s 🐦'


def listed(begin: Begin, kind: str, reason: str, keys: Sequence[Key], *, migration: str = "a") -> None:
    """Puts keys on the list as a worker does."""
    prepare(begin)
    rows = as_json([{"key": key, "reason": reason} for key in keys])
    with begin() as tx:
        tx.execute(statements(tx.dialect, "chunks")["except"], {"migration": migration, "kind": kind, "rows": rows})


def queued(begin: Begin) -> list[Key]:
    with begin() as tx:
        table = "limosa.change" if tx.dialect == "postgres" else "limosa_change"
        found = tx.execute(f"SELECT key FROM {table} WHERE migration = 'a' ORDER BY id")
    return [tuple(json.loads(key) if isinstance(key, str) else key) for (key,) in found]


def test_every_key_comes_once_and_in_pages(begin: Begin) -> None:
    keys = [(str(number), f"ü{number % 3}") for number in range(2 * PAGE_ROWS + 7)]
    listed(begin, "dead", "too long", keys)
    listed(begin, "skipped", "the text is NULL", [("never", "/"), ("", "")])
    listed(begin, "dead", "too long", [("another", "migration")], migration="b")
    found = list(Letters(begin, "a").each())
    assert len(found) == len(keys) + 2
    assert {letter.key for letter in found} == {*keys, ("never", "/"), ("", "")}
    assert {letter.key for letter in Letters(begin, "a").each(kind="skipped")} == {("never", "/"), ("", "")}
    assert len(list(Letters(begin, "a").each(kind="dead", reason="too long"))) == len(keys)
    assert not list(Letters(begin, "a").each(kind="skipped", reason="too long"))


def test_a_reason_is_kept_and_found_letter_by_letter(begin: Begin) -> None:
    listed(begin, "dead", ODD, [("1",)])
    listed(begin, "dead", "other", [("2",)])
    letters = Letters(begin, "a")
    for text in (ODD, ODD[:6], "π > 3 \\ 100 % %(x)s", "🐦", '"too long"\n'):
        assert letters.reason_like(text) == ODD
    (letter,) = letters.each(reason=ODD)
    assert (letter.key, letter.kind, letter.reason) == (("1",), "dead", ODD)
    assert letters.queue(each.key for each in letters.each(reason=ODD)) == 1
    assert queued(begin) == [("1",)]


def test_a_text_means_the_whole_reason_before_its_beginning_and_that_before_a_part(begin: Begin) -> None:
    letters = Letters(begin, "a")
    for number, reason in enumerate(["long", "long text", "too long", "blank", "blank page", "a bird"]):
        listed(begin, "skipped" if number % 2 else "dead", reason, [(str(number),)])
    assert letters.reason_like("long") == "long"
    assert letters.reason_like("long ") == "long text"
    assert letters.reason_like("o long") == "too long"
    assert letters.reason_like("bird") == "a bird"
    with pytest.raises(Refused, match=r"'blank' \(1\)\n'blank page' \(1\)|'blank page' \(1\)\n'blank' \(1\)"):
        letters.reason_like("blan")
    for text in ("Blank", "%", "_"):
        with pytest.raises(Refused, match="No row"):
            letters.reason_like(text)


def test_many_reasons_are_not_all_listed(begin: Begin) -> None:
    for number in range(12):
        listed(begin, "dead", f"{number} tokens are too many", [(str(number),)])
    with pytest.raises(Refused) as caught:
        Letters(begin, "a").reason_like("tokens")
    assert len(caught.value.needed.splitlines()) == 12
    assert caught.value.needed.endswith("and others.")


def test_known_keys_are_told_from_others(begin: Begin) -> None:
    listed(begin, "dead", "why", [("a", "b/c"), ("ü", '"')])
    wanted: list[Key] = [("a", "b/c"), ("a/b", "c"), ("ü", '"'), ("a",)]
    assert Letters(begin, "a").known(wanted) == {("a", "b/c"), ("ü", '"')}
    assert Letters(begin, "b").known(wanted) == set()


def test_an_export_is_read_back_as_it_is(begin: Begin, tmp_path: Path) -> None:
    listed(begin, "dead", ODD, [("1", "ü")])
    listed(begin, "skipped", "the text is NULL", [("2", "\n")])
    target = tmp_path / "failed.jsonl"
    assert export_letters(Letters(begin, "a").each(), str(target)) == 2
    lines = [json.loads(line) for line in target.read_text(encoding="utf-8").splitlines()]
    assert [(line["key"], line["kind"], line["reason"]) for line in lines] == [
        (["1", "ü"], "dead", ODD),
        (["2", "\n"], "skipped", "the text is NULL"),
    ]
    assert all(line["at"].startswith("20") and line["at"].endswith("+00:00") for line in lines)
    with pytest.raises(Refused, match="cannot be written: No such file"):
        export_letters([], str(tmp_path / "nowhere" / "failed.jsonl"))


def test_memory_does_not_grow_with_the_letters(begin: Begin, tmp_path: Path) -> None:
    def most_bytes() -> int:
        tracemalloc.start()
        export_letters(Letters(begin, "a").each(), str(tmp_path / "failed.jsonl"))
        letters = Letters(begin, "a")
        letters.queue(letter.key for letter in letters.each(kind="dead"))
        found = tracemalloc.get_traced_memory()[1]
        tracemalloc.stop()
        return found

    reason = "a reason that is as long as those that a provider gives, which quote a part of the text " * 3
    keys = [(f"key-{number:06}",) for number in range(8 * PAGE_ROWS)]
    listed(begin, "dead", reason, keys[: 2 * PAGE_ROWS])
    few = most_bytes()
    for start in range(2 * PAGE_ROWS, len(keys), PAGE_ROWS):
        listed(begin, "dead", reason, keys[start : start + PAGE_ROWS])
    assert most_bytes() < 1.3 * few
