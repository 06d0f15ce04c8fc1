"""One libSQL server on loopback that can be stopped, killed and started again on the same folder and port."""

from __future__ import annotations

import http.client
import shutil
import signal
import socket
import subprocess
import time
from base64 import urlsafe_b64encode
from pathlib import Path

from tests.sqld.tokens import Key

__all__ = ["Sqld"]

_UP_S = 20.0
# A server whose test process was killed ends by itself.
_ORPHAN_S = 900


class Sqld:
    """A server with a database of its own.

    Args:
        program: the server's program.
        folder: where database, key and log lie; made here.

    Attributes:
        url: its address.
        token: allows everything.
        reading: a token that allows reading.
    """

    def __init__(self, program: Path, folder: Path) -> None:
        self._program = program
        self._folder = folder
        self._process: subprocess.Popen[bytes] | None = None
        self._port = _free_port()
        key = Key()
        folder.mkdir(parents=True, exist_ok=True)
        (folder / "key").write_bytes(urlsafe_b64encode(key.public).rstrip(b"="))
        self.url = f"http://127.0.0.1:{self._port}"
        self.token = key.token("rw")
        self.reading = key.token("ro")

    def start(self) -> None:
        """Returns when the server answers; safe to call while it is up."""
        if self._process is not None and self._process.poll() is None:
            return
        argv = [str(self._program), "-d", "data", "--http-listen-addr", f"127.0.0.1:{self._port}"]
        argv += ["--auth-jwt-key-file", "key", "--no-welcome", "--idle-shutdown-timeout-s", str(_ORPHAN_S)]
        with (self._folder / "log").open("ab") as log:
            self._process = subprocess.Popen(argv, cwd=self._folder, stdout=log, stderr=log, stdin=subprocess.DEVNULL)
        deadline = time.monotonic() + _UP_S
        while not self._answers():
            if self._process.poll() is not None or time.monotonic() > deadline:
                said = (self._folder / "log").read_text(errors="replace")[-2000:]
                self.kill()
                raise RuntimeError(f"sqld does not come up: {said}")
            time.sleep(0.02)

    def stop(self) -> None:
        """Ends the server as its administrator would."""
        self._end(signal.SIGTERM)

    def kill(self) -> None:
        """Ends the server as a power cut would."""
        self._end(signal.SIGKILL)

    def renew(self) -> None:
        """An empty database, without the transactions and locks of whoever used the last one."""
        self.kill()
        shutil.rmtree(self._folder / "data", ignore_errors=True)
        self.start()

    def _end(self, how: signal.Signals) -> None:
        if self._process is not None and self._process.poll() is None:
            self._process.send_signal(how)
            self._process.wait(timeout=60)

    def _answers(self) -> bool:
        asked = http.client.HTTPConnection("127.0.0.1", self._port, timeout=1)
        try:
            asked.request("GET", "/health")
            return asked.getresponse().status == 200
        except OSError:
            return False
        finally:
            asked.close()


def _free_port() -> int:
    with socket.socket() as asked:
        asked.bind(("127.0.0.1", 0))
        return int(asked.getsockname()[1])
