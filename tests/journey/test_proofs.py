"""The proofs that ask as the application does: each holds, is broken once by a real ill, and once cannot be made."""

from __future__ import annotations

import itertools
import json
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

import psycopg
import pytest

from limosa.app import App, open_app
from limosa.errors import ProofFailed
from limosa.model.proof import Proof
from limosa.ports.search import Stored
from limosa.steps.disclosure import shown
from limosa.stores.postgres.database import PostgresTx
from limosa.stores.postgres.embedded import Server
from limosa.stores.postgres.roles import standings
from limosa.verify.index_use import CALLS, FEW, prove_index_use
from limosa.verify.match import Caller, prove_match

STORE = "LIMOSA_PROOFS_DB"
PREPARED = "limosa_proofs"
ROLE = "limosa_proofs_tenant"
ROWS = 400
TENANTS = 40
ACCEPTED = frozenset({"--accept-reconnect", "--accept-triggers", "--accept-slow"})
_numbers = itertools.count(1)

Check = dict[str, object]


def _sql(url: str, *statements: str) -> list[tuple[Any, ...]]:
    with psycopg.connect(url, autocommit=True) as connection:
        for statement in statements:
            cursor = connection.execute(statement.encode())
        return cursor.fetchall() if cursor.description else []


SOURCE = {
    "store": f"env:{STORE}",
    "table": "birds",
    "key": "id",
    "text": "text",
    "vector": "embedding",
    "space": {"provider": "hashing", "model": "words-1", "dimensions": 32},
}
TARGET = {
    "space": {"provider": "hashing", "model": "words-2", "dimensions": 64, "normalise": True},
    "match": {"function": "match_birds", "returns": ["id", "text"]},
}


def _opened(checking: Check) -> App:
    return open_app({"name": "birds", "soak_days": 0, "source": SOURCE, "target": TARGET, "verify": checking})


@pytest.fixture(scope="module")
def prepared(pg_server: Server) -> Iterator[str]:
    """A verified migration, of which each test takes a copy; searches go through indexes."""
    _sql(pg_server.url(), f"CREATE DATABASE {PREPARED} TEMPLATE limosa_template", f"CREATE ROLE {ROLE}")
    url = pg_server.url(PREPARED)
    _sql(
        url,
        f"ALTER DATABASE {PREPARED} SET enable_seqscan = off",
        "CREATE TABLE birds (id int PRIMARY KEY, tenant int, text text, embedding vector(32))",
        f"INSERT INTO birds (id, tenant, text) SELECT i, i % {TENANTS}, 'bird ' || i || ' at pond ' || i % 17"
        f" || ' with ' || i % 29 || ' others' FROM generate_series(1, {ROWS}) AS i",
        "ALTER TABLE birds ENABLE ROW LEVEL SECURITY",
        "CREATE POLICY own ON birds FOR SELECT USING (tenant = nullif(current_setting('app.tenant', true), '')::int)",
        f"GRANT SELECT ON birds TO {ROLE}",
    )
    with pytest.MonkeyPatch.context() as patched:
        patched.setenv(STORE, url)
        fill = open_app({"name": "old", "soak_days": 0, "source": SOURCE})
        fill.run(accept=ACCEPTED)
        fill.finish()
        fill.close()
        app = _opened({})
        app.run(accept=ACCEPTED)
        app.close()
    yield PREPARED
    _sql(pg_server.url(), f"DROP DATABASE {PREPARED} WITH (FORCE)", f"DROP ROLE {ROLE}")


@pytest.fixture
def birds(prepared: str, pg_server: Server, monkeypatch: pytest.MonkeyPatch) -> Iterator[str]:
    """The address of a copy of the verified migration's database."""
    name = f"{PREPARED}_{next(_numbers)}"
    _sql(
        pg_server.url(),
        f"CREATE DATABASE {name} TEMPLATE {prepared}",
        f"ALTER DATABASE {name} SET enable_seqscan = off",
    )
    monkeypatch.setenv(STORE, pg_server.url(name))
    yield pg_server.url(name)
    _sql(pg_server.url(), f"DROP DATABASE {name} WITH (FORCE)")


