"""Every proof of verify on a real migration: it holds, and each one is broken once on purpose."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any

import psycopg
import pytest

from limosa.app import App, open_app
from limosa.errors import ProofFailed, Refused, Transient
from limosa.model.batch import Embedded, Kind
from limosa.model.proof import Proof
from limosa.ports.embedder import Embedder

World = Callable[..., "Moved"]
WORDS = ["godwit", "curlew", "plover", "knot", "dunlin", "tern", "gull", "heron", "ruff", "snipe", "avocet", "stint"]
ROWS = 30
"""Fewer than the canary's sample, so that a single wrong vector cannot go unseen."""


class Moved:
    """A table under migration, and the hand that breaks it."""

    def __init__(self, url: str, app: App) -> None:
        self.url, self.app = url, app

    def sql(self, statement: str) -> list[tuple[Any, ...]]:
        with psycopg.connect(self.url, autocommit=True) as connection:
            cursor = connection.execute(statement.encode())
            return cursor.fetchall() if cursor.description else []

    def quietly(self, statement: str) -> None:
        """Without any trigger: as a person with too many rights may."""
        named = "SELECT tgname FROM pg_trigger WHERE tgrelid = 'birds'::regclass AND tgname LIKE '%limosa%'"
        armed = "; ".join(f'ALTER TABLE birds ENABLE ALWAYS TRIGGER "{name}"' for (name,) in self.sql(named))
        self.sql(f"ALTER TABLE birds DISABLE TRIGGER USER; {statement}; {armed}")

    def proofs(self) -> dict[str, Proof]:
        return {proof.name: proof for proof in self.app.verify()}

    def verdicts(self) -> dict[str, str]:
        return {name: proof.verdict for name, proof in self.proofs().items()}


@pytest.fixture
def world(database: str, monkeypatch: pytest.MonkeyPatch) -> Iterator[World]:
    monkeypatch.setenv("LIMOSA_VERIFY_DB", database)
    opened: list[App] = []

    def make(
        *,
        rows: int = ROWS,
        new: int = 48,
        target: Mapping[str, object] | None = None,
        batch_rows: int = 128,
        run: bool = True,
    ) -> Moved:
        with psycopg.connect(database, autocommit=True) as connection:
            connection.execute("CREATE TABLE birds (id int PRIMARY KEY, text text, meta jsonb, embedding vector(32))")
            with connection.cursor() as cursor:
                cursor.executemany(
                    "INSERT INTO birds (id, text, meta) VALUES (%s, %s, '{}')",
                    [(i, f"{WORDS[i % 12]} {WORDS[i // 12 % 12]} seen {i} times") for i in range(rows)],
                )
        old = {"provider": "hashing", "model": "words-1", "dimensions": 32}
        source: dict[str, object] = {
            "store": "env:LIMOSA_VERIFY_DB",
            "table": "birds",
            "key": "id",
            "text": "text",
            "vector": "embedding",
            "space": old,
        }
        # The old vectors are limosa's own work: a fill makes them.
        with_old = open_app({"name": "old", "source": source})
        with_old.run(accept=EVERYTHING)
        with_old.finish(now=True)
        with_old.close()
        found: dict[str, object] = {
            "space": {"provider": "hashing", "model": "words-2", "dimensions": new},
            "match": {"function": "match_birds", "returns": ["id", "text"]},
            **(target or {}),
        }
        app = open_app(
            {
                "name": "birds",
                "source": source,
                "backfill": {"batch_rows": batch_rows},
                "target": {name: value for name, value in found.items() if value is not None},
            }
        )
        opened.append(app)
        moved = Moved(database, app)
        if run:
            app.run(accept=EVERYTHING)
        return moved

    yield make
    for app in opened:
        app.close()


EVERYTHING = frozenset({"--accept-reconnect", "--accept-triggers", "--accept-slow", "--accept-downtime"})
FILL = {"space": {"provider": "hashing", "model": "words-1", "dimensions": 32}, "match": None}
ROWS_PROOFS = {"conservation", "vectors", "one space", "canary", "norms"}
INDEX_PROOFS = {"index", "recall", "index use"}
NAMES = ROWS_PROOFS | INDEX_PROOFS | {"match function", "latency", "thresholds"}


