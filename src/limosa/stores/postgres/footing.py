"""What operations of a migration stand on: its id, and the table that is theirs."""

from __future__ import annotations

from typing import Protocol

from limosa.stores.postgres.names import Relation

__all__ = ["Footing"]


class Footing(Protocol):
    """The part of a scope that does not depend on what is migrated."""

    @property
    def id(self) -> str:
        """The migration's."""
        ...

    @property
    def relation(self) -> Relation:
        """The table."""
        ...

    @property
    def table_oid(self) -> int:
        """Its oid; 0 while it does not stand."""
        ...
