"""The words of a file that splits one table into one for each dimension."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from typing import Annotated, Literal

from pydantic import AfterValidator, BaseModel, BeforeValidator, Field

from limosa.config import values
from limosa.config.rules import Finding
from limosa.config.schema import Column, Columns, Filled, PauseFile, Section, Store, WaitWhile
from limosa.model.migration import CARRIED, Backfill, Migration, OnStart, Side, Split
from limosa.model.place import Place, Text
from limosa.model.space import Endpoint
from limosa.model.strain import Limits

__all__ = [
    "NOT_IN_SPLIT",
    "SPLIT_SECTIONS",
    "SplitBackfillSection",
    "SplitFile",
    "SplitSourceSection",
    "SplitTargetSection",
    "broken_split_rules",
    "build_split",
    "is_split",
]

LAYOUT = "dimension_tables"

_DATABASE = re.compile(r"sqlite:///|libsql(\+https?)?://")
_NO_DATABASE = (
    'it is no database of SQLite\'s family; needed is a URL such as "sqlite:///data/app.db" (from the root on),'
    ' "libsql:///data/app.db" or "libsql://host", or a reference to one.'
)

_OPTION = re.compile(r"[a-z_]+=[a-z0-9_.]+")


def is_split(raw: Mapping[str, object]) -> bool:
    """Whether a file means to split a table."""
    source, target = raw.get("source"), raw.get("target")
    return (isinstance(target, Mapping) and ("dimensions" in target or target.get("layout") == LAYOUT)) or (
        isinstance(source, Mapping) and "dimension" in source
    )


def _template(value: str) -> str:
    if value.count("{dimension}") != 1:
        raise ValueError("needed is a name with {dimension} in it once, such as embeddings_{dimension}.")
    return values.column(value)


def _lists(value: object) -> object:
    """Each entry is a name or a list of names."""
    if not isinstance(value, list | tuple):
        return value
    return tuple(
        (each,) if isinstance(each, str) else tuple(each) if isinstance(each, list) else each for each in value
    )


def _options(value: tuple[str, ...]) -> tuple[str, ...]:
    for each in value:
        if not _OPTION.fullmatch(each):
            raise ValueError(f'{each[:40]!r} is no option; needed is for example "metric=cosine".')
    return value


class SplitSourceSection(Section):
    """``[source]``: the table that is split."""

    store: Annotated[Store, Field(description='a URL such as "libsql:///data/app.db", or a reference to one')]
    token: Annotated[
        str | None, AfterValidator(values.secret), Field(description="a reference such as env:TURSO_TOKEN")
    ] = None
    table: Annotated[Column, Field(description="the name of a table")]
    key: Annotated[Column, Field(description="the name of the key column")]
    vector: Annotated[Columns, Field(max_length=2, description="the vector's column, or two: blob and JSON text")]
    dimension: Annotated[Column | None, Field(description="the name of a column")] = None
    model: Annotated[Column | None, Field(description="the name of a column")] = None
    payload: Annotated[Columns | None, Field(description="a list of columns")] = None
    where: Annotated[Filled | None, Field(description="a condition in the store's language")] = None


class SplitTargetSection(Section):
    """``[target]``: the tables that it becomes."""

    layout: Annotated[Literal["dimension_tables"], Field(description='"dimension_tables"')]
    table: Annotated[str, AfterValidator(_template), Field(description="a name with {dimension} in it")]
    # 65,536 is libSQL's own bound for a vector column.
    dimensions: Annotated[
        tuple[Annotated[int, Field(ge=1, le=65_536)], ...],
        Field(min_length=1, description="a list of whole numbers from 1 to 65536"),
        BeforeValidator(lambda value: tuple(value) if isinstance(value, list) else value),
    ]
    vector: Annotated[Column | None, Field(description="the name of the targets' vector column")] = None
    keep: Annotated[bool, Field(description="true or false: whether the source's vector columns travel along")] = True
    indexes: Annotated[
        tuple[tuple[Column, ...], ...],
        BeforeValidator(_lists),
        Field(description="a list of columns, or of lists of columns"),
    ] = ()
    vector_index: Annotated[
        tuple[str, ...] | None,
        BeforeValidator(lambda value: tuple(value) if isinstance(value, list) else value),
        AfterValidator(lambda value: value if value is None else _options(value)),
        Field(description='a list of options such as "metric=cosine"; empty for the defaults'),
    ] = None


class SplitBackfillSection(Section):
    """``[backfill]``: how the rows are carried."""

    batch_rows: Annotated[int, Field(ge=1, le=10_000, description="a whole number from 1 to 10000")] = 1000
    backup: Annotated[
        Literal["database", "table", "none"] | None, Field(description='"database", "table" or "none"')
    ] = None
    max_pending: Annotated[int, Field(ge=0, le=1_000_000, description="a whole number from 0 to 1000000")] = 100
    wait_while: WaitWhile = None
    pause_file: PauseFile = None


class SplitFile(Section):
    """The top of the file."""

    name: Annotated[
        str,
        Field(pattern=r"^[A-Za-z0-9_.-]{1,60}\z", description="1 to 60 letters, digits, dots, hyphens and underscores"),
    ]
    on_start: Annotated[OnStart, Field(description='"migrate", "warn" or "refuse"')] = "warn"
    source: Annotated[SplitSourceSection, Field(description="a section [source]")]
    target: Annotated[SplitTargetSection, Field(description="a section [target]")]
    backfill: Annotated[SplitBackfillSection, Field(description="a section [backfill]")] = SplitBackfillSection()


SPLIT_SECTIONS: Mapping[tuple[str, ...], type[BaseModel]] = {
    (): SplitFile,
    ("source",): SplitSourceSection,
    ("target",): SplitTargetSection,
    ("backfill",): SplitBackfillSection,
}
"""Every section of such a file by its path."""


NOT_IN_SPLIT: Mapping[tuple[str, ...], Mapping[str, str]] = {
    ("backfill",): {
        "max_lag_s": "SQLite has no replicas that could be behind; needed is wait_while or pause_file, or none.",
        "max_lock_waits": "SQLite does not say who waits for a lock, and limosa makes room for other writers anyway;"
        " needed is wait_while or pause_file, or none.",
    },
}
"""Keys of other files that a split cannot have, and why."""


def broken_split_rules(raw: Mapping[str, object]) -> Iterator[Finding]:
    """What several values must be like together."""
    source = raw.get("source")
    if isinstance(source, Mapping):
        store = source.get("store")
        if isinstance(store, str) and (store == "embedded" or "://" in store) and not _DATABASE.match(store):
            yield ("source", "store"), _NO_DATABASE
        vectors = source.get("vector")
        named = [vectors] if isinstance(vectors, str) else vectors if isinstance(vectors, list) else []
        for key in ("key", "dimension", "model"):
            if source.get(key) in named and source.get(key) is not None:
                yield ("source", key), "it is a vector column too; needed is another column."


def build_split(file: SplitFile) -> Migration:
    """The migration that a checked file describes."""
    source, target = file.source, file.target
    vector = target.vector or (source.vector[0] if len(source.vector) == 2 else "embedding")
    place = Place(
        store=source.store,
        table=source.table,
        key=(source.key,),
        text=Text(),
        vector=source.vector[0],
        where=source.where,
    )
    side = Side(place=place, space=CARRIED, endpoint=Endpoint(), token=source.token)
    return Migration(
        name=file.name,
        source=side,
        target=side,
        layout=target.layout,
        index=None,
        match=None,
        # Finish leaves the old table where it is, unless it is told otherwise.
        soak_days=0,
        backfill=Backfill(
            batch_rows=file.backfill.batch_rows,
            max_pending=file.backfill.max_pending,
            limits=Limits(wait_while=file.backfill.wait_while),
            pause_file=file.backfill.pause_file,
        ),
        split=Split(
            table=target.table,
            dimensions=tuple(sorted(set(target.dimensions))),
            vectors=source.vector,
            vector=vector,
            dimension=source.dimension,
            model=source.model,
            payload=source.payload,
            keep=target.keep,
            indexes=target.indexes,
            index=target.vector_index,
        ),
        backup=file.backfill.backup or "",
        on_start=file.on_start,
    )
