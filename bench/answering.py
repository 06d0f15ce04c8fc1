"""A provider that answers at once: bodies made before, one for each number of texts, in a process of its own."""

from __future__ import annotations

import base64
import multiprocessing
import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from multiprocessing.connection import Connection
from typing import Any

import numpy as np
import orjson

__all__ = ["answering"]

MOST = 2048
"""Texts a request: OpenAI's limit."""


@contextmanager
def answering(*, d: int) -> Iterator[str]:
    """The base URL of a server that speaks OpenAI's protocol, with vectors of d dimensions as base64."""
    ours, theirs = multiprocessing.Pipe()
    process = multiprocessing.get_context("spawn").Process(target=_serve, args=(theirs, d), daemon=True)
    process.start()
    try:
        yield f"http://127.0.0.1:{ours.recv()}/v1"
    finally:
        process.terminate()
        process.join()


def _serve(parent: Connection, d: int) -> None:
    bodies = _Bodies(d)
    listening = socket.create_server(("127.0.0.1", 0), backlog=256)
    parent.send(listening.getsockname()[1])
    while True:
        connection, _ = listening.accept()
        threading.Thread(target=_answer, args=(connection, bodies), daemon=True).start()


class _Bodies:
    """What is answered to n texts: made at the first asking, the same ever after."""

    def __init__(self, d: int) -> None:
        vectors = np.random.default_rng(7).standard_normal((MOST, d), dtype=np.float32)
        vectors /= np.linalg.norm(vectors, axis=1, keepdims=True)
        self._base64 = [f'"{base64.b64encode(vector.tobytes()).decode()}"' for vector in vectors]
        self._floats = [orjson.dumps(vector.tolist()).decode() for vector in vectors[:128]]
        self._made: dict[tuple[int, bool], bytes] = {}

    def of(self, request: dict[str, Any]) -> bytes:
        """The body for one request, as base64 where it asks for that."""
        n, packed = len(request["input"]), request.get("encoding_format") == "base64"
        if (n, packed) not in self._made:
            written = (self._base64 if packed else self._floats)[:n]
            data = ",".join(
                f'{{"object":"embedding","index":{i},"embedding":{each}}}' for i, each in enumerate(written)
            )
            usage = f'"usage":{{"prompt_tokens":{150 * n},"total_tokens":{150 * n}}}'
            self._made[n, packed] = f'{{"object":"list","data":[{data}],"model":"drawn",{usage}}}'.encode()
        return self._made[n, packed]


def _answer(connection: socket.socket, bodies: _Bodies) -> None:
    connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    reader = connection.makefile("rb")
    while reader.readline():
        length = 0
        while (header := reader.readline()) not in {b"\r\n", b""}:
            if header.lower().startswith(b"content-length:"):
                length = int(header.split(b":", 1)[1])
        body = bodies.of(orjson.loads(reader.read(length)))
        head = b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: %d\r\n\r\n" % len(body)
        connection.sendall(head)
        connection.sendall(body)
