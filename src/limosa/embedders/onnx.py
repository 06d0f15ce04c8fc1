"""A sentence model in a local folder, run with onnxruntime on this machine's processors."""

from __future__ import annotations

import os
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import numpy as np
from numpy.typing import NDArray

from limosa.embedders.counting import load_tokenizer
from limosa.embedders.folder import ModelFolder, read_folder
from limosa.embedders.local import Local
from limosa.embedders.prefix import prefixed
from limosa.errors import Refused, TooLong
from limosa.model.batch import Embedded, Kind, Vectors
from limosa.model.space import Endpoint, Space
from limosa.model.vectors import normalised
from limosa.ports.embedder import Limits

__all__ = ["OnnxEmbedder", "open_embedder"]

_INPUTS = {"input_ids", "attention_mask", "token_type_ids"}
_TYPES = {"tensor(int64)": np.int64, "tensor(int32)": np.int32}


class OnnxEmbedder(Local):
    """Token states averaged and L2-normalised, as sentence-transformers does.

    Each text is run alone, several at a time on threads of one core each. Dynamically quantised
    models scale by the whole batch: in company a text's vector turned by up to cosine 0.979
    (all-MiniLM-L6-v2, int8, 256 texts). Alone it is always the same, and no slower, as nothing is padded.
    """

    def __init__(self, space: Space) -> None:
        super().__init__(space)
        self._folder = read_folder(space.model)
        self._tokenizer = load_tokenizer(self._folder.tokenizer)
        self._session = _session(self._folder)
        self._inputs = {each.name: _TYPES[each.type] for each in self._session.get_inputs()}

    @property
    def limits(self) -> Limits:
        """One request uses every core already."""
        return Limits(batch=128, tokens=self._folder.tokens, concurrency=1)

    def count(self, texts: Sequence[str]) -> list[int] | None:
        """Tokens of each text with the prefix for documents, special ones included."""
        return [len(each.ids) for each in self._tokenizer.encode_batch(prefixed(self._space, texts, "document"))]

    def embed(self, texts: Sequence[str], kind: Kind) -> Embedded:
        """Vectors of the texts, shape (n, d), of L2 norm 1; tokens include the special ones.

        Raises:
            TooLong: a text is over the token limit.
        """
        inputs = prefixed(self._space, texts, kind)
        if not inputs:
            return Embedded(np.empty((0, self._space.dimensions), dtype=np.float32), 0, self._space.model)
        encodings = self._tokenizer.encode_batch(inputs)
        lengths = [len(each.ids) for each in encodings]
        self._require_length(max(lengths))
        with ThreadPoolExecutor(_cores(), thread_name_prefix="onnx") as threads:
            vectors: Vectors = np.stack(list(threads.map(self._run, encodings)))
        return Embedded(normalised(vectors), sum(lengths), self._space.model)

    def _run(self, encoding: Any) -> NDArray[np.float32]:
        known = {
            "input_ids": encoding.ids,
            "attention_mask": encoding.attention_mask,
            "token_type_ids": encoding.type_ids,
        }
        feed = {name: np.asarray([known[name]], dtype=kind) for name, kind in self._inputs.items()}
        states = np.asarray(self._session.run(None, feed)[0])
        # (1, t, d) are token states, none of them padding; (1, d) is what a model with its own pooling gives.
        pooled = states[0].mean(axis=0) if states.ndim == 3 else states[0]
        return np.asarray(pooled, dtype=np.float32)

    def _require_length(self, longest: int) -> None:
        if longest <= self._folder.tokens:
            return
        raise TooLong(
            f"A text has {longest} tokens; the model takes {self._folder.tokens}.",
            needed=f"At most {self._folder.tokens} tokens.",
            do='Shorten the text, or set oversize = "truncate" or "pool".',
        )


def open_embedder(space: Space, endpoint: Endpoint) -> OnnxEmbedder:
    """Loads the model of the folder ``space.model``; the endpoint is not used.

    Raises:
        Refused: the folder or one of its files is missing or broken, or the model wants other inputs.
        ModuleNotFoundError: onnxruntime or tokenizers is not installed.
    """
    return OnnxEmbedder(space)


def _cores() -> int:
    """The processors this process may use, which in a container are fewer than the machine's."""
    affinity = getattr(os, "sched_getaffinity", None)
    return len(affinity(0)) if affinity else os.cpu_count() or 1


def _session(folder: ModelFolder) -> Any:
    import onnxruntime

    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = 1
    options.inter_op_num_threads = 1
    try:
        session = onnxruntime.InferenceSession(
            str(folder.model), sess_options=options, providers=["CPUExecutionProvider"]
        )
    except Exception as exc:  # the library has a dozen unrelated kinds
        raise _broken(folder.model, exc) from exc
    wanted = {each.name: each.type for each in session.get_inputs()}
    odd = sorted(name for name, kind in wanted.items() if name not in _INPUTS or kind not in _TYPES)
    if odd:
        raise Refused(
            f"{folder.model} wants inputs that are not known here: {', '.join(odd)}.",
            needed=f"A model whose inputs are among: {', '.join(sorted(_INPUTS))}.",
            do="Export the encoder alone, for the task feature-extraction.",
        )
    return session


def _broken(file: os.PathLike[str], exc: Exception) -> Refused:
    reason = (str(exc).splitlines() or [type(exc).__name__])[0][:200]
    return Refused(f"{os.fspath(file)} cannot be loaded: {reason}", do="Copy or export the model again.")
