"""From the sections of a file that is right to the frozen values that limosa works with."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

from limosa.config.schema import (
    BackfillSection,
    File,
    IndexSection,
    MatchSection,
    PaceSection,
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

__all__ = ["build", "index_of", "match_of", "paced", "side_of", "soak_of", "space_of"]


def build(file: File, folder: Path) -> Migration:
    """The migration that a checked file describes; what [target] leaves out is as in [source].

    Args:
        folder: where relative paths of judged queries begin.
    """
    source, target, backfill = file.source, file.target, file.backfill
    own_text = not target.model_fields_set.isdisjoint({"text", "template", "query"})
    source_side = side_of(_place(source, _text(source)), source.space, backfill.oversize)
    place = _place(source, _text(target if own_text else source))
    target_side = side_of(
        replace(place, vector_table=target.vector_table), target.space or source.space, backfill.oversize
    )
    fill = source_side.space.fingerprint == target_side.space.fingerprint
    return Migration(
        name=file.name,
        source=source_side,
        target=target_side,
        layout=target.layout,
        index=index_of(target.index) if "index" in target.model_fields_set else None if fill else Index(),
        match=match_of(target.match),
        backfill=replace(paced(backfill, batch_rows=backfill.batch_rows), usage=_usage(backfill), lane=backfill.lane),
        view=target.view,
        backup=backfill.backup,
        soak_days=soak_of(file.soak_days, backfill.soak_days),
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


def soak_of(*values: int | None) -> int:
    """Days of soak: the first value that the file gives, else a week, in which an application meets each day's load."""
    return next((value for value in values if value is not None), 7)


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


def paced(section: PaceSection, *, batch_rows: int) -> Backfill:
    """How rows are filled, as far as every file says it."""
    return Backfill(
        batch_rows=batch_rows,
        budget_usd=section.budget_usd,
        max_pending=section.max_pending,
        cache_mb=section.cache_mb,
        requests_per_minute=section.requests_per_minute,
        tokens_per_minute=section.tokens_per_minute,
        limits=Limits(
            max_lag_s=section.max_lag_s, max_lock_waits=section.max_lock_waits, wait_while=section.wait_while
        ),
        pause_file=section.pause_file,
    )


def side_of(place: Place, section: SpaceSection, oversize: str) -> Side:
    """A place with the space of its vectors, and who embeds."""
    space = space_of(section, template=place.text.recipe, oversize=oversize)
    endpoint = Endpoint(
        base_url=section.base_url,
        key=section.key,
        usd_per_million_tokens=section.usd_per_million_tokens,
        timeout_s=section.timeout_s,
        tokenizer=section.tokenizer,
    )
    return Side(place=place, space=space, endpoint=endpoint)


def space_of(section: SpaceSection, *, template: str = "", oversize: str = "") -> Space:
    """The space that a section describes."""
    return Space(
        provider=section.provider,
        model=section.model,
        dimensions=section.dimensions,
        revision=section.revision,
        prefix=section.prefix,
        query_prefix=section.query_prefix,
        task=section.task,
        query_task=section.query_task,
        normalise=section.normalise,
        template=template,
        oversize=oversize,
    )


def index_of(section: IndexSection | None) -> Index | None:
    """The index that a section asks for."""
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


def match_of(section: MatchSection | None) -> Match | None:
    """The match function that a section asks for."""
    if section is None:
        return None
    return Match(function=section.function, returns=section.returns, filter=section.filter)
