"""Roles: whom policies bind, the application's query gives as many rows as there are, and none that is hidden."""

from __future__ import annotations

import time
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from limosa.errors import LimosaError
from limosa.model.batch import Vectors
from limosa.model.checking import Role
from limosa.model.proof import Proof, Verdict
from limosa.ports.application import Application, AsRole, Standing
from limosa.ports.evidence import Answered

__all__ = ["MOST", "QUERIES", "prove_roles"]

K = 10

QUERIES = 5
"""For each role and query every row is compared once."""

MOST = 20
"""Roles that are asked as; a table that more may read has them by groups, and names those it means in [verify]."""

PATIENCE_S = 60.0
"""After a minute no further role is asked as, as each query of each reads the whole table once."""

_WORST_FIRST: tuple[Verdict, ...] = ("different", "unchecked", "proved")
"""The verdict over several roles is the worst of theirs."""

TIE = 1e-6
"""Similarities this near are equal: one rounding of a float32 sum."""


@dataclass(frozen=True, slots=True)
class _Judged:
    """What became of one role."""

    verdict: Verdict | None
    said: str
    figures: dict[str, object]


def prove_roles(application: Application, vectors: Sequence[Vectors], named: Sequence[Role]) -> Proof | None:
    """Different where a role is given fewer rows than there are for it, or one that it may not see.

    Hidden is a row that is nearer than the k-th of all rows that the role sees, and not among them. None where no
    policy binds anybody and the file names no role. Superusers, owners and roles with BYPASSRLS prove nothing.

    Args:
        vectors: stored vectors as queries, at most ``QUERIES`` are used.
    """
    try:
        standings = application.roles(named)
    except LimosaError as error:
        return Proof(name="roles", verdict="unchecked", said=f"the roles could not be read: {error.what}")
    if standings is None:
        return None
    if not vectors:
        return Proof(name="roles", verdict="unchecked", said="there are no vectors to ask with")
    started, judged = time.monotonic(), dict[str, _Judged]()
    for name, each in zip(_names(standings), standings[:MOST], strict=False):
        late = time.monotonic() - started > PATIENCE_S
        judged[name] = _Judged("unchecked", "time was over", {}) if late else _ask(application, each, vectors[:QUERIES])
    evidence: dict[str, object] = {"queries": len(vectors[:QUERIES]), "k": K}
    evidence |= {name: {"verdict": each.verdict, **each.figures} for name, each in judged.items()}
    for verdict in _WORST_FIRST:
        told = [f"as {name}, {each.said}" for name, each in judged.items() if each.verdict == verdict]
        if told:
            said = "; ".join([*told, *_rest(standings)])
            return Proof(name="roles", verdict=verdict, said=said, evidence=evidence)
    why = (
        "; ".join(f"{name}, {each.said}" for name, each in judged.items()) or "nobody but the owner may read the table"
    )
    said = f"no role is left whom a policy binds, name one in [[verify.roles]]; {why}"
    return Proof(name="roles", verdict="unchecked", said=said, evidence=evidence)


def _names(standings: Sequence[Standing]) -> list[str]:
    """The roles by name; one that stands several times, with other settings each, by number too."""
    names = [each.role.name for each in standings]
    return [
        name if names.count(name) == 1 else f"{name} {names[: place + 1].count(name)}"
        for place, name in enumerate(names)
    ]


def _rest(standings: Sequence[Standing]) -> Iterable[str]:
    if len(standings) > MOST:
        yield f"{len(standings) - MOST} more roles were not asked as"


def _ask(application: Application, standing: Standing, vectors: Sequence[Vectors]) -> _Judged:
    if standing.exempt:
        return _Judged(None, f"{standing.exempt}, so it proves nothing", {"exempt": standing.exempt})
    if standing.refused:
        return _Judged("unchecked", f"{standing.refused}; {standing.do}", {"refused": standing.refused})
    try:
        return _judge(application.as_role(standing.role, vectors, K))
    except LimosaError as error:
        return _Judged("unchecked", f"it could not ask: {error.what}", {})


def _judge(found: AsRole) -> _Judged:
    wanted = sum(len(direct.rows) for _, direct in found.answers)
    given = sum(min(len(own.rows), len(direct.rows)) for own, direct in found.answers)
    hidden = sum(_hidden(own, direct) for own, direct in found.answers)
    figures: dict[str, object] = {"wanted": wanted, "found": given, "hidden": hidden, "setting": found.setting}
    if hidden:
        said = f"{hidden} rows were answered that it may not see: look for SECURITY DEFINER and for views"
        return _Judged("different", said, figures)
    if given < wanted:
        said = f"{given} of {wanted} rows were found, with {found.setting}: "
        said += "ALTER DATABASE ... SET hnsw.iterative_scan = strict_order, or for the role"
        return _Judged("different", said, figures)
    if not wanted:
        return _Judged("unchecked", "it sees no row; give its settings in [[verify.roles]]", figures)
    return _Judged("proved", f"{given} of {wanted} rows were found, and none that is hidden", figures)


def _hidden(own: Answered, direct: Answered) -> int:
    """Answered rows that are not among those that the role sees, and would be if it saw them."""
    seen = set(direct.rows)
    last = direct.similarities[-1] if len(direct.rows) == K else float("-inf")
    nearer = last + TIE * max(1.0, abs(last)) if len(direct.rows) == K else last
    return sum(row not in seen and each > nearer for row, each in zip(own.rows, own.similarities, strict=True))
