"""The border: what comes back from a provider is counted, measured and looked at before it is stored."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from limosa.errors import Refused
from limosa.model.batch import Embedded, Vectors
from limosa.model.vectors import WrongShape, faults, normalised, require_shape


def _ones(n: int, d: int) -> Vectors:
    return np.ones((n, d), dtype=np.float32)


def test_a_right_answer_passes_as_it_is() -> None:
    vectors = _ones(3, 4)
    assert require_shape(Embedded(vectors, None, "m"), n=3, d=4) is vectors


def test_float64_becomes_float32() -> None:
    wide: Vectors = np.ones((1, 4))  # type: ignore[assignment]
    assert require_shape(Embedded(wide, None, "m"), n=1, d=4).dtype == np.float32


@pytest.mark.parametrize("n", [1, 2, 4])
def test_another_count_is_refused(n: int) -> None:
    with pytest.raises(WrongShape, match=f"m answered {n} vectors for 3 texts"):
        require_shape(Embedded(_ones(n, 4), None, "m"), n=3, d=4)


@pytest.mark.parametrize("d", [1, 3, 5])
def test_another_size_is_refused(d: int) -> None:
    with pytest.raises(WrongShape, match=f"vectors of {d} dimensions") as caught:
        require_shape(Embedded(_ones(3, d), None, "m"), n=3, d=4)
    assert "4" in caught.value.needed
    assert isinstance(caught.value, Refused)


def test_one_vector_without_its_axis_is_refused() -> None:
    with pytest.raises(WrongShape):
        require_shape(Embedded(np.ones(4, dtype=np.float32), None, "m"), n=1, d=4)


@pytest.mark.parametrize(
    ("value", "reason"),
    [(np.nan, "NaN"), (np.inf, "infinity"), (-np.inf, "infinity")],
)
@pytest.mark.parametrize("column", [0, 3])
def test_one_bad_value_names_its_row(value: float, reason: str, column: int) -> None:
    vectors = _ones(5, 4)
    vectors[2, column] = value
    assert list(faults(vectors)) == [2]
    assert reason in faults(vectors)[2]


def test_infinities_of_both_signs_do_not_cancel() -> None:
    vectors = np.array([[np.inf, -np.inf]], dtype=np.float32)
    assert "infinity" in faults(vectors)[0]


def test_zero_is_a_fault_and_nearly_zero_is_not() -> None:
    vectors = np.zeros((3, 4), dtype=np.float32)
    vectors[1, 2] = np.finfo(np.float32).smallest_subnormal
    vectors[2, 2] = -1
    assert list(faults(vectors)) == [0]
    assert "all-zero" in faults(vectors)[0]


def test_the_largest_values_are_no_fault() -> None:
    assert faults(np.full((2, 4096), np.finfo(np.float32).max)) == {}


def test_values_that_cancel_are_no_fault() -> None:
    assert faults(np.array([[1, -1]], dtype=np.float32)) == {}


def test_no_vectors_have_no_faults() -> None:
    assert faults(np.empty((0, 4), dtype=np.float32)) == {}


@given(
    st.integers(0, 9).flatmap(
        lambda n: st.lists(st.sampled_from(["good", "nan", "inf", "zero"]), min_size=n, max_size=n)
    )
)
def test_exactly_the_bad_rows_are_found(kinds: list[str]) -> None:
    rows = {"good": [1, 2], "nan": [np.nan, 1], "inf": [1, np.inf], "zero": [0, 0]}
    vectors = np.array([rows[kind] for kind in kinds], dtype=np.float32).reshape(len(kinds), 2)
    assert set(faults(vectors)) == {i for i, kind in enumerate(kinds) if kind != "good"}


@pytest.mark.parametrize("scale", [1e-30, 1.0, 1e30])
def test_normalised_rows_have_norm_one_and_their_direction(scale: float) -> None:
    vectors = (np.array([[3, 4], [-6, 8]]) * scale).astype(np.float32)
    out = normalised(vectors)
    assert out.dtype == np.float32
    np.testing.assert_allclose(out, [[0.6, 0.8], [-0.6, 0.8]], rtol=1e-6)


def test_normalising_leaves_what_has_no_direction() -> None:
    vectors = np.array([[0, 0], [np.inf, 1], [np.nan, 1]], dtype=np.float32)
    np.testing.assert_array_equal(normalised(vectors), vectors)
