"""Texts that are longer than the model takes: found before money is spent."""

from __future__ import annotations

from collections.abc import Sequence

from limosa.model.migration import Migration
from limosa.model.plan import Check
from limosa.ports.embedder import Embedder
from limosa.ports.store import Longest

__all__ = ["length_checks"]

_WILL = {
    "truncate": "Their beginnings will be embedded, and the rows marked.",
    "pool": "They will be embedded in pieces and the vectors pooled, and the rows marked.",
    "skip": "They will be left without a vector, and listed.",
}


def length_checks(migration: Migration, embedder: Embedder, longest: Sequence[Longest]) -> list[Check]:
    """Refused, or told, where some of the longest texts are over the model's limit.

    Tokens are counted with the model's own tokenizer where it is at hand, else estimated.
    """
    most = embedder.limits.tokens
    if most is None or not longest:
        return []
    counts = _tokens(embedder, longest)
    over = [each for each, tokens in zip(longest, counts, strict=True) if tokens > most]
    if not over:
        return []
    many = f"{len(over)} texts or more are" if len(over) == len(longest) > 1 else _are(len(over))
    keys = ", ".join("/".join(each.key) for each in over[:3]) + (", ..." if len(over) > 3 else "")
    said = (
        f"{many} longer than {migration.target.space.model} takes: up to about {max(counts):,} tokens,"
        f" it takes {most:,} (key {keys})."
    )
    policy = migration.target.space.oversize
    if policy in _WILL:
        return [Check(name="oversize", verdict="note", said=said, do=_WILL[policy])]
    return [
        Check(
            name="oversize",
            verdict="refused",
            said=said,
            needed="Texts that the model takes, or a word on what becomes of the others.",
            do='Set oversize = "truncate", "pool" or "skip" in [backfill]; or shorten the texts.',
        )
    ]


def _are(count: int) -> str:
    return "1 text is" if count == 1 else f"{count} texts are"


def _tokens(embedder: Embedder, longest: Sequence[Longest]) -> list[int]:
    """Of the whole texts: what was not read is taken to be like the beginning."""
    beginnings = [each.beginning for each in longest]
    counts = embedder.count(beginnings) or [len(text) // 4 for text in beginnings]
    sizes = [max(1, len(text.encode(errors="replace"))) for text in beginnings]
    return [round(n * each.size_bytes / size) for n, each, size in zip(counts, longest, sizes, strict=True)]
