"""Identity: as whom the embedded server runs, because Postgres refuses to run as root."""

from __future__ import annotations

import os
import pwd
import shutil
import subprocess
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from limosa.errors import Refused

__all__ = ["Identity", "choose_identity"]

# A daemon that outlives its starter must not keep the starter's keys, nor PGDATA or PGOPTIONS.
_KEPT_VARIABLES = ("PATH", "TMPDIR", "TZ", "LD_LIBRARY_PATH", "DYLD_LIBRARY_PATH")


@dataclass(frozen=True, slots=True)
class Identity:
    """A way to run Postgres's programs as somebody who is not root.

    Attributes:
        prefix: command that is put before the program; may be empty.
        owner: user and group that must own the cluster's files; None: whoever runs this process.
        switch: the owner is taken on by the new process itself, without a prefix.
    """

    prefix: tuple[str, ...] = ()
    owner: tuple[int, int] | None = None
    switch: bool = False

    def run(self, argv: Sequence[str | Path], *, cwd: Path) -> subprocess.CompletedProcess[str]:
        """Runs a program to its end; its output is text, and a failure shows only in the return code."""
        user, group = self.owner if self.owner and self.switch else (None, None)
        return subprocess.run(
            [*self.prefix, *map(str, argv)],
            cwd=cwd,
            env={name: os.environ[name] for name in _KEPT_VARIABLES if name in os.environ} | {"LC_ALL": "C"},
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            errors="replace",
            check=False,
            user=user,
            group=group,
            extra_groups=None if user is None else [],
        )

    def own(self, folder: Path) -> None:
        """Gives the folder and what lies in it to the owner; a second call changes nothing."""
        if self.owner is None:
            return
        _give(folder, self.owner)
        for child in folder.iterdir():
            if _give(child, self.owner) and child.is_dir():
                for inner in child.rglob("*"):
                    _give(inner, self.owner)


def choose_identity(folder: Path, *, programs: Path) -> Identity:
    """The first identity that can run the programs and write to the folder.

    An ordinary user is itself. Root first tries a user namespace, in which it is called 1000 and files
    stay its own; where namespaces are not permitted (containers), the user ``nobody``.

    Raises:
        Refused: root, and neither way is open.
    """
    if os.geteuid() != 0:
        return Identity()
    for identity in _for_root():
        identity.own(folder)
        if _works(identity, folder, programs):
            return identity
    raise Refused(
        f"The embedded Postgres cannot run as root, nor as nobody, in {folder}.",
        needed="Permission to create a user namespace, or a folder that the user nobody can reach.",
        do="Run limosa as an ordinary user, or name a running Postgres as the store.",
    )


def _for_root() -> list[Identity]:
    try:
        entry = pwd.getpwnam("nobody")
        nobody = (entry.pw_uid, entry.pw_gid)
    except KeyError:
        nobody = (65534, 65534)
    identities = []
    if unshare := shutil.which("unshare"):
        prefix = (unshare, "-U", "--map-user=1000", "--map-group=1000")
        identities.append(Identity(prefix, owner=(0, os.getegid())))
    identities.append(Identity(owner=nobody, switch=True))
    if setpriv := shutil.which("setpriv"):
        # Root's home is closed to nobody: the one capability opens the way to what lies in it, and without
        # the set-uid fix-up access(2), with which Postgres looks for its own program, honours it too.
        as_nobody = (f"--reuid={nobody[0]}", f"--regid={nobody[1]}", "--clear-groups")
        reaching = ("--securebits=+no_setuid_fixup", "--inh-caps=+dac_override", "--ambient-caps=+dac_override")
        identities.append(Identity((setpriv, *as_nobody, *reaching), owner=nobody))
    return identities


def _works(identity: Identity, folder: Path, programs: Path) -> bool:
    # pg_config looks for itself the way the server does, initdb needs the libraries, a file proves the folder.
    script = 'cd "$1" && : > probe && "$0/pg_config" --bindir && "$0/initdb" --version'
    try:
        return identity.run(["/bin/sh", "-c", script, programs, folder], cwd=Path("/")).returncode == 0
    except (OSError, subprocess.SubprocessError):
        return False
    finally:
        (folder / "probe").unlink(missing_ok=True)


def _give(path: Path, owner: tuple[int, int]) -> bool:
    if path.lstat().st_uid == owner[0]:
        return False
    os.lchown(path, *owner)
    return True
