"""Folders of files that others wrote: what limosa reads of them, and what it refuses by name."""

from __future__ import annotations

import contextlib
import datetime
import json
import os
import uuid
from collections.abc import Iterator
from decimal import Decimal
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.feather
import pyarrow.parquet as pq
import pytest

from limosa.errors import Refused
from limosa.model.batch import Vectors
from limosa.model.point import Point
from limosa.stores.files.collection import FileCollection
from limosa.stores.files.open import open_collection

D = 12
ROWS = 1000


@contextlib.contextmanager
def opened(kind: str, folder: Path, name: str = "points") -> Iterator[FileCollection]:
    with contextlib.closing(open_collection(f"{kind}://{folder}", name)) as found:
        yield found


def vectors(rows: int, size: int = D) -> Vectors:
    return np.random.default_rng(5).normal(size=(rows, size)).astype(np.float32)


def listed(found: Any, type_: Any = None) -> Any:
    return pa.array([None if row is None else row.tolist() for row in found], type=type_ or pa.list_(pa.float32()))


def kept(found: Point, name: str = "") -> bytes:
    vector = found.vectors[name]
    assert isinstance(vector, np.ndarray)
    return vector.tobytes()


def parquet(folder: Path, *, name: str = "points/a.parquet", groups: int = 300, **columns: Any) -> None:
    path = folder / name
    path.parent.mkdir(parents=True, exist_ok=True)
    pq.write_table(pa.table(columns), path, row_group_size=groups)


def lines(folder: Path, *rows: Any, name: str = "points/a.jsonl") -> None:
    path = folder / name
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text("\n".join(row if isinstance(row, str) else json.dumps(row) for row in rows), encoding="utf-8")


def refused(kind: str, folder: Path, said: str) -> None:
    with opened(kind, folder) as found, pytest.raises(Refused, match=said):
        found.describe()
    with opened(kind, folder) as found, pytest.raises(Refused, match=said):
        found.read(None, 10)


