"""The digest by which the demo shows that old vectors came back bit for bit."""

from __future__ import annotations

from limosa.cli.demo.evidence import State, kept

_BEFORE = State(("shape",), {1: ("a", "v1"), 2: ("b", "v2"), 3: ("c", None)})


def test_changed_deleted_and_new_rows_do_not_count() -> None:
    after = State(("shape",), {1: ("a", "v1"), 2: ("b2", "other"), 4: ("d", "v4"), 3: ("c", None)})
    same = kept(_BEFORE, after)
    assert same.rows == 2
    assert same.before == same.after


def test_another_vector_beside_the_same_text_is_seen() -> None:
    for vector in ("v3", None):
        same = kept(_BEFORE, State(("shape",), {**_BEFORE.rows, 1: ("a", vector)}))
        assert same.rows == 3
        assert same.before != same.after
