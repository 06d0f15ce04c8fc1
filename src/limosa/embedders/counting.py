"""Counts tokens with a tokenizer file on this machine, for models that answer elsewhere."""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from limosa.errors import Refused

__all__ = ["load_tokenizer", "token_counter"]


def token_counter(path: str | None) -> Callable[[Sequence[str]], list[int]] | None:
    """Counts the tokens of each text, special ones included; None where no file is named.

    Args:
        path: a ``tokenizer.json`` as Hugging Face writes it, ``~`` allowed; it must be the model's own.

    Raises:
        Refused: there is no such file, or it is no tokenizer.
        ModuleNotFoundError: the library tokenizers is not installed.
    """
    if path is None:
        return None
    file = Path(path).expanduser()
    if not file.is_file():
        raise Refused(
            f"There is no tokenizer at {path}.",
            needed="The file tokenizer.json of the model.",
            do="Set tokenizer in the space to it, or leave it out: texts are then not counted beforehand.",
        )
    tokenizer = load_tokenizer(file)
    return lambda texts: [len(each.ids) for each in tokenizer.encode_batch(list(texts))]


def load_tokenizer(file: Path) -> Any:
    """The tokenizer of a file, which neither cuts texts nor fills them up.

    Raises:
        Refused: the file is no tokenizer.
        ModuleNotFoundError: the library tokenizers is not installed.
    """
    from tokenizers import Tokenizer

    try:
        tokenizer = Tokenizer.from_file(str(file))
    except Exception as exc:  # the library raises nothing narrower
        reason = (str(exc).splitlines() or [type(exc).__name__])[0][:200]
        raise Refused(f"{os.fspath(file)} cannot be loaded: {reason}", do="Copy the file again.") from exc
    # The file may carry settings of its own that would cut texts silently.
    tokenizer.no_padding()
    tokenizer.no_truncation()
    return tokenizer
