"""The contract of the provider sentence-transformers, on a small model made here; not part of the suite of every day.

The library stands on torch, which is not locked here. Where both are installed:
``python -m pytest tests/contract/sentence_transformers_suite.py -W default``.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from limosa.embedders.find import find
from limosa.errors import Refused, RowRefused
from limosa.model.space import Endpoint, Space
from limosa.testing.embedders import check_embedder


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> str:
    """A BERT of two layers with weights drawn by lot, a tokenizer of bytes, and 64 tokens at most."""
    import torch
    from sentence_transformers import SentenceTransformer
    from tokenizers import Tokenizer, models, pre_tokenizers, processors
    from transformers import BertConfig, BertModel, PreTrainedTokenizerFast

    signs = pre_tokenizers.ByteLevel.alphabet()
    special = ["[PAD]", "[CLS]", "[SEP]", "[UNK]"]
    words = {sign: i for i, sign in enumerate([*special, *sorted(signs)])}
    tokenizer = Tokenizer(models.BPE(words, [], unk_token="[UNK]"))
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    tokenizer.post_processor = processors.TemplateProcessing(
        single="[CLS] $A [SEP]", special_tokens=[("[CLS]", 1), ("[SEP]", 2)]
    )
    fast = PreTrainedTokenizerFast(
        tokenizer_object=tokenizer, pad_token="[PAD]", cls_token="[CLS]", sep_token="[SEP]", unk_token="[UNK]"
    )
    torch.manual_seed(7)
    config = BertConfig(
        vocab_size=len(words),
        hidden_size=32,
        num_hidden_layers=2,
        num_attention_heads=2,
        intermediate_size=64,
        max_position_embeddings=256,
    )
    root = tmp_path_factory.mktemp("model")
    BertModel(config).save_pretrained(root / "bert")
    fast.save_pretrained(root / "bert")
    model = SentenceTransformer(str(root / "bert"))
    model.max_seq_length = 192
    model.default_prompt_name, model.prompts = "odd", {"odd": "a prompt of the model's own: "}
    model.save(str(root / "sentence"))
    return str(root / "sentence")


def _space(folder: str, **fields: Any) -> Space:
    whole: dict[str, Any] = {"provider": "sentence-transformers", "model": folder, "dimensions": 32} | fields
    return Space(**whole)


@pytest.mark.parametrize("prefixes", [("", ""), ("passage: ", "query: ")])
@pytest.mark.parametrize("normalise", [False, True])
def test_the_contract(folder: str, prefixes: tuple[str, str], normalise: bool) -> None:
    space = _space(folder, prefix=prefixes[0], query_prefix=prefixes[1], normalise=normalise)
    check_embedder(find(space, Endpoint()))


def test_the_models_own_prompt_is_not_used(folder: str) -> None:
    from sentence_transformers import SentenceTransformer

    plain = SentenceTransformer(folder).encode(["x"], prompt="")
    np.testing.assert_allclose(find(_space(folder), Endpoint()).embed(["x"], "document").vectors, plain, atol=1e-5)


def test_long_texts_are_refused_and_not_cut(folder: str) -> None:
    embedder = find(_space(folder, oversize="skip"), Endpoint())
    assert embedder.limits.tokens == 192
    assert embedder.count(["x" * 190, ""]) == [192, 2]
    assert embedder.embed(["x" * 190], "document").tokens == 192
    with pytest.raises(RowRefused, match="193 tokens") as caught:
        embedder.embed(["x" * 191], "document")
    assert caught.value.what.startswith("skipped: ")


def test_what_is_no_model_is_refused(tmp_path: Path) -> None:
    with pytest.raises(Refused, match="cannot load"):
        find(_space(str(tmp_path / "nowhere")), Endpoint())
