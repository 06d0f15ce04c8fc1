"""Local models: what a folder must hold, and what a real one answers."""

from __future__ import annotations

import shutil
from pathlib import Path

import numpy as np
import pytest

from limosa.embedders.onnx import OnnxEmbedder, open_embedder
from limosa.errors import Refused, RowRefused
from limosa.model.space import Endpoint, Space


def _open(folder: Path, *, oversize: str = "refuse", d: int = 384) -> OnnxEmbedder:
    space = Space(provider="onnx", model=str(folder), dimensions=d, oversize=oversize)
    return open_embedder(space, Endpoint())


def test_a_missing_folder_is_refused(tmp_path: Path) -> None:
    with pytest.raises(Refused, match="no folder") as caught:
        _open(tmp_path / "nowhere")
    assert "tokenizer.json" in caught.value.needed


@pytest.mark.parametrize("present", ["model.onnx", "tokenizer.json"])
def test_a_missing_file_is_named(tmp_path: Path, present: str) -> None:
    (tmp_path / present).write_bytes(b"")
    absent = {"model.onnx", "tokenizer.json"} - {present}
    with pytest.raises(Refused, match=f"lacks {absent.pop()}"):
        _open(tmp_path)


def test_a_file_that_is_not_a_tokenizer_is_refused(tmp_path: Path) -> None:
    (tmp_path / "model.onnx").write_bytes(b"")
    (tmp_path / "tokenizer.json").write_text("{}")
    with pytest.raises(Refused, match=r"tokenizer\.json cannot be loaded"):
        _open(tmp_path)


def test_other_pooling_than_the_mean_is_refused(tmp_path: Path) -> None:
    for name in ("model.onnx", "tokenizer.json"):
        (tmp_path / name).write_bytes(b"")
    (tmp_path / "1_Pooling").mkdir()
    (tmp_path / "1_Pooling" / "config.json").write_text('{"pooling_mode_mean_tokens": false}')
    with pytest.raises(Refused, match="does not pool by the mean"):
        _open(tmp_path)


@pytest.fixture(scope="module")
def minilm(shared_data: Path) -> Path:
    folder = shared_data / "models" / "minilm-l6-v2-int8"
    if not folder.is_dir():
        pytest.skip("there is no model beside the checkout")
    return folder


@pytest.mark.realdata
class TestMiniLM:
    def test_near_texts_are_nearer(self, minilm: Path) -> None:
        texts = ["How is high blood pressure treated?", "Therapies for hypertension", "A recipe for apple pie"]
        answer = _open(minilm).embed(texts, "document")
        assert answer.vectors.shape == (3, 384)
        np.testing.assert_allclose(np.linalg.norm(answer.vectors, axis=1), 1, rtol=1e-5)
        cosine = answer.vectors @ answer.vectors.T
        assert cosine[0, 1] > 0.5
        assert cosine[0, 2] < 0.2

    def test_company_changes_nothing(self, minilm: Path) -> None:
        embedder = _open(minilm)
        texts = ["short", "a text of some more words than the others have " * 5, "third"]
        alone = np.vstack([embedder.embed([text], "document").vectors for text in texts])
        np.testing.assert_array_equal(embedder.embed(texts, "document").vectors, alone)

    def test_tokens_are_counted_with_the_special_ones(self, minilm: Path) -> None:
        assert _open(minilm).embed(["hello world", "hello"], "document").tokens == 7

    def test_the_limit_is_exact(self, minilm: Path) -> None:
        embedder = _open(minilm)
        assert embedder.limits.tokens == 256
        assert embedder.embed(["word " * 254], "document").tokens == 256
        with pytest.raises(RowRefused, match="257 tokens; the model takes 256"):
            embedder.embed(["fine", "word " * 255], "document")

    def test_long_texts_are_skipped_where_the_space_says_so(self, minilm: Path) -> None:
        with pytest.raises(RowRefused) as caught:
            _open(minilm, oversize="skip").embed(["word " * 300], "document")
        assert caught.value.what.startswith("skipped: ")

    @pytest.mark.parametrize("oversize", ["truncate", "pool"])
    def test_long_texts_are_never_cut_here(self, minilm: Path, oversize: str) -> None:
        embedder = _open(minilm, oversize=oversize)
        assert embedder.count(["word " * 1000]) == [1002]
        with pytest.raises(RowRefused, match="1002 tokens"):
            embedder.embed(["word " * 1000], "document")

    def test_the_folder_may_name_another_limit(self, minilm: Path, tmp_path: Path) -> None:
        (tmp_path / "model").mkdir()
        for file in minilm.iterdir():
            # Contents only: the folder may be one that nobody may write to.
            shutil.copyfile(file, tmp_path / "model" / file.name)
        (tmp_path / "model" / "sentence_bert_config.json").write_text('{"max_seq_length": 16}')
        embedder = _open(tmp_path / "model")
        assert embedder.limits.tokens == 16
        with pytest.raises(RowRefused):
            embedder.embed(["word " * 15], "document")

    def test_a_broken_model_is_refused(self, minilm: Path, tmp_path: Path) -> None:
        shutil.copy(minilm / "tokenizer.json", tmp_path)
        (tmp_path / "model.onnx").write_bytes((minilm / "model.onnx").read_bytes()[:1000])
        with pytest.raises(Refused, match=r"model\.onnx cannot be loaded"):
            _open(tmp_path)
