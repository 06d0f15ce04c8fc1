"""The ledger's working half: chunks under leases, and what became of their rows."""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Protocol

from limosa.errors import Fenced
from limosa.model.batch import Key
from limosa.model.chunk import Claim, Outcomes
from limosa.ports.named import named_sql
from limosa.ports.tx import Begin, Tx

__all__ = ["LEASE_S", "ChunkLedger", "Cut"]

LEASE_S = 60
"""Length of a lease: twice the longest answer a provider should need; a heartbeat renews it."""

_SQL = named_sql("limosa.control", "chunks")


class Cut(Protocol):
    """Finds the next chunk edge; a source's ``cut``."""

    def __call__(self, after: Key | None, top: Key, *, rows: int) -> Key | None:
        """The edge, or None when nothing is left."""
        ...


class ChunkLedger:
    """Hands out the chunks of one migration to one process.

    Args:
        begin: opens transactions where the ledger lies.
        migration: the migration's id.
        owner: the number under whose advisory lock this process lives.
        cut: finds the next edge when no chunk is free.
        direction: ``back`` for a rollback; while one is under way nobody else gets a claim.
    """

    def __init__(self, begin: Begin, *, migration: str, owner: int, cut: Cut, direction: str = "forward") -> None:
        self._begin = begin
        self._ids = {"migration": migration, "owner": owner, "lease_s": LEASE_S, "direction": direction}
        self._cut = cut

    def claim(self) -> Claim | None:
        """A chunk that nobody works on, cut now if need be; None when none is free and none is left to cut."""
        while True:
            claim = self._claim(follows=False)
            if claim is not None or not self._cut_next():
                return claim

    def claim_follow(self) -> Claim | None:
        """The right to follow the change table; None while another process has it."""
        with self._begin() as tx:
            tx.execute(_SQL["add_follow"], self._ids)
        return self._claim(follows=True)

    def _claim(self, *, follows: bool) -> Claim | None:
        with self._begin() as tx:
            rows = tx.execute(_SQL["claim"], {**self._ids, "follows": follows})
        if not rows:
            return None
        number, fence, lower, upper, cursor, epoch = rows[0]
        return Claim(
            id=number,
            fence=fence,
            epoch=epoch,
            lower=_key(lower),
            upper=_key(upper),
            cursor=_key(cursor),
            follows=follows,
        )

    def _cut_next(self) -> bool:
        with self._begin() as tx:
            frontier, top, chunk_rows = tx.execute(_SQL["frontier"], self._ids)[0]
            if top is None or frontier == top:
                return False
            edge = self._cut(_key(frontier), tuple(top), rows=chunk_rows)
            upper = list(edge) if edge is not None else top
            tx.execute(_SQL["add"], {**self._ids, "lower": frontier, "upper": upper})
            tx.execute(_SQL["advance"], {**self._ids, "frontier": upper})
        return True

    def fence(self, claim: Claim, tx: Tx) -> None:
        """First statement of a write transaction; renews the lease.

        Raises:
            Fenced: the chunk is no longer this claim's.
        """
        params = {**self._ids, "chunk": claim.id, "fence": claim.fence}
        if not tx.execute(_SQL["fence"], params):
            raise Fenced(f"Chunk {claim.id} was taken over by another worker.", do="Nothing of this batch was written.")

    def settle(self, claim: Claim, outcomes: Outcomes, tx: Tx) -> None:
        """Writes down what became of a batch, in the transaction that wrote it."""
        tx.execute(
            _SQL["settle"],
            {
                "chunk": claim.id,
                "cursor": list(outcomes.cursor) if outcomes.cursor else None,
                "done": len(outcomes.done),
                "skipped": len(outcomes.skipped),
                "dead": len(outcomes.dead),
                "tokens": outcomes.tokens,
                "cost_usd": outcomes.cost_usd,
                "finished": outcomes.finished,
            },
        )
        for kind, rows in (("skipped", outcomes.skipped), ("dead", outcomes.dead)):
            if rows:
                listed = json.dumps([{"key": key, "reason": reason} for key, reason in rows])
                tx.execute(_SQL["except"], {**self._ids, "kind": kind, "rows": listed})
        cleared = [*outcomes.done, *outcomes.gone]
        if cleared and claim.follows:
            # A first pass meets every key once, so only the follower can find an older exception.
            tx.execute(_SQL["forgive"], {**self._ids, "keys": json.dumps(cleared)})

    def touch(self, keys: Sequence[Key], tx: Tx) -> None:
        """Lists keys that a rollback has to put right."""
        if keys:
            tx.execute(_SQL["touch"], {**self._ids, "keys": json.dumps(keys)})

    def untouch(self, keys: Sequence[Key], tx: Tx) -> None:
        """Takes keys off that list."""
        if keys:
            tx.execute(_SQL["untouch"], {**self._ids, "keys": json.dumps(keys)})

    def touched(self, limit: int, tx: Tx) -> list[Key]:
        """Some keys that a rollback has to put right."""
        return [tuple(key) for (key,) in tx.execute(_SQL["touched"], {**self._ids, "limit": limit})]

    def release(self, claims: Sequence[Claim]) -> None:
        """Gives chunks back at once instead of letting their leases run out."""
        with self._begin() as tx:
            for claim in claims:
                tx.execute(_SQL["release"], {"chunk": claim.id, "fence": claim.fence})

    def renew(self) -> None:
        """Renews every lease of this process; called by its heartbeat."""
        with self._begin() as tx:
            tx.execute(_SQL["renew"], self._ids)

    def spent_usd(self) -> float:
        """What the migration has cost until now, by all workers."""
        with self._begin() as tx:
            return float(tx.execute(_SQL["spent"], self._ids)[0][1])


def _key(value: Sequence[str] | None) -> Key | None:
    return None if value is None else tuple(value)
