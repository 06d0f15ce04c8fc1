"""The gate lets no test go by that was skipped without an excuse."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from tests.house.tree import CHECKOUT

_CASES = {
    "all ran": ("<testcase/>", 0),
    "nothing ran": ("", 1),
    "a skip": ('<testcase classname="a" name="b"><skipped message="no time"/></testcase>', 1),
    "an expected failure": ('<testcase classname="a" name="b"><skipped type="pytest.xfail" message=""/></testcase>', 1),
}


@pytest.mark.parametrize("name", _CASES)
def test_a_skip_without_an_excuse_fails(name: str, tmp_path: Path) -> None:
    cases, code = _CASES[name]
    assert _gate(tmp_path, CHECKOUT / ".ci/skips.py", cases) == code


@pytest.mark.parametrize(("shared", "code"), [(False, 0), (True, 1)])
def test_data_beside_the_checkout_is_an_excuse_only_where_it_is_absent(shared: bool, code: int, tmp_path: Path) -> None:
    script = tmp_path / "checkout" / ".ci" / "skips.py"
    script.parent.mkdir(parents=True)
    script.write_bytes((CHECKOUT / ".ci/skips.py").read_bytes())
    if shared:
        (tmp_path / "shared").mkdir()
    reason = "Skipped: there is no folder with shared data beside the checkout"
    case = f'<testcase classname="a" name="b"><skipped message="{reason}"/></testcase>'
    assert _gate(tmp_path, script, case) == code


def _gate(folder: Path, script: Path, cases: str) -> int:
    report = folder / "tests.xml"
    report.write_text(f"<testsuites><testsuite>{cases}</testsuite></testsuites>", encoding="utf-8")
    argv = [sys.executable, str(script), str(report)]
    return subprocess.run(argv, capture_output=True, timeout=60, check=False).returncode
