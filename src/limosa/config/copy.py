"""The words of a file that takes a collection to another store."""

from __future__ import annotations

import re
import uuid
from collections.abc import Iterator, Mapping
from dataclasses import replace
from typing import Annotated

from pydantic import AfterValidator, BaseModel, Discriminator, Field, Tag, WrapValidator

from limosa.config import values
from limosa.config.build import index_of, match_of, paced, side_of, soak_of, space_of
from limosa.config.rules import Finding, soak_twice
from limosa.config.schema import (
    Column,
    Columns,
    Filled,
    IndexSection,
    MatchSection,
    PaceSection,
    Section,
    SoakDays,
    SpaceSection,
    Store,
    unless_false,
)
from limosa.model.checking import Checking
from limosa.model.identity import Identity
from limosa.model.migration import CARRIED, Copy, Form, Migration, Side
from limosa.model.place import Place, Text
from limosa.model.space import Endpoint

__all__ = [
    "COPY_SECTIONS",
    "CopyBackfillSection",
    "CopyFile",
    "CopySourceSection",
    "CopyTargetSection",
    "CopyVerifySection",
    "KeySection",
    "broken_copy_rules",
    "build_copy",
    "is_copy",
]

_TABLES = re.compile(r"embedded(:|\Z)|postgres(ql)?://|env:")
_NO_TABLE = 'rows of a table are in Postgres; needed is its URL, a reference to one, or "embedded".'


def is_copy(raw: Mapping[str, object]) -> bool:
    """Whether a file means to take points to another store: it names a collection, or two stores and no space."""
    source, target = raw.get("source"), raw.get("target")
    if not isinstance(source, Mapping) or not isinstance(target, Mapping):
        return isinstance(source, Mapping) and "collection" in source
    if "collection" in source or "collection" in target:
        return True
    return "space" not in source and "store" in target and target.get("store") != source.get("store")


def _field(value: str) -> str:
    """``payload.author.name`` or ``author.name``: a field, dots lead into nested ones."""
    name = value.removeprefix("payload.")
    if not all(part.strip() for part in name.split(".")):
        raise ValueError('needed is a field such as "payload.author"; dots lead into nested ones.')
    return name


CARRIED_ROWS = 1000
"""Points that are read and written together: of 1536 dimensions 6 MB."""

EMBEDDED_ROWS = 128
"""Points whose texts are one request."""

PayloadField = Annotated[str, AfterValidator(_field)]


def _shape(value: object) -> str:
    return "~table" if isinstance(value, Mapping | BaseModel) else "~name"


Vector = Annotated[
    Annotated[Column, Tag("~name")] | Annotated[dict[str, Column], Tag("~table")],
    Discriminator(_shape),
    Field(description='the name of a column, or a table such as { title = "title_embedding" } for named vectors'),
]
PayloadColumns = Annotated[
    dict[Column, PayloadField] | None,
    Field(description='a table of columns and fields, such as content = "payload.text"'),
]
Token = Annotated[
    str | None, AfterValidator(values.secret), Field(description="a reference such as env:QDRANT_API_KEY")
]


class CopySourceSection(Section):
    """``[source]``: the collection, or the table whose rows are points."""

    store: Annotated[Store, Field(description='a URL such as "qdrant://host:6333", or a reference to one')]
    token: Token = None
    collection: Annotated[Filled | None, Field(description="the name of a collection")] = None
    table: Annotated[Column | None, Field(description="the name of a table")] = None
    key: Annotated[Column, Field(description="the name of the key column")] = "id"
    vector: Vector = "embedding"
    columns: PayloadColumns = None
    rest: Annotated[Column | None, Field(description="the name of a jsonb column that holds the rest")] = None
    text: Annotated[Columns | None, Field(description="the field, or fields, whose text is embedded again")] = None
    template: Annotated[Filled | None, Field(description="a text with fields in it, such as {title}")] = None
    space: Annotated[SpaceSection | None, Field(description="a section [source.space]")] = None


def _template(value: str) -> str:
    if not re.search(r"\{[^{}]+\}", value):
        raise ValueError('needed is a text with fields in it, such as "{author.id}:{created_at}".')
    return value


def _namespace(value: str) -> str:
    try:
        return str(uuid.UUID(value))
    except ValueError as error:
        raise ValueError("needed is a UUID, one that nothing else uses.") from error


