"""The batch endpoints of OpenAI and Google: what is submitted is found, looked at, fetched, cancelled and forgotten."""

from __future__ import annotations

import time
from collections.abc import Callable

import numpy as np
import pytest

from limosa.embedders import google, openai
from limosa.errors import Refused, Unanswered
from limosa.model.space import Endpoint, Space
from limosa.ports.batches import Batches, batches_of
from tests.providers.faults import Fault
from tests.providers.server import ProviderServer

IDS = {f"{i:032x}": f"text {i}" for i in range(5)}

Servers = Callable[..., ProviderServer]


@pytest.fixture(params=["openai", "google"])
def world(request: pytest.FixtureRequest, provider_server: Servers) -> tuple[ProviderServer, Batches, Space]:
    server = provider_server(protocol=request.param)
    model = "text-embedding-3-small" if request.param == "openai" else "gemini-embedding-001"
    space = Space(provider=request.param, model=model, dimensions=12, prefix="passage: ")
    opener = openai.open_embedder if request.param == "openai" else google.open_embedder
    batches = batches_of(opener(space, Endpoint(base_url=server.base_url, timeout_s=10)))
    assert batches is not None
    return server, batches, space


def test_results_are_what_a_direct_request_answers(world: tuple[ProviderServer, Batches, Space]) -> None:
    server, batches, space = world
    opener = openai.open_embedder if space.provider == "openai" else google.open_embedder
    job = batches.submit(IDS, "document", tag="limosa-a")
    assert batches.look(job).state == "running"
    server.batches.finish()
    state = batches.look(job)
    assert (state.state, state.done, state.total) == ("done", 5, 5)
    found = {each.id: each for each in batches.fetch(job)}
    direct = opener(space, Endpoint(base_url=server.base_url)).embed(list(IDS.values()), "document")
    assert found.keys() == IDS.keys()
    for i, key in enumerate(IDS):
        vector = found[key].vector
        assert vector is not None
        assert np.array_equal(vector, direct.vectors[i])
        assert found[key].tokens


def test_a_job_is_found_by_its_tag_among_many(world: tuple[ProviderServer, Batches, Space]) -> None:
    _, batches, _ = world
    since_s = time.time()
    first = batches.submit(IDS, "document", tag="limosa-first")
    for i in range(101):
        batches.submit({f"{i:032x}": "x"}, "document", tag=f"limosa-{i}")
    # Not on the first page any more.
    assert batches.find("limosa-first", since_s=since_s) == first
    assert batches.find("limosa-none", since_s=since_s) is None


def test_what_failed_alone_has_a_reason_and_no_vector(world: tuple[ProviderServer, Batches, Space]) -> None:
    server, batches, _ = world
    server.batches.failing = lambda text: text.endswith("3")
    job = batches.submit(IDS, "document", tag="limosa-a")
    server.batches.finish()
    bad = [each for each in batches.fetch(job) if each.vector is None]
    assert [(each.id, bool(each.reason)) for each in bad] == [(f"{3:032x}", True)]


def test_a_job_that_was_cancelled_gives_what_it_made_where_the_provider_does(
    world: tuple[ProviderServer, Batches, Space],
) -> None:
    server, batches, space = world
    server.batches.after_looks = None
    server.batches.done_when_cancelled = 0.4
    job = batches.submit(IDS, "document", tag="limosa-a")
    batches.cancel(job)
    assert batches.look(job).state == "cancelled"
    batches.cancel(job)
    assert len([each for each in batches.fetch(job) if each.vector is not None]) == (
        2 if space.provider == "openai" else 0
    )


def test_what_is_forgotten_is_gone_and_that_is_no_error(world: tuple[ProviderServer, Batches, Space]) -> None:
    server, batches, space = world
    job = batches.submit(IDS, "document", tag="limosa-a")
    server.batches.finish()
    batches.look(job)
    batches.forget(job)
    batches.forget(job)
    kept = [file for file in server.batches.files.values() if file.purpose != "UPLOADED"]
    assert not kept
    assert batches.look("batches/none" if space.provider == "google" else "none").state == "gone"


def test_a_whole_refusal_and_a_passing_failure_are_told_apart(world: tuple[ProviderServer, Batches, Space]) -> None:
    server, batches, _ = world
    server.batches.faults.fail(Fault(status=400, code="invalid_request", message="no jobs for you"), times=1)
    with pytest.raises(Refused, match="no jobs for you"):
        batches.submit(IDS, "document", tag="limosa-a")
    server.batches.faults.fail(Fault(status=503), times=1)
    with pytest.raises(Unanswered):
        batches.submit(IDS, "document", tag="limosa-a")


def test_results_that_break_off_are_not_taken_for_the_whole(world: tuple[ProviderServer, Batches, Space]) -> None:
    server, batches, _ = world
    job = batches.submit(IDS, "document", tag="limosa-a")
    server.batches.finish()
    batches.look(job)
    results = batches.fetch(job)
    server.batches.faults.fail(Fault(how="slow"), times=1)
    server.batches.faults.fail(Fault(how="drop"), times=1)
    with pytest.raises(Unanswered):
        list(results)
