"""Ills of vectors: sizes and models that are mixed, norms that tell of two kinds, and values that no search can use."""

from __future__ import annotations

import math
from collections.abc import Mapping
from itertools import pairwise

from limosa.model.finding import Finding
from limosa.stores.postgres.doctor.ill import RowIll, emptied, judged, sampled, unchecked, why_not
from limosa.stores.postgres.doctor.subject import Subject
from limosa.stores.postgres.doctor.tally import MOST_MODELS, STEP, Group, Tally
from limosa.stores.postgres.measuring import OFF_UNIT
from limosa.stores.postgres.names import literal, quoted

__all__ = ["VALUES", "models", "norms", "sizes", "unnormalised"]

_REFILL = "then fill them: limosa plan FILE, limosa run FILE, with a file without a [target.space]."

_SHOWN = 60
"""Characters of a model's name that a finding shows."""

_BULK = 0.9
"""From this share on the vectors are taken for normalised, and the others for an ill."""

_GAP = 1.5
"""Two groups of norms with nothing between them over this factor: one model's norms lie closer together."""

_LEAST_SHARE = 0.01
_LEAST_GROUP = 2
"""A group of norms is one from so many vectors on: a single odd one is no second model."""

_ZERO = RowIll(
    name="zero",
    severity="error",
    condition="{norm} = 0",
    found="{count} of {measured} vectors are zero: they have no cosine, and an index leaves them out",
    clean="none of {measured} vectors is zero",
    do=lambda subject, condition: f"Empty them: {emptied(subject, condition)} {_REFILL}",
    needs=("vector",),
    value=True,
)

_NOT_FINITE = RowIll(
    name="not-finite",
    severity="error",
    condition="{norm} IN ('NaN', 'Infinity')",
    found="{count} of {measured} vectors hold NaN or infinity, which pgvector lets nobody write: look for damage",
    clean="all of {measured} norms are finite, so every value is; pgvector refuses NaN and infinity on their way in",
    do=lambda subject, condition: f"Empty them: {emptied(subject, condition)} {_REFILL}",
    needs=("vector",),
    value=True,
)

_OFF = RowIll(
    name="unnormalised",
    severity="warning",
    condition=f"{{norm}} > 0 AND {{norm}} < 'Infinity' AND abs({{norm}} - 1) > {OFF_UNIT}",
    found="{count} of {measured} vectors do not have the length 1, which the others or the space have",
    clean="all of {measured} vectors have the length 1",
    do=lambda subject, condition: (
        "Searches by inner product or distance rank them wrongly, by cosine they do not; another model or another"
        f" program may have made them. Empty them: {emptied(subject, condition)} {_REFILL}"
    ),
    needs=("vector",),
    value=True,
)

VALUES = (_ZERO, _NOT_FINITE, _OFF)
"""Ills that a vector's own values decide; ``unnormalised`` judges the last."""


def unnormalised(subject: Subject, tally: Tally | None) -> Finding:
    """Vectors off the length 1, an ill only where the space is normalised or the bulk of the vectors is."""
    finding = judged(subject, tally, _OFF)
    if finding.verdict != "found" or tally is None or _should_be_unit(subject, tally):
        return finding
    said = f"the vectors are not normalised, and neither does the space say that they are{sampled(tally)}"
    return Finding(name=_OFF.name, verdict="clean", severity=_OFF.severity, said=said, sql=finding.sql)


def norms(subject: Subject, tally: Tally | None) -> Finding:
    """Norms in groups far apart, as two models or two ways to write them leave behind."""
    why = why_not(subject, ("vector",))
    if why or tally is None:
        return unchecked("norms", "error", why)
    groups = _apart(tally.norms)
    counted = f"SELECT round({subject.norm}::numeric, 1), count(*) FROM {subject.rows}"
    sql = f"{counted} WHERE {subject.scope.where()} GROUP BY 1 ORDER BY 1;"
    off = tally.so[_OFF.name].count
    if len(groups) < 2 or (off and _should_be_unit(subject, tally)):
        said = f"the norms lie together{sampled(tally)}"
        if off and len(groups) > 1:
            said = "the vectors that are off the length 1 are told as unnormalised"
        return Finding(name="norms", verdict="clean", severity="error", said=said, sql=sql)
    main = max(groups, key=lambda each: each[2].count)
    rest = sum((group for low, _, group in groups if low != main[0]), Group())
    ranges = ", ".join(f"{group.count:,} of norm {low:.3g} to {high:.3g}" for low, high, group in groups)
    return Finding(
        name="norms",
        verdict="found",
        severity="error",
        said=f"the norms fall into {len(groups)} groups with nothing between them: {ranges}{sampled(tally)}",
        count=rest.count,
        examples=rest.keys,
        do="Two models, or two ways of normalising, stand in one column: searches compare what cannot be compared."
        f" Empty those that are not of the space, {_REFILL}",
        sql=sql,
    )


