"""requirements.lock is in step with pyproject.toml, and every package in it is pinned and hashed."""

from __future__ import annotations

import re
import tomllib

from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

from tests.house.tree import CHECKOUT


def test_every_dependency_is_locked_at_a_version_that_it_allows() -> None:
    complaints = [said for name in _named() for said in out_of_step(Requirement(name), _locked())]
    assert not complaints, "make lock: " + "; ".join(complaints)


def test_every_locked_package_is_wanted_by_something() -> None:
    blocks = re.split(r"\n(?=[a-z0-9])", _lock())
    assert not [block.partition(" ")[0] for block in blocks if "# via" not in block]
    dependants = set(re.findall(r"limosa \(pyproject\.toml(?::dev)?\)", _lock()))
    assert dependants == {"limosa (pyproject.toml)", "limosa (pyproject.toml:dev)"}


def test_what_pyproject_no_longer_names_is_not_locked_for_it() -> None:
    wanted = {canonicalize_name(Requirement(name).name) for name in _named()}
    blocks = re.split(r"\n(?=[a-z0-9])", _lock())
    direct = {block.partition("==")[0] for block in blocks if "limosa (pyproject.toml" in block}
    assert direct == wanted


def test_every_locked_package_carries_hashes() -> None:
    blocks = re.split(r"\n(?=[a-z0-9])", _lock())
    assert len(blocks) > 40
    assert not [block.partition(" ")[0] for block in blocks if "--hash=sha256:" not in block]


def test_a_lock_out_of_step_is_seen() -> None:
    locked = {"orjson": ["3.9.0"], "numpy": ["1.26.4", "2.4.6"]}
    assert out_of_step(Requirement("orjson>=3.10"), locked) == ["orjson is locked at 3.9.0, wanted is >=3.10"]
    assert out_of_step(Requirement("numpy>=1.26"), locked) == []
    assert out_of_step(Requirement("absent"), locked) == ["absent is not locked"]


def out_of_step(wanted: Requirement, locked: dict[str, list[str]]) -> list[str]:
    """Complaints about one dependency; one package may be locked at several versions, for several Pythons."""
    versions = locked.get(canonicalize_name(wanted.name), [])
    if not versions:
        return [f"{wanted.name} is not locked"]
    return [
        f"{wanted.name} is locked at {version}, wanted is {wanted.specifier}"
        for version in versions
        if not wanted.specifier.contains(version)
    ]


def _named() -> list[str]:
    """Every requirement of pyproject.toml but those on limosa itself."""
    project = tomllib.loads((CHECKOUT / "pyproject.toml").read_text(encoding="utf-8"))
    extras = [name for names in project["project"]["optional-dependencies"].values() for name in names]
    groups = [name for names in project["dependency-groups"].values() for name in names]
    named: list[str] = [*project["project"]["dependencies"], *extras, *groups]
    return [name for name in named if Requirement(name).name != "limosa"]


def _locked() -> dict[str, list[str]]:
    locked: dict[str, list[str]] = {}
    for name, version in re.findall(r"^([a-z0-9-]+)==([^\s;\\]+)", _lock(), re.MULTILINE):
        locked.setdefault(name, []).append(version)
    return locked


def _lock() -> str:
    return (CHECKOUT / "requirements.lock").read_text(encoding="utf-8").strip()
