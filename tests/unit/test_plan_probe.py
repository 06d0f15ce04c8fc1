"""Probe calls: a model that answers, one that does not, and vectors that are not its own."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from datetime import date

import numpy as np
import pytest

from limosa.embedders.hashing import HashingEmbedder
from limosa.errors import LimosaError, Refused, RowRefused, Transient
from limosa.model.batch import Embedded, Kind, Vectors
from limosa.model.space import Space
from limosa.plan.build import PROBE_ROWS, build_plan
from limosa.plan.estimates import ACCEPTED_S
from limosa.plan.models import columns_sent, space_checks
from limosa.plan.probe import NEUTRAL, cosines, probe
from limosa.ports.embedder import Embedder, Limits, Price
from limosa.ports.store import Facts
from tests.unit.test_plan_money import migration

SPACE = Space(provider="hashing", model="words-1", dimensions=16)
TEXTS = tuple(f"text number {number} about waders" for number in range(40))
PRICE = Price(usd_per_million_tokens=1.0, source="a page", seen=date(2026, 1, 2))


@dataclass
class Provider:
    """A provider of another house, over the hashing model: it counts what it is sent and fails on demand."""

    inner: HashingEmbedder = field(default_factory=lambda: HashingEmbedder(SPACE))
    fails: LimosaError | None = None
    refuses: str = "never"
    destination: str = "api.example.com"
    retired: date | None = None
    price: Price | None = PRICE
    tokens: bool = True
    limits: Limits = field(default_factory=lambda: Limits(batch=10, tokens=None, concurrency=4))
    asked: list[int] = field(default_factory=list)

    @property
    def space(self) -> Space:
        return self.inner.space

    def count(self, texts: Sequence[str]) -> list[int] | None:
        return self.inner.count(texts)

    def embed(self, texts: Sequence[str], kind: Kind) -> Embedded:
        self.asked.append(len(texts))
        if self.fails is not None:
            raise self.fails
        if any(self.refuses in text for text in texts):
            raise RowRefused("too long")
        answer = self.inner.embed(texts, kind)
        return answer if self.tokens else replace(answer, tokens=None)


def vectors() -> Vectors:
    return HashingEmbedder(SPACE).embed(TEXTS, "document").vectors


def test_a_model_is_asked_for_the_connection_and_then_timed_with_a_batch() -> None:
    provider = Provider()
    found = probe(lambda: provider, TEXTS, most=PROBE_ROWS)
    # And eight alone, to see how much their tokens vary.
    assert provider.asked == [1, 10] + [1] * 8
    assert found.error is None
    assert found.sampled == 10
    assert found.characters_per_token == sum(len(text) for text in TEXTS[:10]) / (5 * 10)
    assert found.rows_per_s is not None


def test_a_table_without_text_is_not_a_reason_not_to_ask() -> None:
    provider = Provider(tokens=False)
    found = probe(lambda: provider, (), most=PROBE_ROWS)
    assert (found.sampled, found.characters_per_token) == (1, None)
    assert len(NEUTRAL.split()) > 2


def test_a_model_that_fails_or_cannot_be_opened_is_told_and_not_raised() -> None:
    broken = Provider(fails=Transient("no connection"))
    assert str(probe(lambda: broken, TEXTS, most=8).error) == "no connection"

    def closed() -> Embedder:
        raise Refused("no key", do="Set it.")

    found = probe(closed, TEXTS, most=8)
    assert found.embedder is None
    assert str(found.error) == "no key\nSet it."


def test_single_texts_that_are_refused_do_not_count_as_a_model_that_does_not_answer() -> None:
    provider = Provider(refuses="number 3")
    found = probe(lambda: provider, TEXTS, most=8)
    assert found.error is None
    assert (found.sampled, found.refused, found.reason) == (8, 1, "too long")
    every = probe(lambda: Provider(refuses="about"), TEXTS, most=8)
    assert every.error is not None
    assert every.refused == 8


def test_cosines_tell_a_models_own_vectors_from_others() -> None:
    provider = Provider()
    assert min(cosines(provider, TEXTS, vectors())) > 0.999
    others = HashingEmbedder(replace(SPACE, model="chars-4")).embed(TEXTS, "document").vectors
    assert max(cosines(provider, TEXTS, others)) < 0.95
    zeroed = vectors()
    zeroed[3] = 0
    assert len(cosines(provider, TEXTS, zeroed)) == len(TEXTS) - 1


def test_paid_models_are_asked_for_few_vectors_and_free_ones_for_all() -> None:
    for destination, most in (("api.example.com", 8), ("this machine", 40)):
        provider = Provider(destination=destination)
        (check,) = space_checks(migration(), provider, TEXTS, vectors())
        assert sum(provider.asked) == most
        assert check.verdict == "ok"


def test_half_of_another_space_is_a_note_and_more_is_refused() -> None:
    provider = Provider(destination="this machine")
    for strange, verdict in ((0, "ok"), (1, "note"), (20, "note"), (21, "refused"), (40, "refused")):
        stored = vectors()
        stored[:strange] = np.roll(stored[:strange], 5, axis=1) + 0.5
        (check,) = space_checks(migration(), provider, TEXTS, stored)
        assert check.verdict == verdict, strange


def test_columns_that_are_sent_are_those_of_the_text() -> None:
    text = migration().target.place.text
    assert columns_sent(text) == ("title",)
    assert columns_sent(replace(text, columns=(), template="{a}: {b} {a}")) == ("a", "b")
    assert columns_sent(replace(text, columns=(), query="SELECT 1")) == ("query",)


def facts(rows: int, write_rows_per_s: float = 1e6) -> Facts:
    return Facts(
        checks=(),
        counts={"rows": rows, "to_embed": rows},
        sizes={"write_rows_per_s": write_rows_per_s, "index_build_s": 10.0},
        texts=TEXTS,
        characters=30.0,
        operations=(),
    )


def test_a_plan_asks_before_more_than_a_night() -> None:
    job = migration()
    for rows, flags in ((1000, []), (1_000_000, ["--accept-slow"])):
        plan = build_plan(job, facts(rows, write_rows_per_s=30.0), embedder=lambda side: Provider())
        assert [check.flag for check in plan.questions] == flags
        assert plan.estimates["slowest"] == "the database"
        assert plan.estimates["total_s"] == round(rows / 30 + 10, 1)
    assert 1_000_000 / 30 > ACCEPTED_S > 1000 / 30


@pytest.mark.parametrize(("rows", "named"), [(1_000_000, True), (1000, False)])
def test_a_plan_names_the_layout_that_is_much_faster_where_it_matters(rows: int, named: bool) -> None:
    sizes = {
        name: {"write_rows_per_s": rate, "wal_bytes": 1, "added_bytes": 1}
        for name, rate in (("column", 30.0), ("side_table", 20_000.0))
    }
    found = replace(
        facts(rows, write_rows_per_s=30.0), sizes={**facts(rows, write_rows_per_s=30.0).sizes, "layouts": sizes}
    )
    plan = build_plan(migration(), found, embedder=lambda side: Provider())
    assert any(check.name == "layout" and "side_table" in check.do for check in plan.checks) == named
    assert isinstance(plan.estimates["layouts"], dict)
    assert plan.estimates["layouts"]["column"]["time_s"] == round(rows / 30 + 10, 1)


def test_a_plan_says_that_texts_leave_and_that_a_retired_model_cannot_bring_back() -> None:
    gone = Provider(fails=Refused("404"), retired=date(2026, 1, 14))
    plan = build_plan(migration(), facts(10), embedder=lambda side: gone if side == "source" else Provider())
    told = {check.name: check for check in plan.checks}
    assert not plan.refusals
    assert told["old-model"].verdict == "note"
    assert "switched off on 2026-01-14" in told["old-model"].said
    assert "api.example.com: the columns title" in told["sends-to"].said
    assert (plan.estimates["old_model_answers"], plan.estimates["new_model_answers"]) == (False, True)
    plan = build_plan(migration(), facts(10), embedder=lambda side: gone)
    assert [check.name for check in plan.refusals] == ["new-model"]
    assert "switched off on 2026-01-14" in plan.refusals[0].said
