"""Laws of cutting: nothing is lost, nothing is too long, and a megabyte takes no longer than it must."""

from __future__ import annotations

import math
from collections.abc import Sequence
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from limosa.embedders.onnx import open_embedder
from limosa.lane.pieces import Count, beginning, pieces
from limosa.model.space import Endpoint, Space


def words(texts: Sequence[str]) -> list[int]:
    return [len(text.split()) for text in texts]


def octets(texts: Sequence[str]) -> list[int]:
    """As the ratio counts: bytes of UTF-8 over a constant."""
    return [max(1, math.ceil(len(text.encode(errors="replace")) / 4.0)) for text in texts]


class Work:
    """Counts by another count, and how many characters it was shown."""

    def __init__(self, count: Count) -> None:
        self.count = count
        self.characters = 0

    def __call__(self, texts: Sequence[str]) -> list[int]:
        self.characters += sum(map(len, texts))
        return self.count(texts)


COUNTS = st.sampled_from([words, octets])
PROSE = st.lists(
    st.sampled_from(
        ["a", "word", "Ünïcödé", "。", "漢字かな", "...", "!", '."', " ", "\n", "\n\n", "\t", "👩‍👧", "\u3000"]
    ),
    max_size=60,
).map("".join)
TEXTS = st.one_of(PROSE, st.text(max_size=120), st.text(st.characters(codec=None), max_size=60))


@given(TEXTS, st.integers(1, 30), COUNTS)
def test_pieces_joined_are_the_text_again(text: str, most: int, count: Count) -> None:
    assert "".join(pieces(text, most, count)) == text


@given(TEXTS, st.integers(1, 30), COUNTS)
def test_each_piece_fits_and_is_not_empty(text: str, most: int, count: Count) -> None:
    found = pieces(text, most, count)
    assert all(found)
    # A character of four bytes is a token.
    assert all(size <= most for size in count(found))


@given(TEXTS.filter(bool), st.integers(1, 30), COUNTS)
def test_a_beginning_is_a_prefix_that_fits(text: str, most: int, count: Count) -> None:
    found = beginning(text, most, count)
    assert found
    assert text.startswith(found)
    assert count([found])[0] <= most


@given(TEXTS.filter(bool), st.integers(1, 30), COUNTS)
def test_a_beginning_is_the_longest_up_to_a_word(text: str, most: int, count: Count) -> None:
    found = beginning(text, most, count)
    if found == text:
        return
    longest = max(i for i in range(1, len(text) + 1) if i == 1 or count([text[:i]])[0] <= most)
    # What was given up is a part of one word and the space before it.
    assert not any(each.isspace() for each in text[len(found) + 1 : longest])


def test_a_text_that_fits_stays_whole() -> None:
    assert beginning("all of it", 3, words) == "all of it"
    assert pieces("One. Two. Three.", 3, words) == ["One. Two. Three."]
    assert pieces("", 3, words) == []


def test_pieces_end_where_sentences_do() -> None:
    assert pieces("One two. Three four five! Six.", 3, words) == ["One two. ", "Three four five! ", "Six."]
    assert pieces("一二三。四五六！七", 3, octets) == ["一二三。", "四五六！", "七"]


def test_a_character_that_does_not_fit_stands_alone() -> None:
    def heavy(texts: Sequence[str]) -> list[int]:
        return [5 * len(text) for text in texts]

    assert pieces("abc", 3, heavy) == ["a", "b", "c"]


MEGABYTE = {
    "prose": "The godwit flies south. " * 42_000,
    "one word": "x" * 2**20,
    "words without an end": "word " * 210_000,
    "dots": "." * 2**20,
    "dots and quotes": '."' * 2**19,
    "spaces": "a" + " " * 2**20 + "b",
    "lines": "line\n" * 210_000,
}


@pytest.mark.timeout(60)
@pytest.mark.parametrize("name", MEGABYTE)
def test_the_work_grows_with_the_text_and_not_with_its_square(name: str) -> None:
    text = MEGABYTE[name]
    work = Work(octets)
    found = pieces(text, 256, work)
    assert "".join(found) == text
    assert work.characters < 60 * len(text)


@pytest.mark.timeout(60)
def test_a_beginning_does_not_count_what_lies_far_behind_it() -> None:
    work = Work(octets)
    assert len(beginning(MEGABYTE["prose"], 256, work)) > 900
    assert work.characters < 40 * 1024


@pytest.mark.realdata
class TestARealTokenizer:
    def test_pieces_and_beginnings_fit(self, shared_data: Path) -> None:
        folder = shared_data / "models" / "minilm-l6-v2-int8"
        if not folder.is_dir():
            pytest.skip("there is no model beside the checkout")
        embedder = open_embedder(Space(provider="onnx", model=str(folder), dimensions=384), Endpoint())

        def count(texts: Sequence[str]) -> list[int]:
            return embedder.count(texts) or []

        text = (
            'Dr. Ames said: "It rose by 3.5 mmHg." Then... nothing!\n\nПривет, мир! 血圧は高い。' + "x" * 500 + " "
        ) * 20
        for most in (8, 40, 256):
            found = pieces(text, most, count)
            assert "".join(found) == text
            assert max(count(found)) <= most
            start = beginning(text, most, count)
            assert text.startswith(start)
            assert count([start])[0] <= most
