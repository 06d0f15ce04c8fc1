"""What stands on loopback between a client and a Postgres server, each client in a thread of its own."""

from __future__ import annotations

import socket
import socketserver
import threading
from abc import ABC, abstractmethod
from types import TracebackType
from typing import Self

import psycopg

from tests.postgres.questions import elsewhere

__all__ = ["Listening"]


class Listening(ABC):
    """Takes connections while its block lasts.

    Args:
        url: the database behind it.

    Attributes:
        behind: host and port of that server.
        url: the same database by way of this.
    """

    def __init__(self, url: str) -> None:
        info = psycopg.conninfo.conninfo_to_dict(url)
        self.behind = (str(info["host"]), int(str(info["port"])))
        outer = self

        class Handler(socketserver.BaseRequestHandler):
            def handle(self) -> None:
                outer.serve(self.request)

        self.server = socketserver.ThreadingTCPServer(("127.0.0.1", 0), Handler)
        self.server.daemon_threads = True
        self.url = elsewhere(url, port=int(self.server.server_address[1]))
        self.thread = threading.Thread(target=self.server.serve_forever, kwargs={"poll_interval": 0.05})

    @abstractmethod
    def serve(self, client: socket.socket) -> None:
        """One client until either side closes."""

    def __enter__(self) -> Self:
        self.thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, value: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.server.shutdown()
        self.thread.join()
        self.server.server_close()