def _proofs(**checking: object) -> dict[str, Proof]:
    app = _opened(checking)
    try:
        return {proof.name: proof for proof in app.verify()}
    finally:
        app.close()


TENANT = {"role": ROLE, "settings": {"app.tenant": "3"}}
OVERWRITTEN = (
    "CREATE OR REPLACE FUNCTION match_birds(query_embedding vector, match_threshold float8, match_count int)"
    " RETURNS TABLE(id int, text text, similarity float8) LANGUAGE plpgsql {how} AS"
    " $$ #variable_conflict use_column\nBEGIN {body}; END $$"
)
SORTED = (
    "RETURN QUERY SELECT b.id, b.text, (1 - (b.embedding_limosa <=> query_embedding))::float8 AS similarity"
    " FROM birds AS b ORDER BY similarity DESC LIMIT match_count"
)
NEAREST = (
    "RETURN QUERY SELECT b.id, b.text, (1 - (b.embedding_limosa <=> query_embedding))::float8"
    " FROM birds AS b ORDER BY b.embedding_limosa <=> query_embedding LIMIT match_count"
)


def test_all_that_the_file_can_ask_is_proved_and_every_statement_can_be_repeated(birds: str, tmp_path: Path) -> None:
    judged = _judged(tmp_path)
    _sql(birds, f"ALTER DATABASE {_name(birds)} SET hnsw.iterative_scan = strict_order")
    proofs = _proofs(thresholds=[0.8], judged=judged, roles=[TENANT])
    assert {proof.name: proof.said for proof in proofs.values() if proof.verdict != "proved"} == {}
    assert proofs.keys() == {
        *("conservation", "vectors", "one space", "canary", "norms", "index", "recall", "match function"),
        *("latency", "index use", "roles", "judged queries", "thresholds"),
    }
    assert _repeated(birds, proofs.values()) == len(proofs)


def test_a_vector_that_is_too_long_is_seen(birds: str) -> None:
    _sql(birds, "UPDATE birds SET embedding_limosa = embedding_limosa + embedding_limosa WHERE id = 9")
    proofs = _proofs()
    assert proofs["canary"].verdict == "proved" or proofs["canary"].evidence["different"] == 0, "its direction is right"
    norms = proofs["norms"]
    assert (norms.verdict, norms.evidence["looked_at"], norms.evidence["of_unit_length"]) == (
        "different",
        ROWS,
        ROWS - 1,
    )
    assert norms.evidence["maximum"] == pytest.approx(2.0, abs=1e-3)


def test_a_query_that_takes_longer_than_the_goal_is_seen_and_stops_the_cutover(birds: str) -> None:
    _sql(birds, "DROP INDEX birds_embedding_limosa_idx")
    app = _opened({"latency_p95_ms": 0.001})
    proof = next(proof for proof in app.verify() if proof.name == "latency")
    assert (proof.verdict, proof.evidence["tries"], proof.evidence["goal_p95_ms"]) == ("different", 2, 0.001)
    assert {"old_p50_ms", "old_p95_ms", "new_p50_ms", "new_p95_ms"} <= proof.evidence.keys()
    with pytest.raises(ProofFailed, match="latency_p95_ms"):
        app.cutover()
    app.close()


def test_a_cutover_after_a_run_that_found_something_says_what(birds: str) -> None:
    app = _opened({"latency_p95_ms": 0.001})
    app.rollback()
    app.run(accept=ACCEPTED)
    with pytest.raises(ProofFailed, match="latency_p95_ms"):
        app.cutover()
    app.close()


def test_a_query_that_fails_has_no_latency_and_says_nothing_of_the_index(birds: str) -> None:
    _sql(birds, OVERWRITTEN.format(how="STABLE", body="RAISE EXCEPTION 'not today'"))
    proofs = _proofs()
    for name in ("latency", "index use"):
        assert proofs[name].verdict == "unchecked"
        assert "not today" in proofs[name].said
    match = proofs["match function"]
    assert (match.verdict, "not today" in match.said) == ("different", True)
    told = shown(match)
    assert told.said == "match_birds, for callers of the old space the call fails"
    assert "not today" not in str(told), "its own words may quote a text"


