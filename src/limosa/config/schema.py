"""The words of the file: its sections, their keys, and what each key needs."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Any, Literal

from pydantic import AfterValidator, BaseModel, BeforeValidator, ConfigDict, Field, WrapValidator

from limosa.config import values

__all__ = [
    "LATER",
    "SECTIONS",
    "BackfillSection",
    "Column",
    "Columns",
    "File",
    "Filled",
    "IndexSection",
    "JudgedSection",
    "MatchSection",
    "PaceSection",
    "PauseFile",
    "RoleSection",
    "Section",
    "SoakDays",
    "SourceSection",
    "SpaceSection",
    "Store",
    "TargetSection",
    "UsageSection",
    "VerifySection",
    "WaitWhile",
    "unless_false",
]


def _listed(value: object) -> object:
    """One name stands for a list of one."""
    if isinstance(value, str):
        return (value,)
    return tuple(value) if isinstance(value, list) else value


def unless_false(value: object, handler: Any) -> Any:
    """``false`` stands for none."""
    return None if value is False else handler(value)


Column = Annotated[str, AfterValidator(values.column)]
Columns = Annotated[tuple[Column, ...], Field(min_length=1), BeforeValidator(_listed), AfterValidator(values.distinct)]
Store = Annotated[str, AfterValidator(values.store)]
Template = Annotated[str, AfterValidator(values.template)]
Query = Annotated[str, AfterValidator(values.query)]
BaseUrl = Annotated[str, AfterValidator(values.base_url)]
Secret = Annotated[str, AfterValidator(values.secret)]
Filled = Annotated[str, Field(min_length=1, pattern=r"\S")]

_STORE = 'a URL without a password, "embedded", or a reference such as env:DATABASE_URL'
_COLUMNS = "the name of a column, or a list of names"
_TEXT = "the name of a text column, or a list of names"
_TEMPLATE = "a text with {column} in it"
_QUERY = "a SELECT that gives the key columns and a column text"
_WHERE = "a condition in the store's language"
_VECTOR_TABLE = "the name of a table of vectors beside the table"


class Section(BaseModel):
    """A section: only known keys, of exactly the right type; values are not shown in errors."""

    model_config = ConfigDict(extra="forbid", strict=True, frozen=True, hide_input_in_errors=True)


class SpaceSection(Section):
    """``[source.space]`` and ``[target.space]``: what makes vectors comparable, and who embeds."""

    provider: Annotated[Filled, Field(description='the name of an embedder, e.g. "openai"')]
    model: Annotated[Filled, Field(description="the provider's name for the model, or a local model's folder")]
    # pgvector stores vectors of at most 16,000 dimensions (its README, "Vector Type").
    dimensions: Annotated[int, Field(ge=1, le=16_000, description="a whole number from 1 to 16000")]
    revision: Annotated[str, Field(description="a text")] = ""
    task: Annotated[str, Field(description="the provider's task type for documents")] = ""
    query_task: Annotated[str, Field(description="the provider's task type for queries")] = ""
    prefix: Annotated[str, Field(description="a text")] = ""
    query_prefix: Annotated[str, Field(description="a text")] = ""
    normalise: Annotated[bool, Field(description="true or false")] = False
    base_url: Annotated[BaseUrl | None, Field(description="a URL that begins with https:// or http://")] = None
    key: Annotated[Secret | None, Field(description="a reference such as env:OPENAI_API_KEY")] = None
    usd_per_million_tokens: Annotated[
        float | None, Field(ge=0, allow_inf_nan=False, description="a number of dollars, 0 or more")
    ] = None
    # An hour is more than any provider keeps a request open.
    timeout_s: Annotated[
        float, Field(gt=0, le=3600, allow_inf_nan=False, description="a number of seconds above 0, at most 3600")
    ] = 60.0
    tokenizer: Annotated[Filled | None, Field(description="the path of the model's tokenizer.json")] = None


class SourceSection(Section):
    """``[source]``: where the vectors and the texts are now."""

    store: Annotated[Store, Field(description=_STORE)]
    table: Annotated[Column, Field(description="the name of a table")]
    key: Annotated[Columns, Field(description=_COLUMNS)]
    text: Annotated[Columns | None, Field(description=_TEXT)] = None
    template: Annotated[Template | None, Field(description=_TEMPLATE)] = None
    query: Annotated[Query | None, Field(description=_QUERY)] = None
    vector: Annotated[Column, Field(description="the name of the vector column")]
    vector_table: Annotated[Column | None, Field(description=_VECTOR_TABLE)] = None
    where: Annotated[Filled | None, Field(description=_WHERE)] = None
    space: Annotated[SpaceSection, Field(description="a section [source.space]")]


class IndexSection(Section):
    """``[target.index]``: the index to build; bounds are those of pgvector's own build parameters."""

    kind: Annotated[Literal["hnsw", "ivfflat"], Field(description='"hnsw" or "ivfflat"')] = "hnsw"
    metric: Annotated[Literal["cosine", "l2", "ip"], Field(description='"cosine", "l2" or "ip"')] = "cosine"
    type: Annotated[Literal["vector", "halfvec"], Field(description='"vector" or "halfvec"')] = "vector"
    m: Annotated[int, Field(ge=2, le=100, description="a whole number from 2 to 100")] = 16
    ef_construction: Annotated[int, Field(ge=4, le=1000, description="a whole number from 4 to 1000")] = 64
    lists: Annotated[int | None, Field(ge=1, le=32_768, description="a whole number from 1 to 32768")] = None


