"""Finds what answers for a store by its address, through entry points."""

from __future__ import annotations

from contextlib import ExitStack
from importlib.metadata import entry_points
from pathlib import Path
from typing import Any

from limosa.errors import Refused
from limosa.model.migration import Copy, Form, Migration, Side
from limosa.ports.backups import Backups, OpenBackups
from limosa.ports.collection import Collection, OpenCollection, OpenTable
from limosa.ports.discovery import Discover, Discovery
from limosa.ports.home import Home
from limosa.ports.landing import Landing, OpenLanding
from limosa.ports.reference import resolve
from limosa.ports.store import OpenStore, Store

__all__ = ["discover", "open_backups", "open_store"]


def open_store(migration: Migration) -> Store:
    """The store of a migration; connects.

    Raises:
        Refused: there is no such store, or it refuses.
    """
    if migration.copy is not None:
        return _open_crossing(migration, migration.copy)
    url, opener = _adapter(migration.target.place.store, "limosa.stores")
    found: OpenStore = opener
    return found(url, migration)


def _open_crossing(migration: Migration, copy: Copy) -> Store:
    """Two stores as one.

    Raises:
        Refused: one of them is not known, or refuses.
    """
    from limosa.stores.crossing.store import CrossingStore

    with ExitStack() as opened:
        source = _points(migration.source, copy.source)
        opened.callback(source.close)
        home, landing = _landing(migration, copy, opened)
        return CrossingStore(migration, source, landing, home, close=opened.pop_all())


def _points(side: Side, form: Form | None) -> Collection:
    """A place whose points are read: a collection, or a table with its form."""
    if form is not None:
        url, opener = _adapter(side.place.store, "limosa.tables")
        table: OpenTable = opener
        return table(url, side.place.table, form)
    url, opener = _adapter(side.place.store, "limosa.collections")
    collection: OpenCollection = opener
    return collection(url, side.place.table, side.token)


def _landing(migration: Migration, copy: Copy, opened: ExitStack) -> tuple[Home, Landing]:
    """The place where points land, and the ledger's home: the same database, or a file of this machine."""
    if copy.target is not None:
        url, opener = _adapter(migration.target.place.store, "limosa.landings")
        landing: OpenLanding = opener
        home, place = landing(url, migration)
        opened.callback(home.close)
        return home, place
    from limosa.stores.crossing.landing import MADE, CollectionLanding
    from limosa.stores.sqlite.home import open_home

    collection = _points(migration.target, None)
    opened.callback(collection.close)
    file = open_home(Path.cwd() / ".limosa" / "ledgers" / f"{migration.name}.sqlite", migration.id)
    opened.callback(file.close)
    made = lambda: file.begun(MADE)  # noqa: E731
    return file, CollectionLanding(collection, file.landed, file.switched, made, migration.index, copy.made)


def discover(store: str, *, table: str | None = None) -> Discovery:
    """What could be migrated in a store that no file describes yet; changes nothing.

    Args:
        store: as a file names it.
        table: only this table.

    Raises:
        Refused: there is no such store, it does not let limosa in, or it is of a kind that cannot be looked through.
    """
    url, look = _adapter(
        store,
        "limosa.discovery",
        else_=Refused(
            "A store of this kind cannot be looked through.",
            needed="A Postgres database.",
            do="Write its file by hand; docs/reference/split-file.md shows one.",
        ),
    )
    found: Discover = look
    return found(url, table=table)


def open_backups(migration: Migration, database: str | None = None) -> Backups:
    """The backups on this machine, for the migration's own database or another one.

    Args:
        database: a URL, or a reference such as ``env:OTHER_URL``.

    Raises:
        Refused: no such store, or one that makes none that are put back this way.
    """
    url, opener = _adapter(
        database or migration.target.place.store,
        "limosa.backups",
        else_=Refused(
            "The backups of this store are not put back by limosa.",
            needed="A backup that was made of Postgres.",
            do="The backup of a split is a plain SQLite file or table: copy it back yourself.",
        ),
    )
    found: OpenBackups = opener
    return found(url)


def _adapter(store: str, group: str, *, else_: Refused | None = None) -> tuple[str, Any]:
    """The address that a file's store stands for, and what an entry point of its scheme gives.

    Args:
        else_: raised for a store that is known, but not in this group.
    """
    url = resolve(store)
    if url == "embedded" or url.startswith("embedded:"):
        from limosa.stores.postgres.embedded import embedded_url

        url = embedded_url(url, Path.cwd())
    scheme = url.split("://", 1)[0]
    name = {"postgres": "postgresql"}.get(scheme, scheme)
    known = {entry.name: entry for entry in entry_points(group=group)}
    if name in known:
        return url, known[name].load()
    stores = sorted(known if else_ is None else entry_points(group="limosa.stores").names)
    if name in stores and else_ is not None:
        raise else_
    # An address may hold a password: only what is plainly a scheme is shown.
    shown = repr(scheme) if scheme.isalnum() and "://" in url else "what the store's address begins with"
    raise Refused(
        f"No store is called {shown}.",
        needed="One of: " + ", ".join(stores) + ".",
        do="Set store to one of them; rows of Postgres are named by table, points of other stores by collection.",
    )
