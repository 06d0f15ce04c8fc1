"""An embedder behind the gate, over real HTTP with a server on loopback."""

from __future__ import annotations

import pickle
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest

from limosa.embedders.openai import open_embedder
from limosa.errors import Refused, RowRefused, Stubborn, Transient, Unanswered
from limosa.lane import paced
from limosa.lane.gate import Gate
from limosa.lane.paced import Paced
from limosa.model.batch import Embedded, Kind
from limosa.model.space import Endpoint, Space
from limosa.ports.embedder import Embedder
from tests.providers.openai_server import Fault, OpenAIServer, vector_of

LONG_S = 60.0
"""Nothing here takes so long: a test that waits for it has failed."""

ILL = Fault(status=503, message="overloaded")
RATE = Fault(status=429, message="too many")


@pytest.fixture(autouse=True)
def _short_pauses(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(paced, "FIRST_PAUSE_S", 0.01)
    monkeypatch.setattr(paced, "LONGEST_PAUSE_S", 0.05)


@pytest.fixture
def pool() -> Iterator[ThreadPoolExecutor]:
    with ThreadPoolExecutor(32) as threads:
        yield threads


def inner(server: OpenAIServer) -> Embedder:
    space = Space(provider="openai", model="m", dimensions=8)
    return open_embedder(space, Endpoint(base_url=server.base_url, timeout_s=10.0))


def pair(
    server: OpenAIServer, *, patience_s: float = LONG_S, stop: threading.Event | None = None
) -> tuple[Paced, Gate]:
    embedder = inner(server)
    gate = Gate(embedder.destination, most=embedder.limits.concurrency)
    return Paced(embedder, gate, patience_s=patience_s, stop=stop), gate


def same(answer: Embedded, texts: list[str]) -> bool:
    return np.array_equal(answer.vectors, np.stack([vector_of(text, model="m", d=8) for text in texts]))


def test_it_is_the_embedder_inside(openai_server: OpenAIServer) -> None:
    inside = inner(openai_server)
    outside: Embedder = Paced(inside, Gate("host", most=8), patience_s=1.0)
    assert (outside.space, outside.limits, outside.price, outside.retired) == (
        inside.space,
        inside.limits,
        inside.price,
        inside.retired,
    )
    assert (outside.destination, outside.count(["a"])) == (inside.destination, inside.count(["a"]))
    assert same(outside.embed(["a", "b"], "document"), ["a", "b"])


def test_what_fails_for_a_moment_is_repeated(openai_server: OpenAIServer) -> None:
    embedder, gate = pair(openai_server)
    openai_server.fail(ILL)
    openai_server.fail(Fault(how="drop"))
    openai_server.fail(RATE)
    assert same(embedder.embed(["a"], "document"), ["a"])
    assert openai_server.requests == 4
    reading = gate.read()
    assert (reading.answered, reading.limited, reading.lost) == (1, 1, 2)


def test_what_is_refused_goes_straight_up(openai_server: OpenAIServer) -> None:
    embedder, _ = pair(openai_server)
    with pytest.raises(RowRefused):
        embedder.embed(["[refuse me]"], "document")
    openai_server.fail(Fault(status=401, code="invalid_api_key"))
    with pytest.raises(Refused):
        embedder.embed(["a"], "document")
    assert openai_server.requests == 2


def test_hundreds_of_requests_with_faults_all_come_right(openai_server: OpenAIServer, pool: ThreadPoolExecutor) -> None:
    embedder, gate = pair(openai_server)

    def work(i: int) -> bool:
        if i % 20 == 0:
            openai_server.fail((ILL, Fault(how="drop"))[i // 20 % 2])
        return same(embedder.embed([f"text {i}"], "document"), [f"text {i}"])

    assert all(pool.map(work, range(300), timeout=LONG_S))
    assert (gate.read().answered, gate.read().lost) == (300, 15)


class _Poisoned:
    """The embedder, behind a provider that breaks down over one text; asked through its own server."""

    def __init__(self, well: Embedder, ill: Embedder) -> None:
        self._well, self._ill = well, ill

    def embed(self, texts: list[str], kind: Kind) -> Embedded:
        return (self._ill if "poison" in texts else self._well).embed(texts, kind)

    def __getattr__(self, name: str) -> object:
        return getattr(self._well, name)


@pytest.mark.parametrize("fault", [ILL, RATE], ids=["503", "429"])
def test_a_request_that_fails_alone_gives_up_after_its_tries(
    openai_server: OpenAIServer, pool: ThreadPoolExecutor, fault: Fault, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(paced, "LIMITED_WEIGHT", 1.0)
    with OpenAIServer() as broken:
        broken.fail_always(fault)
        well, ill = inner(openai_server), inner(broken)
        embedder = Paced(_Poisoned(well, ill), Gate("host", most=8), patience_s=LONG_S)  # type: ignore[arg-type]
        done = threading.Event()

        def others() -> None:
            while not done.is_set():
                embedder.embed(["fine"], "document")

        busy = [pool.submit(others) for _ in range(4)]
        try:
            with pytest.raises(Stubborn) as caught:
                embedder.embed(["poison"], "document")
        finally:
            done.set()
        for future in busy:
            future.result(LONG_S)
        assert broken.requests >= 6
        assert caught.value.limited == (fault is RATE)


def test_an_outage_does_not_use_up_tries_and_is_waited_out(
    openai_server: OpenAIServer, pool: ThreadPoolExecutor
) -> None:
    embedder, gate = pair(openai_server)
    openai_server.fail(ILL, times=6)
    futures = [pool.submit(embedder.embed, [f"text {i}"], "document") for i in range(12)]
    for i, future in enumerate(futures):
        assert same(future.result(LONG_S), [f"text {i}"])
    assert gate.read().lost == 6
    assert gate.waiting == ""


def test_patience_ends_an_outage(openai_server: OpenAIServer) -> None:
    openai_server.fail_always(ILL)
    embedder, gate = pair(openai_server, patience_s=0.5)
    with pytest.raises(Unanswered, match="503") as caught:
        embedder.embed(["a"], "document")
    assert not isinstance(caught.value, Stubborn)
    assert gate.closed
    assert "answered 503; " in gate.waiting


def test_stop_ends_the_wait_with_the_last_failure(openai_server: OpenAIServer, pool: ThreadPoolExecutor) -> None:
    stop = threading.Event()
    openai_server.fail_always(Fault(status=429, message="too many", headers={"Retry-After": "3000"}))
    embedder, gate = pair(openai_server, patience_s=3600.0, stop=stop)
    futures = [pool.submit(embedder.embed, ["a"], "document") for _ in range(10)]
    while not gate.closed:
        assert not stop.wait(0.01)
    stop.set()
    for future in futures:
        with pytest.raises(Transient):
            future.result(LONG_S)


def test_the_sign_that_a_request_is_at_fault_survives_pickling() -> None:
    error = Stubborn.of(Unanswered("what", needed="needed", do="do", retry_after_s=2.0, limited=True))
    again = pickle.loads(pickle.dumps(error))  # noqa: S301
    assert type(again) is Stubborn
    assert (again.what, again.needed, again.do, again.retry_after_s, again.limited) == (
        "what",
        "needed",
        "do",
        2.0,
        True,
    )
