"""A draft reads back as what was chosen, whatever its names look like, and every proposed model is known."""

from __future__ import annotations

import tomllib
from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from limosa.config import load
from limosa.config.choose import Wishes, choose, flags_of, listed
from limosa.config.compose import Choice, compose
from limosa.config.decide import decide, require_store
from limosa.config.draft import Draft, write
from limosa.config.propose import source_of, target_of
from limosa.embedders.models import MODELS, Known, by_size, known, mentioned, successor
from limosa.errors import Refused
from limosa.ports.discovery import Candidate, Discovery, Hint, MatchSeen, TextColumn, VectorIndex
from limosa.stores.postgres.discovery.texts import Plain, choose_texts, is_model, speaks_of_vectors

LIMITS = {"vector": 2000, "halfvec": 4000}
HNSW = VectorIndex(name="q_idx", kind="hnsw", metric="cosine", element="vector", options={})
SEEN = Candidate(
    table="public.q",
    vector="embedding",
    type="vector(1536)",
    element="vector",
    dimensions=1536,
    rows=12,
    exact=True,
    null_share=0.0,
    keys=(("id",), ("code",)),
    texts=(TextColumn(name="body", type="text", width_bytes=90, why="text"),),
    columns=("title", "body"),
    index=HNSW,
)
FOUND = Discovery(
    database="here/app",
    candidates=(SEEN,),
    tables=1,
    schemas=("public",),
    unseen=0,
    remarks=(),
    index_limits=LIMITS,
)
HASHES = Wishes(from_model="hashing/words-1", model="hashing/words-2", dimensions=24)


def drafted(seen: Candidate, wishes: Wishes = HASHES) -> tuple[dict[str, Any], str]:
    """The values of a draft, and its text, which reads back as the same migration."""
    draft = compose(decide("env:DATABASE_URL", seen, wishes), LIMITS)
    text = write(draft)
    read = tomllib.loads(text)
    assert read == draft.values
    load(read)
    return read, text


@given(st.text(), st.text(), st.lists(st.text(), min_size=1))
def test_every_text_reads_back(value: str, comment: str, listed: list[str]) -> None:
    values = {"a": value, value or "b": listed, "section": {"n": 3, "no": False, "inner": {value or "c": value}}}
    paths = ["", "a", "section", "section.n", "section.inner"]
    draft = Draft(values, {path: [comment] for path in paths}, [comment])
    try:
        value.encode()
        "".join(listed).encode()
    except UnicodeEncodeError:
        return
    assert tomllib.loads(write(draft)) == values


@pytest.mark.parametrize(
    ("d", "index"),
    [
        (24, {"kind": "hnsw", "metric": "cosine", "type": "vector", "m": 16, "ef_construction": 64}),
        (2001, {"kind": "hnsw", "metric": "cosine", "type": "halfvec", "m": 16, "ef_construction": 64}),
        (4001, False),
    ],
)
def test_an_index_is_proposed_as_far_as_one_is_possible(d: int, index: object) -> None:
    read, _ = drafted(SEEN, replace(HASHES, dimensions=d))
    assert read["target"]["index"] == index


@pytest.mark.parametrize(
    ("old", "index"),
    [
        (None, False),
        (replace(HNSW, metric=""), False),
        (
            replace(HNSW, kind="ivfflat", metric="l2", options={"lists": 50}),
            {"kind": "ivfflat", "metric": "l2", "lists": 50},
        ),
        (replace(HNSW, options={"m": 40, "ef_construction": 90}), {"m": 40, "ef_construction": 90}),
    ],
)
def test_the_index_is_as_the_old_one_is(old: VectorIndex | None, index: dict[str, Any] | bool) -> None:
    found = drafted(replace(SEEN, index=old))[0]["target"]["index"]
    assert found == index if isinstance(index, bool) else found.items() >= index.items()


def test_a_function_that_does_not_fit_is_told_with_the_reason() -> None:
    theirs = MatchSeen(
        function="public.f", signature="public.f(v vector)", returns=("id",), filter=None, why="It differs."
    )
    ours = replace(theirs, function="public.g", returns=("id", "title"), filter="meta", why="")
    read, text = drafted(replace(SEEN, functions=(theirs,)))
    assert "match" not in read["target"]
    assert "public.f(v vector) searches the table, but limosa cannot stand in for it. It differs." in text
    read, _ = drafted(replace(SEEN, functions=(theirs, ours)))
    assert read["target"]["match"] == {"function": "public.g", "returns": ["id", "title"], "filter": "meta"}


