"""The ledger's wishes: a pause and settings, which hold for every process of a migration until they are taken back."""

from __future__ import annotations

import difflib
import math
from collections.abc import Callable, Mapping
from typing import Any

from limosa.control.schema import at, prepare, run, tables
from limosa.errors import Refused
from limosa.model.wish import Pause, Setting, Wished
from limosa.ports.tx import Begin, Tx

__all__ = ["DEFAULT", "NAMES", "Wishes", "checked"]

DEFAULT = "default"
"""The value that takes a setting back."""

PAUSE = "pause"


def _whole(most: int) -> Callable[[str], Setting]:
    def read(text: str) -> int:
        value = int(text)
        if not 1 <= value <= most:
            raise ValueError(text)
        return value

    return read


def _dollars(text: str) -> float:
    value = float(text)
    if not (math.isfinite(value) and value >= 0):
        raise ValueError(text)
    return value


def _lane(text: str) -> str:
    if text not in {"direct", "batch"}:
        raise ValueError(text)
    return text


# More than a thousand requests at once, or a billion tokens a minute, no provider grants.
_KINDS: Mapping[str, tuple[Callable[[str], Setting], str]] = {
    "requests_in_flight": (_whole(1000), "a whole number from 1 to 1000"),
    "requests_per_minute": (_whole(1_000_000), "a whole number from 1 to 1000000"),
    "tokens_per_minute": (_whole(1_000_000_000), "a whole number from 1 to 1000000000"),
    "budget_usd": (_dollars, "a number of dollars, 0 or more"),
    "lane": (_lane, "direct or batch"),
}

NAMES = tuple(_KINDS)
"""Everything that can be set."""


def checked(name: str, text: str) -> Setting | None:
    """The value of a setting as a person wrote it; None for ``default``.

    Raises:
        Refused: nothing is called so, or the value is not what the setting takes.
    """
    if name not in _KINDS:
        near = difflib.get_close_matches(name.lower(), NAMES, n=1)
        raise Refused(
            f"Nothing that can be set is called {name!r}.",
            needed=f"One of: {', '.join(NAMES)}.",
            do=f"Did you mean {near[0]}?" if near else "",
        )
    if text == DEFAULT:
        return None
    read, needed = _KINDS[name]
    try:
        return read(text)
    except ValueError as error:
        raise Refused(
            f"{name} cannot be {text[:40]!r}.", needed=f"{needed}, or default to take it back.".capitalize()
        ) from error


class Wishes:
    """What is asked of one migration.

    Args:
        begin: opens transactions where the ledger lies.
        migration: the migration's id.
    """

    def __init__(self, begin: Begin, migration: str) -> None:
        self.begin = begin
        self.id = migration
        self._stands = False

    def read(self) -> Wished:
        """What is asked now; nothing where the ledger is missing, or an older version made it.

        What a newer version set and this one does not know is left out.
        """
        with self.begin(snapshot=True) as tx:
            if not self._there(tx):
                return Wished()
            found = {name: (value, at(when)) for name, value, when in self._run(tx, "read")}
        settings = {name: value for name, (text, _) in found.items() if (value := _known(name, text)) is not None}
        return Wished(pause=Pause(*found[PAUSE]) if PAUSE in found else None, settings=settings)

    def pause(self, why: str = "") -> None:
        """Asks every process to wait before its next batch; a second call gives another reason."""
        self._write({PAUSE: why}, "paused", why)

    def resume(self) -> bool:
        """Takes the pause back; whether there was one."""
        with self.begin() as tx:
            if not self._there(tx) or not self._run(tx, "unwish", {"name": PAUSE}):
                return False
            self._tell(tx, "resumed", "")
        return True

    def set(self, values: Mapping[str, str]) -> None:
        """Sets, or with ``default`` takes back, several settings at once.

        Raises:
            Refused: a name or a value is not known; nothing was set.
        """
        for name, text in values.items():
            checked(name, text)
        self._write(values, "set", ", ".join(f"{name} = {text}" for name, text in values.items()))

    def _write(self, values: Mapping[str, str], kind: str, detail: str) -> None:
        prepare(self.begin)
        with self.begin() as tx:
            for name, text in values.items():
                if text == DEFAULT and name != PAUSE:
                    self._run(tx, "unwish", {"name": name})
                else:
                    self._run(tx, "wish", {"name": name, "value": text})
            self._tell(tx, kind, detail)

    def _there(self, tx: Tx) -> bool:
        if not self._stands:
            wanted = {name for name in tables(tx.dialect) if name.endswith("wish")}
            self._stands = wanted <= {name for (name,) in run(tx, "migrations", "tables", {})}
        return self._stands

    def _tell(self, tx: Tx, kind: str, detail: str) -> None:
        run(tx, "migrations", "tell", {"id": self.id, "kind": kind, "detail": detail})

    def _run(self, tx: Tx, name: str, params: Mapping[str, str] = {}) -> list[tuple[Any, ...]]:
        return run(tx, "wishes", name, {"migration": self.id, **params})


def _known(name: str, text: str) -> Setting | None:
    try:
        return checked(name, text)
    except Refused:
        return None
