"""What the demo's application counts, and its way through JSON to the report."""

from __future__ import annotations

import json

from limosa.cli.demo.counts import Counts, Report, Waits


def test_everything_is_counted_and_survives_the_pipe() -> None:
    counts = Counts()
    for kind in ("inserts", "edits", "edits", "deletes"):
        counts.wrote(kind, 0.002)
    counts.searched(0.004, found=5, wanted=5)
    counts.searched(0.120, found=0, wanted=5)
    counts.searched(0.006, found=3, wanted=5)
    counts.failed("could not\nDETAIL: at all")
    counts.failed("could not")
    report = Report.of(json.loads(json.dumps(counts.report())))
    assert (report.inserts, report.edits, report.deletes, report.writes) == (1, 2, 1, 4)
    assert (report.searches, report.empty, report.short) == (3, 1, 2)
    assert (report.errors, report.messages) == (2, {"could not": 2})
    assert report.write_waits == Waits(p50_ms=2.0, p99_ms=2.0, longest_ms=2.0)
    assert report.search_waits == Waits(p50_ms=6.0, p99_ms=6.0, longest_ms=120.0)
    assert report.longest_ms == 120.0
    assert report.seconds >= 0


def test_a_single_long_pause_is_the_longest_and_not_the_99th() -> None:
    counts = Counts()
    for took_ms in [1] * 199 + [500]:
        counts.wrote("edits", took_ms / 1000)
    assert Report.of(counts.report()).write_waits == Waits(p50_ms=1.0, p99_ms=1.0, longest_ms=500.0)


def test_an_idle_phase_has_no_pauses() -> None:
    report = Report.of(Counts().report())
    assert (report.writes, report.searches, report.errors, report.longest_ms) == (0, 0, 0, 0.0)