class MatchSection(Section):
    """``[target.match]``: the match function that the application calls."""

    function: Annotated[Column, Field(description="the name of a function")]
    returns: Annotated[Columns, Field(description=_COLUMNS)]
    filter: Annotated[Column | None, Field(description="the name of a jsonb column")] = None


class TargetSection(Section):
    """``[target]``: where the vectors will be; keys of the place left out are as in ``[source]``."""

    layout: Annotated[str, AfterValidator(values.layout), Field(description='"column", "side_table" or "in_place"')] = (
        "column"
    )
    store: Annotated[Store | None, Field(description=_STORE)] = None
    table: Annotated[Column | None, Field(description="the name of a table")] = None
    key: Annotated[Columns | None, Field(description=_COLUMNS)] = None
    text: Annotated[Columns | None, Field(description=_TEXT)] = None
    template: Annotated[Template | None, Field(description=_TEMPLATE)] = None
    query: Annotated[Query | None, Field(description=_QUERY)] = None
    vector: Annotated[Column | None, Field(description="the name of the vector column")] = None
    vector_table: Annotated[Column | None, Field(description=_VECTOR_TABLE)] = None
    view: Annotated[Column | None, Field(description="the name of a view")] = None
    where: Annotated[Filled | None, Field(description=_WHERE)] = None
    space: Annotated[SpaceSection | None, Field(description="a section [target.space]")] = None
    index: Annotated[
        IndexSection | None, WrapValidator(unless_false), Field(description="a section [target.index], or false")
    ] = None
    match: Annotated[MatchSection | None, Field(description="a section [target.match]")] = None


WaitWhile = Annotated[
    Annotated[str, AfterValidator(values.wait_while)] | None,
    Field(description="a SELECT that answers true while a run has to wait"),
]
PauseFile = Annotated[Filled | None, Field(description="the path of a file")]
SoakDays = Annotated[int | None, Field(ge=0, le=3650, description="a whole number of days from 0 to 3650")]


UsedFor = Literal["migration", "provider", "model", "texts", "tokens", "cost_usd"]


class UsageSection(Section):
    """``[backfill.usage]``: a table of the user's in which payments are noted."""

    table: Annotated[Column, Field(description="the name of a table")]
    columns: Annotated[
        dict[Column, UsedFor],
        Field(
            min_length=1,
            description='column = "migration", "provider", "model", "texts", "tokens" or "cost_usd"',
        ),
    ]


class PaceSection(Section):
    """What every ``[backfill]`` may hold: how fast, for how much, and when to wait."""

    budget_usd: Annotated[
        float | None, Field(ge=0, allow_inf_nan=False, description="a number of dollars, 0 or more")
    ] = None
    oversize: Annotated[
        str, AfterValidator(values.oversize), Field(description='"refuse", "truncate", "pool" or "skip"')
    ] = "refuse"
    requests_per_minute: Annotated[
        float | None, Field(gt=0, allow_inf_nan=False, description="a number of requests above 0")
    ] = None
    tokens_per_minute: Annotated[
        float | None, Field(gt=0, allow_inf_nan=False, description="a number of tokens above 0")
    ] = None
    # A million vectors of 1536 dimensions are 6,200 MB.
    cache_mb: Annotated[int, Field(ge=0, le=1_000_000, description="a whole number of MB, 0 for none")] = 4096
    # The rows are listed in cutover's report and queued: more than this is a backfill, not a rest.
    max_pending: Annotated[int, Field(ge=0, le=1_000_000, description="a whole number from 0 to 1000000")] = 100
    # A receiver reports every ten seconds at the latest: half a minute is three reports. An hour is no brake any more.
    max_lag_s: Annotated[
        Annotated[float, Field(ge=1, le=3600, allow_inf_nan=False)] | None,
        WrapValidator(unless_false),
        Field(description="a number of seconds from 1 to 3600, or false"),
    ] = 30.0
    max_lock_waits: Annotated[int | None, Field(ge=0, le=10_000, description="a whole number from 0 to 10000")] = None
    wait_while: WaitWhile = None
    pause_file: PauseFile = None


