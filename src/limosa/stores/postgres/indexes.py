"""Building a vector index on a live table: settings, restart, and progress."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

from limosa.model.migration import Index
from limosa.model.operation import Operation
from limosa.stores.postgres.catalogue import Table
from limosa.stores.postgres.names import Relation, distinct, literal, quoted
from limosa.stores.postgres.scope import Scope
from limosa.stores.postgres.seat import Seat

__all__ = [
    "MAX_DIMENSIONS",
    "Indexed",
    "MAX_LISTS",
    "WORKERS",
    "build",
    "building",
    "has_workers",
    "index_bytes",
    "index_memory_bytes",
    "index_relation",
    "operator_class",
    "parallel",
    "stood_on",
]

MAX_DIMENSIONS = {"vector": 2000, "halfvec": 4000}
"""Most dimensions that HNSW and IVFFlat take. Source: pgvector 0.8 README, "Reference"."""

MAX_LISTS = 32_768
"""Most lists of an IVFFlat index. Source: pgvector 0.8, ``IVFFLAT_MAX_LISTS`` in src/ivfflat.h."""

_OPCLASS = {"cosine": "cosine_ops", "l2": "l2_ops", "ip": "ip_ops", "l1": "l1_ops"}

_USED = (
    "a.attnum IN (SELECT p.refobjsubid FROM pg_depend AS p WHERE p.classid = 'pg_class'::regclass"
    " AND p.objid = i.indexrelid AND p.refobjid = i.indrelid)"
)
"""The columns of an expression that an index stands on: such an index has no column's number of its own."""

WORKERS = 2
"""Parallel build workers: with two, a build measured 1.9 times as fast as a serial one; more cost the application."""


class Indexed(Protocol):
    """The part of a scope that an index stands on."""

    @property
    def extension_schema(self) -> str:
        """Where pgvector is."""
        ...

    @property
    def base(self) -> str:
        """``vector`` or ``halfvec``."""
        ...

    @property
    def new_dimensions(self) -> int:
        """Length of the vectors."""
        ...

    def new(self, epoch: int) -> Seat:
        """Where they stand."""
        ...


def operator_class(base: str, metric: str) -> str:
    """The operator class, e.g. ``vector_cosine_ops``."""
    return f"{base}_{_OPCLASS[metric]}"


def index_relation(scope: Scope) -> Relation:
    """Name of the index while the migration lives; that of a table beside stays."""
    if scope.beside is not None:
        return Relation(scope.beside.schema, distinct(f"{scope.beside.name}_{scope.vector}", "_idx"))
    return Relation(scope.relation.schema, distinct(f"{scope.relation.name}_{scope.vector}", "_limosa_idx"))


def index_memory_bytes(rows: int, dimensions: int) -> int:
    """Memory in which an HNSW build stays fast: rows x (4 d + 720) bytes.

    Source: measured with pgvector 0.8.5, m = 16.
    """
    return rows * (4 * dimensions + 720)


