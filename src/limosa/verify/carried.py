"""Carried: every row stands in exactly one target, the right one, with its own vector, bit for bit."""

from __future__ import annotations

from collections.abc import Iterable

from limosa.model.proof import Proof
from limosa.ports.carried import BuiltIndex, Carried, Compared, Looked, Routed
from limosa.verify.beside import QUERIES, K, prove_beside

__all__ = ["prove_carried"]

PAGE_ROWS = 1000
"""Rows compared in one snapshot, so that no snapshot lives long."""


def prove_carried(carried: Carried, *, built: bool, goal_p95_ms: float, looked: Looked | None = None) -> list[Proof]:
    """Every proof of a split or a copy.

    Args:
        built: the step index is complete.
        goal_p95_ms: within which the new side is to answer.
        looked: what a look at all rows has just found; None to look now.
    """
    looked = looked or Looked()
    compared = looked.compared or _whole(carried.compared(PAGE_ROWS))
    proofs = [_bits(compared), _tables(looked.routed or carried.routed())]
    indexes = carried.indexes()
    if indexes:
        proofs.append(_indexes(indexes, built=built))
    asked = carried.beside(QUERIES, K) if built else None
    if asked is not None:
        proofs += prove_beside(asked, same=not compared.bad, goal_p95_ms=goal_p95_ms)
    viewed = carried.viewed(PAGE_ROWS)
    return [*proofs, _view(_whole(viewed))] if viewed is not None else proofs


def _whole(pages: Iterable[Compared]) -> Compared:
    total = Compared()
    for page in pages:
        total += page
    return total


def _counts(found: Compared) -> dict[str, object]:
    names = ("rows", "equal", "waiting", "excepted", "vectors", "payloads", "missing")
    return {**{name: getattr(found, name) for name in names}, "examples": [list(key) for key in found.examples]}


def _listed(keys: object) -> str:
    return ", ".join("/".join(key) for key in keys) if isinstance(keys, tuple | list) else ""


def _bits(found: Compared) -> Proof:
    said = f"{found.equal:,} of {found.rows:,} {found.what} are the source's own, {found.rule}"
    if found.excepted:
        said += f"; {found.excepted:,} are listed as dead or skipped"
    if found.waiting:
        said += f"; {found.waiting:,} wait"
    if found.bad:
        kinds = {"another vector": found.vectors, "another payload": found.payloads}
        kinds["no row" if found.what == "rows" else "no copy"] = found.missing
        listed = ", ".join(f"{count:,} have {kind}" for kind, count in kinds.items() if count)
        said += f"; {listed} (for example {_listed(found.examples)})"
    return Proof(name="bits", verdict="different" if found.bad else "proved", said=said, evidence=_counts(found))


def _tables(found: Routed) -> Proof:
    every = {
        "keys stand in two tables": found.twice,
        "keys stand in the table of another length": found.astray,
        "keys have no row in the source": found.strangers,
    }
    wrong = {what: _listed(list(keys)) for what, keys in every.items() if keys}
    said = ", ".join(f"{table} {rows:,}" for table, rows in found.tables.items())
    evidence: dict[str, object] = {"tables": found.tables, "models": found.models, "without_vector": found.empty}
    if wrong:
        said = f"{', '.join(wrong)} (for example {'; '.join(wrong.values())})"
        return Proof(name="tables", verdict="different", said=said, evidence=evidence)
    return Proof(name="tables", verdict="proved", said=said, evidence=evidence)


def _indexes(found: list[BuiltIndex], *, built: bool) -> Proof:
    if not built:
        return Proof(name="indexes", verdict="unchecked", said="they are built when every row is carried")
    wrong = [index for index in found if not index.stands or index.holds != index.wanted]
    evidence: dict[str, object] = {index.name: [index.holds, index.wanted] for index in found}
    if wrong:
        said = "; ".join(
            f"{index.name} holds {index.holds:,} of {index.wanted:,} vectors"
            if index.stands and index.holds is not None and index.wanted is not None
            else f"{index.name} is missing"
            for index in wrong
        )
        return Proof(name="indexes", verdict="different", said=said, evidence=evidence)
    said = "1 stands, and holds every vector" if len(found) == 1 else f"{len(found)} stand, and hold every vector"
    return Proof(name="indexes", verdict="proved", said=said, evidence=evidence)


def _view(found: Compared) -> Proof:
    if found.bad:
        said = f"{found.bad:,} of {found.rows:,} rows are answered otherwise (for example {_listed(found.examples)})"
        return Proof(name="view", verdict="different", said=said, evidence=_counts(found))
    said = f"{found.rows:,} rows are answered as the old table answers them, type and bytes"
    return Proof(name="view", verdict="proved", said=said, evidence=_counts(found))
