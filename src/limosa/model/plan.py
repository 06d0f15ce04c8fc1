"""A plan: what will be done, as data, locked by a hash."""

from __future__ import annotations

import hashlib
import json
from dataclasses import asdict, dataclass, field
from typing import Literal

from limosa.model.operation import Operation

__all__ = ["Check", "Plan", "refused"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Check:
    """One thing that plan looked at.

    Attributes:
        name: short and stable.
        verdict: ``ok``, ``note`` (read it), ``accept`` (needs a flag) or ``refused``.
        said: what is so.
        needed: what was needed.
        do: what to do now.
        flag: the flag that accepts it, e.g. ``--accept-reconnect``.
    """

    name: str
    verdict: Literal["ok", "note", "accept", "refused"]
    said: str
    needed: str = ""
    do: str = ""
    flag: str = ""


def refused(name: str, said: str, *, needed: str, do: str) -> Check:
    """A check that refuses: what is so, what was needed, what to do now."""
    return Check(name=name, verdict="refused", said=said, needed=needed, do=do)


@dataclass(frozen=True, slots=True, kw_only=True)
class Plan:
    """What will be done.

    Attributes:
        migration: id of the migration; name and shape as in the file.
        counts: rows by what they hold.
        estimates: tokens, money, seconds, bytes; every unit rides in the key.
        checks: what was looked at.
        operations: the very objects that the flow runs, in order.
    """

    migration: str
    name: str
    shape: str
    counts: dict[str, int]
    estimates: dict[str, object]
    checks: tuple[Check, ...]
    operations: tuple[Operation, ...]
    facts: dict[str, object] = field(default_factory=dict)

    @property
    def hash(self) -> str:
        """Sixteen hexadecimal digits over what will be done: not over counts, which move by themselves."""
        text = json.dumps([self.migration, [asdict(o) for o in self.operations]], sort_keys=True)
        return hashlib.sha256(text.encode()).hexdigest()[:16]

    @property
    def refusals(self) -> tuple[Check, ...]:
        """The checks that stop the migration."""
        return tuple(check for check in self.checks if check.verdict == "refused")

    @property
    def questions(self) -> tuple[Check, ...]:
        """The checks that a person must accept."""
        return tuple(check for check in self.checks if check.verdict == "accept")
