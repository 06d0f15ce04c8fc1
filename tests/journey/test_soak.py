"""The days between cutover and finish: finish waits for them, status tells of them, and a person may go before."""

from __future__ import annotations

import contextlib
import json
import sqlite3
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from limosa.app import App, open_app
from limosa.config import load
from limosa.errors import Refused
from limosa.stores.files.open import open_collection


@pytest.fixture(autouse=True)
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Two points in lines of JSON."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / "points.jsonl").write_text(
        "".join(json.dumps({"id": str(n), "vector": [float(n)] * 8, "text": f"text {n}"}) + "\n" for n in (1, 2)),
        encoding="utf-8",
    )
    return tmp_path


def switched(folder: Path, **top: object) -> App:
    """A copy of them to another folder, just after its cutover."""
    app = opened(folder, **top)
    app.run()
    app.cutover()
    return app


def opened(folder: Path, **top: object) -> App:
    source, target = ({"store": f"jsonl://{folder}{each}", "collection": "points"} for each in ("", "/new"))
    return open_app({"name": "soaked", "source": source, "target": target, **top})


def test_finish_waits_for_the_end_of_the_soak(folder: Path) -> None:
    with contextlib.closing(switched(folder)) as app:
        until = app.status().soak_until
        assert until is not None
        assert abs(until - datetime.now(UTC) - timedelta(days=7)) < timedelta(minutes=5)
        with pytest.raises(Refused, match=f"ends on {until:%Y-%m-%d at %H:%M} UTC") as found:
            app.finish()
        assert "--now" in found.value.do
        # Nothing was begun: the way back is still there.
        assert not app.voyage.finishing()
        assert app.status().state == "switched"
    ledger = folder / ".limosa" / "ledgers" / "soaked.sqlite"
    with contextlib.closing(sqlite3.connect(ledger)) as connection, connection:
        connection.execute("UPDATE limosa_operation SET changed = changed - 7 * 86400 WHERE id = 'switch'")
    with contextlib.closing(opened(folder)) as app:
        app.finish()
        assert (app.status().state, app.status().soak_until) == ("finished", None)


def test_who_does_not_want_to_wait_need_not(folder: Path) -> None:
    with contextlib.closing(switched(folder)) as app, pytest.raises(Refused):
        app.finish(delete="points")
    # The file may be changed after the migration has begun.
    with contextlib.closing(opened(folder, soak_days=3)) as app, pytest.raises(Refused, match="soak of 3 days"):
        app.finish()
    with contextlib.closing(opened(folder, backfill={"soak_days": 0})) as app:
        assert app.status().soak_until is None
    with contextlib.closing(opened(folder)) as app:
        app.finish(now=True)
    with contextlib.closing(open_collection(f"jsonl://{folder}/new", "points", None)) as found:
        assert len(found.read(None, 10)) == 2


def test_a_soak_begins_with_the_last_switch(folder: Path) -> None:
    with contextlib.closing(switched(folder)) as app:
        app.rollback()
        assert app.status().soak_until is None
        app.run()
        assert app.status().soak_until is None
        app.cutover()
        with pytest.raises(Refused, match="soak"):
            app.finish()


def test_it_stands_in_one_place() -> None:
    sides = {each: {"store": f"jsonl:///{each}", "collection": "points"} for each in ("source", "target")}
    with pytest.raises(Refused, match=r"stands at the top and in \[backfill\]"):
        load({"name": "twice", **sides, "soak_days": 1, "backfill": {"soak_days": 1}})
