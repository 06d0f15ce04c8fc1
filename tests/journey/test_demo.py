"""The demo from its first line to its last, on fewer rows; and what is left when somebody stops it."""

from __future__ import annotations

import os
import re
import signal
import subprocess
import sys
import time
from pathlib import Path

import psutil  # type: ignore[import-untyped]
import psycopg
import pytest

from limosa.cli.demo.story import tell
from limosa.errors import Refused
from limosa.stores.postgres.embedded import embedded_folder, embedded_url, find, start

_ROWS = 700


def _program(keep: Path | None) -> list[str]:
    kept = f"Path({str(keep)!r})" if keep is not None else "None"
    text = f"tell({kept}, most={_ROWS}, calm_s=0.5, soak_s=0.3)"
    # A shell that runs the tests in the background has told its children to ignore Ctrl-C.
    heed = "import signal\nsignal.signal(signal.SIGINT, signal.default_int_handler)"
    return [sys.executable, "-c", f"{heed}\nfrom pathlib import Path\nfrom limosa.cli.demo.story import tell\n{text}"]


def _surroundings(**more: str) -> dict[str, str]:
    kept = {name: value for name, value in os.environ.items() if name in {"PATH", "LANG", "TMPDIR"}}
    return {**kept, "NO_COLOR": "1", "PYTHONUNBUFFERED": "1", **more}


def _processes_in(folder: Path) -> list[psutil.Process]:
    found = psutil.process_iter(["cmdline"])
    return [each for each in found if any(str(folder) in part for part in each.info["cmdline"] or ())]


def test_the_demo_proves_everything_and_keeps_what_it_made(server_folder: Path) -> None:
    done = subprocess.run(
        _program(server_folder), env=_surroundings(), capture_output=True, text=True, timeout=240, check=False
    )
    out = done.stdout
    assert done.returncode == 0, out + done.stderr
    assert "\x1b" not in out
    parts = re.findall(r"^\d+\. (.+?) [─-]+$", out, re.MULTILINE)
    assert parts == [
        "A table in use",
        "An application at work",
        "The job, and its plan",
        "Run",
        "One search, before and after",
        "Cutover",
        "Rollback",
        "Once more",
        "Finish",
        "The application's report",
        "Look around",
    ]
    lines = re.findall(r"([\d,]+) rows = [\d,]+ done .* \+ (\d+) lost", out)
    assert len(lines) >= 4
    assert {lost for _, lost in lines} == {"0"}
    before, after = re.search(r"vectors: (\w{16}) before, (\w{16})\s+after", out, re.DOTALL).groups()  # type: ignore[union-attr]
    assert before == after
    told = " ".join(out.split())
    assert "0 errors, 0 empty answers" in told
    assert re.search(r"not in the table as it wrote them: 0\.", told)
    assert re.search(r"own text, 0 another one, 0 none\.", told)
    assert re.search(r"Everything proved, in \d", told)
    _look_around(server_folder, out)


def _look_around(folder: Path, out: str) -> None:
    place, _ = embedded_folder("embedded", folder)
    assert find(place) is None
    assert (place / "password").read_text() not in out
    assert 'model = "chars-4"' in (folder / "limosa.toml").read_text()
    url = embedded_url("embedded", folder)
    with start(place), psycopg.connect(url) as connection:
        sizes = connection.execute("SELECT DISTINCT vector_dims(embedding) FROM docs WHERE embedding IS NOT NULL")
        assert sizes.fetchall() == [(768,)]
        triggers = connection.execute("SELECT count(*) FROM pg_trigger WHERE tgrelid = 'docs'::regclass")
        assert triggers.fetchone() == (0,)
        indexes = connection.execute("SELECT indexname FROM pg_indexes WHERE tablename = 'docs' ORDER BY 1")
        assert indexes.fetchall() == [("docs_embedding_idx",), ("docs_pkey",)]


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_stopped_in_the_middle_nothing_is_left(server_folder: Path, number: signal.Signals) -> None:
    server_folder.mkdir(mode=0o755)
    surroundings = _surroundings(TMPDIR=str(server_folder))
    silent = subprocess.DEVNULL
    demo = subprocess.Popen(_program(None), env=surroundings, stdout=subprocess.PIPE, stderr=silent, text=True)
    assert demo.stdout is not None
    with demo.stdout as lines:
        for line in lines:
            if line.startswith("expand"):
                break
        beside = psutil.Process(demo.pid).children(recursive=True)
        assert any("limosa.cli.demo.application" in each.cmdline() for each in beside)
        assert _processes_in(server_folder)
        demo.send_signal(number)
        lines.read()
    assert demo.wait(60) != 0
    assert not [each for each in beside if each.is_running()]
    assert _gone(server_folder)
    assert list(server_folder.glob("limosa-demo-*")) == []


def _gone(folder: Path) -> bool:
    for _ in range(100):
        if not _processes_in(folder):
            return True
        time.sleep(0.05)
    return False


def test_a_folder_that_holds_something_is_refused(tmp_path: Path) -> None:
    (tmp_path / "mine").write_text("precious")
    with pytest.raises(Refused, match="is not empty"):
        tell(tmp_path, most=10)
    assert [each.name for each in tmp_path.iterdir()] == ["mine"]