def test_a_function_that_cannot_use_the_index_is_seen(birds: str) -> None:
    _sql(birds, OVERWRITTEN.format(how="STABLE", body=SORTED))
    proofs = _proofs()
    assert (proofs["index"].verdict, proofs["index use"].verdict) == ("proved", "different")
    evidence = proofs["index use"].evidence
    assert (evidence["calls"], evidence["scans"], evidence["nested_plan_names_it"]) == (12, 0, None)


def test_a_function_with_a_setting_that_forbids_the_index_is_seen(birds: str) -> None:
    _sql(birds, "ALTER FUNCTION match_birds SET enable_indexscan = off")
    proof = _proofs()["index use"]
    assert (proof.verdict, proof.evidence["scans"]) == ("different", 0)


def test_a_foreign_function_that_uses_the_index_is_proved_by_its_scans_alone(birds: str) -> None:
    _sql(birds, OVERWRITTEN.format(how="STABLE", body=NEAREST))
    evidence = _proofs()["index use"].evidence
    assert (evidence["scans"], evidence["nested_plan_names_it"]) == (12, None)


def test_a_function_that_a_small_table_is_read_for_is_not_at_fault_and_one_of_a_large_table_is(birds: str) -> None:
    body = NEAREST.replace("FROM birds AS b", "FROM birds AS b WHERE b.id > 0")
    _sql(birds, OVERWRITTEN.format(how="STABLE", body=body))
    proof = _proofs()["index use"]
    assert (proof.verdict, proof.evidence["scans"], proof.evidence["rows"]) == ("proved", 0, ROWS)
    assert f"with {ROWS} rows the planner finds another way as cheap" in proof.said
    with _opened({}) as app:
        witness = app.voyage.store.witness(app.voyage.record().epoch)
        application, evidence, search = witness.application("new"), witness.evidence("new"), witness.search("new")
        assert application is not None
        assert evidence is not None
        assert search is not None
        index = evidence.index()
        assert index is not None
        vectors = [row.vector for row in search.sample(CALLS) if row.vector is not None]
        assert prove_index_use(application, index, vectors, rows=FEW - 1).verdict == "proved"
        assert prove_index_use(application, index, vectors, rows=FEW).verdict == "different"


def test_what_an_index_misses_is_no_fault_of_the_function(birds: str) -> None:
    coarse = "USING hnsw (embedding_limosa vector_cosine_ops) WITH (m = 2, ef_construction = 4)"
    _sql(birds, "DROP INDEX birds_embedding_limosa_idx", f"CREATE INDEX birds_embedding_limosa_idx ON birds {coarse}")
    _sql(birds, f"ALTER DATABASE {_name(birds)} SET hnsw.ef_search = 10")
    with _opened({}) as app:
        witness = app.voyage.store.witness(app.voyage.record().epoch)
        evidence, search = witness.evidence("new"), witness.search("new")
        assert evidence is not None
        assert search is not None
        missed, met = list[Stored](), list[Stored]()
        for row in search.sample(ROWS):
            assert row.vector is not None
            found = evidence.match(row.vector, 10, named=False)
            first = found.answered.rows[0]
            if first == found.exact.rows[0]:
                met.append(row)
            elif first not in found.exact.rows:
                missed.append(row)
        assert missed, "an index so coarse misses all of the ten nearest for some rows"
        caller = Caller(side="new", dimensions=64, evidence=evidence, sample=[*missed[:1], *met[:4]], named=False)
        proof = prove_match("match_birds", [caller])
        assert (proof.verdict, proof.evidence["new space"]) == (
            "proved",
            {"calls": 5, "nearest_first": 4, "fault": ""},
        )
        _sql(birds, OVERWRITTEN.format(how="STABLE", body=NEAREST.replace("(1 - (", "(0.9 - (")))
        assert prove_match("match_birds", [caller]).verdict == "different", "its similarity is not the true one"


