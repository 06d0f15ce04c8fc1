"""Tables that stand already under a target's name: what they must be like, and what becomes of their rows."""

from __future__ import annotations

import re
from collections.abc import Iterator

from limosa.errors import Refused
from limosa.model.plan import Check
from limosa.stores.sqlite.catalogue import Table, look, names_of
from limosa.stores.sqlite.database import SqliteTx
from limosa.stores.sqlite.names import quoted
from limosa.stores.sqlite.scope import HAD_VECTOR, Scope

__all__ = ["adoption_checks"]

_NATIVE = re.compile(r"F32_BLOB\s*\(\s*(\d+)\s*\)", re.IGNORECASE)

_WITHOUT_ROWID = re.compile(r"WITHOUT\s+ROWID", re.IGNORECASE)


def adoption_checks(scope: Scope, tx: SqliteTx) -> Iterator[Check]:
    """What is to be said of targets that stand before the migration begins."""
    names = names_of(tx)
    for target, dimension in scope.split.targets:
        if target.lower() not in names:
            continue
        try:
            table = look(tx, target)
        except Refused as error:
            yield Check(name="targets", verdict="refused", said=error.what, needed=error.needed, do=_DO)
            continue
        wrong = list(_faults(scope, table, dimension))
        if wrong:
            yield Check(
                name="targets",
                verdict="refused",
                said=f"{target} stands already, and {'; '.join(wrong)}.",
                needed="A table like those that the migration makes, or none.",
                do=_DO,
            )
            continue
        count = int(tx.raw(f"SELECT count(*) FROM {quoted(table.name)}")[0][0])
        yield Check(
            name="targets",
            verdict="note",
            said=(
                f"{target} stands already: it gets a column {HAD_VECTOR}, and its {count:,} rows stay as they are."
                " A row of the source whose key stands there is listed as dead."
                " INSERT INTO it without a list of columns fails from expand on."
            ),
        )


_DO = "Rename or drop it, or choose another table in [target]."


def _faults(scope: Scope, table: Table, dimension: int | None) -> Iterator[str]:
    columns = {column.name.lower(): column for column in table.columns}
    wanted = [*(column.name for column in scope.carried), scope.split.vector]
    missing = [name for name in wanted if name.lower() not in columns]
    if missing:
        yield f"has no column {', '.join(missing)}"
        return
    if HAD_VECTOR in columns:
        yield f"has a column {HAD_VECTOR} of its own"
    computed = [name for name in wanted if columns[name.lower()].generated]
    if computed:
        yield f"computes {', '.join(computed)}"
    key = columns[scope.key.name.lower()]
    if key.integer is not scope.key.integer:
        yield f"keeps {key.name} as {key.type or 'anything'}, not as {scope.key.type}"
    unique = [index for index in table.indexes if index.unique and not index.partial]
    if table.primary != (key.name,) and all(index.columns != (key.name,) for index in unique):
        yield f"nothing makes {key.name} unique in it"
    if _WITHOUT_ROWID.search(table.sql):
        yield "has no rowid, by which its vectors are searched"
    if "COLLATE" in table.sql.upper():
        yield "compares texts by a collation, so that two keys of the source may be one there"
    native = _NATIVE.search(columns[scope.split.vector.lower()].type)
    if native is not None and int(native[1]) != dimension:
        yield f"{scope.split.vector} holds {native[1]} dimensions"
    own = {name.lower() for name in wanted}
    needed = [c.name for c in table.columns if c.not_null and not c.default and c.name.lower() not in own]
    if needed:
        yield f"{', '.join(needed)} must have a value that the source does not give"
