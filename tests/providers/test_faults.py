"""Every fault that can be asked for is the fault that arrives, and the counters tell what happened."""

from __future__ import annotations

import http.client
import json
import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any, get_args

import numpy as np
import pytest
import urllib3

from tests.providers.faults import COMPLAINTS, SPOILED, Fault, How
from tests.providers.protocols import DIALECTS
from tests.providers.server import ProviderServer
from tests.providers.service import Setup
from tests.providers.vectors import tokens_of, vector_of

Start = Callable[..., ProviderServer]

_BODIES: dict[str, tuple[str, Callable[[list[str]], dict[str, Any]]]] = {
    "openai": ("/v1/embeddings", lambda texts: {"model": "m", "input": texts}),
    "voyage": ("/v1/embeddings", lambda texts: {"model": "m", "input": texts}),
    "ollama": ("/api/embed", lambda texts: {"model": "m", "input": texts}),
    "cohere": ("/v2/embed", lambda texts: {"model": "m", "texts": texts, "input_type": "search_query"}),
    "google": (
        "/v1beta/models/m:batchEmbedContents",
        lambda texts: {
            "requests": [{"model": "models/m", "content": {"parts": [{"text": text}]}} for text in texts]
        },
    ),
}  # fmt: skip


@pytest.fixture(params=sorted(DIALECTS))
def name(request: pytest.FixtureRequest) -> str:
    return str(request.param)


@pytest.mark.parametrize("how", ["fewer", "size", "ragged", "nan", "inf", "zero", "shuffle", "slow"])
def test_spoiled_vectors(name: str, how: How, provider_server: Start) -> None:
    server = provider_server(protocol=name)
    server.fail(Fault(how=how, delay_s=0.001 if how == "slow" else 0))
    vectors = [np.asarray(each, dtype=np.float32) for each in _vectors(name, _ask(server, name, ["a", "b"]))]
    right = [vector_of(text, model="m", d=8) for text in "ab"]
    shapes = [len(each) for each in vectors]
    if how == "fewer":
        assert shapes == [8]
    elif how in {"size", "ragged"}:
        assert shapes == ([9, 9] if how == "size" else [9, 8])
    elif how in {"nan", "inf", "zero"}:
        assert {"nan": np.isnan, "inf": np.isinf, "zero": np.logical_not}[how](vectors[0]).all()
        np.testing.assert_array_equal(vectors[1], right[1])
    else:
        wanted = right[::-1] if how == "shuffle" and name in {"google", "cohere", "ollama"} else right
        np.testing.assert_array_equal(vectors, wanted)
    assert (server.answered, server.paid.total()) == (1, 2)
    turned = how == "shuffle" and name not in {"google", "cohere", "ollama"}
    assert server.embedded.total() == (2 if turned or how == "slow" else 0)


@pytest.mark.parametrize("how", sorted(COMPLAINTS))
def test_complaints_are_errors_in_every_protocol(name: str, how: How, provider_server: Start) -> None:
    server = provider_server(protocol=name)
    server.fail(Fault(how=how, status=503, limit=7))
    answer = _ask(server, name, ["a"])
    assert 400 <= answer.status < 600
    assert set(answer.json()) <= {"error", "detail", "message", "id"}
    assert server.statuses == {answer.status: 1}
    assert not server.paid


def test_no_fault_is_left_out() -> None:
    broken = {"drop", "hangup", "hang", "garbage"}
    assert set(get_args(How)) == COMPLAINTS | SPOILED | broken


def test_garbage_is_not_json(name: str, provider_server: Start) -> None:
    server = provider_server(protocol=name)
    server.fail(Fault(how="garbage"))
    with pytest.raises(json.JSONDecodeError):
        _ask(server, name, ["a"]).json()
    assert not server.paid


def test_a_pause_is_asked_for_in_the_providers_way(name: str, provider_server: Start) -> None:
    server = provider_server(protocol=name)
    server.fail(Fault(how="rate", retry_after_s=1.5))
    server.fail(Fault(how="rate"))
    first, second = _ask(server, name, ["a"]), _ask(server, name, ["a"])
    assert (first.status, second.status, server.limited) == (429, 429, 2)
    assert "Retry-After" not in second.headers
    if name == "google":
        assert "Retry-After" not in first.headers
        assert first.json()["error"]["details"][-1]["retryDelay"] == "1.5s"
    else:
        assert first.headers["Retry-After"] == "2"
    assert first.headers.get("retry-after-ms") == ("1500" if name == "openai" else None)


