"""The draft of a file for one vector column: every value with what it was taken from."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass

from limosa.config.choose import summary
from limosa.config.draft import Draft, quoted
from limosa.config.propose import Named, believed
from limosa.embedders.models import HERE
from limosa.embedders.prices import PRICES, bare, retired_on
from limosa.ports.discovery import Candidate, MatchSeen

__all__ = ["Choice", "compose"]

_SHOWN = 60
"""Characters of a value out of the database that the file repeats: no name of a model is longer."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Choice:
    """Everything that a file says, chosen."""

    store: str
    candidate: Candidate
    key: tuple[str, ...]
    text: tuple[str, ...]
    source: Named
    target: Named

    @property
    def fills(self) -> bool:
        """The space stays, and rows without a vector get one."""
        old, new = self.source, self.target
        return (old.provider, old.model, old.dimensions) == (new.provider, new.model, new.dimensions)


def compose(choice: Choice, index_limits: Mapping[str, int]) -> Draft:
    """The draft: values that ``load`` takes, and a comment for each that was not named by a person.

    Args:
        index_limits: element type to the most dimensions that an index takes.
    """
    candidate = choice.candidate
    comments: dict[str, list[str]] = {
        "": [
            "A migration, proposed by limosa init from what the database holds. Nothing was changed there.",
            "Read it, change what is not so, then let limosa plan look at it. Every key: docs/reference/file.md.",
        ],
        "source": [f"{candidate.table}.{candidate.vector}: {summary(candidate)}."],
        "source.key": _key_comment(choice),
        "source.text": _text_comment(choice),
        "source.space": _source_comment(choice),
    }
    source: dict[str, object] = {
        "store": choice.store,
        "table": candidate.table,
        "key": _one_or_more(choice.key),
        "text": _one_or_more(choice.text),
        "vector": candidate.vector,
        "space": _space(choice.source),
    }
    values: dict[str, object] = {"name": _name(choice), "source": source}
    closing: list[str] = []
    if choice.fills:
        closing += ["", "Without a section [target] the space stays, and rows without a vector get one."]
    else:
        target, told = _target(choice, index_limits)
        values["target"] = target
        comments |= told
        closing += _match_closing(choice)
    closing += ["", "A hard stop for money:", " [backfill]", " budget_usd = 5.00"]
    return Draft(values, comments, closing)


def _one_or_more(names: tuple[str, ...]) -> object:
    return names[0] if len(names) == 1 else list(names)


def _space(named: Named) -> dict[str, object]:
    return {"provider": named.provider, "model": named.model, "dimensions": named.dimensions}


def _name(choice: Choice) -> str:
    """Letters, digits, dots, hyphens and underscores, 60 at most; the size at the end survives."""
    table = re.sub(r'"', "", choice.candidate.table).rsplit(".", 1)[-1]
    what = "fill" if choice.fills else f"{bare(choice.target.model)}-{choice.target.dimensions}"
    plain = [re.sub(r"[^A-Za-z0-9_.-]+", "-", part).strip("-") for part in (table, what)]
    return f"{plain[0][: max(1, 59 - len(plain[1]))]}-{plain[1]}".strip("-")[-60:]


def _key_comment(choice: Choice) -> list[str]:
    others = [each for each in choice.candidate.keys if each != choice.key]
    return ["It could also be " + " or ".join(f"({', '.join(each)})" for each in others) + "."] if others else []


def _text_comment(choice: Choice) -> list[str]:
    seen = {each.name: each.why for each in (*choice.candidate.texts, *choice.candidate.also)}
    told = "; ".join(f"{name}: {seen.get(name, 'as named')}" for name in choice.text)
    also = [each.name for each in (*choice.candidate.texts, *choice.candidate.also) if each.name not in choice.text]
    rest = f" Also there: {', '.join(also[:6])}." if also else ""
    joined = " Their values are joined by a blank line." if len(choice.text) > 1 else ""
    return [f"{told}.{joined}{rest}", "plan compares what the old model makes of these texts with the stored vectors."]