def test_every_proof_holds_before_and_after_cutover_and_after_finish(world: World) -> None:
    moved = world()
    assert moved.verdicts() == dict.fromkeys(NAMES, "proved")
    moved.app.cutover()
    proofs = moved.proofs()
    assert {name: proof.verdict for name, proof in proofs.items()} == dict.fromkeys(NAMES, "proved")
    assert {"old space", "new space"} <= proofs["match function"].evidence.keys()
    assert proofs["canary"].evidence["compared"] == ROWS
    moved.app.finish(now=True)
    proofs = moved.proofs()
    # What thresholds become can be told while both sides are there.
    assert {name: proof.verdict for name, proof in proofs.items()} == {
        **dict.fromkeys(NAMES - {"thresholds"}, "proved"),
        "conservation": "unchecked",
    }
    assert "old space" not in proofs["match function"].evidence
    assert "old_p95_ms" not in proofs["latency"].evidence
    record = moved.app.voyage.records.get()
    assert record is not None
    assert record.proofs[0].verdict == "proved", "what was kept stays"


@pytest.mark.parametrize("kind", ["hnsw", "ivfflat"])
def test_half_precision(world: World, kind: str) -> None:
    moved = world(target={"index": {"kind": kind, "type": "halfvec"}})
    proofs = moved.proofs()
    assert not [proof for proof in proofs.values() if proof.verdict != "proved"]
    assert 1.0 > float(str(proofs["canary"].evidence["minimum"])) > 0.9999
    moved.app.cutover()
    assert set(moved.verdicts().values()) == {"proved"}


def test_spaces_of_one_size_are_told_apart_by_name(world: World) -> None:
    moved = world(new=32)
    for _ in range(2):
        proof = moved.proofs()["match function"]
        assert proof.verdict == "proved"
        assert {"old space by name", "new space by name"} <= proof.evidence.keys()
        moved.app.cutover()
    assert "new space" in proof.evidence
    moved.app.finish(now=True)
    assert moved.verdicts()["match function"] == "proved"


def test_a_filter_argument_is_passed(world: World) -> None:
    match = {"function": "match_birds", "returns": ["id", "text"], "filter": "meta"}
    moved = world(target={"match": match})
    moved.sql("UPDATE birds SET meta = NULL WHERE id = 3")
    assert moved.verdicts()["match function"] == "proved"


def test_an_empty_table_has_nothing_that_is_different(world: World) -> None:
    moved = world(rows=0)
    for _ in range(2):
        verdicts = moved.verdicts()
        assert verdicts.keys() == NAMES - {"thresholds"}
        assert {name for name, verdict in verdicts.items() if verdict != "proved"} == {
            *("one space", "canary", "norms", "recall", "latency", "index use")
        }
        assert "different" not in verdicts.values()
        moved.app.cutover()


def test_few_rows_shrink_k(world: World) -> None:
    recall = world(rows=4).proofs()["recall"]
    assert (recall.verdict, recall.evidence["k"], recall.evidence["wanted"]) == ("proved", 3, 12)


def test_a_fill_is_proved_by_fewer_proofs(world: World) -> None:
    moved = world(target=FILL, run=False)
    moved.sql("UPDATE birds SET embedding = NULL WHERE id < 9")
    moved.app.run(accept=EVERYTHING)
    proofs = moved.proofs()
    assert {name: proof.verdict for name, proof in proofs.items()} == dict.fromkeys((*ROWS_PROOFS, "latency"), "proved")
    assert [bool(found.hits) for found in moved.app.search("godwit")] == [False, True]
    # Not limosa's doing, but in this column all the same: a vector that is not of its text.
    moved.quietly("UPDATE birds SET embedding = (SELECT embedding FROM birds WHERE id = 1) WHERE id = 25")
    assert moved.verdicts()["canary"] == "different"


def test_what_was_not_asked_for_gives_no_proof(world: World) -> None:
    moved = world(target={"index": False, "match": None})
    assert moved.verdicts().keys() == NAMES - INDEX_PROOFS - {"match function"}


def test_before_the_index_stands_nothing_is_said_of_it(world: World) -> None:
    moved = world(batch_rows=4, run=False)
    assert moved.app.run(accept=EVERYTHING, limit=1).verdict == "limited"
    verdicts = moved.verdicts()
    assert (verdicts["index"], verdicts["match function"]) == ("unchecked", "unchecked")
    assert "recall" not in verdicts
    with pytest.raises(Refused):
        moved.app.cutover()


def test_a_vector_that_went_is_lost(world: World) -> None:
    moved = world()
    moved.quietly("UPDATE birds SET embedding_limosa = NULL WHERE id = 7")
    proof = moved.proofs()["conservation"]
    assert (proof.verdict, proof.evidence["lost"]) == ("different", 1)
    with pytest.raises(ProofFailed, match="1 lost"):
        moved.app.cutover()


