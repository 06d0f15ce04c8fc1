"""The way to a server, counted: a relay on loopback that notes how often the server was waited for."""

from __future__ import annotations

import socket
import socketserver
import threading
from contextlib import suppress
from types import TracebackType
from typing import Self

import psycopg

from tests.postgres.questions import elsewhere

__all__ = ["Relay"]


class Relay:
    """Passes bytes both ways, unchanged.

    Args:
        url: the database behind it.

    Attributes:
        url: the same database by way of the relay.
        trips: how often the server said that it is ready: once for each statement that is waited for by itself, once
            for all that went to it together.
    """

    def __init__(self, url: str) -> None:
        info = psycopg.conninfo.conninfo_to_dict(url)
        self._behind = (str(info["host"]), int(str(info["port"])))
        self._guard = threading.Lock()
        self.trips = 0
        outer = self

        class Handler(socketserver.BaseRequestHandler):
            def handle(self) -> None:
                outer.serve(self.request)

        self._server = socketserver.ThreadingTCPServer(("127.0.0.1", 0), Handler)
        self._server.daemon_threads = True
        self._thread = threading.Thread(target=self._server.serve_forever, kwargs={"poll_interval": 0.05})
        self.url = elsewhere(url, port=int(self._server.server_address[1]))

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, value: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._server.shutdown()
        self._thread.join()
        self._server.server_close()

    def serve(self, client: socket.socket) -> None:
        """One client until either side closes."""
        with socket.create_connection(self._behind) as server:
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
