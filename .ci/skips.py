"""Fails where a test was skipped that should have run: a test that is skipped proves nothing.

Only tests on data that lies beside the checkout may be skipped, and only where it does not lie there.
"""

from __future__ import annotations

import sys
from pathlib import Path
from xml.etree import ElementTree

__all__ = ["excused", "main", "skipped"]


def main() -> int:
    """Reads the report named on the command line; 1 where a skip has no excuse or nothing ran."""
    cases = list(ElementTree.parse(sys.argv[1]).iter("testcase"))  # noqa: S314 - pytest wrote it a moment ago
    shared = (Path(__file__).resolve().parents[2] / "shared").is_dir()
    wrong = [said for said in skipped(cases) if not excused(said, shared=shared)]
    for said in wrong:
        print(f"skipped without an excuse: {said}", file=sys.stderr)
    if not cases:
        print("no test ran", file=sys.stderr)
    return int(bool(wrong) or not cases)


def skipped(cases: list[ElementTree.Element]) -> list[str]:
    """Name and reason of every test that was skipped or failed as expected."""
    found = [(case, reason) for case in cases for reason in case.findall("skipped")]
    return [f"{case.get('classname')}.{case.get('name')}: {reason.get('message')}" for case, reason in found]


def excused(said: str, *, shared: bool) -> bool:
    """Whether the data beside the checkout is what was missing."""
    return not shared and "beside the checkout" in said


if __name__ == "__main__":
    sys.exit(main())