def test_a_zero_vector_is_seen(world: World) -> None:
    moved = world()
    moved.sql(f"UPDATE birds SET embedding_limosa = '[{','.join('0' * 48)}]' WHERE id = 11")
    proof = moved.proofs()["vectors"]
    assert (proof.verdict, proof.evidence["zero"], proof.evidence["examples"]) == ("different", 1, [["11"]])


def test_a_vector_of_another_size_is_seen(world: World) -> None:
    moved = world(target=FILL, run=False)
    moved.sql("UPDATE birds SET embedding = NULL WHERE id < 9")
    moved.app.run(accept=EVERYTHING)
    moved.sql(
        "ALTER TABLE birds ALTER COLUMN embedding TYPE vector; UPDATE birds SET embedding = '[1,2,3]' WHERE id = 4"
    )
    proofs = moved.proofs()
    assert (proofs["vectors"].verdict, proofs["vectors"].evidence["wrong_size"]) == ("different", 1)
    assert proofs["one space"].verdict == "different"
    assert (proofs["canary"].verdict, proofs["canary"].evidence["minimum"]) == ("different", -1.0)


def test_the_vector_of_another_row_is_seen(world: World) -> None:
    moved = world()
    moved.sql("UPDATE birds SET embedding_limosa = (SELECT embedding_limosa FROM birds WHERE id = 1) WHERE id = 2")
    proofs = moved.proofs()
    canary = proofs["canary"]
    assert (canary.verdict, canary.evidence["different"], canary.evidence["examples"]) == ("different", 1, [["2"]])
    assert proofs["one space"].verdict == "different"
    with pytest.raises(ProofFailed, match="canary"):
        moved.app.cutover()


def test_a_vector_where_the_ledger_says_dead_is_not_of_this_space(world: World) -> None:
    moved = world()
    moved.sql("INSERT INTO limosa.exception SELECT id, '{5}', 'dead', 'refused' FROM limosa.migration WHERE active")
    proof = moved.proofs()["one space"]
    assert (proof.verdict, proof.evidence["unaccounted"]) == ("different", 1)


def test_an_index_that_is_invalid_or_gone_is_seen(world: World) -> None:
    moved = world()
    name = moved.sql("SELECT indexname FROM pg_indexes WHERE indexdef LIKE '%embedding_limosa%'")[0][0]
    moved.sql(f"UPDATE pg_index SET indisvalid = false WHERE indexrelid = '{name}'::regclass")
    verdicts = moved.verdicts()
    assert verdicts["index"] == "different"
    assert "recall" not in verdicts
    moved.sql(f"DROP INDEX {name}")
    assert moved.verdicts()["index"] == "different"


def test_an_index_that_finds_too_little_is_seen(world: World) -> None:
    moved = world(rows=600, target={"index": {"kind": "ivfflat", "lists": 150}})
    moved.sql("ALTER DATABASE " + moved.sql("SELECT current_database()")[0][0] + " SET enable_seqscan = off")
    moved.app.voyage.store.close()
    proofs = moved.proofs()
    assert proofs["index"].evidence["used"] == "planned"
    recall = proofs["recall"]
    assert recall.verdict == "different", recall
    assert "ivfflat.probes = 1" in recall.said
    assert float(str(recall.evidence["low"])) < float(str(recall.evidence["recall"])) < 0.9
    moved.sql("ALTER DATABASE " + moved.sql("SELECT current_database()")[0][0] + " SET ivfflat.probes = 150")
    moved.app.voyage.store.close()
    assert moved.verdicts()["recall"] == "proved"


@pytest.mark.parametrize(
    "body",
    [
        "SELECT b.id, b.text, 1.0::float8 FROM birds AS b ORDER BY b.id LIMIT match_count",
        "SELECT b.id, b.text, 0.5::float8 FROM birds AS b WHERE false",
        "SELECT b.id, b.text, (1 - (b.embedding <=> $1))::float8 FROM birds AS b"
        " ORDER BY b.embedding <=> $1 LIMIT match_count",
    ],
    ids=["another order", "no rows", "the old space only"],
)
def test_a_match_function_that_somebody_replaced_is_seen(world: World, body: str) -> None:
    moved = world()
    moved.sql(
        "CREATE OR REPLACE FUNCTION match_birds(query_embedding vector, match_threshold float8, match_count int)"
        f" RETURNS TABLE(id int, text text, similarity float8) LANGUAGE sql AS $${body}$$"
    )
    proof = moved.proofs()["match function"]
    assert proof.verdict == "different"
    assert "new space" in proof.said


