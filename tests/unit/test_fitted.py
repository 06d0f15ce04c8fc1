"""Texts of any length: cut, pooled, refused or skipped as the file says, never silently, in requests that fit."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pytest

from limosa.backfill.embedding import embed_rows
from limosa.embedders.hashing import HashingEmbedder
from limosa.embedders.openai import open_embedder
from limosa.errors import RowRefused, TooLong
from limosa.lane.around import Around
from limosa.lane.fitted import Fitted
from limosa.lane.pieces import pieces
from limosa.lane.tokens import Counter
from limosa.model.batch import Embedded, Kind, Row, Vectors
from limosa.model.space import Endpoint, Space
from limosa.ports.embedder import Limits
from tests.providers.openai_server import Fault, OpenAIServer

LONG = "one two three. four five six seven. eight nine ten eleven twelve thirteen fourteen."


class Narrow(HashingEmbedder):
    """Takes little at once, and insists on it."""

    def __init__(self, space: Space, limits: Limits) -> None:
        super().__init__(space)
        self._limits = limits
        self.sent: list[list[str]] = []

    @property
    def limits(self) -> Limits:
        return self._limits

    def embed(self, texts: Sequence[str], kind: Kind) -> Embedded:
        self.sent.append(list(texts))
        counts = self.count(texts) or []
        assert len(texts) <= self._limits.batch
        assert sum(counts) <= (self._limits.request_tokens or 10**9)
        assert all(text.strip() for text in texts)
        if self._limits.tokens is not None and max(counts, default=0) > self._limits.tokens:
            raise TooLong("a text is too long")
        return super().embed(texts, kind)


def narrow(
    oversize: str = "refuse", *, batch: int = 100, tokens: int | None = 5, request_tokens: int | None = None
) -> tuple[Fitted, Narrow]:
    space = Space(provider="hashing", model="words-1", dimensions=256, oversize=oversize)
    inner = Narrow(space, Limits(batch=batch, tokens=tokens, concurrency=1, request_tokens=request_tokens))
    return Fitted(inner, Counter(inner)), inner


def plain(*texts: str) -> Vectors:
    embedder = HashingEmbedder(Space(provider="hashing", model="words-1", dimensions=256))
    return embedder.embed(texts, "document").vectors


def rows(*texts: str) -> list[Row]:
    return [Row((str(i),), text, ()) for i, text in enumerate(texts)]


class TestExact:
    def test_what_fits_is_sent_as_it_is(self) -> None:
        fitted, inner = narrow()
        answer = fitted.embed(["a b c d e", "f"], "document")
        np.testing.assert_array_equal(answer.vectors, plain("a b c d e", "f"))
        assert (answer.tokens, dict(answer.marks), dict(answer.refused)) == (6, {}, {})
        assert inner.sent == [["a b c d e", "f"]]

    def test_nothing_asked_is_nothing_answered(self) -> None:
        fitted, _ = narrow()
        assert fitted.embed([], "document").vectors.shape == (0, 256)

    def test_truncate_embeds_the_beginning_and_says_so(self) -> None:
        fitted, inner = narrow("truncate")
        answer = fitted.embed(["short", LONG, "  \n " * 50 + LONG], "document")
        assert inner.sent == [["short", *["one two three. four five"] * 2]]
        np.testing.assert_array_equal(answer.vectors, plain("short", *["one two three. four five"] * 2))
        assert dict(answer.marks) == {1: "truncated", 2: "truncated"}
        assert answer.tokens == 11

    def test_pool_is_the_mean_weighted_by_tokens_of_norm_1(self) -> None:
        fitted, inner = narrow("pool")
        answer = fitted.embed(["short", LONG], "document")
        parts = pieces(LONG, 5, fitted.count)
        assert "".join(parts) == LONG
        assert len(parts) > 2
        assert inner.sent == [["short", *parts]]
        mean = np.average(plain(*parts), axis=0, weights=[len(part.split()) for part in parts])
        np.testing.assert_allclose(answer.vectors[1], mean / np.linalg.norm(mean), atol=1e-6)
        np.testing.assert_array_equal(answer.vectors[0], plain("short")[0])
        assert dict(answer.marks) == {1: "pooled"}
        assert answer.tokens == 15

    @pytest.mark.parametrize("oversize", ["refuse", "skip"])
    def test_the_others_of_the_batch_are_embedded_in_the_same_request(self, oversize: str) -> None:
        fitted, inner = narrow(oversize)
        answer = embed_rows(fitted, rows("a", LONG, "b", LONG + " more", "c"))
        assert inner.sent == [["a", "b", "c"]]
        assert answer.good == [0, 2, 4]
        np.testing.assert_array_equal(answer.vectors, plain("a", "b", "c"))
        listed, other = (answer.skipped, answer.dead) if oversize == "skip" else (answer.dead, answer.skipped)
        assert other == {}
        assert listed[1] == "too long: the text has 14 tokens, words-1 takes 5"
        assert list(listed) == [1, 3]

    @pytest.mark.parametrize("oversize", ["refuse", "skip"])
    def test_a_batch_of_long_texts_asks_for_nothing(self, oversize: str) -> None:
        fitted, inner = narrow(oversize)
        answer = embed_rows(fitted, rows(LONG, LONG))
        assert (inner.sent, answer.good, answer.paid.tokens) == ([], [], 0)
        assert len(answer.skipped if oversize == "skip" else answer.dead) == 2

    def test_requests_are_packed_by_texts_and_by_tokens(self) -> None:
        fitted, inner = narrow(batch=4, request_tokens=7)
        texts = ["a b c d e", "f g", "h", "i j k", "l", "m", "n", "o", "p q r s t"]
        answer = fitted.embed(texts, "document")
        np.testing.assert_array_equal(answer.vectors, plain(*texts))
        assert inner.sent == [texts[:2], texts[2:6], texts[6:]]
        assert answer.tokens == 20

    def test_pooled_pieces_may_lie_in_several_requests(self) -> None:
        fitted, _ = narrow("pool", batch=2)
        whole, _ = narrow("pool")
        texts = [LONG, "short", LONG + " Once more. And again, and again, again."]
        np.testing.assert_array_equal(fitted.embed(texts, "document").vectors, whole.embed(texts, "document").vectors)


class Estimated(Around):
    """A model of few tokens whose tokenizer is not at hand."""

    @property
    def limits(self) -> Limits:
        return Limits(batch=64, tokens=40, concurrency=2)


def estimated(server: OpenAIServer, oversize: str) -> Fitted:
    space = Space(provider="openai", model="m", dimensions=8, oversize=oversize)
    inner = Estimated(open_embedder(space, Endpoint(base_url=server.base_url)))
    return Fitted(inner, Counter(inner))


class TestEstimated:
    """The server counts by characters; texts of two bytes a character count double here, others as there."""

    @pytest.mark.parametrize("factor", [1, 3, 10])
    @pytest.mark.parametrize("oversize", ["truncate", "pool"])
    def test_what_the_provider_finds_too_long_is_tightened_until_it_fits(
        self, openai_server: OpenAIServer, oversize: str, factor: int
    ) -> None:
        fitted = estimated(openai_server, oversize)
        openai_server.longest = 40 // factor
        text = "word " * 39
        answer = embed_rows(fitted, rows("first", text, "last"))
        assert answer.good == [0, 1, 2]
        assert dict(answer.marks) == {1: "truncated" if oversize == "truncate" else "pooled"}
        sent = [each for each in openai_server.paid if each not in {"first", "last", text}]
        assert sent
        assert text not in openai_server.paid
        if oversize == "truncate":
            assert [text.startswith(each) for each in sent] == [True]
        else:
            assert sum(len(each.replace(" ", "")) * openai_server.paid[each] for each in sent) == 39 * 4

    def test_a_text_that_was_cut_is_marked_and_one_that_was_not_is_not(self, openai_server: OpenAIServer) -> None:
        fitted = estimated(openai_server, "truncate")
        openai_server.longest = 40
        texts = ["word " * n for n in (1, 20, 30, 31, 32, 33, 40, 45, 80, 400)]
        answer = embed_rows(fitted, rows(*texts))
        assert len(answer.good) == len(texts)
        whole = [i for i, text in enumerate(texts) if text in openai_server.paid]
        assert [i for i in range(len(texts)) if i not in answer.marks] == whole
        assert whole[:4] == [0, 1, 2, 3]

    @pytest.mark.parametrize("oversize", ["refuse", "skip"])
    def test_the_provider_has_the_last_word_where_nothing_is_to_be_cut(
        self, openai_server: OpenAIServer, oversize: str
    ) -> None:
        openai_server.longest = 40
        answer = embed_rows(estimated(openai_server, oversize), rows("a", "word " * 35, "b", "word " * 1000))
        assert answer.good == [0, 2]
        listed = answer.skipped if oversize == "skip" else answer.dead
        assert sorted(listed) == [1, 3]
        assert all(why.startswith("too long: ") for why in listed.values())
        assert "about 1,250 tokens" in listed[3]

    def test_what_never_fits_is_refused_in_the_end(self, openai_server: OpenAIServer) -> None:
        openai_server.fail_always(Fault(how="long"))
        answer = embed_rows(estimated(openai_server, "truncate"), rows("word " * 20))
        assert list(answer.dead) == [0]
        assert openai_server.requests <= 10

    def test_another_refusal_is_not_answered_by_cutting(self, openai_server: OpenAIServer) -> None:
        with pytest.raises(RowRefused, match="refused"):
            estimated(openai_server, "truncate").embed(["[refuse me]"], "document")
        assert openai_server.requests == 1