def test_a_role_that_finds_fewer_rows_than_there_are_for_it_is_seen(birds: str) -> None:
    proof = _proofs(roles=[TENANT])["roles"]
    assert proof.verdict == "different"
    assert "hnsw.iterative_scan = off" in proof.said
    assert "strict_order" in proof.said
    figures = proof.evidence[ROLE]
    assert isinstance(figures, dict)
    assert figures["found"] < figures["wanted"] == 50
    _sql(birds, f"ALTER ROLE {ROLE} IN DATABASE {_name(birds)} SET hnsw.iterative_scan = strict_order")
    assert _proofs(roles=[TENANT])["roles"].verdict == "proved", "the role's own setting holds for it"


def test_a_function_that_answers_rows_of_others_is_seen(birds: str) -> None:
    _sql(birds, OVERWRITTEN.format(how="STABLE SECURITY DEFINER", body=NEAREST))
    proof = _proofs(roles=[TENANT])["roles"]
    assert proof.verdict == "different"
    assert "may not see" in proof.said


def test_roles_of_which_nothing_can_be_said_are_named(birds: str) -> None:
    roles = [TENANT, {"role": "postgres"}, {"role": "nobody_knows"}, {**TENANT, "settings": {"app.tenant": "none"}}]
    _sql(birds, f"ALTER DATABASE {_name(birds)} SET hnsw.iterative_scan = strict_order")
    proof = _proofs(roles=roles)["roles"]
    assert proof.verdict == "unchecked"
    assert "as nobody_knows, there is no such role" in proof.said
    assert "invalid input syntax" in proof.said, "a policy that fails"
    superuser = proof.evidence["postgres"]
    assert isinstance(superuser, dict)
    assert "superuser" in superuser["exempt"]
    assert _proofs(roles=[{"role": "postgres"}])["roles"].verdict == "unchecked", "whom no policy binds proves nothing"
    # Those that may read the table are asked as, without settings: this one sees no row.
    assert "sees no row" in _proofs()["roles"].said


def test_a_role_that_limosa_may_not_be_is_named_with_the_grant(birds: str, pg_server: Server) -> None:
    plain = f"{ROLE}_plain"
    _sql(pg_server.url(), f"CREATE ROLE {plain}")
    try:
        _sql(birds, f"GRANT SELECT (id, text) ON birds TO {plain}", "GRANT SELECT (id) ON birds TO PUBLIC")
        with psycopg.connect(birds) as connection:
            connection.execute(f"SET ROLE {plain}".encode())
            table = connection.execute("SELECT 'birds'::regclass::oid").fetchall()[0][0]
            found = standings(PostgresTx(connection, "here"), table, [])
        assert found is not None
        assert [each.role.name for each in found] == [ROLE, plain, "PUBLIC"]
        refused = {each.role.name: each.do for each in found if each.refused}
        assert refused.pop("PUBLIC") == "name those that search in [[verify.roles]]"
        assert refused == {ROLE: f'GRANT "{ROLE}" TO "{plain}";'}, "it may be itself"
    finally:
        _sql(birds, f"REVOKE ALL ON birds FROM {plain}")
        _sql(pg_server.url(), f"DROP ROLE {plain}")


def test_a_table_of_vectors_beside_and_a_view_are_asked_as_they_are_read(birds: str) -> None:
    app = _opened({})
    app.rollback()
    app.close()
    app = open_app(
        {
            "name": "beside",
            "source": SOURCE,
            "target": {"layout": "side_table", "space": TARGET["space"], "view": "birds_live"},
            "verify": {"roles": [TENANT]},
        }
    )
    _sql(birds, f"ALTER DATABASE {_name(birds)} SET hnsw.iterative_scan = strict_order")
    app.run(accept=ACCEPTED)
    app.cutover()
    proofs = {proof.name: proof for proof in app.verify()}
    assert {proof.name: proof.said for proof in proofs.values() if proof.verdict != "proved"} == {}
    assert proofs["latency"].evidence["asked"] == "the nearest rows of public.birds_live"
    # Which of two good plans it is hangs on whether the server has vacuumed by now; there is one that was looked at.
    assert isinstance(proofs["index use"].evidence["nested_plan_names_it"], bool)
    assert _repeated(birds, proofs.values()) == len(proofs)
    _sql(birds, f"REVOKE SELECT ON birds_live FROM {ROLE}")
    refused = next(proof for proof in app.verify() if proof.name == "roles")
    assert refused.verdict == "unchecked"
    assert "permission denied for view birds_live" in refused.said
    app.close()