@pytest.mark.parametrize("how", ["twice", "floats"])
def test_a_fault_that_a_protocol_cannot_have_is_refused(how: How, provider_server: Start) -> None:
    server = provider_server(protocol="google")
    with pytest.raises(ValueError, match="this protocol has no"):
        server.fail(Fault(how=how))
    with pytest.raises(ValueError, match="this protocol has no"):
        server.fail_always(Fault(how=how))


def test_a_hanging_answer_ends_with_the_server() -> None:
    with ProviderServer(Setup(protocol="cohere")) as server:
        server.fail(Fault(how="hang"))
        with ThreadPoolExecutor(1) as pool:
            waiting = pool.submit(_ask, server, "cohere", ["a"])
            while not server.requests:
                assert not waiting.done()
            server.stop()
            with pytest.raises(urllib3.exceptions.HTTPError):
                waiting.result(timeout=60)
    assert not server.paid


def test_counts_are_right_from_many_threads(name: str, provider_server: Start) -> None:
    server = provider_server(protocol=name)
    ready = threading.Barrier(8)

    def ask(each: int) -> None:
        ready.wait(timeout=60)
        for i in range(20):
            _ask(server, name, [f"{each}/{i}", "always the same"])

    with ThreadPoolExecutor(8) as pool:
        list(pool.map(ask, range(8)))
    assert (server.requests, server.texts, server.answered) == (160, 320, 160)
    assert server.embedded == server.paid
    assert server.embedded["always the same"] == 160
    assert len(server.embedded) == 161
    assert server.tokens == sum(times * tokens_of(text) for text, times in server.embedded.items())
    assert 1 <= server.at_once <= 8


def test_the_counters_can_be_read_from_elsewhere(provider_server: Start) -> None:
    server = provider_server()
    _ask(server, "openai", ["a", "a", "b"])
    told = urllib3.request("GET", f"{server.address}/__counters").json()
    assert (told["requests"], told["texts"], told["statuses"]) == (1, 3, {"200": 1})
    assert told["embedded"] == {"sum": 3, "different": 2, "more_than_once": 1}
    by_text = urllib3.request("GET", f"{server.address}/__counters?texts=1").json()
    assert by_text["paid"]["texts"] == {"a": 2, "b": 1}


def test_what_is_no_request_is_refused(name: str, provider_server: Start) -> None:
    server = provider_server(protocol=name)
    path = _BODIES[name][0]
    bodies = [b"not json", b"[]", b"{}"]
    assert [urllib3.request("POST", server.address + path, body=body).status for body in bodies] == [400] * 3
    assert urllib3.request("GET", server.address + "/elsewhere").status == 404


def test_a_connection_is_kept(provider_server: Start) -> None:
    server = provider_server()
    connection = http.client.HTTPConnection(server.address.removeprefix("http://"), timeout=60)
    for _ in range(3):
        connection.request("POST", "/v1/embeddings", json.dumps({"model": "m", "input": "x"}))
        connection.getresponse().read()
    connection.close()
    assert (server.requests, server.connections) == (3, 1)


def _ask(server: ProviderServer, name: str, texts: list[str]) -> urllib3.BaseHTTPResponse:
    path, body = _BODIES[name]
    return urllib3.request("POST", server.address + path, json=body(texts), retries=False, timeout=60)


def _vectors(name: str, answer: urllib3.BaseHTTPResponse) -> list[list[float]]:
    assert answer.status == 200
    # What Python writes of NaN and infinity is read by Python alone.
    body = json.loads(answer.data)
    if name == "google":
        return [each["values"] for each in body["embeddings"]]
    if name == "cohere":
        vectors: list[list[float]] = body["embeddings"]["float"]
        return vectors
    if name == "ollama":
        return list(body["embeddings"])
    return [each["embedding"] for each in sorted(body["data"], key=lambda each: each["index"])]
