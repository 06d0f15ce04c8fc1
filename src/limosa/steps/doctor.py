"""Doctor: examines the place that the application reads, and embeds a few texts again; changes nothing."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime

from limosa.errors import LimosaError, Refused
from limosa.model.finding import Finding, in_order
from limosa.model.place import Text
from limosa.model.proof import Proof
from limosa.ports.embedder import HERE, Embedder
from limosa.ports.examination import Examination, Scrutiny
from limosa.ports.search import Stored
from limosa.steps.again import embedding_again
from limosa.steps.voyage import Voyage
from limosa.verify.canary import prove_canary

__all__ = ["Diagnosis", "doctor", "scrutiny_of"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Diagnosis:
    """What an examination came to; holds no vector and no text.

    Attributes:
        place: names the vectors; space: the space that they should be of, for a person.
        at: when it began, in UTC.
        counts: as ``Examined.counts``.
        sent: how many texts were embedded again and where; empty where none were.
        findings: what was found first, the worst of it before the rest.
    """

    place: str
    space: str
    at: datetime
    counts: dict[str, int]
    sent: str
    findings: tuple[Finding, ...]


def scrutiny_of(voyage: Voyage) -> Scrutiny:
    """What the application's vectors are held against: the target's space once its column is of that."""
    switched = _is_of_target(voyage)
    side = voyage.migration.target if switched else voyage.migration.source
    index = voyage.migration.index
    return Scrutiny(
        side="target" if switched else "source",
        space=side.space,
        text=side.place.text,
        metric=index.metric if index is not None else None,
    )


def _is_of_target(voyage: Voyage) -> bool:
    """From the switch on; in place, where the column itself changes its type, from expand on."""
    record, migration = voyage.records.get(), voyage.migration
    if record is None or record.switched:
        return record is not None
    if migration.layout != "in_place" or migration.shape != "upgrade":
        return False
    # The old vectors are kept aside for as long as the column is not theirs.
    return voyage.store.witness(record.epoch).search("old") is not None


def doctor(voyage: Voyage, scrutiny: Scrutiny, *, sample: int) -> Diagnosis:
    """Examines the vectors that the application reads.

    Args:
        scrutiny: what they are held against.
        sample: at most so many texts are embedded again; 0 for none.

    Raises:
        Refused: this store has no such examination, or the column of the models is not there.
    """
    examination = voyage.store.witness(0).examination(scrutiny)
    if examination is None:
        raise Refused(
            "Only vectors in one column of a table in Postgres are examined.",
            needed="A migration whose [source] is such a column.",
            do="Of a split limosa plan FILE shows what is there, limosa run FILE --dry-run decodes every row and"
            " counts what is wrong, and limosa verify FILE proves the result.",
        )
    at = datetime.now(UTC)
    found = examination.examine()
    embedded, sent = _embedded_again(voyage, examination, scrutiny, sample)
    return Diagnosis(
        place=found.place,
        space=scrutiny.space.title,
        at=at,
        counts=found.counts,
        sent=sent,
        findings=in_order((*found.findings, *embedded)),
    )


def _embedded_again(
    voyage: Voyage, examination: Examination, scrutiny: Scrutiny, sample: int
) -> tuple[list[Finding], str]:
    """The findings that embedding a sample again gives, and what was sent where."""
    if sample < 1:
        return _compared(None, "no text was to be embedded again (--sample 0)"), ""
    try:
        rows = examination.sample(sample)
        embedder = voyage.asking(scrutiny.side)
    except LimosaError as error:
        return _compared(None, error.what), ""
    if not rows:
        return _compared(None, "no row holds a text and a vector of the space's size"), ""
    sent = _sent(embedder, scrutiny.text, rows)
    voyage.say(sent)
    return _compared(prove_canary(examination.search, rows, embedding_again(embedder)), ""), sent


def _sent(embedder: Embedder, text: Text, rows: Sequence[Stored]) -> str:
    what = "texts of the query in the file" if text.query is not None else "texts"
    if text.columns:
        what = f"texts of {', '.join(text.columns)}"
    if embedder.destination == HERE:
        return f"{len(rows):,} {what} are embedded again on this machine; none leaves it."
    return f"{len(rows):,} {what} are sent to {embedder.destination}, to be embedded again."


def _compared(proof: Proof | None, why: str) -> list[Finding]:
    """Two ills from one comparison: every vector is another model's, or some do not stand for their text."""
    if proof is None or proof.verdict == "unchecked":
        said = f"could not be checked: {proof.said if proof is not None else why}"
        return [
            Finding(name=name, verdict="unchecked", severity="error", said=said) for name in ("other-model", "stale")
        ]
    compared, different = (int(str(proof.evidence[name])) for name in ("compared", "different"))
    if not different:
        return [
            Finding(name="other-model", verdict="clean", severity="error", said=proof.said),
            Finding(name="stale", verdict="clean", severity="error", said=proof.said, count=0),
        ]
    examples = proof.evidence["examples"]
    keys = tuple(tuple(map(str, key)) for key in examples) if isinstance(examples, list) else ()
    figures = f"lowest cosine {proof.evidence['minimum']:.4f}, median {proof.evidence['median']:.4f}"
    if different == compared:
        return [
            Finding(
                name="other-model",
                verdict="found",
                severity="error",
                said=f"the model of the file makes other vectors of all {compared:,} texts that were embedded again:"
                f" {figures}",
                count=different,
                examples=keys,
                do="Set provider, model, revision, prefix, task and text of the space to those with which the column"
                " was filled.",
            ),
            Finding(
                name="stale",
                verdict="unchecked",
                severity="error",
                said="could not be checked: the vectors are of another model, text or prefix",
            ),
        ]
    return [
        Finding(
            name="other-model",
            verdict="clean",
            severity="error",
            said=f"{compared - different:,} of {compared:,} texts embedded again give the stored vectors",
        ),
        Finding(
            name="stale",
            verdict="found",
            severity="error",
            said=f"{different:,} of {compared:,} texts embedded again do not give the stored vectors: the text changed"
            f" after they were made, or another model made them ({figures})",
            count=different,
            examples=keys,
            do="Empty the vectors of such rows, and fill them with a file without a [target.space]: limosa plan FILE,"
            " limosa run FILE. A greater --sample shows how many there are.",
        ),
    ]
