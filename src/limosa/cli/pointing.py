"""What to change so that an application reads the new store of a copy, as lines that can be typed."""

from __future__ import annotations

import json
import shlex
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal
from urllib.parse import urlsplit

if TYPE_CHECKING:
    from limosa.model.migration import Migration, Side

__all__ = ["Change", "changes"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Change:
    """One thing to change.

    Attributes:
        kind: ``store``, ``token`` and ``name`` are what the application reads, each to be another one; ``alias`` and
            ``view`` are made in the store, and give the application a name that stays.
        said: what it is for.
        line: OLD -> NEW, or what is typed into a shell, Python or psql; secrets by the names of their variables.
    """

    kind: Literal["store", "token", "name", "alias", "view"]
    said: str
    line: str


def changes(migration: Migration) -> tuple[Change, ...]:
    """What fits this pair of stores; empty for a migration that stays in its store."""
    copy = migration.copy
    if copy is None:
        return ()
    old, new = migration.source, migration.target
    here, there = ("collection" if form is None else "table" for form in (copy.source, copy.target))
    pairs: tuple[tuple[Literal["store", "token", "name"], str, str], ...] = (
        ("store", _told(old.place.store), _told(new.place.store)),
        ("token", _told(old.token or "none"), _told(new.token or "none")),
        ("name", f"{here} {old.place.table}", f"{there} {new.place.table}"),
    )
    read = (Change(kind=kind, said="", line=f"{one} -> {other}") for kind, one, other in pairs if one != other)
    return (*read, *_made(old, new))


def _told(reference: str) -> str:
    return f"{_variable(reference)}=..." if _variable(reference) else reference


def _variable(reference: str) -> str:
    """The variable that a reference names; empty where it is no reference."""
    return reference.removeprefix("env:") if reference.startswith("env:") else ""


def _made(old: Side, new: Side) -> Iterator[Change]:
    """A name that stays, where the store of both knows such names."""
    from limosa.ports.reference import resolve

    address = resolve(new.place.store)
    make = _WAYS.get(address.split(":", 1)[0])
    if make is not None and resolve(old.place.store) == address:
        yield make(address, new, old.place.table)


def _qdrant(address: str, new: Side, old: str) -> Change:
    name = _lasting(old)
    scheme, _, rest = address.partition("://")
    held, port = _variable(new.place.store), "" if urlsplit(address).port else ":6333"
    host, first = (f"${{{held}#*://}}" if held else rest.rstrip("/")), ""
    if held and address.endswith("/"):
        # A shell takes away one end of a variable at a time.
        host, first = "${host%/}", f'host="{host}"; '
    url = f"{'https' if scheme.endswith('+https') else 'http'}://{host}{port}/collections/aliases"
    key = f' -H "api-key: ${_variable(new.token)}"' if new.token else ""
    body = {"actions": [{"create_alias": {"collection_name": new.place.table, "alias_name": name}}]}
    line = f'{first}curl -X POST "{url}"{key} -H "content-type: application/json" -d {shlex.quote(json.dumps(body))}'
    return Change(kind="alias", said=_saying(name, "collection"), line=line)


def _milvus(address: str, new: Side, old: str) -> Change:
    name = _lasting(old)
    scheme, _, rest = address.partition("://")
    held = _variable(new.place.store)
    where = f'os.environ["{held}"].partition("://")[2]' if held else repr(rest)
    if not scheme.endswith("+local"):
        port = "" if urlsplit(address).port else ":19530"
        where = f'"http://" + {where} + "{port}"' if held else repr(f"http://{rest}{port}")
    token = f', token=os.environ["{_variable(new.token)}"]' if new.token else ""
    call = f"MilvusClient({where}{token}).create_alias({new.place.table!r}, {name!r})"
    line = f"import os; from pymilvus import MilvusClient; {call}"
    return Change(kind="alias", said=_saying(name, "collection"), line=line)


def _postgres(address: str, new: Side, old: str) -> Change:
    from limosa.stores.postgres.names import parse_relation, quoted

    (schema, table), name = parse_relation(new.place.table), _lasting(parse_relation(old)[1])
    within = f"{quoted(schema)}." if schema is not None else ""
    line = f"CREATE OR REPLACE VIEW {within}{quoted(name)} AS SELECT * FROM {within}{quoted(table)};"
    return Change(kind="view", said=_saying(name, "table"), line=line)


def _lasting(old: str) -> str:
    """A name that nothing has: what is made takes no name that a collection or table has still."""
    return f"{old}_live"


def _saying(name: str, what: str) -> str:
    return f"lets {name}, or any name that is free, mean the new {what}; take it away before a rollback"


_WAYS: Mapping[str, Callable[[str, Side, str], Change]] = {
    "qdrant": _qdrant,
    "qdrant+https": _qdrant,
    "milvus": _milvus,
    "milvus+local": _milvus,
    "postgresql": _postgres,
    "postgres": _postgres,
    "embedded": _postgres,
}
"""How a name is made that stays, by the word that an address begins with. Folders of Qdrant have no server to ask."""