def test_parquet_with_row_groups_nested_values_and_nulls(tmp_path: Path) -> None:
    made = vectors(ROWS)
    ids = [2**64 - 1 - i for i in range(ROWS)]
    rows = [None if i % 10 == 3 else row for i, row in enumerate(made)]
    utc = datetime.datetime(2026, 1, 31, 12, 0, 0, 1, tzinfo=datetime.UTC)
    author = {"name": "a", "age": None, "tags": ["x", None], "born": datetime.date(2000, 2, 29), "seen": [utc, None]}
    parquet(
        tmp_path,
        id=pa.array(ids, type=pa.uint64()),
        embedding=listed(rows),
        author=pa.array([author if i % 2 else None for i in range(ROWS)]),
        body=pa.array([f"text {i}" for i in range(ROWS)], type=pa.large_string()),
        lang=pa.array(["de", "en"] * (ROWS // 2)).dictionary_encode(),
        stars=pa.array([None if i % 7 else i for i in range(ROWS)], type=pa.int64()),
        flag=pa.array([True, None] * (ROWS // 2)),
        nano=pa.array([1] * ROWS, type=pa.timestamp("ns")),
        box=pa.array([[1.1, 2.2]] * ROWS),
        counts=pa.array([[("a", 1)]] * ROWS, type=pa.map_(pa.string(), pa.int64())),
        nothing=pa.nulls(ROWS),
    )
    with opened("parquet", tmp_path) as found:
        told = found.describe()
        assert (told.points, told.ids) == (ROWS, "uint64")
        assert [(each.name, each.dimensions) for each in told.vectors.values()] == [("", D)]
        read = [each for start in range(0, ROWS, 70) for each in found.read(_key(ids, start), 70)]
        assert [each.key[0] for each in read] == [str(each) for each in ids]
        scattered = found.fetch([(str(ids[i]),) for i in range(ROWS - 1, 0, -37)])
        for each in [*read, *scattered]:
            i = ids.index(int(each.key[0]))
            assert each.vectors == {} if i % 10 == 3 else kept(each) == made[i].tobytes()
            wanted = {
                "author": {
                    **author,
                    "born": "2000-02-29",
                    "seen": ["2026-01-31T12:00:00.000001Z", None],
                },
                "body": f"text {i}",
                "lang": ["de", "en"][i % 2],
                "stars": i,
                "flag": True,
                "nano": "1970-01-01T00:00:00.000000001",
                "box": [1.1, 2.2],
                "counts": {"a": 1},
            }
            gone = {"author"} if not i % 2 else {"flag"}
            gone |= {"stars"} if i % 7 else set()
            assert each.payload == {name: value for name, value in wanted.items() if name not in gone}
        assert len(scattered) == 27
        assert found.nearest("", made[42], 1)[0][0] == (str(ids[42]),)
        with pytest.raises(Refused, match="did not write"):
            found.write(read[:1])
        with pytest.raises(Refused, match="did not write"):
            found.erase([read[0].key])
        assert found.describe().points == ROWS
        with pytest.raises(Refused, match=r"does not remove a\.parquet"):
            found.drop()


def test_a_row_group_of_many_blocks_is_read_forth_and_back(tmp_path: Path) -> None:
    made = vectors(4000, 1024)
    column = pa.FixedSizeListArray.from_arrays(pa.array(made.ravel()), 1024)
    parquet(tmp_path, groups=4000, id=pa.array(range(4000)), v=column)
    with opened("parquet", tmp_path) as found:
        for start in (0, 3900, 20, 2000, 1000, 3000, 0):
            read = found.read((str(start),), 90)
            assert [kept(each) for each in read] == [row.tobytes() for row in made[start + 1 : start + 91]]


def _key(ids: list[int], start: int) -> tuple[str] | None:
    return (str(ids[start - 1]),) if start else None


def test_several_vectors_have_the_names_of_their_columns(tmp_path: Path) -> None:
    made, half = vectors(20), vectors(20, 3).astype(np.float16)
    ids = [str(uuid.UUID(int=i)) for i in range(20)]
    columns = {
        "_id": pa.array([uuid.UUID(each).bytes for each in ids], type=pa.uuid()),
        "title": listed(made.astype(np.float64), pa.large_list(pa.float64())),
        "body": pa.array(list(half), type=pa.list_(pa.float16(), 3)),
        "tags": pa.array([[1.5] * (i % 9) for i in range(20)]),
    }
    (tmp_path / "points").mkdir()
    pq.write_table(pa.table(columns), tmp_path / "points" / "a.parquet")
    with opened("parquet", tmp_path) as found:
        assert {name: each.dimensions for name, each in found.describe().vectors.items()} == {"title": D, "body": 3}
        assert found.describe().ids == "uuid"
        for i, each in enumerate(found.read(None, 100)):
            assert each.key == (ids[i],)
            assert kept(each, "title") == made[i].tobytes()
            assert kept(each, "body") == half[i].astype(np.float32).tobytes()
            assert each.payload == {"tags": [1.5] * (i % 9)}


@pytest.mark.parametrize("way", ["file", "stream", "feather"])
def test_arrow_in_all_its_formats(way: str, tmp_path: Path) -> None:
    made = vectors(100)
    column = pa.FixedSizeListArray.from_arrays(pa.array(made.ravel()), D)
    table = pa.table({"text": pa.array([str(i) for i in range(100)]), "key": pa.array(range(100)), "v": column})
    (tmp_path / "points").mkdir()
    path = str(tmp_path / "points" / "a.arrow")
    if way == "feather":
        pyarrow.feather.write_feather(table, path, compression="zstd", chunksize=30)
    else:
        with (pa.ipc.new_file if way == "file" else pa.ipc.new_stream)(path, table.schema) as writer:
            writer.write_table(table, max_chunksize=30)
    with opened("arrow", tmp_path) as found:
        read = found.read(None, 7) + found.read(("6",), 1000)
        assert [each.key[0] for each in read] == [str(i) for i in range(100)]
        assert [kept(each) for each in read] == [row.tobytes() for row in made]
        some = found.fetch([("99",), ("5",), ("31",)])
        assert [kept(each) for each in some] == [made[i].tobytes() for i in (5, 31, 99)]
        assert read[9].payload == {"text": "9"}


def test_one_file_is_a_collection_and_only_read(tmp_path: Path) -> None:
    parquet(tmp_path, name="points.parquet", id=pa.array(["a", "b"]), v=listed(vectors(2)))
    parquet(tmp_path, name="other.parquet", id=pa.array(["c"]), v=listed(vectors(1)))
    with opened("parquet", tmp_path) as found:
        assert [each.key for each in found.read(None, 5)] == [("a",), ("b",)]
        with pytest.raises(Refused, match="did not write"):
            found.write([])
        with pytest.raises(Refused, match="does not remove"):
            found.drop()
    assert (tmp_path / "points.parquet").exists()


def test_a_folder_that_cannot_be_written_is_read_all_the_same(tmp_path: Path) -> None:
    parquet(tmp_path, id=pa.array(["a", "b"]), v=listed(vectors(2)))
    (tmp_path / "points").chmod(0o555)
    try:
        with opened("parquet", tmp_path) as found:
            assert found.describe().points == 2
        # Whoever is root may write everywhere.
        assert os.access(tmp_path / "points", os.W_OK) or len(list((tmp_path / "points").iterdir())) == 1
    finally:
        (tmp_path / "points").chmod(0o755)


def test_parts_are_read_in_the_order_of_their_names_and_may_change(tmp_path: Path) -> None:
    made = vectors(6)
    parquet(tmp_path, name="points/b.parquet", id=pa.array([3, 4]), v=listed(made[2:4]), more=pa.array([1, 2]))
    parquet(tmp_path, name="points/a.parquet", id=pa.array([1, 2]), v=listed(made[:2]))
    parquet(tmp_path, name="points/_temporary.parquet", id=pa.array([8]), v=listed(made[:1]))
    with opened("parquet", tmp_path) as found:
        assert [each.key[0] for each in found.read(None, 9)] == ["1", "2", "3", "4"]
        assert [each.payload for each in found.fetch([("1",), ("4",)])] == [{}, {"more": 2}]
        parquet(tmp_path, name="points/c.parquet", id=pa.array([5, 6]), v=listed(made[4:]))
        assert [each.key[0] for each in found.read(("4",), 9)] == ["5", "6"]
        (tmp_path / "points" / "a.parquet").unlink()
        assert found.describe().points == 4
        with pytest.raises(Refused, match="in no file"):
            found.read(("2",), 9)


_V = vectors(3)


@pytest.mark.parametrize(
    ("columns", "said"),
    [
        ({"number": pa.array([1, 2, 3]), "v": listed(_V)}, "no column of ids; it has number, v"),
        ({"id": pa.array([1.0, 2.0, 3.0]), "v": listed(_V)}, "id of a.parquet is of the type double"),
        ({"id": pa.array([1, None, 3]), "v": listed(_V)}, "id of row 1 of a.parquet is NULL"),
        ({"id": pa.array([1, 1, 3]), "v": listed(_V)}, "1 ids stand in more than one row of points, such as 1"),
        ({"id": pa.array([1, 2, 3]), "v": listed([*_V[:2], _V[2][:9]])}, "No vectors of one length .* v of 9, 12"),
        (
            {"id": pa.array([1, 2, 3]), "v": pa.array([None, [0.5] * 9, [0.1] * 9])},
            r"v are float64, .*a\.parquet, row 2",
        ),
        ({"id": pa.array([1, 2, 3]), "cost": pa.array([Decimal("1.5")] * 3)}, "field cost is of the type decimal"),
        ({"id": pa.array([1, 2, 3]), "a": pa.array([{"b": [b"x"]}] * 3)}, r"field a\.b\[\] is of the type binary"),
    ],
)
def test_what_cannot_be_carried_is_refused_by_name(columns: dict[str, Any], said: str, tmp_path: Path) -> None:
    parquet(tmp_path, **columns)
    refused("parquet", tmp_path, said)


def test_a_null_among_the_numbers_of_a_vector_is_refused(tmp_path: Path) -> None:
    parquet(tmp_path, id=pa.array([1, 2]), v=pa.array([[1.0] * 8, [1.0] * 7 + [None]], type=pa.list_(pa.float32())))
    with opened("parquet", tmp_path) as found, pytest.raises(Refused, match=r"in a\.parquet has a NULL"):
        found.read(None, 5)


@pytest.mark.parametrize("name", ["points/year=2026/b.parquet", "points/b.parquet.gz"])
def test_parts_that_would_be_missed_are_refused(name: str, tmp_path: Path) -> None:
    parquet(tmp_path, id=pa.array([1]), v=listed(vectors(1)))
    (tmp_path / name).parent.mkdir(exist_ok=True)
    (tmp_path / name).write_bytes(b"")
    refused("parquet", tmp_path, "which limosa would not read")


def test_a_file_that_is_cut_off_is_refused(tmp_path: Path) -> None:
    parquet(tmp_path, id=pa.array([1]), v=listed(vectors(1)))
    path = tmp_path / "points" / "a.parquet"
    path.write_bytes(path.read_bytes()[:-9])
    refused("parquet", tmp_path, r"a\.parquet cannot be read")


def test_a_strange_part_among_limosas_own_is_refused(tmp_path: Path) -> None:
    parquet(tmp_path, name="other/a.parquet", id=pa.array([1]), v=listed(vectors(1)))
    with opened("parquet", tmp_path, "other") as source, opened("parquet", tmp_path) as found:
        found.make(source.describe())
        found.write(source.read(None, 5))
    (tmp_path / "other" / "a.parquet").rename(tmp_path / "points" / "z.parquet")
    refused("parquet", tmp_path, r"z\.parquet lies among parts that limosa wrote")


def test_lines_of_json_as_others_write_them(tmp_path: Path) -> None:
    made = vectors(3)
    short = [float(str(each)) for each in made[1]]
    lines(
        tmp_path,
        {"id": 2**63, "embedding": made[0].tolist(), "text": "ü 中", "where": [52.520008, 13.404954], "n": 2**70 + 1},
        "",
        {"embedding": short, "where": [1.5, 2.5], "id": "x", "none": None, "a": {"b": [1, None]}},
        "   ",
        {"id": 3, "embedding": None, "where": [1, 2], "nan": float("nan")},
        {"id": 4},
    )
    with opened("jsonl", tmp_path) as found:
        told = found.describe()
        assert (told.points, told.ids, {name: each.dimensions for name, each in told.vectors.items()}) == (
            4,
            "text",
            {"": D},
        )
        one, two, three, four = found.read(None, 10)
        assert (kept(one), kept(two)) == (made[0].tobytes(), made[1].tobytes())
        assert one.payload == {"text": "ü 中", "where": [52.520008, 13.404954], "n": 2**70 + 1}
        assert two.payload == {"where": [1.5, 2.5], "none": None, "a": {"b": [1, None]}}
        assert (three.vectors, four.vectors, four.payload) == ({}, {}, {})
        assert [each.key for each in found.fetch([("4",), ("nothing",), ("x",)])] == [("x",), ("4",)]
        assert found.nearest("", made[1], 1)[0][0] == ("x",)


@pytest.mark.parametrize(
    ("rows", "said"),
    [
        (({"id": 1}, "", '{"id": 2'), r"Line 3 of a\.jsonl is no JSON"),
        (({"id": 1}, [1]), r"Line 2 of a\.jsonl is no object"),
        (({"id": 1}, {"_id": 2}), r"Line 2 of a\.jsonl has no id that is a text or a whole number"),
        (({"id": 1}, {"id": True}), r"Line 2 of a\.jsonl has no id"),
        (({"name": 1, "v": 2},), r"Line 1 of a\.jsonl has no id; it has name, v"),
        (({"id": 1}, {"id": "1"}), "1 ids stand in more than one row of points, such as 1"),
        (({"id": 1, "v": [0.5] * 8}, {"id": 2, "v": [0.12345678901] * 8}), r"more digits than float32 .*jsonl, line 2"),
        (({"id": 1, "v": [0.5] * 8}, {"id": 2, "v": [0.5] * 9}), "v of 8, 9"),
    ],
)
def test_lines_that_cannot_be_carried_are_refused_by_number(rows: tuple[Any, ...], said: str, tmp_path: Path) -> None:
    lines(tmp_path, *rows)
    refused("jsonl", tmp_path, said)


@pytest.mark.parametrize("name", ["", "..", "a/b", ".hidden"])
def test_a_name_that_leads_elsewhere_is_refused(name: str, tmp_path: Path) -> None:
    with pytest.raises(Refused, match="inside it"):
        open_collection(f"parquet://{tmp_path}", name)
