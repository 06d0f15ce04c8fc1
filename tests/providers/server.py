"""The transport of every provider's server: threads on loopback, connections, answers that arrive or do not."""

from __future__ import annotations

import socket
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from types import TracebackType
from typing import Self, cast
from urllib.parse import parse_qsl, unquote, urlsplit

from tests.providers.exchange import Request
from tests.providers.service import Reply, Service, Setup

__all__ = ["ProviderServer"]


class ProviderServer(Service):
    """A server on loopback; a context manager."""

    def __init__(self, setup: Setup | None = None) -> None:
        setup = setup or Setup()
        super().__init__(setup)
        self.stopping = threading.Event()
        self._open: set[socket.socket] = set()
        self._holding = threading.Lock()
        self._server = _Server(("127.0.0.1", setup.port), _Handler)
        self._server.owner = self
        self._thread = threading.Thread(target=self._server.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True)

    @property
    def address(self) -> str:
        """Scheme, host and port: what the SDKs of Google, Cohere and Ollama call the base URL."""
        return f"http://127.0.0.1:{self._server.server_port}"

    @property
    def base_url(self) -> str:
        """The address with the path at which the protocol begins."""
        return self.address + self.dialect.prefix

    def hold(self, connection: socket.socket, *, is_open: bool) -> None:
        """Keeps the list of open connections, which stopping closes."""
        with self._holding:
            (self._open.add if is_open else self._open.discard)(connection)
        if is_open:
            self.count_connection()

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, kind: type[BaseException] | None, exc: BaseException | None, tb: TracebackType | None) -> None:
        self.stop()

    def stop(self) -> None:
        """Closes the port and every connection; a second call does nothing."""
        if self.stopping.is_set():
            return
        self.stopping.set()
        if self._thread.ident is not None:
            self._server.shutdown()
            self._thread.join()
        with self._holding:
            connections = list(self._open)
        for connection in connections:
            _shut(connection)
        self._server.server_close()


class _Server(ThreadingHTTPServer):
    owner: ProviderServer
    # Joined on server_close, so that no thread or socket outlives its test.
    daemon_threads = False
    request_queue_size = 128


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    @property
    def _owner(self) -> ProviderServer:
        return cast("_Server", self.server).owner

    def setup(self) -> None:
        super().setup()
        # Small answers on a kept connection would wait 40 ms for the client's delayed acknowledgement.
        self.connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self._owner.hold(self.connection, is_open=True)
        if self._owner.stopping.is_set():
            _shut(self.connection)

    def finish(self) -> None:
        self._owner.hold(self.connection, is_open=False)
        super().finish()

    def handle(self) -> None:
        try:
            super().handle()
        except OSError:
            self.close_connection = True

    def log_message(self, format: str, *args: object) -> None:
        """Says nothing: tests look at the counters."""

    def do_GET(self) -> None:
        self._serve()

    def do_POST(self) -> None:
        self._serve()

    def do_DELETE(self) -> None:
        self._serve()

    def _serve(self) -> None:
        body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
        url = urlsplit(self.path)
        request = Request(
            method=self.command,
            path=unquote(url.path),
            query=dict(parse_qsl(url.query, keep_blank_values=True)),
            headers=dict(self.headers),
            body=body,
        )
        owner = self._owner
        with owner.under_way():
            self._deliver(owner.respond(request))

    def _deliver(self, reply: Reply) -> None:
        owner = self._owner
        if reply.fate == "hang":
            owner.stopping.wait()
        elif reply.delay_s > 0:
            owner.stopping.wait(reply.delay_s)
        self.close_connection = self.close_connection or reply.fate != "whole"
        if reply.fate == "half":
            self._send(reply)
        elif reply.fate == "whole":
            # Counted first: who has the answer finds it in the counters.
            owner.count_reply(reply)
            try:
                self._send(reply)
            except OSError:
                owner.count_reply(reply, by=-1)
                raise

    def _send(self, reply: Reply) -> None:
        self.send_response(reply.answer.status)
        if "Content-Type" not in reply.answer.headers:
            self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(reply.body)))
        for name, value in reply.answer.headers.items():
            self.send_header(name, value)
        self.end_headers()
        self.wfile.write(reply.body if reply.fate == "whole" else reply.body[: len(reply.body) // 2])


def _shut(connection: socket.socket) -> None:
    try:
        connection.shutdown(socket.SHUT_RDWR)
    except OSError:
        return
