"""From the sections of a file that is right to the frozen values that limosa works with."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

from limosa.config.schema import (
    BackfillSection,
    File,
    IndexSection,
    SourceSection,
    SpaceSection,
    TargetSection,
    VerifySection,
)
from limosa.model.checking import Checking, JudgedFiles, Role
from limosa.model.migration import Backfill, Index, Match, Migration, Side, UsageTable
from limosa.model.place import Place, Text
from limosa.model.space import Endpoint, Space
from limosa.model.strain import Limits

__all__ = ["build"]


def build(file: File, folder: Path) -> Migration:
    """The migration that a checked file describes; what [target] leaves out is as in [source].

    Args:
        folder: where relative paths of judged queries begin.
    """
    source, target, backfill = file.source, file.target, file.backfill
    own_text = not target.model_fields_set.isdisjoint({"text", "template", "query"})
    source_side = _side(_place(source, _text(source)), source.space, backfill)
    place = _place(source, _text(target if own_text else source))
    target_side = _side(replace(place, vector_table=target.vector_table), target.space or source.space, backfill)
    fill = source_side.space.fingerprint == target_side.space.fingerprint
    return Migration(
        name=file.name,
        source=source_side,
        target=target_side,
        layout=target.layout,
        index=_index(target, default=None if fill else Index()),
        match=_match(target),
        backfill=Backfill(
            batch_rows=backfill.batch_rows,
            budget_usd=backfill.budget_usd,
            max_pending=backfill.max_pending,
            cache_mb=backfill.cache_mb,
            usage=_usage(backfill),
            requests_per_minute=backfill.requests_per_minute,
            tokens_per_minute=backfill.tokens_per_minute,
            limits=Limits(
                max_lag_s=backfill.max_lag_s, max_lock_waits=backfill.max_lock_waits, wait_while=backfill.wait_while
            ),
            pause_file=backfill.pause_file,
            lane=backfill.lane,
        ),
        view=target.view,
        backup=backfill.backup,
        soak_days=_first(file.soak_days, backfill.soak_days, 7),
        checking=_checking(file.verify, folder),
    )


def _checking(verify: VerifySection, folder: Path) -> Checking:
    judged = verify.judged
    return Checking(
        latency_p95_ms=verify.latency_p95_ms,
        thresholds=verify.thresholds,
        judged=None
        if judged is None
        else JudgedFiles(
            queries=str(folder / Path(judged.queries).expanduser()),
            qrels=str(folder / Path(judged.qrels).expanduser()),
            tolerance=judged.tolerance,
        ),
        roles=tuple(Role(name=each.role, settings=each.settings) for each in verify.roles),
    )


def _usage(backfill: BackfillSection) -> UsageTable | None:
    section = backfill.usage
    return None if section is None else UsageTable(section.table, tuple(section.columns.items()))


def _first(*values: int | None) -> int:
    return next(value for value in values if value is not None)


def _text(section: SourceSection | TargetSection) -> Text:
    return Text(columns=section.text or (), template=section.template, query=section.query)


def _place(source: SourceSection, text: Text) -> Place:
    # Another store, table, key, vector or where in [target] was refused as a copy: only texts can differ.
    return Place(
        store=source.store,
        table=source.table,
        key=source.key,
        text=text,
        vector=source.vector,
        where=source.where,
        vector_table=source.vector_table,
    )


def _side(place: Place, section: SpaceSection, backfill: BackfillSection) -> Side:
    space = Space(
        provider=section.provider,
        model=section.model,
        dimensions=section.dimensions,
        revision=section.revision,
        prefix=section.prefix,
        query_prefix=section.query_prefix,
        task=section.task,
        query_task=section.query_task,
        normalise=section.normalise,
        template=place.text.recipe,
        oversize=backfill.oversize,
    )
    endpoint = Endpoint(
        base_url=section.base_url,
        key=section.key,
        usd_per_million_tokens=section.usd_per_million_tokens,
        timeout_s=section.timeout_s,
        tokenizer=section.tokenizer,
    )
    return Side(place=place, space=space, endpoint=endpoint)


def _index(target: TargetSection, *, default: Index | None) -> Index | None:
    section: IndexSection | None = target.index
    if "index" not in target.model_fields_set:
        return default
    if section is None:
        return None
    return Index(
        kind=section.kind,
        metric=section.metric,
        type=section.type,
        m=section.m,
        ef_construction=section.ef_construction,
        lists=section.lists,
    )


def _match(target: TargetSection) -> Match | None:
    section = target.match
    if section is None:
        return None
    return Match(function=section.function, returns=section.returns, filter=section.filter)