def sizes(subject: Subject, tally: Tally | None) -> Finding:
    """Vectors of another size than the space's."""
    why = why_not(subject, ("vector",))
    if why or tally is None:
        return unchecked("sizes", "error", why)
    wanted, column = subject.scrutiny.space.dimensions, subject.column.name
    others = {size: group for size, group in tally.sizes.items() if size != wanted}
    condition = f"{subject.scope.operators}.vector_dims({subject.vector}) <> {wanted}"
    sql = subject.listed(condition)
    if not others:
        said = f"every vector of {column} has {wanted:,} dimensions{sampled(tally)}"
        return Finding(name="sizes", verdict="clean", severity="error", said=said, count=0, sql=sql)
    found = sum(others.values(), Group())
    parts = ", ".join(f"{group.count:,} of {size:,}" for size, group in sorted(tally.sizes.items()))
    return Finding(
        name="sizes",
        verdict="found",
        severity="error",
        said=f"{found.count:,} vectors of {column} do not have the {wanted:,} dimensions of the space: it holds {parts}"
        f" dimensions{sampled(tally)}",
        count=found.count,
        examples=found.keys,
        do=_declared(subject) or f"If the file is right, empty them: {emptied(subject, condition)} {_REFILL}",
        sql=sql,
    )


def _declared(subject: Subject) -> str:
    """What to do where the column itself takes no vectors but those; empty where it declares nothing else."""
    declared = subject.column.dimensions
    if declared in {None, subject.scrutiny.space.dimensions}:
        return ""
    return f"Set dimensions = {declared} in the space of the file."


def models(subject: Subject, tally: Tally | None) -> Finding:
    """Vectors that are another model's by the column that names it."""
    why = why_not(subject, ("model",)) or (_no_models(subject, tally) if tally is not None else "")
    if why or tally is None or tally.models is None:
        return unchecked("models", "error", why)
    name, space = subject.beside.model or "", subject.scrutiny.space
    own = {model for model in tally.models if _names(model, space.model)}
    others = {model: group for model, group in tally.models.items() if model not in own}
    listed = ", ".join(map(literal, ["", *sorted(own)]))
    condition = f"{subject.vector} IS NOT NULL AND t.{quoted(name)}::text NOT IN ({listed})"
    sql = subject.listed(condition)
    if not others:
        silent = tally.so["vectors"].count - sum(group.count for group in tally.models.values())
        said = f"every vector whose model {name} names is of {space.model}"
        said += f"; {silent:,} are of none by it" if silent else ""
        return Finding(name="models", verdict="clean", severity="error", said=said, count=0, sql=sql)
    found = sum(others.values(), Group())
    parts = ", ".join(f"{group.count:,} of {model[:_SHOWN]!r}" for model, group in sorted(tally.models.items()))
    return Finding(
        name="models",
        verdict="found",
        severity="error",
        said=f"{found.count:,} vectors are not of {space.model} by the column {name}: {parts}",
        count=found.count,
        examples=found.keys,
        do=f"Vectors of two models cannot be compared. Empty those of the others: {emptied(subject, condition)}"
        f" {_REFILL}",
        sql=sql,
    )


def _no_models(subject: Subject, tally: Tally) -> str:
    """Why what the column holds are no names of models; empty where they are."""
    name, space = subject.beside.model, subject.scrutiny.space
    if tally.models is None:
        return f"{name} has more than {MOST_MODELS} values, and hardly names models"
    if not tally.models:
        return f"{name} is empty beside every vector"
    if not subject.beside.stated and not any(_names(model, space.model) for model in tally.models):
        return f"{name} never says {space.model}, and may mean another model; --model-column {name} says that it does"
    return ""


def _names(said: str, model: str) -> bool:
    """Whether what a row says is this model: in any case, with or without a provider before it or ``:latest`` after."""
    a, b = (each.lower().rsplit("/", 1)[-1].removesuffix(":latest") for each in (said, model))
    return b in {a, a.partition(":")[2]}


def _should_be_unit(subject: Subject, tally: Tally) -> bool:
    off = tally.so[_OFF.name].count
    kept = tally.so["measured"].count - tally.so["zero"].count - tally.so["not-finite"].count
    return subject.scrutiny.space.normalise or kept - off >= _BULK * kept


def _apart(steps: Mapping[int, Group]) -> list[tuple[float, float, Group]]:
    """Groups of norms with a gap between them: lower and upper edge, and what is in them; small ones left out."""
    total = sum(group.count for group in steps.values())
    least = max(_LEAST_GROUP, _LEAST_SHARE * total)
    order, parts = sorted(steps), []
    current = order[:1]
    for before, step in pairwise(order):
        if (step - before - 1) * STEP >= math.log(_GAP):
            parts.append(current)
            current = []
        current.append(step)
    parts.append(current)
    found = [
        (math.exp(part[0] * STEP), math.exp((part[-1] + 1) * STEP), sum((steps[step] for step in part), Group()))
        for part in parts
        if part
    ]
    return [each for each in found if each[2].count >= least]
