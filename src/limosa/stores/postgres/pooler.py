"""Finding a pooler in transaction mode between limosa and Postgres, by what only such a pooler does."""

from __future__ import annotations

from limosa.model.plan import Check
from limosa.stores.postgres.database import Database

__all__ = ["pooler_checks"]

_LOOKS = 3
"""A pooler hands the connection that was given back last to the next who asks; one look suffices mostly."""


def pooler_checks(database: Database) -> list[Check]:
    """Two open sessions never share a server process, and keep their settings, unless a pooler stands between.

    A pooler that happens to give both sessions their own process at every look is not found; session mode
    never is, and need not be.
    """
    evidence = _evidence(database)
    if not evidence:
        return []
    return [
        Check(
            name="pooler",
            verdict="refused",
            said=f"A pooler in transaction mode stands between: {evidence}.",
            needed="A session of limosa's own: it keeps settings, advisory locks and index builds.",
            do="Connect to Postgres itself, or through session mode; on many hosts that is port 5432 instead of 6543.",
        )
    ]


def _evidence(database: Database) -> str:
    first = database.connect()
    try:
        second = database.connect()
        try:
            settings = [session.execute("SHOW row_security").fetchall()[0][0] for session in (first, second)]
            if settings != ["off", "off"]:
                return "a setting that limosa asked for did not reach the server"
            seen: list[tuple[int, int]] = []
            for _ in range(_LOOKS):
                # One after the other and each on its own: a pool of one connection would block the second for good.
                pids = [int(s.execute("SELECT pg_backend_pid()").fetchall()[0][0]) for s in (first, second)]
                seen.append((pids[0], pids[1]))
            if any(one == other for one, other in seen):
                return "two open sessions were given one server process"
            return "" if len(set(seen)) == 1 else "one session was given one server process after another"
        finally:
            second.close()
    finally:
        first.close()
