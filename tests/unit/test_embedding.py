"""One bad text never fails its batch, and a bad provider never fails its rows."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pytest

from limosa.backfill.embedding import embed_rows
from limosa.embedders.openai import open_embedder
from limosa.errors import LimosaError, Refused, Stubborn, Unanswered
from limosa.lane.around import Around
from limosa.model.batch import Embedded, Kind, Row
from limosa.model.space import Endpoint, Space
from limosa.ports.embedder import Embedder
from tests.providers.openai_server import Fault, OpenAIServer, vector_of


def rows(*texts: str) -> list[Row]:
    return [Row((str(i),), text, ()) for i, text in enumerate(texts)]


def remote(server: OpenAIServer, oversize: str = "refuse") -> Embedder:
    space = Space(provider="openai", model="m", dimensions=8, oversize=oversize)
    return open_embedder(space, Endpoint(base_url=server.base_url))


def test_one_refused_text_is_found_by_halves(openai_server: OpenAIServer) -> None:
    texts = [f"text {i}" for i in range(16)]
    texts[11] = "please [refuse me]"
    answer = embed_rows(remote(openai_server), rows(*texts))
    assert list(answer.dead) == [11]
    assert answer.good == [i for i in range(16) if i != 11]
    wanted = [vector_of(texts[i], model="m", d=8) for i in answer.good]
    np.testing.assert_array_equal(answer.vectors, np.stack(wanted))
    # One whole, two halves at each of four levels.
    assert openai_server.requests == 9
    assert answer.paid.tokens == openai_server.tokens
    assert set(openai_server.paid.values()) == {1}


def test_no_rows_are_no_answer(openai_server: OpenAIServer) -> None:
    answer = embed_rows(remote(openai_server), [])
    assert (answer.good, answer.vectors.shape, openai_server.requests) == ([], (0, 8), 0)


@pytest.mark.parametrize("oversize", ["refuse", "skip"])
def test_a_long_text_is_dead_or_skipped_as_the_file_says(openai_server: OpenAIServer, oversize: str) -> None:
    openai_server.longest = 10
    answer = embed_rows(remote(openai_server, oversize), rows("a", "x" * 80, "[refuse me]"))
    listed = answer.skipped if oversize == "skip" else answer.dead
    assert listed[1].startswith("too long: ")
    assert 2 in answer.dead
    assert not answer.dead[2].startswith("too long: ")
    assert answer.good == [0]


def test_a_batch_of_long_texts_alone_is_not_the_providers_fault(openai_server: OpenAIServer) -> None:
    openai_server.longest = 10
    assert sorted(embed_rows(remote(openai_server), rows("x" * 80, "y" * 80)).dead) == [0, 1]


def test_a_provider_that_refuses_every_text_is_at_fault(openai_server: OpenAIServer) -> None:
    openai_server.refused = "text"
    with pytest.raises(Refused, match="refused every one of 3 texts"):
        embed_rows(remote(openai_server), rows("text 1", "text 2", "text 3"))
    assert list(embed_rows(remote(openai_server), rows("text 1")).dead) == [0]


@pytest.mark.parametrize("how", ["fewer", "size", "ragged"])
def test_an_answer_that_cannot_be_read_is_nobodys_row(openai_server: OpenAIServer, how: str) -> None:
    openai_server.fail_always(Fault(how=how))  # type: ignore[arg-type]
    with pytest.raises(Refused):
        embed_rows(remote(openai_server), rows("a", "b"))


def test_a_spoiled_vector_is_its_rows_alone(openai_server: OpenAIServer) -> None:
    openai_server.fail(Fault(how="inf"))
    answer = embed_rows(remote(openai_server), rows("a", "b", "c"))
    assert (answer.good, answer.dead) == ([1, 2], {0: "the provider answered infinity"})
    np.testing.assert_array_equal(answer.vectors[0], vector_of("b", model="m", d=8))


class Alone(Around):
    """A patience that has seen others answered while these texts were not."""

    def embed(self, texts: Sequence[str], kind: Kind) -> Embedded:
        try:
            return super().embed(texts, kind)
        except Unanswered as error:
            raise Stubborn.of(error) from error


class Choking(Around):
    """Sends texts to a server that hangs up whenever one of them is among them."""

    def __init__(self, inner: Embedder, server: OpenAIServer) -> None:
        super().__init__(inner)
        self._server = server

    def embed(self, texts: Sequence[str], kind: Kind) -> Embedded:
        if "poison" in texts:
            self._server.fail(Fault(how="hangup"))
        return super().embed(texts, kind)


def test_a_text_on_which_the_provider_alone_fails_is_found(openai_server: OpenAIServer) -> None:
    texts = ["a", "b", "c", "poison", "d", "e", "f"]
    answer = embed_rows(Alone(Choking(remote(openai_server), openai_server)), rows(*texts))
    assert list(answer.dead) == [3]
    assert answer.good == [0, 1, 2, 4, 5, 6]


def test_a_provider_that_is_down_makes_nobody_dead(openai_server: OpenAIServer) -> None:
    openai_server.fail_always(Fault(status=503))
    with pytest.raises(Unanswered):
        embed_rows(remote(openai_server), rows("a", "b"))
    assert openai_server.requests == 1
    with pytest.raises(LimosaError):
        embed_rows(Alone(remote(openai_server)), rows("a", "b"))
