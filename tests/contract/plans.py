"""Planning in one line, and the checks of a plan by name."""

from __future__ import annotations

from typing import Any

from limosa.app import open_app
from limosa.model.plan import Check, Plan

__all__ = ["named", "planned"]


def planned(file: dict[str, Any]) -> Plan:
    """The plan of a file; every connection is given back."""
    app = open_app(file)
    try:
        return app.plan()
    finally:
        app.close()


def named(plan: Plan, name: str) -> Check:
    """The one check of this name."""
    found = [check for check in plan.checks if check.name == name]
    assert len(found) == 1, plan.checks
    return found[0]
