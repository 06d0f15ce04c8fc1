"""The ledger's working half: chunks under leases, and what became of their rows."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Protocol

from limosa.control.schema import as_json, as_key, run, send
from limosa.errors import Fenced
from limosa.model.batch import Key
from limosa.model.chunk import Claim, Outcomes
from limosa.ports.tx import Begin, Tx

__all__ = ["ChunkLedger", "Cut"]


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
        lease_s: length of a lease; a heartbeat renews it.
        direction: ``back`` for a rollback; while one is under way nobody else gets a claim.
    """

    def __init__(
        self, begin: Begin, *, migration: str, owner: int, cut: Cut, lease_s: int = 60, direction: str = "forward"
    ) -> None:
        self._begin = begin
        self._ids = {"migration": migration, "owner": owner, "lease_s": lease_s, "direction": direction}
        self._cut = cut

    def _run(self, tx: Tx, name: str, params: Mapping[str, Any]) -> list[tuple[Any, ...]]:
        return run(tx, "chunks", name, params)

    def claim(self, *, fresh: bool = True) -> Claim | None:
        """A chunk that nobody works on, cut now if need be; None when none is free and none is left to cut.

        A chunk with a batch job rests until the job is to be looked at.

        Args:
            fresh: also those that have no batch job.
        """
        while True:
            claim = self._claim(follows=False, fresh=fresh)
            if claim is not None or not fresh or not self._cut_next():
                return claim

    def claim_follow(self) -> Claim | None:
        """The right to follow the change table; None while another process has it."""
        with self._begin() as tx:
            self._run(tx, "add_follow", self._ids)
        return self._claim(follows=True)

    def _claim(self, *, follows: bool, fresh: bool = True) -> Claim | None:
        with self._begin() as tx:
            rows = self._run(tx, "claim", {**self._ids, "follows": follows, "fresh": fresh})
        if not rows:
            return None
        number, fence, lower, upper, cursor, epoch = rows[0]
        return Claim(
            id=number,
            fence=fence,
            epoch=epoch,
            lower=as_key(lower),
            upper=as_key(upper),
            cursor=as_key(cursor),
            follows=follows,
        )

    def _cut_next(self) -> bool:
        with self._begin() as tx:
            frontier, top, chunk_rows = self._run(tx, "frontier", self._ids)[0]
            if top is None or frontier == top:
                return False
            edge = self._cut(as_key(frontier), as_key(top) or (), rows=chunk_rows)
            upper = list(edge) if edge is not None else top
            self._run(tx, "add", {**self._ids, "lower": frontier, "upper": upper})
            self._run(tx, "advance", {**self._ids, "frontier": upper})
        return True

    def fence(self, claim: Claim, tx: Tx) -> None:
        """First statement of a write transaction; renews the lease.

        Raises:
            Fenced: the chunk is no longer this claim's; from here or from a later statement, at the latest instead
                of the commit.
        """
        params = {**self._ids, "chunk": claim.id, "fence": claim.fence}
        lost = Fenced(f"Chunk {claim.id} was taken over by another worker.", do="Nothing of this batch was written.")
        send(tx, "chunks", "fence", params, otherwise=lost)

    def settle(self, claim: Claim, outcomes: Outcomes, tx: Tx) -> None:
        """Writes down what became of a batch, in the transaction that wrote it."""
        send(
            tx,
            "chunks",
            "settle",
            {
                "chunk": claim.id,
                "cursor": list(outcomes.cursor) if outcomes.cursor else None,
                "done": len(outcomes.done),
                "skipped": len(outcomes.skipped),
                "dead": len(outcomes.dead),
                "asked": outcomes.paid.texts,
                "tokens": outcomes.paid.tokens,
                "cost_usd": outcomes.paid.usd,
                "finished": outcomes.finished,
            },
        )
        for kind, rows in (("skipped", outcomes.skipped), ("dead", outcomes.dead)):
            if rows:
                listed = as_json([{"key": key, "reason": reason} for key, reason in rows])
                send(tx, "chunks", "except", {**self._ids, "kind": kind, "rows": listed})
        if outcomes.traces:
            listed = as_json([{"key": key, "trace": trace} for key, trace in outcomes.traces])
            send(tx, "chunks", "trace", {**self._ids, "rows": listed})
        if claim.follows:
            self._clear(outcomes, tx)
        if outcomes.marked:
            listed = as_json([{"key": key, "mark": mark} for key, mark in outcomes.marked])
            send(tx, "chunks", "mark", {**self._ids, "rows": listed})

    def _clear(self, outcomes: Outcomes, tx: Tx) -> None:
        """A first pass meets every key once: only the follower can find an older exception or mark."""
        cleared = [*outcomes.done, *outcomes.gone]
        if cleared:
            send(tx, "chunks", "forgive", {**self._ids, "keys": as_json(cleared)})
        met = [*cleared, *(key for key, _ in (*outcomes.skipped, *outcomes.dead))]
        if met:
            send(tx, "chunks", "unmark", {**self._ids, "keys": as_json(met)})

    def touch(self, keys: Sequence[Key], tx: Tx) -> None:
        """Lists keys that a rollback has to put right."""
        if keys:
            send(tx, "chunks", "touch", {**self._ids, "keys": as_json(keys)})

    def untouch(self, keys: Sequence[Key], tx: Tx) -> None:
        """Takes keys off that list."""
        if keys:
            send(tx, "chunks", "untouch", {**self._ids, "keys": as_json(keys)})

    def touched(self, limit: int, tx: Tx) -> list[Key]:
        """Some keys that a rollback has to put right."""
        return [as_key(key) or () for (key,) in self._run(tx, "touched", {**self._ids, "limit": limit})]

    def release(self, claims: Sequence[Claim]) -> None:
        """Gives chunks back at once instead of letting their leases run out."""
        with self._begin() as tx:
            for claim in claims:
                self._run(tx, "release", {"chunk": claim.id, "fence": claim.fence})

    def renew(self) -> None:
        """Renews every lease of this process; called by its heartbeat."""
        with self._begin() as tx:
            self._run(tx, "renew", self._ids)
