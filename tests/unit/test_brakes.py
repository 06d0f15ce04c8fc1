"""Brakes: what they say, whom they hold, and whom they let go."""

from __future__ import annotations

import threading
from datetime import UTC, datetime

import pytest

from limosa.backfill.brakes import Brakes
from limosa.errors import Transient
from limosa.model.wish import Pause, Settings, Wished

SINCE = datetime(2026, 1, 2, tzinfo=UTC)


class Desk:
    """What is asked, and what was told of it."""

    def __init__(self) -> None:
        self.wished = Wished()
        self.strain = ""
        self.away = False
        self.told: list[str] = []
        self.heard: list[Settings] = []
        self.brakes = Brakes(
            self.read, [lambda: "", lambda: self.strain], changed=self.told.append, settings=self.heard.append
        )

    def read(self) -> Wished:
        if self.away:
            raise Transient("The database does not answer.")
        return self.wished


def test_without_a_reason_nobody_waits() -> None:
    brakes = Brakes()
    brakes.wait(threading.Event())
    with brakes:
        brakes.wait(threading.Event())
    assert brakes.reason == ""


def test_every_change_is_told_once() -> None:
    desk = Desk()
    for wished, strain in (
        (Wished(), ""),
        (Wished(pause=Pause("backup", SINCE)), ""),
        (Wished(pause=Pause("backup", SINCE)), "a replica is behind"),
        (Wished(), "a replica is behind"),
        (Wished(), "a replica is behind"),
        (Wished(settings={"lane": "batch"}), ""),
        (Wished(settings={"lane": "batch"}), ""),
        (Wished(), ""),
    ):
        desk.wished, desk.strain = wished, strain
        desk.brakes.look()
    assert desk.told == ["paused: backup", "a replica is behind", ""]
    assert desk.heard == [{"lane": "batch"}, {}]


def test_a_database_that_is_away_changes_nothing() -> None:
    desk = Desk()
    desk.wished = Wished(pause=Pause("", SINCE))
    desk.brakes.look()
    desk.wished, desk.away = Wished(), True
    desk.brakes.look()
    assert desk.brakes.reason == "paused"
    desk.away = False
    desk.brakes.look()
    assert desk.brakes.reason == ""


def test_who_waits_goes_on_when_the_reason_is_gone() -> None:
    desk = Desk()
    desk.wished = Wished(pause=Pause("", SINCE))
    passed = threading.Event()

    def work() -> None:
        desk.brakes.wait(threading.Event())
        passed.set()

    with desk.brakes:
        worker = threading.Thread(target=work, daemon=True)
        worker.start()
        assert not passed.wait(0.5)
        desk.wished = Wished()
        assert passed.wait(30)


def test_who_waits_ends_when_the_run_is_to_end() -> None:
    desk = Desk()
    desk.strain = "under strain"
    stop = threading.Event()
    with desk.brakes:
        worker = threading.Thread(target=desk.brakes.wait, args=(stop,), daemon=True)
        worker.start()
        stop.set()
        worker.join(30)
        assert not worker.is_alive()
    assert desk.told == ["under strain"]


def test_a_bug_in_looking_leaves_nobody_waiting_for_ever() -> None:
    answers = iter([Wished(pause=Pause("", SINCE))])
    # The second look finds no further answer, which is no error of limosa's own.
    with Brakes(lambda: next(answers)) as brakes, pytest.raises(StopIteration):
        brakes.wait(threading.Event())
