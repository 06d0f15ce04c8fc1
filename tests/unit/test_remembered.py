"""No text is asked for twice, and every token that was paid is told once."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import date
from pathlib import Path

import numpy as np
import pytest

from limosa.backfill.embedding import embed_rows
from limosa.embedders.openai import open_embedder
from limosa.errors import LimosaError, RowRefused
from limosa.lane.cache import Cache
from limosa.lane.purse import Paying, Purse
from limosa.lane.remembered import Remembered
from limosa.lane.tokens import Counter
from limosa.model.batch import Embedded, Row
from limosa.model.space import Endpoint, Space
from limosa.ports.embedder import Price
from tests.providers.openai_server import Fault, OpenAIServer, vector_of

USD = 1e-3
PRICE = Price(usd_per_million_tokens=USD * 1e6, source="test", seen=date(2026, 1, 1))


class Way:
    """A way to the server, with what it told."""

    def __init__(self, server: OpenAIServer, path: Path | None) -> None:
        space = Space(provider="openai", model="m", dimensions=8)
        endpoint = Endpoint(base_url=server.base_url, usd_per_million_tokens=PRICE.usd_per_million_tokens)
        embedder = open_embedder(space, endpoint)
        self.purse = Purse(budget_usd=lambda: None, ledger_usd=lambda: 0.0, committed_usd=lambda: 0.0)
        self.cache = Cache(path, limit_bytes=2**24) if path is not None else None
        self.recovered: list[float] = []
        self.embedder = Remembered(
            Paying(embedder, Counter(embedder), self.purse), self.cache, recovered=self.recovered.append
        )

    def __call__(self, *texts: str) -> Embedded:
        answer = self.embedder.embed(texts, "document")
        for text, vector in zip(texts, answer.vectors, strict=True):
            np.testing.assert_array_equal(vector, vector_of(text, model="m", d=8))
        return answer

    def crash(self) -> None:
        """What a death leaves: nothing of the process, its lock gone."""
        if self.cache is not None:
            self.cache.close()


@pytest.fixture
def open_way(openai_server: OpenAIServer, tmp_path: Path) -> Iterator[Callable[..., Way]]:
    ways: list[Way] = []

    def open_one(*, cached: bool = True) -> Way:
        ways.append(Way(openai_server, tmp_path / "vectors.db" if cached else None))
        return ways[-1]

    yield open_one
    for way in ways:
        way.crash()


Open = Callable[..., Way]


def test_equal_texts_of_a_batch_are_asked_for_once(open_way: Open, openai_server: OpenAIServer) -> None:
    answer = open_way()("a b", "c", "a b", "a b", "c")
    assert openai_server.paid == {"a b": 1, "c": 1}
    assert answer.tokens == 2
    assert answer.cost_usd == pytest.approx(2 * USD)


def test_what_is_kept_is_not_asked_for(open_way: Open, openai_server: OpenAIServer) -> None:
    way = open_way()
    way("a", "b").committed()
    answer = way("b", "c", "a")
    assert openai_server.paid == {"a": 1, "b": 1, "c": 1}
    assert answer.tokens == 1
    assert answer.cost_usd == pytest.approx(USD)
    assert way.embedder.embed(["a"], "query").tokens == 1


@pytest.mark.parametrize("cached", [True, False])
def test_threads_that_ask_at_once_share_one_request(open_way: Open, openai_server: OpenAIServer, cached: bool) -> None:
    way = open_way(cached=cached)
    openai_server.gate.clear()
    with ThreadPoolExecutor(4) as threads:
        answers = [threads.submit(way, "same", f"own {i}") for i in range(4)]
        while sum(openai_server.paid.values()) < 5:
            threading.Event().wait(0.005)
        openai_server.gate.set()
        tokens = sum(answer.result().tokens or 0 for answer in answers)
    assert openai_server.paid == {"same": 1, **{f"own {i}": 1 for i in range(4)}}
    assert tokens == openai_server.tokens == 9


def test_many_threads_and_few_texts(open_way: Open, openai_server: OpenAIServer) -> None:
    way = open_way()
    rng = np.random.default_rng(1)
    batches = [[f"text {n}" for n in rng.integers(0, 60, 12)] for _ in range(200)]
    told: list[int] = []

    def work(batch: list[str]) -> None:
        answer = way(*batch)
        told.append(answer.tokens or 0)
        answer.committed()

    with ThreadPoolExecutor(12) as threads:
        list(threads.map(work, batches))
    assert set(openai_server.paid.values()) == {1}
    assert sum(told) == openai_server.tokens
    assert way.recovered == []
    assert way.purse.paid_usd == pytest.approx(openai_server.tokens * USD)


def test_one_whose_companion_failed_asks_itself(open_way: Open, openai_server: OpenAIServer) -> None:
    way = open_way()
    openai_server.gate.clear()
    openai_server.fail(Fault(status=400, message="no"))
    with ThreadPoolExecutor(2) as threads:
        first = threads.submit(way, "same")
        while openai_server.requests < 1:
            threading.Event().wait(0.005)
        second = threads.submit(way, "same", "other")
        while openai_server.requests < 2:
            threading.Event().wait(0.005)
        openai_server.gate.set()
        with pytest.raises(RowRefused):
            first.result()
        assert second.result().tokens == 3
    assert openai_server.paid == {"same": 1, "other": 1}
    assert openai_server.requests == 3


@pytest.mark.parametrize("how", ["nan", "inf", "zero"])
def test_a_spoiled_vector_is_not_kept(open_way: Open, openai_server: OpenAIServer, how: str) -> None:
    way = open_way()
    openai_server.fail(Fault(how=how))  # type: ignore[arg-type]
    rows = [Row((text,), text, ()) for text in ("bad", "good")]
    answer = embed_rows(way.embedder, rows)
    assert list(answer.dead) == [0]
    assert answer.paid.tokens == 2
    for each in answer.committed:
        each()
    way("bad", "good")
    assert openai_server.paid == {"bad": 2, "good": 1}


def test_a_refused_text_is_not_kept_and_its_company_is_paid_once(open_way: Open, openai_server: OpenAIServer) -> None:
    way = open_way()
    rows = [Row((str(i),), text, ()) for i, text in enumerate(["a", "b", "please [refuse me]", "c"])]
    answer = embed_rows(way.embedder, rows)
    assert (answer.good, list(answer.dead)) == ([0, 1, 3], [2])
    assert answer.paid.tokens == openai_server.tokens == 3
    assert way.recovered == []


def test_a_text_that_is_not_unicode_is_that_rows_fault(open_way: Open) -> None:
    answer = embed_rows(open_way().embedder, [Row(("1",), "fine", ()), Row(("2",), "not \udfff", ())])
    assert (answer.good, list(answer.dead)) == ([0], [1])


class TestBooks:
    def test_each_token_is_told_once_over_many_batches(self, open_way: Open, openai_server: OpenAIServer) -> None:
        way = open_way()
        batches = [("a", "b"), ("b", "c"), ("a", "c"), ("d", "d")]
        answers = [way(*batch) for batch in batches]
        assert [answer.tokens for answer in answers] == [2, 1, 0, 1]
        for answer in reversed(answers):
            answer.committed()
        assert way("a", "b", "c", "d").tokens == 0
        assert openai_server.tokens == 4

    @pytest.mark.parametrize("cached", [True, False])
    def test_what_is_paid_twice_is_told_twice(self, open_way: Open, openai_server: OpenAIServer, cached: bool) -> None:
        way = open_way(cached=cached)
        first, second = way("a"), way("a")
        assert (first.tokens or 0) + (second.tokens or 0) == openai_server.tokens
        first.committed()
        second.committed()

    def test_after_a_crash_it_is_told_again_and_recovered(self, open_way: Open, openai_server: OpenAIServer) -> None:
        before = open_way()
        before("kept and committed").committed()
        lost = before("kept alone", "another one")
        before.crash()
        after = open_way()
        answer = after("kept alone", "kept and committed", "new")
        assert answer.tokens == 4
        assert after.recovered == [pytest.approx(3 * USD)]
        assert after("another one").tokens == 3
        assert after.recovered == [pytest.approx(3 * USD), pytest.approx(3 * USD)]
        answer.committed()
        after.crash()
        last = open_way()
        assert last("kept alone", "new").tokens == 0
        assert last("another one").tokens == 3
        assert lost.tokens == 6
        assert openai_server.requests == 3

    def test_what_another_living_process_paid_is_told_by_that_one(
        self, open_way: Open, openai_server: OpenAIServer
    ) -> None:
        one, other = open_way(), open_way()
        first = one("a", "b")
        assert other("a", "b").tokens == 0
        assert other.recovered == []
        first.committed()
        one.crash()
        assert other("a").tokens == 0
        assert openai_server.requests == 1

    def test_an_answer_that_was_dropped_has_told_nothing(self, open_way: Open) -> None:
        way = open_way()
        assert way("a", "b").tokens == 2
        again = way("a")
        assert again.tokens == 1
        assert way.recovered == []
        again.committed()
        assert way("a", "b").tokens == 1

    def test_a_waiting_thread_does_not_take_what_the_first_one_tells(
        self, open_way: Open, openai_server: OpenAIServer
    ) -> None:
        way = open_way()
        openai_server.gate.clear()
        with ThreadPoolExecutor(3) as threads:
            slow = threads.submit(way, "slow")
            while openai_server.requests < 1:
                threading.Event().wait(0.005)
            openai_server.fail(Fault(how="shuffle"))
            both = threads.submit(way, "quick", "slow")
            while openai_server.requests < 2:
                threading.Event().wait(0.005)
            openai_server.gate.set()
            third = threads.submit(way, "quick")
            tokens = [each.result().tokens for each in (slow, both, third)]
        assert tokens == [1, 2, 0]
        assert way.recovered == []

    def test_what_failed_after_it_was_paid_is_told_by_the_next(
        self, open_way: Open, openai_server: OpenAIServer
    ) -> None:
        way = open_way()
        openai_server.gate.clear()
        openai_server.fail(Fault(status=400, message="no"), times=1)
        with ThreadPoolExecutor(2) as threads:
            failing = threads.submit(way, "bad [refuse me]")
            while openai_server.requests < 1:
                threading.Event().wait(0.005)
            mixed = threads.submit(way, "paid", "bad [refuse me]")
            while openai_server.requests < 2:
                threading.Event().wait(0.005)
            openai_server.gate.set()
            for each in (failing, mixed):
                with pytest.raises(LimosaError):
                    each.result()
        # The error and its frames are alive here, as they are where a batch is bisected.
        assert way("paid").tokens == 1
        assert way.recovered == []
        assert openai_server.paid["paid"] == 1
