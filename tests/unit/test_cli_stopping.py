"""Ctrl-C ends a run after its batches; a person is asked only where one is."""

from __future__ import annotations

import os
import signal
import threading

import pytest

from limosa.cli.consent import require_consent
from limosa.cli.stopping import stopping
from limosa.errors import Refused


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_the_first_signal_asks_and_the_second_interrupts(number: int) -> None:
    stop, told = threading.Event(), list[str]()
    before = signal.getsignal(signal.SIGINT), signal.getsignal(signal.SIGTERM)
    with stopping(stop.set, told.append):
        os.kill(os.getpid(), number)
        assert stop.is_set()
        assert len(told) == 1
        with pytest.raises(KeyboardInterrupt):
            os.kill(os.getpid(), number)
    assert (signal.getsignal(signal.SIGINT), signal.getsignal(signal.SIGTERM)) == before
    assert len(told) == 1


def test_yes_answers_beforehand(capsys: pytest.CaptureFixture[str]) -> None:
    require_consent("Really?", yes=True)
    assert capsys.readouterr() == ("", "")


def test_where_nobody_can_be_asked_the_answer_is_no(monkeypatch: pytest.MonkeyPatch) -> None:
    with open(os.devnull) as nothing:
        monkeypatch.setattr("sys.stdin", nothing)
        with pytest.raises(Refused, match="Really") as refused:
            require_consent("Really?", yes=False)
    assert "--yes" in refused.value.do