class KeySection(Section):
    """``[target.key]``: ids that are made of what points say."""

    column: Annotated[Column | None, Field(description="the name of the column for the ids")] = None
    uuid5: Annotated[str, AfterValidator(_template), Field(description="a text with {field} in it")]
    namespace: Annotated[str, AfterValidator(_namespace), Field(description="a UUID")]
    old: Annotated[Column, Field(description="the name of the column, or field, for the ids that points had")] = (
        "old_id"
    )


class CopyTargetSection(Section):
    """``[target]``: the table that the points become rows of, or the collection."""

    store: Annotated[Store, Field(description='a URL without a password, "embedded", or a reference')]
    token: Token = None
    collection: Annotated[Filled | None, Field(description="the name of a collection that is not there yet")] = None
    table: Annotated[Column | None, Field(description="the name of a table")] = None
    key: Annotated[
        Annotated[Column, Tag("~name")] | Annotated[KeySection, Tag("~table")],
        Discriminator(_shape),
        Field(description="the name of the column for the ids, or a section [target.key] with uuid5 and namespace"),
    ] = "id"
    vector: Vector = "embedding"
    columns: PayloadColumns = None
    rest: Annotated[Column | None, Field(description="the name of the jsonb column for everything else")] = None
    index: Annotated[
        IndexSection | None, WrapValidator(unless_false), Field(description="a section [target.index], or false")
    ] = None
    match: Annotated[MatchSection | None, Field(description="a section [target.match]")] = None
    space: Annotated[SpaceSection | None, Field(description="a section [target.space]")] = None


class CopyBackfillSection(PaceSection):
    """``[backfill]``: how the points are carried."""

    batch_rows: Annotated[int | None, Field(ge=1, le=10_000, description="a whole number from 1 to 10000")] = None
    soak_days: SoakDays = None


class CopyVerifySection(Section):
    """``[verify]``: what the proofs are asked; no part of what is done."""

    # An hour is no answer any more.
    latency_p95_ms: Annotated[
        float, Field(gt=0, le=3_600_000, allow_inf_nan=False, description="a number of milliseconds above 0")
    ] = 200.0


class CopyFile(Section):
    """The top of the file."""

    name: Annotated[
        str,
        Field(pattern=r"^[A-Za-z0-9_.-]{1,60}\z", description="1 to 60 letters, digits, dots, hyphens and underscores"),
    ]
    source: Annotated[CopySourceSection, Field(description="a section [source]")]
    target: Annotated[CopyTargetSection, Field(description="a section [target]")]
    backfill: Annotated[CopyBackfillSection, Field(description="a section [backfill]")] = CopyBackfillSection()
    verify: Annotated[CopyVerifySection, Field(description="a section [verify]")] = CopyVerifySection()
    soak_days: SoakDays = None


COPY_SECTIONS: Mapping[tuple[str, ...], type[BaseModel]] = {
    (): CopyFile,
    ("source",): CopySourceSection,
    ("source", "space"): SpaceSection,
    ("target",): CopyTargetSection,
    ("target", "key"): KeySection,
    ("target", "space"): SpaceSection,
    ("target", "index"): IndexSection,
    ("target", "match"): MatchSection,
    ("backfill",): CopyBackfillSection,
    ("verify",): CopyVerifySection,
}
"""Every section of such a file by its path."""

_OF_TABLES = ("vector", "columns", "rest")


def broken_copy_rules(raw: Mapping[str, object]) -> Iterator[Finding]:
    """What several values must be like together."""
    for name in ("source", "target"):
        side = raw.get(name)
        if isinstance(side, Mapping):
            yield from _of_side(name, side)
    target = raw.get("target")
    index = target.get("index") if isinstance(target, Mapping) and "collection" in target else None
    if isinstance(index, Mapping) and index.get("type") == "halfvec":
        yield ("target", "index", "type"), "a collection has no types of pgvector's; it belongs to a table."
    yield from _again(raw)
    yield from soak_twice(raw)


def _of_side(name: str, side: Mapping[str, object]) -> Iterator[Finding]:
    if ("collection" in side) == ("table" in side):
        yield (name,), "needed is either collection or table."
        return
    store, key = side.get("store"), side.get("key")
    if "table" in side:
        if isinstance(key, Mapping) and "column" not in key:
            yield (name, "key", "column"), "needed is the name of the column for the ids."
        if isinstance(store, str) and not _TABLES.match(store):
            yield (name, "store"), _NO_TABLE
        yield from _twice(name, side)
        return
    if isinstance(key, Mapping) and "column" in key:
        yield (name, "key", "column"), "a collection has no columns; points have one id there."
    for word in (
        *_OF_TABLES,
        *(() if isinstance(key, Mapping) else ("key",)),
        *(("match",) if name == "target" else ()),
    ):
        if word in side:
            yield (name, word), "a collection keeps this by itself; it belongs to a table."


