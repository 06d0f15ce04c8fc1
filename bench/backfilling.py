"""How long a backfill takes, without the steps around it."""

from __future__ import annotations

import time

from limosa import flow
from limosa.app import App
from limosa.steps.backfill import backfill
from limosa.steps.expand import expand

__all__ = ["backfill_rate", "backfill_s"]


def backfill_s(app: App) -> float:
    """Begins a migration and carries it to the end of its backfill; the seconds of that step alone."""
    flow.begin(app.voyage, app.plan())
    expand(app.voyage)
    started = time.perf_counter()
    backfill(app.voyage)
    return time.perf_counter() - started


def backfill_rate(app: App, *, rows: int) -> float:
    """Rows/s of that step where it fills every row; the migration is rolled back and closed."""
    try:
        took = backfill_s(app)
        assert app.voyage.reports.tally().done == rows
        return rows / took
    finally:
        app.rollback()
        app.close()
