"""A way to a server that falls silent in the middle: what comes after so many bytes of an answer is held back."""

from __future__ import annotations

import socket
import threading
from contextlib import suppress
from types import TracebackType

from tests.postgres.listening import Listening

__all__ = ["Halting"]


class Halting(Listening):
    """Passes bytes both ways; of each connection at most ``most_bytes`` come back from the server.

    Attributes:
        halted: set once something is held back.
        released: to be set from outside; from then on everything passes.
    """

    def __init__(self, url: str, *, most_bytes: int) -> None:
        super().__init__(url)
        self.most_bytes = most_bytes
        self.halted, self.released = threading.Event(), threading.Event()

    def serve(self, client: socket.socket) -> None:
        """One client until either side closes."""
        with socket.create_connection(self.behind) as server:
            back = threading.Thread(target=self._answer, args=(server, client), daemon=True)
            back.start()
            with suppress(OSError):
                while data := client.recv(2**20):
                    server.sendall(data)
            # A thread that waits for an answer does not see a close.
            with suppress(OSError):
                server.shutdown(socket.SHUT_RDWR)
            back.join()

    def __exit__(
        self, kind: type[BaseException] | None, value: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.released.set()
        super().__exit__(kind, value, trace)

    def _answer(self, server: socket.socket, client: socket.socket) -> None:
        left = self.most_bytes
        with suppress(OSError):
            while data := server.recv(2**16):
                if len(data) > left and not self.released.is_set():
                    self.halted.set()
                    self.released.wait()
                client.sendall(data)
                left -= len(data)
            client.shutdown(socket.SHUT_WR)
