"""The front door: verbs only, one for each command."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence, Set
from dataclasses import replace
from pathlib import Path
from types import TracebackType
from typing import Literal, Self

import numpy as np

from limosa import flow
from limosa.config import load
from limosa.control.letters import Letter
from limosa.flow import Ending
from limosa.model.backup import Backup, Restored, Way
from limosa.model.batch import Key
from limosa.model.migration import Migration
from limosa.model.plan import Plan
from limosa.model.proof import Proof
from limosa.model.wish import Setting, Settings
from limosa.opening import Opening
from limosa.ports.embedder import Embedder
from limosa.steps.cutover import cutover
from limosa.steps.doctor import Diagnosis, doctor, scrutiny_of
from limosa.steps.duplicates import Duplicates, duplicates
from limosa.steps.finish import finish, require_name
from limosa.steps.plan import admit, begun, plan
from limosa.steps.report import Report, report
from limosa.steps.restore import RestoreWish, restore
from limosa.steps.retry import retry
from limosa.steps.rollback import rollback, rollback_part
from limosa.steps.search import Found, search, search_vector
from limosa.steps.status import Status, status
from limosa.steps.verify import verify
from limosa.steps.voyage import Voyage
from limosa.steps.wish import pause, put, resume
from limosa.stores.find import open_backups

__all__ = ["App", "open_app"]


class App:
    """One migration, opened; ``with`` closes it at the end of the block.

    Every verb is a command of the command line, does the same, asks nobody, and may be called again. Where a verb
    cannot do what it says, it raises one of ``limosa.errors``. A run may be watched and stopped by other threads.

    Attributes:
        migration: as read from the file; frozen.
    """

    def __init__(self, migration: Migration, *, say: Callable[[str], None] = lambda line: None) -> None:
        self.migration = migration
        self._say = say
        self._opening = Opening(migration, say=say)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def plan(self, *, sql: Path | None = None, rehearse: bool = False) -> Plan:
        """What would be done, or, once it has begun, what was locked then; changes nothing.

        Args:
            sql: a folder for scripts, up and down; ``run`` recognises what was applied by hand.
            rehearse: of a split every row is read and decoded, and what became of it is counted.

        Raises:
            Refused: it has begun with another file; or scripts are wanted, and the plan refuses.
        """
        return plan(self.voyage, sql=sql, rehearse=rehearse)

    def run(self, *, accept: Set[str] = frozenset(), limit: int | None = None) -> Ending:
        """Goes on from where the migration stands up to a proved verify.

        Before cutover it catches up; after it, it embeds what changed since.

        Args:
            accept: the flags of the plan's questions that are answered with yes, such as ``--accept-reconnect``;
                ``--yes`` answers all. ``--accept-deletions``, which it does not answer: most of the collection that
                the application was switched to may be gone, and goes from the old store too.
            limit: end the backfill after about so many rows.

        Raises:
            Refused: the plan refuses, or a question was not accepted.
            Transient: the world failed, or ``stop`` was called; calling again goes on.
        """
        if begun(self.voyage) is None:
            found = plan(self.voyage, thorough=False)
            admit(found, accept)
            flow.begin(self.voyage, found)
        return flow.run(self.voyage, limit=limit, emptied="--accept-deletions" in accept)

    def stop(self) -> None:
        """Ends a run, called by another thread, after the batches in flight; the run raises Transient."""
        self.voyage.stop.set()

    def status(self, *, before: Status | None = None, count: bool = True) -> Status:
        """Where the migration stands, also while others work; changes nothing.

        Args:
            before: an earlier look, from which on the rate is taken.
            count: whether to count the conservation line; that reads every key of the table.
        """
        return status(self.voyage, before=before, count=count)

    def failed(self, *, kind: Literal["dead", "skipped"] | None = None) -> Iterator[Letter]:
        """The rows that have no vector, each with its reason, read page by page; none where nothing has begun.

        Args:
            kind: only ``dead``, or only ``skipped``.
        """
        return self.voyage.letters.each(kind=kind) if self.voyage.records.get() is not None else iter(())

    def retry(self, *, reason: str | None = None, keys: Sequence[str] = ()) -> int:
        """Queues dead rows again for the next run; how many there were.

        Args:
            reason: only rows with this reason, dead or skipped; may be shortened as long as it means one.
            keys: only these rows, dead or skipped; several key columns as a JSON array or with slashes between.
        """
        return retry(self.voyage, reason=reason, keys=keys)

    def pause(self, why: str = "") -> None:
        """Lets every run on every machine wait before its next batch, until ``resume``.

        Raises:
            Refused: the migration is not under way.
        """
        pause(self.voyage, why)

    def resume(self) -> bool:
        """Lets a paused migration go on; whether it was paused.

        Raises:
            Refused: the migration is not under way.
        """
        return resume(self.voyage)

    def set(self, /, **values: Setting | None) -> Settings:
        """Changes pace, budget or lane of runs that are under way; everything that is set now.

        Args:
            values: ``budget_usd``, ``lane``, ``requests_in_flight``, ``requests_per_minute`` or
                ``tokens_per_minute``; None takes a setting back.

        Raises:
            Refused: a name or a value is not known, and nothing was set; or the migration is not under way.
        """
        return put(self.voyage, values)

    def verify(self) -> list[Proof]:
        """Makes every proof again; one that came out different is among them, and raises nothing."""
        return verify(self.voyage)

    def report(self) -> Report:
        """What is known of the migration, as plain statistics; ``limosa.page`` makes a page of it. Changes nothing.

        Raises:
            Refused: it has not begun.
        """
        return report(self.voyage)

    def search(self, what: str | Sequence[float], *, k: int = 10, exact: bool = False) -> list[Found]:
        """The k rows nearest to a text, in the old and in the new space; a side that cannot answer says why.

        Args:
            what: a text; of a split, whose rows have many models, and of a copy that carries its vectors, a vector.
            exact: every row is compared and no index asked.
        """
        if isinstance(what, str):
            return search(self.voyage, what, k=k, exact=exact)
        return [search_vector(self.voyage, np.asarray(what, dtype=np.float32), k=k, exact=exact)]

    def duplicates(self, *, threshold: float, limit: int = 1000) -> list[Duplicates]:
        """Pairs of rows above a cosine similarity, most similar first, in the old and in the new space."""
        return duplicates(self.voyage, threshold=threshold, limit=limit)

    def doctor(self, *, sample: int = 8, model_column: str | None = None) -> Diagnosis:
        """Examines the vectors that the application reads for ills; changes nothing.

        Args:
            sample: at most so many texts are embedded again by the space's provider; 0 sends none. 8 see a share
                of 30 % of wrong vectors in all but one of 17 examinations.
            model_column: the column that names each vector's model; None looks for one.

        Raises:
            Refused: this store has no such examination, or the column is not there.
        """
        return doctor(self.voyage, replace(scrutiny_of(self.voyage), model_column=model_column), sample=sample)

    def cutover(self) -> int:
        """Switches; how many changes were outstanding then.

        Raises:
            Refused: the migration is not verified.
        """
        return cutover(self.voyage)

    def rollback(self, *, chunk: int | None = None, table: str | None = None) -> list[tuple[Key, str]]:
        """Goes back; the rows that had to be left without an old vector.

        Args:
            chunk: only this chunk of a split is taken back; ``run`` carries it again.
            table: only this target table of a split.

        Raises:
            Refused: it has not begun, or is finished.
        """
        if chunk is None and table is None:
            return rollback(self.voyage)
        count = rollback_part(self.voyage, chunk=chunk, table=table)
        self._say(f"{count:,} rows were taken back, and wait")
        return []

    def finish(self, *, drop_old: bool = False, delete: str = "", now: bool = False) -> None:
        """Drops the old side for good; of a split the old table only with ``drop_old``.

        Args:
            delete: of a copy the name of the old store's collection, which is deleted then; else it stays.
            now: not to wait until ``soak_days`` of the file have passed since cutover.

        Raises:
            Refused: the migration is not switched, its soak is not over, or that is not the collection's name.
        """
        if self.migration.copy is not None or delete:
            require_name(self.migration, delete)
            drop_old = bool(delete)
        else:
            drop_old = drop_old or self.migration.split is None
        finish(self.voyage, drop_old=drop_old, now=now)

    def restore(
        self,
        *,
        path: Path | None = None,
        into: str = "",
        replace: bool = False,
        database: str | None = None,
        agree: Callable[[Backup, Way], None] = lambda backup, way: None,
    ) -> Restored:
        """Puts back what ``backup`` in the file kept, in one transaction, and proves the rows in it.

        Args:
            path: the backup's folder; None for the newest of this migration below the current folder.
            into: another name for the table, which is then made beside it.
            replace: the rows take the place of those that are there.
            database: a reference such as ``env:OTHER_URL``, to put it back into another database.
            agree: is told what will be put back, and how, before anything is changed; raises to prevent it.

        Raises:
            Refused: there is no backup, it is damaged, or the table is there and nothing was said about that.
            ProofFailed: the rows are not those of the backup, and nothing was changed; or they are, and something
                that hung on the table could not be made again.
        """
        self._opening.require_open()
        wish = RestoreWish(path=path, into=into, elsewhere=database is not None, replace=replace)
        backups = open_backups(self.migration, database)
        try:
            return restore(backups, self.migration, wish, agree=agree)
        finally:
            backups.close()

    def use_embedder(self, side: Literal["source", "target"], embedder: Embedder) -> None:
        """Takes an embedder of the caller's own instead of looking for one.

        It must answer in the space of the file; count, size and values of its vectors are checked all the same.
        """
        self._opening.use_embedder(side, embedder)

    def close(self) -> None:
        """Gives every connection back; safe to call again. Afterwards every verb is refused."""
        self._opening.close()

    @property
    def voyage(self) -> Voyage:
        """What the steps work with, for limosa's own commands and tests; connects when it is first asked for."""
        return self._opening.voyage


def open_app(
    source: Path | str | Mapping[str, object],
    *,
    say: Callable[[str], None] = lambda line: None,
    batch_rows: int | None = None,
) -> App:
    """The migration of a file or mapping; connects when the first verb needs it.

    Args:
        source: the path of a ``limosa.toml``, or a mapping of the same form.
        say: is told what happens, one line for a person; at times by another thread.
        batch_rows: taken instead of what the file says; the migration stays the same one.

    Raises:
        Refused: there is no such file, or its content cannot be used; every problem of it is told at once.
    """
    migration = load(source)
    if batch_rows is not None:
        migration = replace(migration, backfill=replace(migration.backfill, batch_rows=batch_rows))
    return App(migration, say=say)
