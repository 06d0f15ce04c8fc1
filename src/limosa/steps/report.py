"""Report: what is known of a migration, as plain statistics that may be handed to anybody; changes nothing."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime

from limosa.control.jobs import Jobs
from limosa.control.records import PROOFS, Record
from limosa.control.reports import Exceptions, Tally
from limosa.control.samples import Sample, Samples
from limosa.errors import Refused
from limosa.model.conservation import Conservation
from limosa.model.migration import Migration
from limosa.model.operation import Step
from limosa.model.proof import Proof
from limosa.model.space import Space
from limosa.steps.course import Course, course
from limosa.steps.disclosure import own_words, reference, shown
from limosa.steps.likeness import Likeness, likeness
from limosa.steps.ruling import Ruling, rule
from limosa.steps.spending import Spending, spending
from limosa.steps.status import Status, status
from limosa.steps.voyage import Voyage
from limosa.version import __version__

__all__ = ["Bill", "Done", "Happened", "LeftOut", "Report", "Subject", "report"]

EVENTS = 200
"""How many of the last events are told."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Subject:
    """What was migrated.

    Attributes:
        place: of a copy both ends.
        store: the reference by which the file names the database, such as ``env:DATABASE_URL``, else its kind.
        where: the filter; empty for every row.
        old, new: the spaces, without the recipe of their texts; None for a split, whose rows know their own.
        sends_to: where texts were sent; empty where nowhere. columns_sent: of which columns they were made.
        versions: program to version, of limosa and of the database.
    """

    id: str
    name: str
    shape: str
    plan_hash: str
    place: str
    store: str
    layout: str
    where: str
    old: Space | None
    new: Space | None
    sends_to: str
    columns_sent: tuple[str, ...]
    versions: dict[str, str]


@dataclass(frozen=True, slots=True, kw_only=True)
class Bill:
    """Money, estimated by the locked plan and paid.

    Attributes:
        spending: None where nothing costs anything, or no price was known.
        out_usd: what batch jobs that are still with the provider will cost besides.
        price_usd_per_million_tokens: None where it was not known; price_source: who says so; price_seen: on which day.
        sum: the estimate's arithmetic; basis: how tokens were counted for it.
        tokens, texts: that were paid for until now, also where they cost nothing.
    """

    spending: Spending | None
    out_usd: float
    price_usd_per_million_tokens: float | None
    price_source: str
    price_seen: str
    sum: str
    basis: str
    tokens: int
    texts: int


@dataclass(frozen=True, slots=True)
class LeftOut:
    """Rows that are skipped or dead for one reason, or whose text was not embedded as it is."""

    kind: str
    reason: str
    rows: int


@dataclass(frozen=True, slots=True)
class Done:
    """One operation of the locked plan; its state is ``open``, ``intended``, ``done``, ``undone`` or ``swept``.

    After the end the ledger no longer knows what became of each: ``swept``.
    """

    step: Step
    title: str
    state: str


@dataclass(frozen=True, slots=True)
class Happened:
    """Something that happened, and when."""

    at: datetime
    kind: str
    detail: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Report:
    """All that is told of a migration; no vector, no text of a row, no key of a row, no secret.

    Attributes:
        made_at: when the report was made; what is not dated otherwise was read then.
        began: when the place was claimed; the plan was locked then.
        at_expand: rows of the filter when capture was armed; None before that.
        conservation: the newest count; None where there is none. counted_at: when it was made; None where not known.
        proofs: as they were made last, without keys and foreign words; proved_at: when; None where not known.
        course: how it went, from samples; empty where an older version ran it.
        likeness: similarities of random pairs, read now.
        events: oldest first.
    """

    made_at: datetime
    ruling: Ruling
    subject: Subject
    state: str
    step: Step
    switched: bool
    began: datetime
    at_expand: int | None
    conservation: Conservation | None
    counted_at: datetime | None
    proofs: tuple[Proof, ...]
    proved_at: datetime | None
    left_out: tuple[LeftOut, ...]
    course: Course
    likeness: tuple[Likeness, ...]
    bill: Bill
    operations: tuple[Done, ...]
    events: tuple[Happened, ...]