def test_a_match_function_that_is_gone_is_seen(world: World) -> None:
    moved = world()
    moved.sql("DROP FUNCTION match_birds")
    assert moved.verdicts()["match function"] == "different"


class Meddling:
    """A hashing embedder during whose work the application writes."""

    def __init__(self, inner: Embedder, meddle: Callable[[], object]) -> None:
        self.inner, self.meddle = inner, meddle
        self.space, self.limits, self.price = inner.space, inner.limits, inner.price
        self.retired, self.destination = inner.retired, inner.destination

    def count(self, texts: Sequence[str]) -> list[int] | None:
        return self.inner.count(texts)

    def embed(self, texts: Sequence[str], kind: Kind) -> Embedded:
        self.meddle()
        return self.inner.embed(texts, kind)


def test_a_provider_that_does_not_answer_leaves_the_space_unchecked(world: World) -> None:
    moved = world()

    def silent() -> None:
        raise Transient("The provider does not answer.")

    moved.app.use_embedder("target", Meddling(moved.app.voyage.embedder("target"), silent))
    proofs = moved.proofs()
    assert (proofs["canary"].verdict, proofs["one space"].verdict) == ("unchecked", "unchecked")
    assert "The provider does not answer." in proofs["canary"].said
    assert {proof.verdict for proof in proofs.values()} == {"proved", "unchecked"}
    moved.app.cutover()


def test_rows_that_change_meanwhile_are_left_out(world: World) -> None:
    moved = world()

    def meddle() -> None:
        moved.sql("UPDATE birds SET text = text || ' again' WHERE id < 5")
        moved.sql("DELETE FROM birds WHERE id = 20")

    moved.app.use_embedder("target", Meddling(moved.app.voyage.embedder("target"), meddle))
    canary = moved.proofs()["canary"]
    assert (canary.verdict, canary.evidence["compared"], canary.evidence["left_out"]) == ("proved", ROWS - 6, 6)


def test_a_row_that_waits_for_the_follower_is_no_canary(world: World) -> None:
    moved = world()
    moved.quietly("UPDATE birds SET text = 'another bird' WHERE id = 9")
    assert moved.verdicts()["canary"] == "different"
    moved.sql("INSERT INTO limosa.change (migration, key) SELECT id, '{9}' FROM limosa.migration WHERE active")
    canary = moved.proofs()["canary"]
    assert (canary.verdict, canary.evidence["compared"]) == ("proved", ROWS - 1)


def test_search_answers_in_both_spaces_from_start_to_finish(world: World) -> None:
    moved = world(run=False)
    text = "godwit plover seen 24 times"

    def sides() -> dict[str, str]:
        found = moved.app.search(text, k=3)
        assert all(bool(each.hits) != bool(each.why) for each in found)
        assert all(each.hits[0].key == ("24",) for each in found if each.hits)
        assert all(each.hits[0].text == text for each in found if each.hits)
        return {each.side: each.space for each in found if each.hits}

    old, new = {"old": "hashing/words-1 (32)"}, {"new": "hashing/words-2 (48)"}
    assert sides() == old
    moved.app.run(accept=EVERYTHING)
    assert sides() == {**old, **new}
    moved.app.cutover()
    assert sides() == {**old, **new}
    moved.app.rollback()
    assert sides() == old
    moved.app.run(accept=EVERYTHING)
    moved.app.cutover()
    moved.app.finish(now=True)
    assert sides() == new


def test_duplicates_of_both_spaces(world: World) -> None:
    moved = world()
    moved.sql("UPDATE birds SET text = (SELECT text FROM birds WHERE id = 3) WHERE id IN (8, 15)")
    moved.app.run(accept=EVERYTHING)
    new = moved.app.duplicates(threshold=0.999)[1]
    assert (new.side, new.rows, new.total) == ("new", ROWS, 3)
    found = {(pair.a, pair.b) for pair in new.pairs}
    assert found == {(("3",), ("8",)), (("3",), ("15",)), (("8",), ("15",))}, "a stands before b in key order"
    assert len(moved.app.duplicates(threshold=0.1, limit=2)[1].pairs) == 2
    with pytest.raises(Refused, match="threshold"):
        moved.app.duplicates(threshold=1.5)


def test_a_query_without_words_is_told_and_a_blank_one_refused(world: World) -> None:
    moved = world()
    assert all("no vector" in found.why for found in moved.app.search("?!"))
    with pytest.raises(Refused, match="nothing to search for"):
        moved.app.search("  ")
