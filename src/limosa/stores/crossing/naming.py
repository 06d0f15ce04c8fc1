"""Names of fields in the file that no sampled point has: told with the one that may be meant."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from limosa.model.fields import mistaken, suggestion
from limosa.model.identity import Identity
from limosa.model.place import Text
from limosa.model.plan import Check
from limosa.model.point import Point
from limosa.stores.crossing.points import PLACEHOLDER

__all__ = ["identity_names", "text_checks"]


def text_checks(sample: Sequence[Point], text: Text, *, without: int) -> Iterator[Check]:
    """Points without the text of which their vector is to be made, and fields of it that none of them has.

    Args:
        without: how many of the sample have no text.
    """
    key = "text" if text.template is None else "template"
    names = text.columns if text.template is None else tuple(PLACEHOLDER.findall(text.template))
    unknown = mistaken((each.payload for each in sample), names) if sample else {}
    if without:
        named = ", ".join(text.columns) or repr(text.template)
        said = f"{without:,} of {len(sample):,} sampled points have no text by {named}; such points do not travel."
        if without == len(sample):
            near = next((near for near in unknown.values() if near), "")
            do = f"Set text or template in [source] to fields that the points have{suggestion(near) or '.'}"
            yield Check(name="texts", verdict="refused", said=said, needed="Texts to embed.", do=do)
            return
        yield Check(name="texts", verdict="note", said=said)
    for name, near in unknown.items():
        said = f"None of {len(sample):,} sampled points has a field {name}, which {key} in [source] names"
        yield Check(name="texts", verdict="note", said=said + (suggestion(near) or "."))


def identity_names(sample: Sequence[Point], identity: Identity) -> Iterator[Check]:
    """Fields of which ids are to be made, and that no point has: then none would get an id."""
    names = [each for each in identity.fields if each != "id"]
    unknown = mistaken((each.payload for each in sample), names) if sample else {}
    for name, near in unknown.items():
        yield Check(
            name="ids",
            verdict="refused",
            said=f"None of {len(sample):,} sampled points has a field {name}, of which ids are to be made.",
            needed="Fields that the points have; one that lacks a field has no id, and would be dead.",
            do=f"Correct uuid5 in [target.key]{suggestion(near) or '.'}",
        )
