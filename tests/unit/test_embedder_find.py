"""Finding an embedder: by entry point, third parties included."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

from limosa.embedders.find import find
from limosa.errors import Refused
from limosa.model.space import Endpoint, Space


def _space(provider: str, model: str = "words-1") -> Space:
    return Space(provider=provider, model=model, dimensions=4)


def test_a_provider_is_found_by_its_name() -> None:
    assert find(_space("hashing"), Endpoint()).space == _space("hashing")


def test_an_unknown_provider_names_the_nearest() -> None:
    with pytest.raises(Refused, match="no provider 'opnai'") as caught:
        find(_space("opnai"), Endpoint())
    assert "'openai'" in caught.value.do
    assert all(name in caught.value.needed for name in ("hashing", "onnx", "openai"))


def test_a_provider_like_no_other_names_the_known_ones() -> None:
    with pytest.raises(Refused) as caught:
        find(_space("zzzz"), Endpoint())
    assert "cohere, google, hashing, ollama, onnx, openai, sentence-transformers, voyage" in caught.value.needed
    assert "Did you mean" not in caught.value.do


@pytest.mark.parametrize(
    ("provider", "library"), [("hashing", "sklearn.feature_extraction.text"), ("onnx", "tokenizers")]
)
def test_a_missing_extra_names_what_to_install(
    provider: str, library: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    for name in ("model.onnx", "tokenizer.json"):
        (tmp_path / name).write_bytes(b"")
    monkeypatch.setitem(sys.modules, library, None)
    with pytest.raises(Refused, match=library.partition(".")[0]) as caught:
        find(_space(provider, str(tmp_path) if provider == "onnx" else "words-1"), Endpoint())
    assert f"pip install 'limosa[{provider}]'" in caught.value.do


def test_a_missing_tokenizers_names_its_own_extra(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    (tmp_path / "tokenizer.json").write_text("{}")
    monkeypatch.setitem(sys.modules, "tokenizers", None)
    endpoint = Endpoint(base_url="http://127.0.0.1:9", tokenizer=str(tmp_path / "tokenizer.json"))
    with pytest.raises(Refused, match="tokenizers") as caught:
        find(_space("voyage", "voyage-4"), endpoint)
    assert "pip install 'limosa[tokenizers]'" in caught.value.do


def test_a_library_without_an_extra_is_named_itself(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "sentence_transformers", None)
    with pytest.raises(Refused, match="sentence_transformers") as caught:
        find(_space("sentence-transformers", "all-MiniLM-L6-v2"), Endpoint())
    assert caught.value.do == "Run: pip install sentence-transformers"


def test_a_third_partys_provider_is_found(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    (tmp_path / "godwit_embedder.py").write_text("import a_library_that_nobody_has\n")
    info = tmp_path / "godwit_embedder-1.0.dist-info"
    info.mkdir()
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: godwit-embedder\nVersion: 1.0\n")
    (info / "entry_points.txt").write_text("[limosa.embedders]\ngodwit = godwit_embedder:open_embedder\n")
    monkeypatch.syspath_prepend(str(tmp_path))
    with pytest.raises(Refused, match="a_library_that_nobody_has") as caught:
        find(_space("godwit"), Endpoint())
    assert "pip install a-library-that-nobody-has" in caught.value.do
