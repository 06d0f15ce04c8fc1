"""Verify: proves what was done, and keeps what it found."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace

from limosa.control.records import Record
from limosa.errors import Refused
from limosa.model.conservation import Conservation
from limosa.model.operation import STEPS
from limosa.model.proof import Proof
from limosa.ports.carried import Looked
from limosa.ports.evidence import Evidence, IndexUse
from limosa.ports.search import OldOrNew, Search
from limosa.steps.again import embedding_again
from limosa.steps.applying import Applying
from limosa.steps.voyage import Voyage
from limosa.verify.canary import canary_size, prove_canary
from limosa.verify.carried import prove_carried
from limosa.verify.conservation import count, prove_conservation
from limosa.verify.index import prove_index
from limosa.verify.match import CALLS, Caller, prove_match
from limosa.verify.norms import prove_norms
from limosa.verify.recall import QUERIES, prove_recall
from limosa.verify.space import prove_one_space
from limosa.verify.vectors import measure, prove_vectors

__all__ = ["conserve", "verify"]


@dataclass(frozen=True, slots=True, kw_only=True)
class _View:
    """What the proofs look at: the target side under the names of this epoch."""

    voyage: Voyage
    record: Record
    search: Search
    evidence: Evidence

    @property
    def built(self) -> bool:
        """The step index is complete."""
        return STEPS.index(self.record.step) >= STEPS.index("index")


def verify(voyage: Voyage, looked: Looked | None = None) -> list[Proof]:
    """Makes every proof; the step is complete when none came out different. Safe to call again, after finish too.

    Args:
        looked: what a look at both sides has just found, which is not made once more.
    """
    record = voyage.record()
    proofs = _proofs(voyage, record, looked)
    if record.active:
        voyage.records.set_proofs(proofs)
    if voyage.record().step == "index" and not any(proof.verdict == "different" for proof in proofs):
        voyage.records.set_step("verify")
    return proofs


def conserve(voyage: Voyage) -> Conservation:
    """The conservation line, counted range by range."""
    record = voyage.record()
    found = count(voyage.store, record.epoch, voyage.reports.edges(), at_expand=record.at_expand)
    return replace(found, what="points") if record.shape == "copy" else found


def _proofs(voyage: Voyage, record: Record, looked: Looked | None) -> list[Proof]:
    classes = conserve(voyage) if record.active else None
    conservation = prove_conservation(classes) if classes is not None else _kept(record)
    carried = voyage.store.witness(record.epoch).carried()
    if carried is not None:
        if not record.active:
            return [conservation]
        built = STEPS.index(record.step) >= STEPS.index("index")
        goal = voyage.migration.checking.latency_p95_ms
        return [conservation, *prove_carried(carried, built=built, goal_p95_ms=goal, looked=looked)]
    search = voyage.store.witness(record.epoch).search("new")
    evidence = voyage.store.witness(record.epoch).evidence("new")
    if search is None or evidence is None:
        return [conservation]
    view = _View(voyage=voyage, record=record, search=search, evidence=evidence)
    space = voyage.migration.target.space
    found = measure(evidence, voyage.store.begin, voyage.reports.edges())
    canary = _canary(view)
    index, proved = _index_and_recall(view)
    match = _match(view)
    applying = Applying(voyage=voyage, record=record, search=search, rows=found.vectors, index=index)
    proofs = [
        conservation,
        prove_vectors(found, dimensions=space.dimensions),
        prove_one_space(space, found, classes, canary, fill=record.shape == "fill"),
        canary,
        prove_norms(evidence.norms(), normalise=space.normalise, canary=canary, fill=record.shape == "fill"),
        *proved,
        *([match] if match is not None else []),
        *(applying.proofs() if view.built else ()),
    ]
    own = evidence.by_hand()
    by_hand = {**own, **(applying.by_hand(own) if view.built else {})}
    return [_with_sql(proof, by_hand) for proof in proofs]


def _with_sql(proof: Proof, by_hand: Mapping[str, str]) -> Proof:
    """The proof with the SQL that repeats it among its evidence."""
    sql = by_hand.get(proof.name)
    return proof if sql is None else replace(proof, evidence={**proof.evidence, "sql": sql})


def _kept(record: Record) -> Proof:
    """After finish the lists of skipped and dead keys are gone: what was counted last is shown as such."""
    last = next((proof for proof in record.proofs if proof.name == "conservation"), None)
    if last is None:
        return Proof(name="conservation", verdict="unchecked", said="the migration is finished; its lists are gone")
    return replace(last, verdict="unchecked", said=f"the migration is finished; counted before that: {last.said}")


def _canary(view: _View) -> Proof:
    voyage = view.voyage
    try:
        # What is kept here was made together with what is stored, and would prove nothing.
        embedder = voyage.asking("target")
    except Refused as error:
        return Proof(name="canary", verdict="unchecked", said=f"nothing could be embedded again: {error.what}")

    sample = view.search.sample(canary_size(embedder))
    return prove_canary(view.search, sample, embedding_again(embedder))


def _index_and_recall(view: _View) -> tuple[IndexUse | None, list[Proof]]:
    """The index where it can be used, and the proofs of it."""
    asked = view.voyage.migration.index is not None and view.record.shape == "upgrade"
    if asked and not view.built:
        said = "the index is built when the backfill is complete"
        return None, [Proof(name="index", verdict="unchecked", said=said)]
    found: IndexUse | None = view.evidence.index()
    proof = prove_index(found, asked=asked)
    if proof is None:
        return None, []
    if found is None or proof.verdict != "proved":
        return None, [proof]
    return found, [proof, prove_recall(view.evidence, found, view.search.sample(QUERIES))]


def _match(view: _View) -> Proof | None:
    voyage, record = view.voyage, view.record
    match = voyage.migration.match
    if match is None or record.shape == "fill":
        return None
    if not view.built:
        said = f"{match.function} answers in the new space when the step index is complete"
        return Proof(name="match function", verdict="unchecked", said=said)
    return prove_match(match.function, _callers(view))


def _callers(view: _View) -> list[Caller]:
    """New callers always, old ones until finish; where both sizes are equal, each by name and one without."""
    migration, record = view.voyage.migration, view.record
    store = view.voyage.store
    sides: tuple[OldOrNew, ...] = ("old", "new") if record.active else ("new",)
    sizes = {"old": migration.source.space.dimensions, "new": migration.target.space.dimensions}
    alike = sizes["old"] == sizes["new"] and record.active
    front: OldOrNew = "new" if record.switched else "old"
    callers: list[Caller] = []
    for side in sides:
        search, evidence = store.witness(record.epoch).search(side), store.witness(record.epoch).evidence(side)
        if search is None or evidence is None:
            continue
        caller = Caller(side=side, dimensions=sizes[side], evidence=evidence, sample=search.sample(CALLS), named=alike)
        callers.append(caller)
        if alike and side == front:
            callers.append(replace(caller, named=False))
    return callers
