"""A model folder on this machine: which files it must hold, and what they say about the model."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import orjson

from limosa.errors import Refused

__all__ = ["ModelFolder", "read_folder"]

_TOKENS = 256
"""Token limit where the folder names none: what all-MiniLM-L6-v2 was trained with (its model card)."""


@dataclass(frozen=True, slots=True)
class ModelFolder:
    """What a folder holds.

    Attributes:
        model: the ONNX file.
        tokenizer: the file of the ``tokenizers`` library.
        tokens: most tokens in one text, special ones included.
    """

    model: Path
    tokenizer: Path
    tokens: int


def read_folder(name: str) -> ModelFolder:
    """The folder as sentence-transformers lays it out; only the two files are needed.

    Raises:
        Refused: no such folder, a file is missing, or the model pools otherwise than by the mean.
    """
    folder = Path(name).expanduser()
    files = (folder / "model.onnx", folder / "tokenizer.json")
    missing = [file.name for file in files if not file.is_file()]
    if missing:
        what = f"{name} lacks {' and '.join(missing)}." if folder.is_dir() else f"There is no folder {name}."
        raise Refused(
            what,
            needed="A folder that holds model.onnx and tokenizer.json.",
            do="Set model in the space to that folder; export a model with: optimum-cli export onnx.",
        )
    pooling = _settings(folder / "1_Pooling" / "config.json")
    if not pooling.get("pooling_mode_mean_tokens", True):
        raise Refused(
            f"The model in {name} does not pool by the mean of its tokens (1_Pooling/config.json).",
            needed="Mean pooling: anything else gives vectors that no other tool of this model gives.",
            do="Use a model with mean pooling, or serve this one behind the provider 'openai'.",
        )
    limit = _settings(folder / "sentence_bert_config.json").get("max_seq_length")
    return ModelFolder(*files, tokens=limit if isinstance(limit, int) and limit > 2 else _TOKENS)


def _settings(file: Path) -> dict[str, Any]:
    if not file.is_file():
        return {}
    try:
        settings = orjson.loads(file.read_bytes())
    except ValueError as exc:
        raise Refused(f"{file} is not JSON.", do="Copy the model's folder again.") from exc
    return settings if isinstance(settings, dict) else {}
