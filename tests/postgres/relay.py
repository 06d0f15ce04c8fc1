"""The way to a server, counted: a relay on loopback that notes how often the server was waited for."""

from __future__ import annotations

import socket
import threading
from contextlib import suppress

from tests.postgres.listening import Listening

__all__ = ["Relay"]


class Relay(Listening):
    """Passes bytes both ways, unchanged.

    Attributes:
        trips: how often the server said that it is ready: once for each statement that is waited for by itself, once
            for all that went to it together.
    """

    def __init__(self, url: str) -> None:
        super().__init__(url)
        self._guard = threading.Lock()
        self.trips = 0

    def serve(self, client: socket.socket) -> None:
        """One client until either side closes."""
        with socket.create_connection(self.behind) as server:
            back = threading.Thread(target=self._count, args=(server, client), daemon=True)
            back.start()
            with suppress(OSError):
                while data := client.recv(2**20):
                    server.sendall(data)
                server.shutdown(socket.SHUT_WR)
            back.join()

    def _count(self, server: socket.socket, client: socket.socket) -> None:
        """Passes the server's messages on, each a kind of one byte and a length of four that counts itself."""
        rest = b""
        with suppress(OSError):
            while data := server.recv(2**20):
                rest += data
                while len(rest) >= 5 and len(rest) > (length := int.from_bytes(rest[1:5], "big")):
                    if rest[:1] == b"Z":
                        with self._guard:
                            self.trips += 1
                    rest = rest[length + 1 :]
                client.sendall(data)
            client.shutdown(socket.SHUT_WR)
