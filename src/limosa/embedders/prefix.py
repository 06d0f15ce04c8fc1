"""What is put before a text on its way to a model, and the one thing no model can read."""

from __future__ import annotations

from collections.abc import Sequence

from limosa.errors import RowRefused
from limosa.model.batch import Kind
from limosa.model.space import Space

__all__ = ["prefixed"]


def prefixed(space: Space, texts: Sequence[str], kind: Kind) -> list[str]:
    """The texts as the model is to see them: documents get ``prefix``, queries ``query_prefix``.

    Raises:
        RowRefused: a text holds a lone surrogate and has no UTF-8 form.
    """
    prefix = space.prefix if kind == "document" else space.query_prefix
    out = [prefix + text for text in texts] if prefix else list(texts)
    try:
        "".join(out).encode()
    except UnicodeEncodeError as exc:
        raise RowRefused(
            "A text holds a lone surrogate and cannot be written as UTF-8.",
            needed="Text that is valid Unicode.",
            do="Repair the text in the row, then retry.",
        ) from exc
    return out