def test_a_new_side_that_ranks_worse_is_no_go(birds: str, tmp_path: Path) -> None:
    _sql(
        birds,
        "UPDATE birds SET embedding_limosa = o.embedding_limosa FROM birds AS o"
        f" WHERE o.id = {ROWS + 1} - birds.id AND birds.id > 40",
        # Rows that only the new side can find say nothing of how the models rank.
        "UPDATE birds SET embedding = NULL WHERE id <= 40",
    )
    proof = _proofs(judged=_judged(tmp_path))["judged queries"]
    assert (proof.verdict, proof.evidence["ruling"]) == ("different", "no-go")
    assert float(str(proof.evidence["high"])) < -0.02
    assert proof.evidence["queries_embedded"] == 2 * 20


def test_judged_queries_that_decide_nothing_or_cannot_be_read(birds: str, tmp_path: Path) -> None:
    few = _judged(tmp_path, queries=5)
    assert _proofs(judged=few)["judged queries"].verdict == "unchecked"
    proof = _proofs(judged={**few, "qrels": str(tmp_path / "missing.tsv")})["judged queries"]
    assert proof.verdict == "unchecked"
    assert "missing.tsv cannot be read" in proof.said
    (tmp_path / "words.tsv").write_text("query-id\tcorpus-id\tscore\nq1\tno key\t1\n")
    assert "could not be asked" in _proofs(judged={**few, "qrels": str(tmp_path / "words.tsv")})["judged queries"].said


def test_a_threshold_is_mapped_where_it_cuts_and_told_where_it_does_not(birds: str) -> None:
    proof = _proofs(thresholds=[0.8, 1.5])["thresholds"]
    assert proof.verdict == "unchecked"
    assert "1.5 lets none" in proof.said
    mapped = proof.evidence["thresholds"]
    assert isinstance(mapped, dict)
    assert mapped["0.8"]["low"] <= mapped["0.8"]["new"] <= mapped["0.8"]["high"]
    # As many new similarities are above the new threshold as old ones above the old.
    quantiles = proof.evidence["quantiles_old_new"]
    assert isinstance(quantiles, dict)
    assert quantiles["0.05"][1] <= mapped["0.8"]["new"] <= quantiles["0.95"][1]


def _judged(folder: Path, *, queries: int = 60) -> dict[str, object]:
    """Queries that are words of a row, which alone answers them."""
    with (folder / "queries.jsonl").open("w") as lines:
        for i in range(1, queries + 1):
            text = f"bird {i} at pond {i % 17} with {i % 29} others"
            lines.write(json.dumps({"_id": f"q{i}", "text": text}) + "\n")
    rows = "".join(f"q{i}\t{i}\t1\n" for i in range(1, queries + 1))
    (folder / "qrels.tsv").write_text(f"query-id\tcorpus-id\tscore\n{rows}")
    return {"queries": str(folder / "queries.jsonl"), "qrels": str(folder / "qrels.tsv")}


def _repeated(url: str, proofs: Iterable[Proof]) -> int:
    """Runs the SQL of each proof as psql does, one statement after another; how many proofs had some."""
    count = 0
    for proof in proofs:
        sql = str(proof.evidence["sql"])
        assert "$1" not in sql
        assert "'[" not in sql, "no vector is pasted"
        with psycopg.connect(url, autocommit=True) as connection:
            for statement in sql.split(";\n"):
                connection.execute(statement.encode())
        count += 1
    return count


def _name(url: str) -> str:
    return str(psycopg.conninfo.conninfo_to_dict(url)["dbname"])
