"""A proxy before Postgres that can tell commits apart and kills the client at a chosen one."""

from __future__ import annotations

import contextlib
import os
import re
import signal
import socket
import struct
import threading
from collections.abc import Callable
from dataclasses import dataclass, field

__all__ = ["Proxy"]

_WORDS = re.compile(rb"(UPDATE|INSERT INTO|DELETE FROM|CREATE OR REPLACE|CREATE|ALTER|DROP|LOCK) [^\x00]{0,60}")
_LOUD = (b"CREATE INDEX CONCURRENTLY", b"DROP INDEX CONCURRENTLY")


@dataclass
class Proxy:
    """Forwards every byte; ``labels`` lists the commits that went by, in order.

    With ``sever`` the connection is cut at the chosen commit and the client lives on.

    A label is the transaction's statements, shortened: the same place in limosa's code has the same
    label in every run. With ``sever`` the connection is cut instead of the client being killed.
    """

    host: str
    port: int
    kill_at: Callable[[str, int], bool] = lambda label, number: False
    after: bool = False
    sever: bool = False
    victim: int | None = None
    labels: list[str] = field(default_factory=list)
    killed: str | None = None

    def __post_init__(self) -> None:
        self._guard = threading.Lock()
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.address: tuple[str, int] = self._listener.getsockname()
        self._threads = [threading.Thread(target=self._accept, daemon=True)]
        self._threads[0].start()

    def close(self) -> None:
        """Ends the listener and every session, and waits for their threads."""
        with contextlib.suppress(OSError):
            self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()
        for thread in self._threads:
            thread.join(10)

    def _accept(self) -> None:
        while True:
            try:
                client, _ = self._listener.accept()
            except OSError:
                return
            server = socket.create_connection((self.host, self.port))
            for end in (client, server):
                # Or every small answer waits 40 ms for its acknowledgement.
                end.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            session = _Session(self, client, server)
            for body in (session.up, session.down):
                thread = threading.Thread(target=body, daemon=True)
                thread.start()
                self._threads.append(thread)

    def commit(self, label: str) -> bool:
        """Notes a commit; True where the client is to die at it."""
        with self._guard:
            self.labels.append(label)
            if (
                self.killed is None
                and (self.sever or self.victim is not None)
                and self.kill_at(label, self.labels.count(label))
            ):
                self.killed = label
                return True
            return False

    def kill(self) -> None:
        if self.sever:
            return
        assert self.victim is not None
        os.kill(self.victim, signal.SIGKILL)


@dataclass
class _Session:
    proxy: Proxy
    client: socket.socket
    server: socket.socket
    doomed: bool = False
    ended: int = 0
    guard: threading.Lock = field(default_factory=threading.Lock)
    prepared: dict[bytes, bytes] = field(default_factory=dict)

    def up(self) -> None:
        """Client to server: whole messages, so that a commit is seen before it is forwarded."""
        with contextlib.suppress(OSError, struct.error):
            self._forward()
        self._close()

    def _forward(self) -> None:
        statements: list[str] = []
        with self.client.makefile("rb") as read:
            size = struct.unpack("!i", read.read(4))[0]
            self.server.sendall(struct.pack("!i", size) + read.read(size - 4))
            while kind := read.read(1):
                size = struct.unpack("!i", read.read(4))[0]
                body = read.read(size - 4)
                if kind == b"P":
                    name, text = body.split(b"\x00", 2)[:2]
                    self.prepared[name] = text
                elif kind == b"B":
                    self._look(self.prepared.get(body.split(b"\x00", 2)[1], b""), statements)
                elif kind == b"Q":
                    self._look(body, statements)
                if self.doomed and not self.proxy.after:
                    self.proxy.kill()
                    return
                self.server.sendall(kind + struct.pack("!i", size) + body)

    def _look(self, body: bytes, statements: list[str]) -> None:
        if b"COMMIT" in body[:16] or any(word in body for word in _LOUD):
            if any(word in body for word in _LOUD):
                statements.append(_shortened(body))
            # A transaction that wrote nothing has no commit point.
            if statements:
                self.doomed = self.proxy.commit(" | ".join(statements))
            statements.clear()
        elif body.startswith(b"ROLLBACK") and not body.startswith(b"ROLLBACK TO"):
            statements.clear()
        elif found := _WORDS.search(body):
            statements.append(_shortened(found[0]))

    def down(self) -> None:
        """Server to client; a doomed client dies before it hears the answer."""
        with contextlib.suppress(OSError):
            self._answer()
        self._close()

    def _answer(self) -> None:
        while data := self.server.recv(65536):
            if self.doomed and self.proxy.after:
                self.proxy.kill()
                return
            self.client.sendall(data)

    def _close(self) -> None:
        """Both directions end together; the second to come here closes the sockets."""
        for end in (self.client, self.server):
            with contextlib.suppress(OSError):
                end.shutdown(socket.SHUT_RDWR)
        with self.guard:
            self.ended += 1
            if self.ended == 2:
                self.client.close()
                self.server.close()


def _shortened(statement: bytes) -> str:
    words = statement.decode(errors="replace").replace("\x00", " ").split()
    return " ".join(words[:5])
