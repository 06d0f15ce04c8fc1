"""Soak: the days between cutover and finish, in which a fault of the new side can still be answered by a rollback."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

from limosa.control.records import Record
from limosa.errors import Refused
from limosa.steps.voyage import Voyage

__all__ = ["require_soaked", "soaks_until"]


def soaks_until(voyage: Voyage, record: Record) -> datetime | None:
    """When the soak ends, or ended, in UTC; None where nothing is switched, or the file wants no soak.

    None too in the ledger of a version that did not note when it switched.
    """
    days = voyage.migration.soak_days
    if not record.switched or not record.active or not days:
        return None
    since = voyage.reports.switched_at()
    return since.astimezone(UTC) + timedelta(days=days) if since is not None else None


def require_soaked(voyage: Voyage, *, now: bool = False) -> None:
    """Lets a finish through that would be the first, once the soak is over.

    Args:
        now: it is not waited for.

    Raises:
        Refused: the soak is not over.
    """
    if now:
        return
    until = soaks_until(voyage, voyage.record())
    # What finish has begun has no way back either way: waiting would win nothing.
    if until is None or datetime.now(UTC) >= until or voyage.finishing():
        return
    raise Refused(
        f"The soak of {_days(voyage.migration.soak_days)} ends on {until:%Y-%m-%d at %H:%M} UTC;"
        " until then a rollback can take everything back, and after finish none can.",
        needed="A soak that is over, as soak_days in the file has it.",
        do="Wait until then; or limosa finish FILE --now; or set soak_days, which may be changed at any time.",
    )


def _days(count: int) -> str:
    return "1 day" if count == 1 else f"{count} days"
