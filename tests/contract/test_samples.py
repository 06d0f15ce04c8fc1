"""Samples: all workers' sums, bounded however long it takes, in every dialect, and there after the end."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

from hypothesis import given
from hypothesis import strategies as st

from limosa.control.records import Records
from limosa.control.samples import MOST, Sample, Samples, thinned
from limosa.control.schema import prepare, statements, tables
from limosa.model.spread import joined
from limosa.ports.tx import Begin

_START = datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC)


def test_one_sample_holds_what_all_workers_did(begin: Begin) -> None:
    prepare(begin)
    _chunk(begin, "a", done=10, skipped=2, tokens=50)
    _chunk(begin, "a", done=7, dead=1, tokens=30, follows=True)
    _chunk(begin, "b", done=1000)
    samples = Samples(begin, "a")
    samples.note(elapsed_s=2.5, writes={-20: 3, 4: 1}, requests={})
    _chunk(begin, "a", done=5)
    samples.note(elapsed_s=0.0, writes={}, requests={7: 2})

    first, second = samples.all()
    assert (first.done, first.skipped, first.dead, first.tokens) == (17, 2, 1, 80)
    assert (first.outcomes, first.followed, first.filled) == (20, 8, 12)
    assert (first.writes, first.requests, second.requests) == ({-20: 3, 4: 1}, {}, {7: 2})
    assert (first.at - first.began).total_seconds() == 2.5
    assert (second.done, second.filled) == (22, 17)
    assert first.at <= second.at
    assert Samples(begin, "b").all() == []


def test_however_many_are_noted_few_are_kept(begin: Begin) -> None:
    prepare(begin)
    samples, other = Samples(begin, "a"), Samples(begin, "b")
    other.note(elapsed_s=0.0, writes={}, requests={})
    _put(begin, [_sample(i) for i in range(MOST)])
    _chunk(begin, "a", done=9)
    samples.note(elapsed_s=1.0, writes={0: 1}, requests={})
    kept = samples.all()
    assert len(kept) == MOST // 2
    assert kept[-1].done == 9
    assert joined(each.writes for each in kept) == {0: 1, 1: MOST}
    assert len(other.all()) == 1


def test_samples_outlive_the_chunks_they_were_made_of_and_not_a_new_beginning(begin: Begin) -> None:
    prepare(begin)
    records, samples = Records(begin, "a"), Samples(begin, "a")
    _chunk(begin, "a", done=10, tokens=50)
    samples.note(elapsed_s=0.0, writes={}, requests={})
    _chunk(begin, "a", done=5)
    records.retire("finish")
    assert [(each.done, each.tokens) for each in samples.all()] == [(10, 50), (15, 50)]
    with begin() as tx:
        values = {"id": "a", "name": "a", "place": "p", "shape": "fill", "job": "j", "plan_hash": "h", "plan": "{}"}
        for name in ("hold", "begin_anew"):
            tx.execute(statements(tx.dialect, "migrations")[name], values)
    assert samples.all() == []


def test_the_ledger_of_an_older_version_has_none(begin: Begin) -> None:
    prepare(begin)
    with begin() as tx:
        tx.execute(f"DROP TABLE {next(name for name in tables(tx.dialect) if name.endswith('sample'))}")
    assert Samples(begin, "a").all() == []
    Records(begin, "a").retire("finish")
    assert len(Samples(begin, "a").all()) == 1


@given(
    gaps=st.lists(st.floats(0.001, 1e6), max_size=60),
    most=st.integers(2, 40),
)
def test_thinning_keeps_the_ends_and_every_duration(gaps: list[float], most: int) -> None:
    times = [0.0]
    for gap in gaps:
        times.append(times[-1] + gap)
    samples = [_sample(seconds, width_s=gap) for seconds, gap in zip(times, [0.0, *gaps], strict=True)]
    kept = thinned(samples, most)
    assert len(kept) == min(most, len(samples))
    assert (kept[0], kept[-1].at, kept[-1].done) == (samples[0], samples[-1].at, samples[-1].done)
    assert {each.at for each in kept} <= {each.at for each in samples}
    assert joined(each.writes for each in kept) == joined(each.writes for each in samples)


def test_a_night_between_two_runs_is_mixed_with_neither() -> None:
    times = [*range(100), *range(40_000, 40_100)]
    kept = thinned([_sample(seconds) for seconds in times], 20)
    widest = max(each.at - each.began for each in kept)
    assert widest < timedelta(seconds=60)


def _sample(seconds: float, *, width_s: float = 1.0) -> Sample:
    at = _START + timedelta(seconds=seconds)
    return Sample(
        began=at - timedelta(seconds=width_s),
        at=at,
        done=int(seconds),
        skipped=0,
        dead=0,
        followed=0,
        asked=0,
        tokens=0,
        cost_usd=0.0,
        writes={1: 1},
        requests={},
    )


def _put(begin: Begin, samples: list[Sample]) -> None:
    with begin() as tx:
        for each in samples:
            values = {name: getattr(each, name) for name in ("done", "skipped", "dead", "followed", "asked")}
            values |= {"began_s": each.began.timestamp(), "at_s": each.at.timestamp(), "tokens": 0, "cost_usd": 0.0}
            tx.execute(
                statements(tx.dialect, "samples")["put"],
                {"migration": "a", **values, "writes": '{"1":1}', "requests": "{}"},
            )


def _chunk(begin: Begin, migration: str, *, follows: bool = False, **counts: int) -> None:
    with begin() as tx:
        table = next(name for name in tables(tx.dialect) if name.endswith("chunk"))
        told = str(follows).lower() if tx.dialect == "postgres" else str(int(follows))
        names, values = ", ".join(counts), ", ".join(str(count) for count in counts.values())
        tx.execute(f"INSERT INTO {table} (migration, follows, {names}) VALUES ('{migration}', {told}, {values})")
