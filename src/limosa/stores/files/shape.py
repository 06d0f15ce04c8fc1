"""Shape: which columns or fields of the files are the id, the vectors and the payload, and who wrote them."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from typing import Any

from limosa.errors import Refused
from limosa.model.point import VectorSpec

__all__ = [
    "FORMAT",
    "ID",
    "MARKER",
    "PAYLOAD",
    "SHORTEST",
    "Shape",
    "lengths_refused",
    "own",
    "shape_of_text",
    "specs_of",
    "text_of",
]

FORMAT = 1
"""Of what limosa writes; a later one is refused."""

MARKER = "limosa.json"
"""The file that makes a folder a collection of limosa's own, and holds its vectors."""

SHORTEST = 8
"""Lists of numbers shorter than this are payload in files that others wrote: places, ranges, colours. Nothing that
makes embeddings makes such short ones. (A list of fixed size is a vector whatever its length: that is its type.)"""

ID = "id"
PAYLOAD = "payload"
"""Columns, or fields, of what limosa writes."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Shape:
    """What limosa reads in the files of one folder.

    Attributes:
        ours: limosa wrote them, and may change them.
        id: the column or field of ids.
        vectors: column or field by name of the vector; ``specs`` has the same names.
    """

    ours: bool
    id: str
    vectors: Mapping[str, str] = field(default_factory=dict)
    specs: Mapping[str, VectorSpec] = field(default_factory=dict)


def own(specs: Mapping[str, VectorSpec]) -> Shape:
    """The shape of what limosa writes; a vector's column can be mistaken for no other."""
    columns = {name: f"vector_{name}" if name else "vector" for name in specs}
    return Shape(ours=True, id=ID, vectors=columns, specs=specs)


def text_of(specs: Mapping[str, VectorSpec]) -> str:
    """What the marker says, and the metadata of every part."""
    return json.dumps({"format": FORMAT, "vectors": [asdict(each) for each in specs.values()]}, ensure_ascii=False)


def specs_of(text: str | bytes, where: str) -> dict[str, VectorSpec]:
    """The vectors that a marker or a part's metadata names.

    Raises:
        Refused: it is not limosa's, or a later limosa's.
    """
    try:
        found: dict[str, Any] = json.loads(text)
        if found["format"] == FORMAT:
            return {each["name"]: VectorSpec(**each) for each in found["vectors"]}
    except (ValueError, LookupError, TypeError) as error:
        raise Refused(f"{where} is not as limosa writes it.", needed="The file as it was.") from error
    raise Refused(f"{where} was written by a later limosa (format {found['format']}).", do="pip install -U limosa")


def shape_of_text(text: str) -> Shape:
    """A shape as ``json.dumps(asdict(shape))`` wrote it."""
    found = json.loads(text)
    specs = {name: VectorSpec(**each) for name, each in found.pop("specs").items()}
    return Shape(**found, specs=specs)


def lengths_refused(where: str, lengths: Mapping[str, list[int]]) -> Refused:
    """What is said where nothing but lists of several lengths could be a vector."""
    told = "; ".join(f"{name} of {', '.join(map(str, found))} and more numbers" for name, found in lengths.items())
    return Refused(
        f"No vectors of one length are in {where}: {told}.",
        needed="A column whose vectors are all of one length.",
        do="Write the rows of each model to a folder of their own.",
    )