def test_a_guess_says_that_it_is_one() -> None:
    _, text = drafted(SEEN, Wishes())
    assert "A guess from the size, 1536" in text
    assert "As likely: openai/text-embedding-ada-002" in text
    assert "$0.13 for a million tokens" in text


def test_a_model_that_was_switched_off_is_told() -> None:
    _, text = drafted(replace(SEEN, dimensions=768), Wishes())
    assert "It was switched off on 2026-01-14" in text


def test_what_a_column_says_goes_before_the_size() -> None:
    source = source_of(saying("text-embedding-ada-002"), Wishes())
    assert (source.provider, source.model, source.others) == ("openai", "text-embedding-ada-002", ())
    ours = saying("our-own-7", where="the column embedding_model", plain=True)
    unknown = source_of(ours, Wishes())
    assert (unknown.provider, unknown.model) == ("", "our-own-7")
    with pytest.raises(Refused, match="The column embedding_model says: our-own-7"):
        decide("embedded", ours, Wishes())


@pytest.mark.parametrize(
    ("said", "model"),
    [
        ("gpt-4o", "text-embedding-3-small"),
        ("openai/gpt-4o", "text-embedding-3-small"),
        ("ollama/llama3", "text-embedding-3-small"),
        ("openai/text-embedding-ada-002", "text-embedding-ada-002"),
        ("ollama/snowflake-arctic-embed", "snowflake-arctic-embed"),
        ("hashing/words-1", "words-1"),
    ],
)
def test_a_place_that_may_speak_of_something_else_is_believed_of_embeddings_alone(said: str, model: str) -> None:
    seen = saying(said, others=(("another", 0.25),))
    assert source_of(seen, Wishes()).model == model
    choice = decide("embedded", seen, replace(HASHES, from_model=None))
    believed = model != "text-embedding-3-small"
    assert ("also says another" in write(compose(choice, LIMITS))) is believed
    comment = source_of(replace(seen, hints=(*seen.hints, Hint(said="text-embedding-3-large", where="a"))), Wishes())
    assert comment.model == (model if believed else "text-embedding-3-large")


def test_a_long_value_of_the_database_is_cut_in_the_file() -> None:
    seen = saying("hashing/words-1", others=(("x" * 200, 0.25),))
    _, text = drafted(seen)
    assert "x" * 60 + "..." in text
    assert "x" * 61 not in text


def saying(
    said: str, *, where: str = "the column model", plain: bool = False, others: tuple[tuple[str, float], ...] = ()
) -> Candidate:
    """The candidate with a place that says this of its model."""
    return replace(SEEN, hints=(Hint(said=said, where=where, plain=plain, others=others),))


def test_what_a_person_names_goes_before_everything() -> None:
    named = source_of(saying("text-embedding-ada-002"), Wishes(from_model="embed-v4.0"))
    assert (named.provider, named.model, named.dimensions) == ("cohere", "embed-v4.0", 1536)
    assert source_of(SEEN, Wishes(from_provider="cohere")).model == "embed-v4.0"
    target = target_of(named, Wishes(model="voyage-3-lite"))
    assert (target.provider, target.dimensions) == ("voyage", 512)
    assert target_of(named, Wishes(model="embed-v4.0")).dimensions == 1536


def test_a_column_without_a_size_needs_one() -> None:
    empty = replace(SEEN, dimensions=None, type="vector")
    with pytest.raises(Refused) as refused:
        decide("embedded", empty, replace(HASHES))
    assert refused.value.do == "Name it with --from-dimensions."
    assert decide("embedded", empty, replace(HASHES, from_dimensions=8)).source.dimensions == 8


def test_a_table_without_texts_needs_them() -> None:
    with pytest.raises(Refused, match="looks like the text") as refused:
        decide("embedded", replace(SEEN, texts=()), HASHES)
    assert "--text" in refused.value.do


def test_the_options_choose_what_they_are_printed_for() -> None:
    other = replace(SEEN, vector="title embedding", rows=11)
    odd = replace(SEEN, table='"my app".q')
    found = replace(FOUND, candidates=(SEEN, other, odd))
    assert [flags_of(each, found.candidates) for each in found.candidates] == [
        "--table public.q --vector embedding",
        "--table public.q --vector 'title embedding'",
        "--table '\"my app\".q'",
    ]
    assert choose(found, Wishes(vector="title embedding"), best=False) == other
    with pytest.raises(Refused, match="3 vector columns"):
        choose(found, Wishes(), best=False)
    assert choose(found, Wishes(), best=True) == SEEN
    assert len(listed(found.candidates)) == 3