def _again(raw: Mapping[str, object]) -> Iterator[Finding]:
    """Texts, and a space to embed them in, come together, and one vector is made of them."""
    source, target = (side if isinstance(side := raw.get(name), Mapping) else {} for name in ("source", "target"))
    texts = [key for key in ("text", "template") if key in source]
    if "space" not in target:
        for key in texts:
            yield ("source", key), "texts are embedded again; needed is [target.space], which says by which model."
        return
    if len(texts) != 1:
        yield ("source",), "needed is either text or template, of which vectors are made again."
    if isinstance(target.get("vector"), Mapping):
        yield ("target", "vector"), "one vector is made; needed is the name of a column."


def _twice(name: str, side: Mapping[str, object]) -> Iterator[Finding]:
    vector, columns = side.get("vector", "embedding"), side.get("columns", {})
    taken = [*(vector.values() if isinstance(vector, Mapping) else [vector]), side.get("rest", "metadata")]
    key = side.get("key", "id")
    taken += [key.get("column"), key.get("old", "old_id")] if isinstance(key, Mapping) else [key]
    taken += [*(columns if isinstance(columns, Mapping) else ())]
    for each in taken:
        if isinstance(each, str) and taken.count(each) > 1:
            yield (name,), f"the column {each} is named more than once; needed is a column for each."
            return


def build_copy(file: CopyFile) -> Migration:
    """The migration that a checked file describes."""
    source, target, backfill = file.source, file.target, file.backfill
    carries = target.space is None
    text = Text(columns=source.text or (), template=source.template)
    return Migration(
        name=file.name,
        source=_side(source, None if carries else source.space, text, backfill.oversize),
        target=_side(target, target.space, text, backfill.oversize),
        layout="table" if target.table is not None else "collection",
        index=index_of(target.index),
        match=match_of(target.match),
        backfill=paced(backfill, batch_rows=backfill.batch_rows or (CARRIED_ROWS if carries else EMBEDDED_ROWS)),
        copy=Copy(
            source=_form(source) if source.table is not None else None,
            target=_form_of_target(file) if target.table is not None else None,
            build="index" not in target.model_fields_set or target.index is not None,
            made=_made(target.key) if target.table is None else None,
            space=space_of(source.space) if source.space is not None and carries else None,
        ),
        backup="none",
        soak_days=soak_of(file.soak_days, backfill.soak_days),
        checking=Checking(latency_p95_ms=file.verify.latency_p95_ms),
    )


def _form(side: CopySourceSection | CopyTargetSection) -> Form:
    named = side.vector if isinstance(side.vector, dict) else {"": side.vector}
    columns = None if side.columns is None else tuple(side.columns.items())
    key = side.key if isinstance(side.key, str) else side.key.old
    return Form(key=key, vectors=tuple(named.items()), columns=columns, rest=side.rest, made=_made(side.key))


def _form_of_target(file: CopyFile) -> Form:
    """A table's rows become rows of the same columns, a collection's points those that are named, and a rest."""
    form = _form(file.target)
    if file.source.table is not None and file.source.rest is None and form.columns is None and form.rest is None:
        return form
    return replace(form, columns=form.columns or (), rest=form.rest or "metadata")


def _made(key: str | KeySection) -> Identity | None:
    if isinstance(key, str):
        return None
    return Identity(template=key.uuid5, namespace=key.namespace, old=key.old, column=key.column or "")


def _side(side: CopySourceSection | CopyTargetSection, space: SpaceSection | None, text: Text, oversize: str) -> Side:
    """One end; its space where somebody embeds for it."""
    name = side.table if side.table is not None else side.collection
    vector = side.vector if isinstance(side.vector, str) else next(iter(side.vector.values()), "")
    place = Place(store=side.store, table=name or "", key=(_form(side).key,), text=text, vector=vector)
    if space is not None:
        return replace(side_of(place, space, oversize), token=side.token)
    return Side(place=replace(place, text=Text()), space=CARRIED, endpoint=Endpoint(), token=side.token)
