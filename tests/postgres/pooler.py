"""A pooler in transaction mode on loopback: real Postgres behind it, one server connection for all clients."""

from __future__ import annotations

import socket
import struct
import threading
from types import TracebackType

from tests.postgres.listening import Listening

__all__ = ["Pooler"]


class Pooler(Listening):
    """Lends the connection that was opened last to whoever sends a statement, until the transaction ends.

    Every client logs in to Postgres itself, through the pooler; from then on it owns no connection.

    Args:
        url: the database behind it.
        settings: whether settings in the start-up message are passed on, or refused as PgBouncer does.
    """

    def __init__(self, url: str, *, settings: bool = True) -> None:
        super().__init__(url)
        self.settings = settings
        self.idle: list[socket.socket] = []
        self.turn = threading.Lock()

    def __exit__(
        self, kind: type[BaseException] | None, value: BaseException | None, trace: TracebackType | None
    ) -> None:
        super().__exit__(kind, value, trace)
        for connection in self.idle:
            connection.close()

    def serve(self, client: socket.socket) -> None:
        """One client from its start-up message to its end."""
        start = self._start_up(client)
        if b"options" in start and not self.settings:
            said = b"SFATAL\0VFATAL\0C08P01\0Munsupported startup parameter: options\0\0"
            client.sendall(b"E" + struct.pack("!i", len(said) + 4) + said)
            return
        upstream = socket.create_connection(self.behind)
        upstream.sendall(start)
        if self._relay(client, upstream, login=True):
            self.idle.append(upstream)
            while (first := client.recv(65536)) and not first.startswith(b"X"):
                with self.turn:
                    lent = self.idle[-1]
                    lent.sendall(first)
                    if not self._relay(client, lent):
                        return

    def _start_up(self, client: socket.socket) -> bytes:
        while True:
            head = _exactly(client, 8)
            length, code = struct.unpack("!ii", head)
            if code not in {80877103, 80877104}:  # neither a request for TLS nor for GSSAPI
                return head + _exactly(client, length - 8)
            client.sendall(b"N")

    def _relay(self, client: socket.socket, upstream: socket.socket, *, login: bool = False) -> bool:
        """Passes messages both ways until the server is ready outside a transaction; False where the client left."""
        while True:
            kind = _exactly(upstream, 5)
            body = _exactly(upstream, struct.unpack("!i", kind[1:])[0] - 4)
            client.sendall(kind + body)
            asks = kind[:1] == b"R" and struct.unpack("!i", body[:4])[0] in {3, 5, 10, 11}
            if kind[:1] == b"Z" and body == b"I":
                return True
            if login and kind[:1] == b"E":
                return False
            if asks or kind[:1] == b"Z":
                sent = client.recv(65536)
                if not sent or sent.startswith(b"X"):
                    return False
                upstream.sendall(sent)


def _exactly(connection: socket.socket, count: int) -> bytes:
    found = b""
    while len(found) < count:
        part = connection.recv(count - len(found))
        if not part:
            raise ConnectionError("closed")
        found += part
    return found
