"""Bytes that were measured are the bytes that are estimated."""

from __future__ import annotations

import pytest

from limosa.stores.postgres.sizes import toast_bytes, vector_bytes


def test_a_value_has_its_floats_and_eight_bytes_more() -> None:
    assert vector_bytes(1536, "vector") == 6152
    assert vector_bytes(1536, "halfvec") == 3080


@pytest.mark.parametrize(("dimensions", "rows", "measured"), [(768, 20_000, 82_878_464)])
def test_toast_is_counted_in_pages(dimensions: int, rows: int, measured: int) -> None:
    """Measured with Postgres 18.4: pg_total_relation_size of the TOAST table after an INSERT of so many rows."""
    assert toast_bytes(vector_bytes(dimensions, "vector"), rows) == pytest.approx(measured, rel=0.02)


def test_a_vector_that_leaves_no_room_for_the_next_takes_its_page() -> None:
    assert toast_bytes(vector_bytes(1536, "vector"), 1000) > 1000 * 8192