def index_bytes(rows: int, dimensions: int, *, base: str) -> int:
    """Size of an HNSW index on disk: an element a page slot, neighbours beside it, m = 16.

    An 8 kB page holds one 1536-d vector with its neighbours; smaller vectors share a page.
    """
    element = dimensions * (2 if base == "halfvec" else 4) + 8 + 64 + 2 * 16 * 6 + 40
    per_page = max(1, 8160 // element)
    return rows * 8192 // per_page


def stood_on(scope: Indexed, index: Index, relation: Relation, target: str, *, rows: int, epoch: int = 0) -> str:
    """What follows CREATE INDEX: its name, what it stands on, and its options.

    Where the index is of another type than the column, it stands on the column brought to that type.
    """
    klass = f"{quoted(scope.extension_schema)}.{quoted(operator_class(index.type, index.metric))}"
    if index.kind == "hnsw":
        options = f"m = {index.m}, ef_construction = {index.ef_construction}"
    else:
        options = f"lists = {index.lists or min(MAX_LISTS, max(10, rows // 1000))}"
    column = quoted(scope.new(epoch).column)
    if index.type != scope.base:
        column = f"({column}::{quoted(scope.extension_schema)}.{index.type}({scope.new_dimensions}))"
    return f"{quoted(relation.name)} ON {target} USING {index.kind} ({column} {klass}) WITH ({options})"


def building(scope: Indexed, index: Index, relation: Relation, target: str, *, rows: int, epoch: int = 0) -> Operation:
    """The operation that builds one index of this name on one table, as SQL writes it, while that stays in use.

    The probe answers false, and does not fail, where the table is gone: a partition may be dropped.
    """
    found = f"to_regclass({literal(relation.sql)})"
    on = "a.attnum = i.indkey[0]" if index.type == scope.base else _USED
    ours = (
        "SELECT EXISTS (SELECT FROM pg_index AS i JOIN pg_attribute AS a ON a.attrelid = i.indrelid"
        f" AND {on} WHERE i.indexrelid = {found}"
        f" AND i.indrelid = to_regclass({literal(target)}) AND a.attname = {literal(scope.new(epoch).column)}"
    )
    return Operation(
        id="build-index",
        step="index",
        title=f"Build {index.kind} {relation.name} while the table stays in use",
        do=(f"CREATE INDEX CONCURRENTLY {stood_on(scope, index, relation, target, rows=rows, epoch=epoch)}",),
        undo=(f"DROP INDEX CONCURRENTLY IF EXISTS {relation.sql}",),
        probe=f"{ours} AND i.indisvalid)",
        lock="SHARE UPDATE EXCLUSIVE",
        transactional=False,
        settings=_memory(index_memory_bytes(rows, scope.new_dimensions)),
        busy=f"SELECT EXISTS (SELECT FROM pg_stat_progress_create_index WHERE index_relid = {found})",
        clear=(f"DROP INDEX CONCURRENTLY IF EXISTS {relation.sql}",),
        broken=f"{ours} AND NOT i.indisvalid)",
    )


def build(scope: Scope, table: Table, index: Index, *, rows: int) -> list[Operation]:
    """The operations that build the index on the column as it is named before the switch."""
    seat = scope.new(0)
    target = seat.relation.sql
    built = [building(scope, index, index_relation(scope), target, rows=rows)]
    if index.kind == "hnsw" and table.server.parallel_workers > 0 and (seat.beside or not has_workers(table.options)):
        built = [parallel([target], on=True), *built, parallel([target], on=False)]
    return built


def has_workers(options: Sequence[str]) -> bool:
    """Somebody has decided how many workers a table's builds have.

    Args:
        options: its storage parameters, as pg_class has them.
    """
    return any(option.startswith("parallel_workers=") for option in options)


def parallel(targets: Sequence[str], *, on: bool) -> Operation:
    """Lets builds use parallel workers, or puts the tables' option back; one that is gone meanwhile is passed over.

    The heap of a table of TOASTed vectors looks too small to Postgres: it would build serially, and not say so.

    Args:
        targets: tables or partitions, as SQL writes them; a partitioned table itself takes no such option.
    """
    sets = tuple(f"ALTER TABLE IF EXISTS {each} SET (parallel_workers = {WORKERS})" for each in targets)
    resets = tuple(f"ALTER TABLE IF EXISTS {each} RESET (parallel_workers)" for each in targets)
    listed = ", ".join(f"to_regclass({literal(each)})" for each in targets)
    return Operation(
        id="parallel-on" if on else "parallel-off",
        step="index",
        title="Let the build use parallel workers" if on else "Put the tables' option back",
        do=sets if on else resets,
        undo=resets if on else (),
        probe=(
            f"SELECT NOT EXISTS (SELECT FROM pg_class WHERE oid IN ({listed}) AND"
            f" {'NOT ' if on else ''}coalesce('parallel_workers={WORKERS}' = ANY (reloptions), false))"
        ),
        lock="SHARE UPDATE EXCLUSIVE",
    )


def _memory(wanted_bytes: int) -> tuple[tuple[str, str], ...]:
    """Session settings of the build; the runner lowers the memory to what the server can spare."""
    # A power of two, so that a few rows more or less do not make another plan of it.
    wanted_mb = max(64, 1 << max(0, -(-wanted_bytes // 2**20) - 1).bit_length())
    return (("maintenance_work_mem", f"{wanted_mb}MB"), ("max_parallel_maintenance_workers", str(WORKERS)))
