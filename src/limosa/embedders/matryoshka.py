"""Which models' shorter vectors are the beginning of their longer ones, as data with source and date.

Such a vector is made shorter without the model: the first values, divided by their L2 norm.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date

from limosa.embedders.prices import bare

__all__ = ["MATRYOSHKA", "Nested", "is_prefix"]

_SEEN = date(2026, 11, 21)


@dataclass(frozen=True, slots=True, kw_only=True)
class Nested:
    """The sizes that are nested in one vector.

    Attributes:
        longest: the model's own size.
        shortest: the smallest size that the provider offers.
        sizes: the sizes that it offers, ascending; empty where it is every size between the two.
        source: the page that says so.
        seen: the day on which it said so.
    """

    longest: int
    shortest: int
    source: str
    seen: date
    sizes: tuple[int, ...] = ()


_OPENAI = "https://developers.openai.com/api/docs/guides/embeddings"
_GOOGLE = "https://ai.google.dev/gemini-api/docs/embeddings"
_VOYAGE = "https://docs.voyageai.com/docs/flexible-dimensions-and-quantization"
_COHERE = "https://docs.cohere.com/docs/embeddings"


def _voyage() -> Nested:
    return Nested(longest=2048, shortest=256, sizes=(256, 512, 1024, 2048), source=_VOYAGE, seen=_SEEN)


MATRYOSHKA: dict[str, Nested] = {
    # "shorten embeddings (i.e. remove some numbers from the end of the sequence)", then "be sure to normalize".
    "text-embedding-3-small": Nested(longest=1536, shortest=1, source=_OPENAI, seen=_SEEN),
    "text-embedding-3-large": Nested(longest=3072, shortest=1, source=_OPENAI, seen=_SEEN),
    # "initial segments (or prefixes)"; 128 to 3072, of which 768, 1536 and 3072 are recommended.
    "gemini-embedding-001": Nested(longest=3072, shortest=128, source=_GOOGLE, seen=date(2026, 5, 1)),
    "gemini-embedding-2": Nested(longest=3072, shortest=128, source=_GOOGLE, seen=date(2026, 5, 1)),
    # "the first k entries of a 2048-dimensional embedding also form a valid k-dimensional embedding".
    "voyage-4-large": _voyage(),
    "voyage-4": _voyage(),
    "voyage-4-lite": _voyage(),
    "voyage-3-large": _voyage(),
    "voyage-3.5": _voyage(),
    "voyage-3.5-lite": _voyage(),
    "voyage-code-3": _voyage(),
    # "Matryoshka learning creates embeddings with coarse-to-fine representation within a single vector".
    "embed-v4.0": Nested(longest=1536, shortest=256, sizes=(256, 512, 1024, 1536), source=_COHERE, seen=_SEEN),
    # nomic-embed-text-v1.5 is not here: its card normalises by layer before it cuts
    # (https://huggingface.co/nomic-ai/nomic-embed-text-v1.5), which a stored vector no longer allows exactly.
}
"""By the model's own name."""


def is_prefix(model: str, *, longer: int, shorter: int) -> bool:
    """Whether the model's vectors of ``shorter`` dimensions are the renormalised beginning of those of ``longer``."""
    nested = MATRYOSHKA.get(bare(model))
    if nested is None or not nested.shortest <= shorter <= longer <= nested.longest:
        return False
    return not nested.sizes or {shorter, longer} <= set(nested.sizes)