def _source_comment(choice: Choice) -> list[str]:
    source, hint = choice.source, believed(choice.candidate)
    told = ["The model whose vectors stand in the column.", *([source.why] if source.why else [])]
    if source.others:
        told.append("As likely: " + ", ".join(f"{each.provider}/{each.model}" for each in source.others) + ".")
    if hint is not None and hint.others:
        others = ", ".join(f"{_cut(value)} ({share:.1%})" for value, share in hint.others[:3])
        told.append(
            f"Careful: {hint.where} also says {others}. One space a column: set the vectors of other models to NULL,"
            " or let a condition `where` in [source] leave their rows out."
        )
    day = retired_on(source.model)
    if day is not None:
        told.append(f"It was switched off on {day.isoformat()}: it cannot embed rows again after a rollback.")
    return told


def _cut(value: str) -> str:
    return value if len(value) <= _SHOWN else f"{value[:_SHOWN]}..."


def _target(choice: Choice, index_limits: Mapping[str, int]) -> tuple[dict[str, object], dict[str, list[str]]]:
    """[target] with its sections, and their comments."""
    comments = {"target.space": _target_comment(choice.target)}
    target: dict[str, object] = {}
    index, said = _index(choice, index_limits)
    target["index"] = index if index is not None else False
    comments["target.index"] = said
    target["space"] = _space(choice.target)
    fit = next((each for each in choice.candidate.functions if not each.why), None)
    if fit is not None:
        comments["target.match"] = _match_comment(fit)
        filtered = {"filter": fit.filter} if fit.filter is not None else {}
        target["match"] = {"function": fit.function, "returns": list(fit.returns), **filtered}
    order = ("space", "index", "match")
    return {name: target[name] for name in order if name in target}, comments


def _target_comment(target: Named) -> list[str]:
    told = [target.why] if target.why else []
    price = PRICES.get(bare(target.model))
    if price is not None:
        seen = f"{price.source}, seen {price.seen.isoformat()}"
        told.append(f"${price.usd_per_million_tokens:.2f} for a million tokens ({seen}).")
    elif target.provider in HERE:
        told.append("It runs on machines of your own and costs nothing.")
    else:
        told.append("Its price is not known here; with usd_per_million_tokens plan tells the sum.")
    day = retired_on(target.model)
    return told if day is None else [*told, f"Careful: it was switched off on {day.isoformat()}."]


def _index(choice: Choice, limits: Mapping[str, int]) -> tuple[dict[str, object] | None, list[str]]:
    """The section [target.index], None for no index, and why."""
    old, d = choice.candidate.index, choice.target.dimensions
    element = choice.candidate.element
    if old is None:
        return None, [
            "The column has no index now, and gets none: every search compares all rows. For an HNSW index take this"
            " line out."
        ]
    if not old.metric:
        return None, [f"{old.name} is of a kind that limosa does not build ({old.kind}): build one of your own after."]
    told = [f"As {old.name} is."]
    if old.element != choice.candidate.element:
        told.append(f"That one compares the column cast to {old.element}; this one compares the column itself.")
    if d > limits[element]:
        wider = max(limits, key=lambda each: limits[each])
        if d > limits[wider]:
            return None, [f"No index takes {d:,} dimensions: {wider} goes up to {limits[wider]:,}."]
        told.append(f"An index takes {limits[element]:,} dimensions of type {element}: {wider} halves the bytes.")
        element = wider
    return {"kind": old.kind, "metric": old.metric, "type": element, **_options(old.kind, old.options)}, told


def _options(kind: str, given: Mapping[str, int]) -> dict[str, int]:
    """The old index's own parameters; pgvector's defaults where it took them (its README, "Index Options")."""
    return {"m": 16, "ef_construction": 64, **given} if kind == "hnsw" else dict(given)


def _match_comment(seen: MatchSeen) -> list[str]:
    return [f"{seen.signature} searches the table. limosa replaces its body; its callers notice nothing."]


def _match_closing(choice: Choice) -> list[str]:
    """Why no match function is named, or none; and how to have one."""
    functions = choice.candidate.functions
    if any(not each.why for each in functions):
        return []
    told = [""]
    told += [
        f"{each.signature} searches the table, but limosa cannot stand in for it. {each.why}" for each in functions
    ]
    name = re.sub(r"\W+", "_", choice.candidate.table.rsplit(".", 1)[-1]).strip("_").lower()
    returns = ", ".join(quoted(each) for each in choice.key)
    told.append("A match function answers callers of the old and of the new model alike. To let limosa make one:")
    return [*told, " [target.match]", f" function = {quoted(f'match_{name}')}", f" returns = [{returns}]"]
