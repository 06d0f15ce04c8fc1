"""The help knows every command and loads nothing that a help does not need."""

from __future__ import annotations

import json
import os
import subprocess
import sys

import pytest

from limosa import __version__

COMMANDS = [
    "demo",
    "init",
    "plan",
    "run",
    "status",
    "pause",
    "resume",
    "set",
    "retry",
    "verify",
    "report",
    "search",
    "doctor",
    "cutover",
    "rollback",
    "finish",
    "restore",
]
HEAVY = {"numpy", "psycopg", "pydantic", "rich", "orjson", "urllib3", "pybase64", "sklearn", "onnxruntime"}


def limosa(*arguments: str) -> subprocess.CompletedProcess[str]:
    plain = {**os.environ, "COLUMNS": "100", "NO_COLOR": "1"}
    argv = [sys.executable, "-m", "limosa", *arguments]
    return subprocess.run(argv, capture_output=True, text=True, env=plain, timeout=60, check=False)


@pytest.mark.parametrize("arguments", [["--help"], ["-h"], []])
def test_the_help_lists_every_command_with_a_line(arguments: list[str]) -> None:
    done = limosa(*arguments)
    assert done.returncode == 0, done.stderr
    listed = done.stdout.partition("Commands:")[2].split("\n")[1:]
    assert [line.split()[0] for line in listed if line.strip()] == COMMANDS
    assert all(len(line.split()) > 3 for line in listed if line.strip())


def test_the_version() -> None:
    assert limosa("--version").stdout == f"limosa {__version__}\n"


@pytest.mark.parametrize("name", COMMANDS)
def test_every_command_has_a_help_of_its_own(name: str) -> None:
    done = limosa(name, "--help")
    assert done.returncode == 0, done.stderr
    assert f"limosa {name}" in done.stdout
    assert ("FILE" in done.stdout) == (name != "demo")


@pytest.mark.parametrize("arguments", [[], ["--help"], ["--version"], ["run", "--help"]])
def test_the_help_loads_no_library_but_typer(arguments: list[str]) -> None:
    program = (
        "import json, sys\nfrom limosa.cli.main import main\n"
        f"sys.argv[1:] = {arguments!r}\ntry: main()\nexcept SystemExit: pass\n"
        "print(json.dumps(sorted({name.partition('.')[0] for name in sys.modules})), file=sys.stderr)"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, timeout=60, check=True)
    loaded = set(json.loads(done.stderr))
    assert "typer" in loaded
    # Below the first level typer itself takes pydantic, to read the values of options.
    assert not (HEAVY - {"pydantic"} if arguments[1:] else HEAVY) & loaded


def test_a_command_line_that_cannot_be_read_is_refused() -> None:
    for arguments in (["fly"], ["run", "--fast"], ["run", "--limit", "0"], ["search", "--k", "x"]):
        done = limosa(*arguments)
        assert done.returncode == 2, arguments
        assert "Error" in done.stderr
