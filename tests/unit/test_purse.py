"""Money: the budget holds with many threads, and what came back or was refused costs what it cost."""

from __future__ import annotations

import threading
from concurrent.futures import ThreadPoolExecutor

import pytest

from limosa.embedders.openai import open_embedder
from limosa.errors import LimosaError, Refused
from limosa.lane.purse import Paying, Purse
from limosa.lane.tokens import Counter
from limosa.model.space import Endpoint, Space
from tests.providers.openai_server import Fault, OpenAIServer

USD = 1e-3


class Ledger:
    """What others and this process have committed."""

    def __init__(self) -> None:
        self.others_usd = self.own_usd = 0.0

    def purse(self, budget_usd: float | None) -> Purse:
        return Purse(
            budget_usd=lambda: budget_usd,
            ledger_usd=lambda: self.others_usd + self.own_usd,
            committed_usd=lambda: self.own_usd,
        )


def paying(server: OpenAIServer, purse: Purse, *, stops: bool = True, usd: float = USD) -> Paying:
    space = Space(provider="openai", model="m", dimensions=8)
    embedder = open_embedder(space, Endpoint(base_url=server.base_url, usd_per_million_tokens=usd * 1e6))
    return Paying(embedder, Counter(embedder), purse, stops=stops)


def test_a_request_costs_what_the_provider_counted(openai_server: OpenAIServer) -> None:
    purse = Ledger().purse(None)
    answer = paying(openai_server, purse).embed(["é" * 8, "four"], "document")
    assert answer.tokens == openai_server.tokens == 3
    assert answer.cost_usd == purse.paid_usd == pytest.approx(3 * USD)


@pytest.mark.parametrize("size", [40, 400])
def test_sixteen_threads_never_pass_the_budget(openai_server: OpenAIServer, size: int) -> None:
    purse = Ledger().purse(1.0)
    embedder = paying(openai_server, purse)
    refused: list[Refused] = []

    def work(i: int) -> None:
        try:
            embedder.embed([f"{i:04d}" + "x" * (size - 4)], "document")
        except Refused as error:
            refused.append(error)

    with ThreadPoolExecutor(16) as threads:
        list(threads.map(work, range(200)))
    spent = openai_server.tokens * USD
    # The server counts as the ratio does: there is nothing to be wrong by, but to stop early by what is under way.
    assert 1.0 - 17 * size / 4 * USD <= spent <= 1.0 + 1e-9
    assert purse.paid_usd == pytest.approx(spent)
    assert len(refused) == 200 - openai_server.answered


def test_a_wrong_estimate_passes_it_by_its_error_alone(openai_server: OpenAIServer) -> None:
    purse = Ledger().purse(1.0)
    embedder = paying(openai_server, purse)
    # The first is estimated at half of what it costs; the ratio has learned by then.
    embedder.embed(["x" * 8] * 10, "document")
    while True:
        try:
            embedder.embed(["x"] * 30, "document")
        except Refused:
            break
    assert openai_server.tokens * USD <= 1.0 + 30 * USD


def test_it_says_what_is_spent_and_what_to_do(openai_server: OpenAIServer) -> None:
    embedder = paying(openai_server, Ledger().purse(0.01))
    embedder.embed(["x" * 24], "document")
    with pytest.raises(Refused, match=r"The budget of \$0\.01 is used up: \$0\.0060 are spent") as caught:
        embedder.embed(["x" * 24], "document")
    assert caught.value.needed == "About $0.0060 for the next request."
    assert "Raise budget_usd" in caught.value.do
    assert openai_server.requests == 1


def test_a_failed_request_gives_its_money_back(openai_server: OpenAIServer) -> None:
    embedder = paying(openai_server, Ledger().purse(0.0101))
    openai_server.fail(Fault(status=400), times=5)
    for _ in range(5):
        with pytest.raises(LimosaError):
            embedder.embed(["x" * 40], "document")
    assert embedder.embed(["x" * 40], "document").tokens == 10
    with pytest.raises(Refused, match="used up"):
        embedder.embed(["x" * 40], "document")


def test_money_under_way_is_spent(openai_server: OpenAIServer) -> None:
    embedder = paying(openai_server, Ledger().purse(0.015))
    openai_server.gate.clear()
    with ThreadPoolExecutor(1) as threads:
        first = threads.submit(embedder.embed, ["x" * 40], "document")
        while not openai_server.requests:
            threading.Event().wait(0.005)
        with pytest.raises(Refused, match="used up"):
            embedder.embed(["x" * 40], "document")
        openai_server.gate.set()
        first.result()


def test_what_other_processes_spend_is_seen(openai_server: OpenAIServer) -> None:
    ledger = Ledger()
    embedder = paying(openai_server, ledger.purse(100.0))
    embedder.embed(["x" * 40], "document")
    # Its own money counts once, before it is committed and after.
    ledger.own_usd = 0.01
    ledger.others_usd = 99.985
    with pytest.raises(Refused, match="used up"):
        _until_refused(embedder)
    ledger.others_usd = 0.0
    assert embedder.embed(["x" * 40], "document").tokens == 10


def _until_refused(embedder: Paying) -> None:
    # Others are looked at every so often: until then this one goes on.
    for _ in range(10_000):
        embedder.embed(["x"], "document")


def test_what_costs_nothing_is_never_stopped(openai_server: OpenAIServer) -> None:
    purse = Ledger().purse(0.0)
    assert paying(openai_server, purse, usd=0.0).embed(["x"], "document").tokens == 1
    assert purse.paid_usd == 0


def test_the_way_back_is_never_stopped(openai_server: OpenAIServer) -> None:
    purse = Ledger().purse(0.0)
    assert paying(openai_server, purse, stops=False).embed(["xxxxx"], "document").tokens == 2
    assert purse.paid_usd == pytest.approx(2 * USD)