@pytest.mark.parametrize(
    "store", ["postgresql://app:secret@db/app", "postgresql://db/app?password=secret", "env:", "db"]
)
def test_a_store_that_no_file_may_name_is_refused_without_showing_it(store: str) -> None:
    with pytest.raises(Refused) as refused:
        require_store(store)
    assert "secret" not in str(refused.value)
    assert "--store env:DATABASE_URL" in refused.value.do


def test_a_name_of_any_length_is_one_that_a_file_takes() -> None:
    choice = decide("embedded", replace(SEEN, table='"Ünïcode ' + "x" * 80 + '"'), HASHES)
    assert len(str(compose(choice, LIMITS).values["name"])) <= 60
    load(compose(choice, LIMITS).values)
    assert isinstance(choice, Choice)


def test_every_model_that_is_proposed_is_known() -> None:
    for d in (384, 512, 768, 1024, 1536, 3072):
        assert by_size(d), d
        assert all(known(each.model) for each in by_size(d))
    for each in (*MODELS, Known("hashing", "words-1", 16)):
        after, why = successor(each.provider, each.model)
        assert why
        assert known(after.model) is not None
        assert after.model != each.model
    assert by_size(17) == ()


@pytest.mark.parametrize(
    ("text", "named"),
    [
        ("text-embedding-3-small", ("openai", "text-embedding-3-small")),
        ("openai/text-embedding-3-small", ("openai", "text-embedding-3-small")),
        ("models/text-embedding-004", ("google", "text-embedding-004")),
        ("Vectors of BAAI/bge-m3, made in May", ("sentence-transformers", "BAAI/bge-m3")),
        ("all-MiniLM-L6-v2", ("sentence-transformers", "all-MiniLM-L6-v2")),
        ("voyage-3-lite.", ("voyage", "voyage-3-lite")),
        ("hashing/words-1", ("hashing", "words-1")),
        ("voyage-3-lite-of-ours", None),
        ("my embeddings", None),
    ],
)
def test_a_model_is_found_in_what_people_write(text: str, named: tuple[str, str] | None) -> None:
    assert mentioned(text) == named


@pytest.mark.parametrize(
    ("columns", "chosen"),
    [
        ({"title": 20.0, "body": 300.0, "summary": 80.0, "slug": 30.0}, ["title", "body"]),
        ({"question": 60.0, "answer": 200.0}, ["question", "answer"]),
        ({"pageContent": 900.0, "sourceUrl": 40.0}, ["pageContent"]),
        ({"note_de": 40.0, "note_en": 45.0}, ["note_en"]),
        ({"sku": 9.0, "blurb": 70.0, "state": 90.0}, ["blurb"]),
        ({"colour": 5.0, "shape": 7.0}, []),
        ({"name": 12.0}, ["name"]),
    ],
)
def test_texts_are_chosen_by_name_and_width(columns: dict[str, float], chosen: list[str]) -> None:
    texts, also = choose_texts([Plain(name, "text", None) for name in columns], columns)
    assert [each.name for each in texts] == chosen
    assert not {each.name for each in also} & set(chosen)


def test_a_code_and_a_key_are_no_texts() -> None:
    columns = [Plain("title", "varchar(8)", 8), Plain("body", "text", None), Plain("content", "text", None)]
    texts, also = choose_texts(columns, {}, without=("content",))
    assert ([each.name for each in texts], also) == (["body"], ())


@pytest.mark.parametrize(
    ("name", "says"), [("model", True), ("embedding_model", True), ("modelName", True), ("car_models", False)]
)
def test_a_column_that_names_the_model_is_known_by_its_name(name: str, says: bool) -> None:
    assert is_model(name) is says


@pytest.mark.parametrize(
    ("name", "speaks"),
    [("embedding_model", True), ("vectorModel", True), ("Emb", True), ("model", False), ("car_model", False)],
)
def test_a_column_that_has_to_do_with_vectors_is_known_by_its_name(name: str, speaks: bool) -> None:
    assert speaks_of_vectors(name) is speaks
