"""The score interval: published values, edges, and that it covers what it says."""

from __future__ import annotations

import random

import pytest

from limosa.model.interval import wilson


def test_known_values() -> None:
    # Newcombe, Statistics in Medicine 17 (1998), table I, method 3: 81 of 263, 15 of 148, 0 of 20, 1 of 29.
    for (found, trials), (low, high) in {
        (81, 263): (0.2553, 0.3662),
        (15, 148): (0.0624, 0.1605),
        (0, 20): (0.0000, 0.1611),
        (1, 29): (0.0061, 0.1718),
    }.items():
        interval = wilson(found, trials)
        assert interval.share == found / trials
        assert (round(interval.low, 4), round(interval.high, 4)) == (low, high)


def test_the_share_lies_inside_and_the_edges_stay_within_zero_and_one() -> None:
    for trials in (1, 2, 10, 500):
        for found in (0, 1, trials // 2, trials):
            interval = wilson(found, trials)
            assert 0.0 <= interval.low <= interval.share <= interval.high <= 1.0
    assert wilson(10, 10).high == 1.0
    assert wilson(0, 10).low == 0.0


def test_it_covers_the_truth_about_as_often_as_it_says() -> None:
    draw = random.Random(7)
    inside = 0
    for _ in range(1000):
        interval = wilson(sum(draw.random() < 0.93 for _ in range(200)), 200)
        inside += interval.low <= 0.93 <= interval.high
    assert 930 <= inside <= 980


@pytest.mark.parametrize(("found", "trials"), [(0, 0), (-1, 5), (6, 5)])
def test_what_is_no_share_is_refused(found: int, trials: int) -> None:
    with pytest.raises(ValueError, match="is not a share"):
        wilson(found, trials)