class BackfillSection(PaceSection):
    """``[backfill]``: how the rows are filled."""

    batch_rows: Annotated[int, Field(ge=1, le=10_000, description="a whole number from 1 to 10000")] = 128
    lane: Annotated[Literal["direct", "batch"], Field(description='"direct" or "batch"')] = "direct"
    usage: Annotated[UsageSection | None, Field(description="a section [backfill.usage]")] = None
    backup: Annotated[str, AfterValidator(values.backup), Field(description='"none", "table" or "database"')] = "none"
    soak_days: SoakDays = None


class JudgedSection(Section):
    """``[verify.judged]``: queries that people judged, in the form of BEIR."""

    queries: Annotated[Filled, Field(description="the path of a file of queries, lines of JSON")]
    qrels: Annotated[Filled, Field(description="the path of a file of judgements, parted by tabs")]
    tolerance: Annotated[float, Field(ge=0, le=1, allow_inf_nan=False, description="a number from 0 to 1")] = 0.02


class RoleSection(Section):
    """``[[verify.roles]]``: a role of the database as which the application asks."""

    role: Annotated[Filled, Field(description="the name of a role")]
    settings: Annotated[
        tuple[tuple[str, str], ...],
        BeforeValidator(values.settings),
        Field(description='a table of settings and texts, e.g. { "request.jwt.claims" = "..." }'),
    ] = ()


class VerifySection(Section):
    """``[verify]``: what the proofs are asked; no part of what is done."""

    # An hour is no answer any more.
    latency_p95_ms: Annotated[
        float, Field(gt=0, le=3_600_000, allow_inf_nan=False, description="a number of milliseconds above 0")
    ] = 500.0
    thresholds: Annotated[
        tuple[Annotated[float, Field(allow_inf_nan=False)], ...],
        BeforeValidator(_listed),
        Field(description="a list of similarities, e.g. [0.7]"),
    ] = ()
    judged: Annotated[JudgedSection | None, Field(description="a section [verify.judged]")] = None
    roles: Annotated[
        tuple[RoleSection, ...], BeforeValidator(_listed), Field(description="sections [[verify.roles]]")
    ] = ()


class File(Section):
    """The top of the file."""

    name: Annotated[
        str,
        Field(pattern=r"^[A-Za-z0-9_.-]{1,60}\z", description="1 to 60 letters, digits, dots, hyphens and underscores"),
    ]
    source: Annotated[SourceSection, Field(description="a section [source]")]
    target: Annotated[TargetSection, Field(description="a section [target]")] = TargetSection()
    backfill: Annotated[BackfillSection, Field(description="a section [backfill]")] = BackfillSection()
    verify: Annotated[VerifySection, Field(description="a section [verify]")] = VerifySection()
    soak_days: SoakDays = None


SECTIONS: Mapping[tuple[str, ...], type[BaseModel]] = {
    (): File,
    ("source",): SourceSection,
    ("source", "space"): SpaceSection,
    ("target",): TargetSection,
    ("target", "space"): SpaceSection,
    ("target", "index"): IndexSection,
    ("target", "match"): MatchSection,
    ("backfill",): BackfillSection,
    ("backfill", "usage"): UsageSection,
    ("verify",): VerifySection,
    ("verify", "judged"): JudgedSection,
    ("verify", "roles"): RoleSection,
}
"""Every section of the file by its path."""

LATER: Mapping[tuple[str, ...], Mapping[str, str]] = {
    ("source",): {"payload": "it belongs to copying a payload; needed is collection in [source] too."},
    ("target",): {"columns": "it belongs to copying a payload; needed is collection in [source] too."},
}
"""Keys that other files have, and what they need."""
