"""A copy to files, by the command line: made, proved, and ended without a switch; and the words of a copy."""

from __future__ import annotations

import contextlib
import json
import re
from pathlib import Path

import pytest
from typer.testing import CliRunner

from limosa.cli.main import commands
from limosa.stores.files.open import open_collection

POINTS = 30

JOB = """
name = "export"
[source]
store = "jsonl://{folder}"
collection = "memories"
[target]
store = "{kind}://{folder}/backup"
collection = "memories"
"""


def cli(*arguments: str, code: int = 0) -> str:
    """What a call prints, on both outputs."""
    done = CliRunner().invoke(commands, list(arguments))
    assert done.exit_code == code, done.stdout + done.stderr
    assert "A bug" not in done.stderr
    return done.stdout + done.stderr


def write(folder: Path, points: int = POINTS) -> None:
    """Lines of JSON, each point with a vector of its own."""
    lines = ({"id": str(n), "vector": [float(n % 7), 1.0, *[0.5] * 6], "content": f"text {n}"} for n in range(points))
    (folder / "memories.jsonl").write_text("".join(json.dumps(each) + "\n" for each in lines), encoding="utf-8")


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    write(tmp_path)
    (tmp_path / "limosa.toml").write_text(JOB.format(folder=tmp_path, kind="parquet"), encoding="utf-8")
    monkeypatch.chdir(tmp_path)
    return tmp_path


def test_an_export_is_proved_and_finished_without_a_switch(folder: Path) -> None:
    said = cli("run")
    assert f"{POINTS} of {POINTS} points are the source's own" in said
    assert f"points    {POINTS} in all, {POINTS} are in the new store, 0 to carry" in said
    assert "next      nothing: the copy is complete and proved. limosa finish ends it" in said
    assert "rows" not in said
    said = cli("status")
    assert "next      limosa finish limosa.toml" in said
    assert f"carried   {POINTS} outcomes, {POINTS} points at the beginning" in said
    # Finish brings in what changed since, and nothing flows back to the source.
    write(folder, POINTS + 5)
    assert "Finished; the source is left as it was." in cli("finish", "--yes")
    assert "state     The copy is finished" in cli("status")
    with contextlib.closing(open_collection(f"parquet://{folder}/backup", "memories", None)) as found:
        assert len(found.read(None, 100)) == POINTS + 5
    assert len((folder / "memories.jsonl").read_text(encoding="utf-8").splitlines()) == POINTS + 5


def test_the_report_of_a_copy_speaks_of_points(folder: Path) -> None:
    cli("run")
    cli("report")
    page = (folder / "report.html").read_text(encoding="utf-8")
    said = re.sub(r"<[^>]*>", " ", re.sub(r"<style.*?</style>", "", page, flags=re.DOTALL))
    assert "Report of a copy between stores" in said
    assert "collection memories in jsonl → collection memories in parquet" in said
    assert "Every point accounted for" in said
    assert f"Each of {POINTS} points has an outcome" in said
    for foreign in ("every row", "rows a second", "rows at the beginning", "new vector", "embedding", "the table"):
        assert foreign not in said.lower()
    assert str(folder) not in said


def test_an_export_that_was_not_made_is_not_finished(folder: Path) -> None:
    cli("run", "--limit", "1", "--batch-rows", "10")
    assert "stands after" in cli("finish", "--yes", code=2)


def test_a_vector_is_searched_from_a_file_or_as_it_is(folder: Path) -> None:
    cli("run")
    assert "no vector" in cli("search", "--vector", "[1, nothing]", code=2)
    assert "The vector has 2 numbers, and the vectors of memories have 8" in cli("search", "--vector", "[1, 2]", code=2)
    wanted = [3.0, 1.0, *[0.5] * 6]
    (folder / "query.json").write_text(json.dumps(wanted), encoding="utf-8")
    for given in ("query.json", json.dumps(wanted)):
        said = cli("search", "--vector", given, "--k", "1")
        assert "memories, by every point" in said
        assert "1.000 10" in said or "1.000 3 " in said


def test_a_copy_that_is_searched_goes_the_whole_way(folder: Path) -> None:
    write(folder)
    job = JOB.format(folder=folder, kind="lancedb").replace("export", "live")
    (folder / "limosa.toml").write_text(job, encoding="utf-8")
    assert "next      limosa cutover records that the application reads the new store" in cli("run")
    assert "stands after verify" in cli("finish", "--now", "--yes", code=2)
    assert "[1, 2]" not in cli("search", "--vector", "[1, 2]", code=2)
