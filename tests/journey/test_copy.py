"""From Qdrant to Postgres: every point as it is, what changes meanwhile followed, and the way back."""

from __future__ import annotations

import contextlib
import json
import uuid
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import psycopg
import pytest
from qdrant_client import QdrantClient
from qdrant_client.models import PointStruct

from limosa.app import App, open_app
from limosa.errors import ProofFailed, Refused
from limosa.plan.code import mentions
from limosa.plan.leavings import leavings
from limosa.stores.qdrant.open import open_collection
from tests.crash.world import dump
from tests.qdrant.server import Fault, QdrantServer
from tests.qdrant.worlds import NAME, WAYS, D, addressed, client_of, point, served

POINTS = 300

COLUMNS = {"content": "payload.content", "author": "payload.author.name", "stars": "payload.stars"}


def copy_app(store: str, **target: object) -> App:
    """The migration of the collection to the table ``memories``; the database is what LIMOSA_TEST_URL says."""
    return open_app(
        {
            "name": "memories",
            "soak_days": 0,
            "source": {"store": store, "collection": NAME},
            "target": {"store": "env:LIMOSA_TEST_URL", "table": "memories", "columns": COLUMNS, **target},
            "backfill": {"batch_rows": 50},
        }
    )


@pytest.fixture(autouse=True)
def _url(database: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("LIMOSA_TEST_URL", database)


@pytest.fixture
def server(tmp_path: Path) -> Iterator[QdrantServer]:
    with served(tmp_path, POINTS) as server:
        yield server


@pytest.fixture
def client(server: QdrantServer) -> Iterator[QdrantClient]:
    with contextlib.closing(client_of(server)) as client:
        yield client


def rows(url: str) -> dict[str, tuple[object, ...]]:
    """Key to content, author, stars, the rest and the vector."""
    with psycopg.connect(url) as connection:
        found = connection.execute("SELECT id::text, content, author, stars, metadata, embedding::text FROM memories")
        return {row[0]: row[1:] for row in found.fetchall()}


def differing(url: str, client: QdrantClient) -> list[str]:
    """Ids of points that are not in the table as they are in the collection, and of rows that have no point."""
    kept, bad = rows(url), []
    records, _ = client.scroll(NAME, limit=10_000, with_vectors=True)
    for each in records:
        row = kept.pop(str(each.id), None)
        payload = dict(each.payload or {})
        if row is None or not np.array_equal(
            np.asarray(each.vector, dtype=np.float32), np.asarray(json.loads(str(row[4])), dtype=np.float32)
        ):
            bad.append(str(each.id))
            continue
        content, author, stars, rest, _ = row
        inner = {**dict(payload.get("author") or {})}
        whole = (payload.pop("content", None), inner.pop("name", None), payload.pop("stars", None))
        if "author" in payload:
            payload["author"] = inner
        # A field that says null stays where the rest is.
        if whole[0] is None and "content" in dict(each.payload or {}):
            payload["content"] = None
        if whole != (content, author, stars) or payload != rest:
            bad.append(str(each.id))
    return [*bad, *kept]


@pytest.mark.parametrize("way", WAYS)
def test_every_point_arrives_as_it_is_and_goes_back(database: str, tmp_path: Path, way: str) -> None:
    before = dump(database)
    with addressed(way, tmp_path, POINTS) as store:
        with contextlib.closing(open_collection(store, NAME)) as found:
            wanted = {each.key[0]: each for each in found.read(None, 2 * POINTS)}
        with contextlib.closing(copy_app(store)) as app:
            ending = app.run()
            assert (ending.verdict, ending.step) == ("proved", "verify")
            kept = rows(database)
            assert set(kept) == set(wanted)
            for key, row in kept.items():
                vector = np.asarray(json.loads(str(row[4])), dtype=np.float32)
                assert np.array_equal(vector, np.asarray(wanted[key].vectors[""]))
            app.rollback()
    assert dump(database) == before


def test_what_changes_meanwhile_is_followed(database: str, server: QdrantServer, client: QdrantClient) -> None:
    with contextlib.closing(copy_app(server.url)) as app:
        app.run(limit=100)
        ids = [record.id for record in client.scroll(NAME, limit=POINTS)[0]]
        # Behind the cursor, before it, and between points that were read.
        client.delete(NAME, points_selector=[ids[0], ids[50], ids[-1]])
        client.overwrite_payload(NAME, payload={"content": "edited", "new": [None]}, points=[ids[1], ids[60], ids[-2]])
        client.upsert(NAME, points=[point(number) for number in range(POINTS + 1, POINTS + 40)])
        assert app.run().verdict == "proved"
        assert differing(database, client) == []
        # And after it was verified.
        client.delete(NAME, points_selector=[ids[2]])
        changed = point(7).model_copy(update={"id": ids[3]})
        client.upsert(NAME, points=[changed])
        assert app.status().state == "verified"
        assert app.run().verdict == "proved"
        assert differing(database, client) == []


@pytest.mark.parametrize("kind", ["500", "cut", "reset", "short"])
def test_faults_on_the_way_lose_nothing(database: str, server: QdrantServer, client: QdrantClient, kind: str) -> None:
    server.faults = [each for _ in range(6) for each in (None, Fault(kind))]  # type: ignore[arg-type]
    with contextlib.closing(copy_app(server.url)) as app:
        assert app.run().verdict == "proved"
    assert not server.faults
    assert differing(database, client) == []


def test_points_that_do_not_fit_are_dead_with_the_reason(
    database: str, server: QdrantServer, client: QdrantClient
) -> None:
    odd = {900: {"content": "nul \0"}, 901: {"content": 5}, 902: {"metadata": "nul \0 too"}, 903: {"stars": "many"}}
    client.upsert(NAME, points=[point(1).model_copy(update={"id": n, "payload": p}) for n, p in odd.items()])
    with contextlib.closing(copy_app(server.url)) as app:
        notes = [check.said for check in app.plan().checks if check.name == "fields"]
        assert any("content is 1 times a" in said or "content is" in said for said in notes)
        assert app.run().verdict == "proved"
        dead = {letter.key[0]: letter.reason for letter in app.failed(kind="dead")}
    assert sorted(dead) == ["900", "902"]
    assert all("NUL" in why for why in dead.values())


def _changed(url: str, client: QdrantClient) -> list[str]:
    """Changes rows where the points landed, as the application does there; ids of those that were there."""
    [one, two, three, four] = [str(record.id) for record in client.scroll(NAME, limit=4)[0]]
    vector = "[" + ",".join(["3", "4", *["0"] * (D - 2)]) + "]"
    with psycopg.connect(url, autocommit=True) as connection:
        connection.execute("UPDATE memories SET content = 'new', stars = NULL WHERE id = %s", (one,))
        connection.execute("UPDATE memories SET embedding = %s WHERE id = %s", (vector, two))
        connection.execute("DELETE FROM memories WHERE id = %s", (three,))
        connection.execute("UPDATE memories SET metadata = %s, author = 'me' WHERE id = %s", ('{"a": [1, null]}', four))
        connection.execute(
            "INSERT INTO memories (id, content, embedding) VALUES (%s, 'born', %s), ('no id', 'kept', %s)",
            (str(uuid.UUID(int=7)), vector, vector),
        )
    return [one, two, three, four]


def test_what_changes_after_the_switch_flows_back(database: str, server: QdrantServer, client: QdrantClient) -> None:
    with contextlib.closing(copy_app(server.url)) as app:
        app.run()
        app.cutover()
        one, two, three, four = _changed(database, client)
        app.run()
        found = {str(each.id): each for each in client.scroll(NAME, limit=10_000, with_vectors=True)[0]}
        assert three not in found
        payload = found[one].payload or {}
        assert (payload["content"], "stars" in payload) == ("new", False)
        assert np.allclose(np.asarray(found[two].vector)[:2], [0.6, 0.8])
        payload = found[four].payload or {}
        assert (payload["a"], payload["author"]) == ([1, None], {"name": "me"})
        assert found[str(uuid.UUID(int=7))].payload == {"content": "born"}
        # What the old store does not take is listed, and keeps the new table from going.
        assert [letter.key for letter in app.failed(kind="dead")] == [("no id",)]
        with pytest.raises(ProofFailed, match="no id"):
            app.rollback()
        with psycopg.connect(database, autocommit=True) as connection:
            connection.execute("DELETE FROM memories WHERE id = 'no id'")
        app.rollback()
    with psycopg.connect(database) as connection:
        assert connection.execute("SELECT to_regclass('memories')").fetchone() == (None,)
    assert client.count(NAME).count == POINTS


def test_a_table_that_is_emptied_after_the_switch_empties_the_old_store(
    database: str, server: QdrantServer, client: QdrantClient
) -> None:
    with contextlib.closing(copy_app(server.url)) as app:
        app.run()
        app.cutover()
        with psycopg.connect(database, autocommit=True) as connection:
            connection.execute("TRUNCATE memories")
        app.run()
        assert client.count(NAME).count == 0
        app.finish()
    with psycopg.connect(database) as connection:
        assert connection.execute("SELECT count(*) FROM pg_trigger WHERE NOT tgisinternal").fetchone() == (0,)


def test_what_cannot_be_carried_is_refused_by_name(database: str, server: QdrantServer, client: QdrantClient) -> None:
    named = {"vector": {"title": "embedding"}}
    with contextlib.closing(copy_app(server.url, **named)) as app, pytest.raises(Refused, match="no vector 'title'"):
        app.run()
    with psycopg.connect(database, autocommit=True) as connection:
        connection.execute("CREATE TABLE memories (id text)")
    before = dump(database)
    with contextlib.closing(copy_app(server.url)) as app, pytest.raises(Refused, match="There is a table"):
        app.run()
    assert dump(database) == before


def test_ids_are_made_of_fields_and_none_is_overwritten(
    database: str, server: QdrantServer, client: QdrantClient
) -> None:
    namespace = "6f1d2c1e-6a0e-4d3a-9d53-0a2f3c0f8a11"
    key = {"column": "id", "uuid5": "{author.name}/{content}", "namespace": namespace}
    twin = client.retrieve(NAME, ids=[1], with_vectors=True)[0]
    client.upsert(NAME, points=[PointStruct(id=5000, vector=twin.vector or [], payload=twin.payload)])
    with contextlib.closing(copy_app(server.url, key=key)) as app:
        said = [check.said for check in app.plan().checks if check.name == "ids"]
        assert any("1 ids would be shared (1 and 5000)" in each for each in said)
        assert any("lack a field" in each for each in said)
        ending = app.run()
        assert ending.verdict == "proved", ending.proofs
        dead = {letter.key[0]: letter.reason for letter in app.failed(kind="dead")}
        assert "the same id by the template" in (dead.get("5000") or dead["1"])
        assert sum("the same id" in why for why in dead.values()) == 1
        assert "author.name" in dead["7"]
        app.cutover()
        with psycopg.connect(database, autocommit=True) as connection:
            [(made,)] = connection.execute("SELECT id FROM memories WHERE old_id = '2'").fetchall()
            assert made == uuid.uuid5(uuid.UUID(namespace), f"author 2/{point(2).payload['content']}")  # type: ignore[index]
            # The next one who changes a row of his own knows nothing of old ids.
            connection.execute("UPDATE memories SET content = 'changed' WHERE id = %s", (made,))
            vector = "[" + ",".join(["1"] * D) + "]"
            connection.execute(
                "INSERT INTO memories (id, content, embedding) VALUES (%s, 'born', %s)", (uuid.uuid4(), vector)
            )
        app.run()
        assert client.retrieve(NAME, ids=[2])[0].payload["content"] == "changed"  # type: ignore[index]
        assert client.count(NAME).count == POINTS + 2
        app.rollback()


SPACE = {"provider": "hashing", "model": "words-1", "dimensions": 64}


def embedding_app(store: str) -> App:
    """The same, with vectors that another model makes of the texts."""
    return open_app(
        {
            "name": "memories",
            "soak_days": 0,
            "source": {"store": store, "collection": NAME, "template": "{content} by {author.name}"},
            "target": {"store": "env:LIMOSA_TEST_URL", "table": "memories", "columns": COLUMNS, "space": SPACE},
        }
    )


def test_points_are_embedded_again_on_the_way(database: str, server: QdrantServer, client: QdrantClient) -> None:
    with contextlib.closing(embedding_app(server.url)) as app:
        plan = app.plan()
        assert (plan.counts["to_embed"], plan.estimates["cost_usd"]) == (POINTS, 0.0)
        ending = app.run()
        assert ending.verdict == "proved", ending.proofs
        said = {proof.name: proof.said for proof in ending.proofs}
        assert "each with a vector of 64 dimensions" in said["bits"]
        assert "made by another model" in said["overlap"]
        skipped = {letter.key[0]: letter.reason for letter in app.failed(kind="skipped")}
        assert set(skipped) == {
            str(point(n).id) for n in range(1, POINTS + 1) if not (point(n).payload or {}).get("content")
        }
        kept = rows(database)
        assert len(kept) == POINTS - len(skipped)
        again = app.voyage.embedder("target").embed(["text 1 ü 中 '\"\\ by author 1"], "document").vectors[0]
        assert np.array_equal(np.asarray(json.loads(str(kept["1"][4])), dtype=np.float32), again)
        [found] = app.search("text 1")
        assert len(found.hits) == 10
        app.cutover()
        with psycopg.connect(database, autocommit=True) as connection:
            connection.execute("UPDATE memories SET stars = 77 WHERE id = '1'")
            connection.execute("UPDATE memories SET content = 'other' WHERE id = '2'")
        before = client.retrieve(NAME, ids=[1], with_vectors=True)[0].vector
        app.run()
        now = client.retrieve(NAME, ids=[1], with_vectors=True)[0]
        # The old store keeps its own model's vector, where the text is the same.
        assert ((now.payload or {})["stars"], now.vector) == (77, before)
        assert "no [source.space] says" in {letter.key[0]: letter.reason for letter in app.failed(kind="dead")}["2"]
        assert (client.retrieve(NAME, ids=[2])[0].payload or {})["content"] != "other"
        with pytest.raises(ProofFailed, match="not what the new one is"):
            app.rollback()


def test_the_old_collection_goes_only_by_its_name(
    database: str, server: QdrantServer, client: QdrantClient, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("OLD_QDRANT", server.url)
    with contextlib.closing(copy_app("env:OLD_QDRANT")) as app:
        app.run()
        app.cutover()
        with pytest.raises(Refused, match="not called 'others'"):
            app.finish(delete="others")
        with psycopg.connect(database, autocommit=True) as connection:
            # Unseen by the triggers, as if it were limosa's own.
            connection.execute("SET limosa.writing = 'on'")
            connection.execute("DELETE FROM memories WHERE id = '1'")
        # A point that the new table lacks keeps the old collection from going.
        with pytest.raises(ProofFailed, match="have no copy"):
            app.finish(delete=NAME)
        assert client.collection_exists(NAME)
        client.delete(NAME, points_selector=[1])
        app.finish(delete=NAME)
        assert not client.collection_exists(NAME)
        code = tmp_path / "app"
        code.mkdir()
        (code / "search.py").write_text('client = QdrantClient(url=os.environ["OLD_QDRANT"])\nimport qdrant_client\n')
        assert [each.what for each in mentions(app.migration, code)] == ["variable", "client"]
        assert "the environment variable OLD_QDRANT" in leavings(app.migration, deleted=True)


def test_what_only_the_old_collection_has_keeps_it_from_going(
    database: str, server: QdrantServer, client: QdrantClient
) -> None:
    with contextlib.closing(embedding_app(server.url)) as app:
        app.run()
        app.cutover()
        with pytest.raises(ProofFailed, match="points are in the old collection alone, dead or skipped"):
            app.finish(delete=NAME)
        assert client.count(NAME).count == POINTS
        # Nothing was begun that has no way back.
        assert "finish" not in {event[1] for event in app.status().events}
        assert not app.voyage.finishing()
        app.finish()
        with pytest.raises(Refused, match="finished already"):
            app.finish(delete=NAME)
    assert client.count(NAME).count == POINTS


def test_fields_that_no_point_has_are_seen_before_anything_is_touched(
    database: str, server: QdrantServer, client: QdrantClient
) -> None:
    job: dict[str, Any] = {
        "name": "memories",
        "source": {"store": server.url, "collection": NAME, "text": "contents"},
        "target": {"store": "env:LIMOSA_TEST_URL", "table": "memories", "space": SPACE},
    }
    before = dump(database)
    with contextlib.closing(open_app(job)) as app, pytest.raises(Refused, match="have no text by contents"):
        app.run()
    with contextlib.closing(copy_app(server.url, match={"function": "match", "returns": ["id", "contnt"]})) as app:
        assert any("names the column contnt" in check.said for check in app.plan().refusals)
    client.upsert(NAME, points=[PointStruct(id=9000, vector=[0.1] * D, payload={"content": "a\0b"})])
    with contextlib.closing(copy_app(server.url)) as app:
        assert any("would be dead: a text" in check.said or "NUL" in check.said for check in app.plan().checks)
    assert dump(database) == before


def test_a_rest_is_an_object_and_nothing_else(database: str, server: QdrantServer) -> None:
    with contextlib.closing(copy_app(server.url)) as app:
        app.run()
    with psycopg.connect(database, autocommit=True) as connection, pytest.raises(psycopg.errors.CheckViolation):
        connection.execute("UPDATE memories SET metadata = '[1, 2]' WHERE id = '1'")


def test_status_does_without_a_folder_that_somebody_has_open(database: str, tmp_path: Path) -> None:
    with addressed("edge", tmp_path, 50) as store:
        with contextlib.closing(copy_app(store)) as app:
            app.run()
        with contextlib.closing(open_collection(store, NAME)) as held, contextlib.closing(copy_app(store)) as app:
            assert held.describe().points == 50
            found = app.status()
            assert (found.state, found.conservation) == ("verified", None)
        with contextlib.closing(copy_app(store)) as app:
            counted = app.status().conservation
            assert counted is not None
            assert counted.done == 50


def test_a_copy_is_finished_though_somebody_deleted_the_old_collection(
    database: str, server: QdrantServer, client: QdrantClient
) -> None:
    with contextlib.closing(copy_app(server.url)) as app:
        app.run()
        app.cutover()
        client.delete_collection(NAME)
        app.finish()
    with psycopg.connect(database) as connection:
        assert connection.execute("SELECT count(*) FROM pg_trigger WHERE NOT tgisinternal").fetchone() == (0,)
