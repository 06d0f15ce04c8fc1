"""The switch of a copy: proofs are told before the question, and every line that is printed does what it says."""

from __future__ import annotations

import contextlib
import json
import subprocess
from pathlib import Path
from typing import Any

import psycopg
import pytest
from pymilvus import MilvusClient
from qdrant_client import QdrantClient
from qdrant_client.models import ChangeAliasesOperation, Distance, VectorParams

from limosa.cli.pointing import Change, changes
from limosa.config import load
from limosa.model.point import Collected
from tests.journey.collection_world import Stand, some_points, specs, stand
from tests.journey.test_cli import Cli

ROWS = 60


@pytest.fixture(autouse=True)
def _here(database: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("LIMOSA_TEST_URL", "OTHER_TEST_URL"):
        monkeypatch.setenv(name, database)
    monkeypatch.setenv("COLUMNS", "200")
    monkeypatch.chdir(tmp_path)


def written(source: dict[str, Any], target: dict[str, Any]) -> None:
    """The file of a copy called ``limosa.toml``."""
    lines = ['name = "copy"']
    for name, section in (("source", source), ("target", target)):
        lines += [f"[{name}]", *(f"{key} = {json.dumps(value)}" for key, value in section.items() if value != {})]
    Path("limosa.toml").write_text("\n".join(lines), encoding="utf-8")


def filled(near: Stand) -> None:
    near.fill("went", Collected(points=0, ids="uuid", vectors=specs()), some_points(ROWS))


def test_proofs_are_told_before_the_question(database: str, tmp_path: Path) -> None:
    cli = Cli(database)
    with stand("qdrant-edge", tmp_path, database) as near:
        filled(near)
        source = near.section("went")
        written(source, {"store": "env:LIMOSA_TEST_URL", "table": "came"})
        cli("run", "--yes")
        proofs = {proof["name"]: proof["said"] for proof in cli.facts("status")["proofs"]}
        code, said = cli.answer("cutover", reply="n")
        assert code == 2, said
        told, asked = said.replace("\r\n", " ").split("Is the application to read and write came from now on?")
        told = " ".join(told.split())
        assert "UTC; proved: conservation, " in told
        assert proofs["overlap"] in told
        assert proofs["latency"] in told
        assert "p95" in told
        assert "nothing was changed" in asked
        found = cli.facts("cutover", "--yes")
        assert {proof["name"]: proof["said"] for proof in found["proofs"]} == proofs
        assert (found["already"], found["outstanding"]) == (False, 0)
        assert found["proved_at"].startswith("20")
        lines = [(each["kind"], each["line"]) for each in found["changes"]]
        assert lines == [
            ("store", f"{source['store']} -> LIMOSA_TEST_URL=..."),
            ("name", "collection went -> table came"),
        ]
        assert cli.facts("cutover")["already"]
        assert database not in json.dumps(found)


def test_a_view_in_one_database(database: str, tmp_path: Path) -> None:
    cli = Cli(database)
    with stand("postgres", tmp_path, database) as near:
        filled(near)
        written(
            {"store": "env:LIMOSA_TEST_URL", "table": "went", "rest": "metadata"},
            {"store": "env:OTHER_TEST_URL", "table": "came"},
        )
        cli("run", "--yes")
        said = cli("cutover", "--yes")
        assert "store     LIMOSA_TEST_URL=... -> OTHER_TEST_URL=..." in said
        assert "name      table went -> table came" in said
        assert database not in said
        [line] = [each for each in said.splitlines() if each.startswith("CREATE")]
        with psycopg.connect(database, autocommit=True) as connection:
            connection.execute(line.encode())
            connection.execute("UPDATE went_live SET metadata = '{}' WHERE id = (SELECT min(id::text)::uuid FROM went)")
            assert connection.execute("SELECT count(*) FROM went_live").fetchone() == (ROWS,)
        # What the application writes through the view flows back as everything else.
        cli("run", "--yes")
        with psycopg.connect(database, autocommit=True) as connection:
            assert connection.execute("SELECT count(*) FROM went WHERE metadata = '{}'").fetchone() == (1,)
            assert "other objects depend on it" in cli("rollback", "--yes", code=2)
            connection.execute("DROP VIEW went_live")
        cli("rollback", "--yes")


def test_an_alias_in_one_file_of_milvus(database: str, tmp_path: Path) -> None:
    cli = Cli(database)
    with stand("milvus", tmp_path, database) as near:
        filled(near)
        written(near.section("went"), near.section("came"))
        cli("run", "--yes")
        [made] = [each for each in cli.facts("cutover", "--yes")["changes"] if each["kind"] == "alias"]
        exec(made["line"], {})  # noqa: S102 - the line is what is tested
        client = MilvusClient(near.section("came")["store"].removeprefix("milvus+local://"))
        with contextlib.closing(client):
            assert client.describe_alias("went_live")["collection_name"] == "came"


def _made(source: dict[str, Any], target: dict[str, Any]) -> Change:
    [found] = [each for each in changes(load({"name": "n", "source": source, "target": target})) if each.said]
    return found


@pytest.mark.parametrize(
    ("address", "url"),
    [
        ("qdrant://one.host:7000", "http://one.host:7000"),
        ("qdrant://one.host", "http://one.host:6333"),
        ("qdrant+https://one.host:443", "https://one.host:443"),
        ("qdrant://one.host:7000/", "http://one.host:7000"),
    ],
)
def test_an_alias_on_one_server_of_qdrant(
    address: str, url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The body is what Qdrant's own client takes and carries out; there is no server here that knows aliases."""
    monkeypatch.setenv("QDRANT", address)
    monkeypatch.setenv("QDRANT_KEY", "a secret")
    for store in (address, "env:QDRANT"):
        side = {"store": store, "token": "env:QDRANT_KEY"}
        line = _made({**side, "collection": "it's old"}, {**side, "collection": "it's new"}).line
        assert "secret" not in line
        assert (address in line, "one.host" in line) == (False, store == address)
        # What a shell makes of it.
        shown = subprocess.run(
            ["/bin/sh", "-c", line.replace("curl", "printf '%s\\n'", 1)], check=True, capture_output=True, text=True
        ).stdout.splitlines()
        method, verb, where, _, key, _, content, _, body = shown
        assert (method, verb, where) == ("-X", "POST", f"{url}/collections/aliases")
        assert (key, content) == ("api-key: a secret", "content-type: application/json")
    with contextlib.closing(QdrantClient(path=str(tmp_path / "qdrant"))) as client:
        for name in ("it's old", "it's new"):
            client.create_collection(name, vectors_config=VectorParams(size=2, distance=Distance.COSINE))
        client.update_collection_aliases(ChangeAliasesOperation(**json.loads(body)).actions)
        [alias] = client.get_aliases().aliases
        assert (alias.alias_name, alias.collection_name) == ("it's old_live", "it's new")


def test_two_stores_have_no_name_in_common() -> None:
    one, other = ({"store": f"qdrant://{host}:6333", "collection": "c"} for host in ("one", "other"))
    found = changes(load({"name": "n", "source": one, "target": other}))
    assert [(each.kind, each.line) for each in found] == [("store", "qdrant://one:6333 -> qdrant://other:6333")]
    folder = {"store": "qdrant+edge:///folder"}
    found = changes(
        load({"name": "n", "source": {**folder, "collection": "a"}, "target": {**folder, "collection": "b"}})
    )
    assert [(each.kind, each.line) for each in found] == [("name", "collection a -> collection b")]
