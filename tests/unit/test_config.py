"""A file becomes a migration, left-out keys become what the design says."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest
from hypothesis import given
from hypothesis import strategies as st

from limosa.config import load
from limosa.errors import Refused
from limosa.model.migration import Backfill, Index, Match, Migration, Side
from limosa.model.place import Place, Text
from limosa.model.space import Endpoint, Space
from limosa.model.strain import Limits

FULL = """
name = "questions-1536"
[source]
store = "env:DATABASE_URL"
table = "questions"
key = ["tenant", "id"]
text = ["title", "body"]
vector = "embedding"
where = "deleted_at IS NULL"
[source.space]
provider = "google"
model = "text-embedding-004"
dimensions = 768
key = "env:GEMINI_API_KEY"
task = "RETRIEVAL_DOCUMENT"
query_task = "RETRIEVAL_QUERY"
[target]
layout = "column"
[target.space]
provider = "openai"
model = "m"
dimensions = 1536
revision = "2"
prefix = "doc: "
query_prefix = "query: "
normalise = true
base_url = "http://127.0.0.1:8000/v1"
usd_per_million_tokens = 0.02
timeout_s = 5
tokenizer = "models/tokenizer.json"
[target.index]
kind = "hnsw"
metric = "ip"
type = "halfvec"
m = 24
ef_construction = 128
[target.match]
function = "public.match_questions"
returns = ["id", "title"]
filter = "metadata"
[backfill]
batch_rows = 64
budget_usd = 5.00
oversize = "truncate"
backup = "table"
max_pending = 7
max_lag_s = 5
max_lock_waits = 2
wait_while = "SELECT now()::time < '06:00'"
pause_file = "stop"
soak_days = 3
"""


def small() -> dict[str, object]:
    return {
        "name": "small",
        "source": {
            "store": "embedded",
            "table": "t",
            "key": "id",
            "text": "body",
            "vector": "v",
            "space": {"provider": "hashing", "model": "h", "dimensions": 8},
        },
    }


def upgraded(**target: object) -> dict[str, object]:
    space = {"provider": "hashing", "model": "h", "dimensions": 16}
    return small() | {"target": {"space": space} | target}


def test_every_key_of_a_file_arrives(tmp_path: Path) -> None:
    path = tmp_path / "limosa.toml"
    path.write_text(FULL, encoding="utf-8")
    place = Place(
        store="env:DATABASE_URL",
        table="questions",
        key=("tenant", "id"),
        text=Text(columns=("title", "body")),
        vector="embedding",
        where="deleted_at IS NULL",
    )
    recipe = "columns:title\x1fbody"
    expected = Migration(
        name="questions-1536",
        source=Side(
            place=place,
            space=Space(
                provider="google",
                model="text-embedding-004",
                dimensions=768,
                task="RETRIEVAL_DOCUMENT",
                query_task="RETRIEVAL_QUERY",
                template=recipe,
                oversize="truncate",
            ),
            endpoint=Endpoint(key="env:GEMINI_API_KEY"),
        ),
        target=Side(
            place=place,
            space=Space(
                provider="openai",
                model="m",
                dimensions=1536,
                revision="2",
                prefix="doc: ",
                query_prefix="query: ",
                normalise=True,
                template=recipe,
                oversize="truncate",
            ),
            endpoint=Endpoint(
                base_url="http://127.0.0.1:8000/v1",
                usd_per_million_tokens=0.02,
                timeout_s=5.0,
                tokenizer="models/tokenizer.json",
            ),
        ),
        layout="column",
        index=Index(metric="ip", type="halfvec", m=24, ef_construction=128),
        match=Match(function="public.match_questions", returns=("id", "title"), filter="metadata"),
        backfill=Backfill(
            batch_rows=64,
            budget_usd=5.0,
            max_pending=7,
            limits=Limits(max_lag_s=5.0, max_lock_waits=2, wait_while="SELECT now()::time < '06:00'"),
            pause_file="stop",
        ),
        soak_days=3,
        backup="table",
    )
    assert load(path) == expected
    assert load(str(path)) == expected
    assert load(path).shape == "upgrade"


def test_what_is_left_out_of_target_is_as_in_source() -> None:
    migration = load(small())
    assert migration.target == migration.source
    assert migration.shape == "fill"
    assert (migration.index, migration.match, migration.soak_days) == (None, None, 7)
    assert migration.backfill == Backfill(limits=Limits(max_lag_s=30.0))


def test_an_upgrade_builds_hnsw_unless_the_file_says_otherwise() -> None:
    assert load(upgraded()).index == Index()
    assert load(upgraded(index=False)).index is None
    assert load(upgraded(index={"kind": "ivfflat", "lists": 50})).index == Index(kind="ivfflat", lists=50)
    assert load(small() | {"target": {"index": {}}}).index == Index()


def test_another_text_of_the_same_model_is_another_space() -> None:
    migration = load(small() | {"target": {"template": "{title}: {body}"}})
    assert migration.shape == "upgrade"
    assert migration.source.place.text == Text(columns=("body",))
    assert migration.target.place.text == Text(template="{title}: {body}")
    assert migration.target.space.template == "template:{title}: {body}"
    assert migration.index == Index()


def test_another_endpoint_of_the_same_model_is_the_same_space() -> None:
    space = {"provider": "hashing", "model": "h", "dimensions": 8, "key": "env:K", "timeout_s": 1}
    migration = load(small() | {"target": {"space": space}})
    assert migration.shape == "fill"
    assert migration.target.endpoint == Endpoint(key="env:K", timeout_s=1.0)
    assert migration.source.endpoint == Endpoint()


def test_a_target_may_repeat_the_place() -> None:
    assert load(upgraded(store="embedded", table="t", key=["id"], vector="v")) == load(upgraded())


def test_soak_days_may_stand_at_the_top_too() -> None:
    assert load(small() | {"soak_days": 0}).soak_days == 0
    assert load(small() | {"backfill": {"soak_days": 2}}).soak_days == 2


def test_none_and_tuples_from_python_are_taken() -> None:
    table = small()
    source = table["source"]
    assert isinstance(source, dict)
    source |= {"where": None, "key": ("id",)}
    assert load(table | {"target": None, "soak_days": None}) == load(small())


def test_reading_resolves_no_reference(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.delenv("DATABASE_URL", raising=False)
    path = tmp_path / "limosa.toml"
    path.write_bytes(b"\xef\xbb\xbf" + FULL.replace("\n", "\r\n").encode())
    assert load(path).source.place.store == "env:DATABASE_URL"


def test_the_package_is_light_until_a_file_is_read() -> None:
    code = "import sys, limosa.config; sys.exit('pydantic' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0


NAMES = st.text(st.characters(codec="utf-8", exclude_characters="\0\x7f"), min_size=1, max_size=8).filter(str.strip)
COLUMNS = NAMES | st.lists(NAMES, min_size=1, max_size=3, unique=True)
LINES = st.text(st.characters(codec="utf-8", exclude_characters="\x7f"), max_size=8)
SPACES = st.fixed_dictionaries(
    {"provider": NAMES, "model": NAMES, "dimensions": st.integers(1, 16_000)},
    optional={
        "revision": LINES,
        "prefix": LINES,
        "query_prefix": LINES,
        "task": LINES,
        "query_task": LINES,
        "normalise": st.booleans(),
        "base_url": st.just("http://localhost/v1"),
        "key": st.just("env:KEY"),
        "usd_per_million_tokens": st.floats(0, 100) | st.integers(0, 100),
        "timeout_s": st.floats(1, 3600),
        "tokenizer": st.just("tokenizer.json"),
    },
)
TEXTS = st.one_of(
    st.fixed_dictionaries({"text": COLUMNS}),
    st.fixed_dictionaries({"template": st.just("{a}\n\n{{b}} {ü}")}),
    st.fixed_dictionaries({"query": st.just("SELECT t.*, concat(a, b) AS text FROM t")}),
)
SOURCES = st.builds(
    lambda base, text: base | text,
    st.fixed_dictionaries(
        {
            "store": st.sampled_from(["embedded", "env:URL", "postgresql://u@h/d"]),
            "table": NAMES,
            "key": COLUMNS,
            "vector": NAMES,
            "space": SPACES,
        },
        optional={"where": NAMES},
    ),
    TEXTS,
)
INDEXES = st.one_of(
    st.just(False),
    st.fixed_dictionaries({"metric": st.sampled_from(["cosine", "l2", "ip"])}, optional={"m": st.integers(2, 32)}),
    st.fixed_dictionaries({"kind": st.just("ivfflat")}, optional={"lists": st.integers(1, 1000)}),
)
TARGETS = st.builds(
    lambda base, text: base | text,
    st.fixed_dictionaries(
        {},
        optional={
            "layout": st.just("column"),
            "space": SPACES,
            "index": INDEXES,
            "match": st.fixed_dictionaries({"function": NAMES, "returns": COLUMNS}, optional={"filter": NAMES}),
        },
    ),
    st.just({}) | TEXTS,
)
FILES = st.fixed_dictionaries(
    {"name": st.from_regex(r"[A-Za-z0-9_.-]{1,60}", fullmatch=True), "source": SOURCES},
    optional={
        "target": TARGETS,
        "backfill": st.fixed_dictionaries(
            {},
            optional={
                "batch_rows": st.integers(1, 10_000),
                "budget_usd": st.floats(0, 1e6),
                "oversize": st.sampled_from(["refuse", "truncate", "skip"]),
                "max_pending": st.integers(0, 1000),
                "max_lag_s": st.just(False) | st.floats(1, 3600),
                "max_lock_waits": st.integers(0, 100),
                "wait_while": st.just("SELECT true"),
                "pause_file": NAMES,
            },
        ),
        "soak_days": st.integers(0, 100),
    },
)


def toml(table: Mapping[str, object], path: tuple[str, ...] = ()) -> str:
    plain = {key: value for key, value in table.items() if not isinstance(value, dict)}
    header = f"[{'.'.join(path)}]\n" if path else ""
    body = "".join(f"{key} = {json.dumps(value, ensure_ascii=False)}\n" for key, value in plain.items())
    return (header + body) + "".join(toml(v, (*path, k)) for k, v in table.items() if isinstance(v, dict))


@given(FILES)
def test_a_mapping_does_as_well_as_a_file(table: dict[str, object]) -> None:
    with TemporaryDirectory() as folder:
        path = Path(folder, "limosa.toml")
        path.write_text(toml(table), encoding="utf-8", newline="")
        assert load(path) == load(table)


JUNK = st.one_of(st.none(), st.integers(), st.floats(), st.booleans(), LINES, st.lists(LINES), st.just({"x": 1}))


@given(FILES, st.data())
def test_junk_in_any_place_is_refused_or_taken_but_never_a_crash(table: dict[str, object], data: st.DataObject) -> None:
    at: dict[str, object] = table
    key = data.draw(st.sampled_from(sorted(at)) | LINES)
    while isinstance(inner := at.get(key), dict) and inner and data.draw(st.booleans()):
        at = inner
        key = data.draw(st.sampled_from(sorted(at)) | LINES)
    at[key] = data.draw(JUNK)
    try:
        outcome: str = load(table).shape
    except Refused as refused:
        outcome = "refused" if " problem" in refused.what else refused.what
    assert outcome in ("upgrade", "fill", "refused")


def test_the_brake_for_replicas_can_be_taken_off() -> None:
    job = {**small(), "backfill": {"max_lag_s": False}}
    assert load(job).backfill.limits == Limits()
    assert load(job).digest == load(small()).digest


@pytest.mark.parametrize("key", ["~", "~name"])
def test_an_unknown_key_may_look_like_a_tag_of_our_own(key: str) -> None:
    with pytest.raises(Refused, match="unknown key"):
        load({**small(), key: 0})