def report(voyage: Voyage) -> Report:
    """Gathers it; reads every key of the table once, to count, and a few hundred vectors of each side.

    Raises:
        Refused: the migration has not begun.
        Transient: the database does not answer.
    """
    record = voyage.records.get()
    if record is None:
        raise Refused(
            f"The migration {voyage.migration.name!r} has not begun: there is nothing to report.",
            do="limosa plan FILE shows what would be done, limosa run FILE begins.",
        )
    look, samples = status(voyage), Samples(voyage.store.begin, record.id).all()
    events = tuple(Happened(*each) for each in reversed(voyage.reports.events(EVENTS)))
    made_at = datetime.now(UTC)
    proved_at = next((each.at for each in reversed(events) if each.kind == PROOFS), None)
    proofs = () if look.state == "rolled back" else tuple(shown(each) for each in record.proofs)
    finished = look.conservation is None and look.state == "finished"
    counted = _kept(proofs, "points" if record.shape == "copy" else "rows") if finished else look.conservation
    counted_at = proved_at if finished else made_at
    return Report(
        made_at=made_at,
        ruling=rule(look.state, counted, proofs),
        subject=_subject(voyage, record),
        state=look.state,
        step=record.step,
        switched=record.switched,
        began=record.created,
        at_expand=record.at_expand,
        conservation=counted,
        counted_at=counted_at if counted is not None else None,
        proofs=proofs,
        proved_at=proved_at if proofs else None,
        left_out=_left_out((*look.exceptions, *look.marks)),
        course=course(samples),
        likeness=likeness(voyage),
        bill=_bill(voyage, record, look, samples),
        operations=_operations(record, voyage.records.states()),
        events=events,
    )


def _subject(voyage: Voyage, record: Record) -> Subject:
    migration, known = voyage.migration, record.estimates
    source, target = migration.source, migration.target
    columns, sends_to = known.get("columns_sent"), known.get("sends_to")
    spaces = (
        None
        if migration.carries or migration.copy is not None
        else [replace(side.space, template="") for side in (source, target)]
    )
    return Subject(
        id=record.id,
        name=record.name,
        shape=record.shape,
        plan_hash=record.plan_hash,
        place=voyage.store.place if migration.copy is None else _ends(migration),
        store=reference(source.place.store),
        layout=migration.layout,
        where=source.place.where or "",
        old=spaces[0] if spaces else None,
        new=spaces[1] if spaces else None,
        sends_to=str(sends_to or ""),
        columns_sent=tuple(str(each) for each in columns) if isinstance(columns, list) else (),
        versions={"limosa": __version__, **voyage.reports.versions()},
    )


def _ends(migration: Migration) -> str:
    """Where points were, and where they went, as anybody may know it."""
    copy = migration.copy
    forms = (copy.source, copy.target) if copy is not None else ()
    told = [
        f"{'collection' if form is None else 'table'} {side.place.table} in {reference(side.place.store)}"
        for side, form in zip((migration.source, migration.target), forms, strict=True)
    ]
    return " → ".join(told)


def _kept(proofs: Sequence[Proof], what: str) -> Conservation | None:
    """What the last verify counted, once the lists are gone that it is counted from."""
    found = next((each.evidence for each in proofs if each.name == "conservation"), None)
    names = ("rows", "done", "skipped", "dead", "pending", "lost")
    counts = {name: found.get(name) for name in names} if found is not None else {}
    if not counts or not all(isinstance(count, int) for count in counts.values()):
        return None
    return Conservation(**{name: int(str(count)) for name, count in counts.items()}, what=what)


def _left_out(found: Sequence[Exceptions]) -> tuple[LeftOut, ...]:
    counts: Counter[tuple[str, str]] = Counter()
    for each in found:
        counts[each.kind, own_words(each.reason)] += each.count
    return tuple(LeftOut(kind, reason, rows) for (kind, reason), rows in counts.most_common())


def _bill(voyage: Voyage, record: Record, look: Status, samples: Sequence[Sample]) -> Bill:
    known = record.estimates
    price = known.get("price_usd_per_million_tokens")
    tally = look.tally if record.active else _swept(samples)
    return Bill(
        spending=spending(record, tally) if tally is not None else None,
        out_usd=Jobs(voyage.store.begin, record.id).promised_usd(),
        price_usd_per_million_tokens=float(price) if isinstance(price, int | float) else None,
        price_source=str(known.get("price_source") or ""),
        price_seen=str(known.get("price_seen") or ""),
        sum=str(known.get("sum") or ""),
        basis=str(known.get("tokens_basis") or ""),
        tokens=tally.tokens if tally is not None else 0,
        texts=tally.asked if tally is not None else 0,
    )


def _swept(samples: Sequence[Sample]) -> Tally | None:
    """The sums as they were when the chunks were swept, of which the last sample was made."""
    if not samples:
        return None
    last = samples[-1]
    none = dict.fromkeys(("chunks_done", "chunks_open", "workers", "processes", "changes"), 0)
    return Tally(
        done=last.done,
        skipped=last.skipped,
        dead=last.dead,
        asked=last.asked,
        tokens=last.tokens,
        cost_usd=last.cost_usd,
        **none,
    )


def _operations(record: Record, states: dict[str, str]) -> tuple[Done, ...]:
    otherwise = "open" if record.active else "swept"
    return tuple(Done(each.step, each.title, states.get(each.id, otherwise)) for each in record.operations)
