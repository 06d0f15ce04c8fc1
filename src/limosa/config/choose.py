"""Which of the vector columns that were found is meant, by what a person named or because there is only one."""

from __future__ import annotations

import shlex
from collections.abc import Sequence
from dataclasses import dataclass

from limosa.errors import Refused
from limosa.ports.discovery import Candidate, Discovery

__all__ = ["Wishes", "choose", "flags_of", "left_out", "listed", "matching", "nothing_found", "summary"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Wishes:
    """What a person named; None where the database or limosa shall say it.

    Attributes:
        table, vector, key, text: of the place.
        provider, model, dimensions: of the target's space.
        from_provider, from_model, from_dimensions: of the source's.
    """

    table: str | None = None
    vector: str | None = None
    key: tuple[str, ...] | None = None
    text: tuple[str, ...] | None = None
    provider: str | None = None
    model: str | None = None
    dimensions: int | None = None
    from_provider: str | None = None
    from_model: str | None = None
    from_dimensions: int | None = None


def matching(found: Discovery, wishes: Wishes) -> tuple[Candidate, ...]:
    """The candidates that can be meant, best first.

    Raises:
        Refused: there is none, or plan would refuse all of them; says why.
    """
    named = [each for each in found.candidates if wishes.vector in {None, each.vector}]
    if not named:
        raise nothing_found(found, wishes)
    usable = tuple(each for each in named if each.usable)
    if not usable:
        why = [f"  {said}" for said in _left_out(named)]
        raise Refused(
            f"No vector column of {found.database} can be migrated as it is.\n" + "\n".join(why),
            needed="A column of type vector or halfvec in an ordinary table with a unique key.",
            do="Change what stands in the way, then repeat the command; nothing was touched.",
        )
    return usable


def choose(found: Discovery, wishes: Wishes, *, best: bool) -> Candidate:
    """The one that is meant.

    Args:
        best: where several can be meant, the first is taken.

    Raises:
        Refused: there is none, or there are several.
    """
    usable = matching(found, wishes)
    if best or len(usable) == 1:
        return usable[0]
    lines = [f"  {line}" for line in listed(usable)]
    out = left_out(found)
    lines += ["plan would refuse:", *(f"  {said}" for said in out)] if out else []
    raise Refused(
        f"{found.database} has {len(usable)} vector columns that could be meant:\n" + "\n".join(lines),
        needed="One of them: the options behind a line choose it.",
        do=f"limosa init FILE {flags_of(usable[0], usable)}; or --yes, which takes the first.",
    )


def left_out(found: Discovery) -> tuple[str, ...]:
    """Why plan would refuse what was found beside the usable candidates, each reason once."""
    return _left_out(found.candidates)


def _left_out(candidates: Sequence[Candidate]) -> tuple[str, ...]:
    return tuple(dict.fromkeys(said for each in candidates for said in each.refused))


def listed(candidates: Sequence[Candidate]) -> list[str]:
    """A line for each: what it is, and the options that choose it."""
    told = [(f"{each.table}.{each.vector}", summary(each), flags_of(each, candidates)) for each in candidates]
    name, what = (max(len(line[place]) for line in told) for place in (0, 1))
    return [f"{line[0]:<{name}}  {line[1]:<{what}}  {line[2]}" for line in told]


def summary(candidate: Candidate) -> str:
    """What a candidate is, in a few words: type, rows, share without a vector, index."""
    dimensions = f", {candidate.dimensions} dimensions" if candidate.dimensions and "(" not in candidate.type else ""
    rows = f"{'' if candidate.exact else 'about '}{candidate.rows:,} rows"
    share = candidate.null_share
    empty = f", {share:.0%} without a vector" if share is not None and share >= 0.005 else ""
    index = f", {candidate.index.kind}" if candidate.index is not None else ", no index"
    return f"{candidate.type}{dimensions}, {rows}{empty}{index}"


def flags_of(candidate: Candidate, among: Sequence[Candidate]) -> str:
    """The options that choose a candidate, ready for a shell."""
    several = sum(each.table == candidate.table for each in among) > 1
    vector = f" --vector {shlex.quote(candidate.vector)}" if several else ""
    return f"--table {shlex.quote(candidate.table)}{vector}"


def nothing_found(found: Discovery, wishes: Wishes) -> Refused:
    """What was looked at without a find."""
    named = f" called {wishes.vector!r}" if wishes.vector is not None else ""
    where = f"in the table {wishes.table!r} of {found.database}" if wishes.table is not None else f"in {found.database}"
    schemas = ", ".join(found.schemas) or "none"
    looked = f"Looked at: tables, views and partitioned tables, {found.tables:,} in all; schemas: {schemas}."
    without = "; without --table every table is shown" if wishes.table is not None else " with --store"
    there = [f"{each.table}.{each.vector}" for each in found.candidates]
    return Refused(
        "\n".join([f"There is no vector column{named} {where}.", *found.remarks, looked]),
        needed="A column of pgvector's type vector or halfvec that this role may see.",
        do=f"There is: {', '.join(there)}." if there else f"Check the store's URL, or name another store{without}.",
    )
