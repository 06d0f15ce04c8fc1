"""Amounts are told in the unit that rides in their name."""

from __future__ import annotations

import pytest

from limosa.cli.amounts import duration, in_words, label, money, size


@pytest.mark.parametrize(
    ("size_bytes", "said"),
    [
        (0, "0 bytes"),
        (999, "999 bytes"),
        (1000, "1.0 kB"),
        (99_400, "99.4 kB"),
        (99_500, "100 kB"),
        (999_600, "1.0 MB"),
        (6_152_000_000, "6.2 GB"),
        (5e18, "5000 PB"),
    ],
)
def test_bytes(size_bytes: float, said: str) -> None:
    assert size(size_bytes) == said


@pytest.mark.parametrize(
    ("seconds", "said"),
    [
        (0, "0.0 s"),
        (9.94, "9.9 s"),
        (9.96, "10 s"),
        (59.6, "1 min 00 s"),
        (185, "3 min 05 s"),
        (3600, "1 h 00 min"),
        (7805, "2 h 10 min"),
        (97 * 3600, "4 d 1 h"),
    ],
)
def test_durations(seconds: float, said: str) -> None:
    assert duration(seconds) == said


@pytest.mark.parametrize(
    ("usd", "said"), [(0, "$0"), (0.00001, "under $0.0001"), (0.0123, "$0.0123"), (1234.5, "$1,234.50")]
)
def test_dollars(usd: float, said: str) -> None:
    assert money(usd) == said


@pytest.mark.parametrize(
    ("name", "value", "called", "said"),
    [
        ("heap_bytes_before", 8_708_096, "heap before", "8.7 MB"),
        ("cost_usd", 0.15, "cost", "$0.1500"),
        ("price_usd_per_million_tokens", 2, "price per million tokens", "$2.00"),
        ("write_rows_per_s", 40_000.0, "write rows", "40,000 a second"),
        ("backfill_s", 90, "backfill", "1 min 30 s"),
        ("pause_ms", 12.2, "pause", "12 ms"),
        ("pause_ms", 1200, "pause", "1.2 s"),
        ("recall_share", 0.996, "recall", "99.6%"),
        ("rows", 12_000, "rows", "12,000"),
        ("characters", 4.9, "characters", "4.9"),
        ("answers", True, "answers", "yes"),
        ("columns_sent", ("title", "body"), "columns sent", "title, body"),
        ("columns_sent", (), "columns sent", "none"),
        ("total_s", None, "total", "not known"),
        ("basis", "measured", "basis", "measured"),
        ("sends_to", "here", "sends to", "here"),
    ],
)
def test_a_value_is_told_by_the_unit_in_its_name(name: str, value: object, called: str, said: str) -> None:
    assert label(name) == called
    assert in_words(name, value) == said
