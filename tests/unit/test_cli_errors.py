"""Whatever ends a command is told in plain parts, with the exit code of its kind."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
import typer
from typer.testing import CliRunner

from limosa.cli.command import Command
from limosa.cli.options import FILE, File, Json, with_file
from limosa.errors import Ambiguous, Fenced, LimosaError, ProofFailed, Refused, RowRefused, Transient

PARTS = {"needed": "A table [of] rows.", "do": "limosa plan FILE shows it."}


def ended_by(error: BaseException, *arguments: str) -> tuple[int, str, str]:
    """Exit code, standard output and standard error of a command that this error ends."""
    program = typer.Typer(pretty_exceptions_enable=False)

    @program.command(cls=Command)
    def _fail(file: File = FILE, json: Json = False) -> None:
        raise error

    result = CliRunner(env={"NO_COLOR": "1", "TERM": "dumb"}).invoke(program, list(arguments))
    return result.exit_code, result.stdout, result.stderr


@pytest.mark.parametrize(
    ("kind", "code"), [(ProofFailed, 1), (Refused, 2), (RowRefused, 2), (Transient, 3), (Fenced, 3), (Ambiguous, 4)]
)
def test_each_kind_has_its_exit_code_and_three_parts(kind: type[LimosaError], code: int) -> None:
    exit_code, out, err = ended_by(kind("There is no table.", **PARTS))
    assert exit_code == code
    assert out == ""
    lines = [line.split(maxsplit=1) for line in err.splitlines()]
    assert lines == [
        [kind.__name__, "There is no table."],
        ["needed", "A table [of] rows."],
        ["do", "limosa plan limosa.toml shows it."],
    ]


def test_with_json_the_error_is_a_document_too() -> None:
    exit_code, out, err = ended_by(Refused("There is no table.", **PARTS), "my job.toml", "--json")
    assert exit_code == 2
    assert "There is no table." in err
    assert json.loads(out) == {
        "error": {
            "kind": "Refused",
            "what": "There is no table.",
            "needed": "A table [of] rows.",
            "do": "limosa plan 'my job.toml' shows it.",
            "exit_code": 2,
        }
    }


def test_parts_that_are_empty_are_left_out_and_lines_are_kept() -> None:
    _, _, err = ended_by(Transient("one\ntwo"))
    assert [line.split() for line in err.splitlines()] == [["Transient", "one"], ["two"]]


def test_ctrl_c_is_no_traceback() -> None:
    exit_code, _, err = ended_by(KeyboardInterrupt())
    assert exit_code == 3
    assert err.splitlines() == ["Interrupted. Everything committed stands; repeat the command to go on."]


def test_a_bug_is_one_line(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("LIMOSA_DEBUG", raising=False)
    exit_code, _, err = ended_by(ValueError("wrong\nin two lines"))
    assert exit_code == 3
    assert err.splitlines() == ["A bug in limosa: ValueError: wrong in two lines (LIMOSA_DEBUG=1 shows where)"]


def test_a_bug_shows_where_on_request(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("LIMOSA_DEBUG", "1")
    exit_code, _, err = ended_by(ValueError("wrong"))
    assert exit_code == 3
    assert "Traceback" in err
    assert "raise error" in err


def test_an_exit_of_the_command_stays_what_it_is() -> None:
    assert ended_by(typer.Exit(1)) == (1, "", "")


def test_a_file_takes_the_place_of_its_word() -> None:
    said = "limosa run FILE goes on; limosa cutover FILE. A FILE is no command."
    assert with_file(said, Path("a.toml")) == "limosa run a.toml goes on; limosa cutover a.toml. A FILE is no command."
    assert with_file("limosa run FILE", Path("\\1 it's.toml")) == "limosa run '\\1 it'\"'\"'s.toml'"
