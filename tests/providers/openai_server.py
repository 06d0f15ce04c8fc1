"""A server on loopback that speaks the OpenAI embeddings protocol, with faults on demand."""

from __future__ import annotations

import base64
import hashlib
import json
import socket
import threading
from collections import deque
from collections.abc import Mapping
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from types import TracebackType
from typing import Any, Literal, Self, cast

import numpy as np
from numpy.typing import NDArray

__all__ = ["Fault", "OpenAIServer", "vector_of"]

How = Literal[
    "status", "drop", "fewer", "size", "ragged", "nan", "inf", "zero", "shuffle", "twice", "floats", "garbage", "hang"
]

_SPOILED = {"fewer", "size", "ragged", "nan", "inf", "zero", "shuffle", "twice", "floats"}


@dataclass(frozen=True, slots=True, kw_only=True)
class Fault:
    """What is wrong with one answer.

    Attributes:
        how: ``status`` answers an error; ``drop`` closes the connection in the middle of the body; ``fewer``
            leaves the last vector out; ``size`` adds one dimension, ``ragged`` to the first vector only;
            ``nan``, ``inf`` and ``zero`` spoil the first vector; ``shuffle`` reverses the order and keeps the
            indexes right; ``twice`` gives every vector index 0; ``floats`` ignores base64; ``garbage`` is not
            JSON; ``hang`` stays silent until the server stops.
        status, code, param, message, headers: of the error.
        wrapped: the error object comes in a list, as Google sends it.
    """

    how: How = "status"
    status: int = 500
    code: str = "server_error"
    param: str | None = None
    message: str = "a fault on demand"
    headers: Mapping[str, str] = field(default_factory=dict)
    wrapped: bool = False


def vector_of(text: str, *, model: str, d: int) -> NDArray[np.float32]:
    """The vector that the server gives a text: drawn by a seed of model and text, L2 norm 1, shape (d,)."""
    seed = int.from_bytes(hashlib.blake2b(f"{model}\x1f{text}".encode(), digest_size=8).digest(), "little")
    vector = np.random.default_rng(seed).standard_normal(d, dtype=np.float32)
    return np.asarray(vector / np.linalg.norm(vector), dtype=np.float32)


class OpenAIServer:
    """The server; a context manager. Counts what it was asked and answers faults that were queued.

    Args:
        dimensions: size of the vectors where a request names none.
        sized: whether requests may name ``dimensions``; otherwise they are answered 400.
        key: the bearer token to insist on; None for none.
        refused: texts that contain this are refused with 400, and their whole batch with them.

    Attributes:
        requests, texts: how many came, refused ones included.
        connections: how many were opened.
        plain: answer lists of numbers even where base64 is asked for.
        length: L2 norm of the vectors.
        seen: the requests as (headers, body), newest last, at most 100.
    """

    def __init__(
        self, *, dimensions: int = 8, sized: bool = True, key: str | None = None, refused: str = "[refuse me]"
    ) -> None:
        self.dimensions, self.sized, self.key, self.refused = dimensions, sized, key, refused
        self.requests = self.texts = self.connections = 0
        self.plain = False
        self.length = 1.0
        self.seen: deque[tuple[dict[str, str], dict[str, Any]]] = deque(maxlen=100)
        self.stopping = threading.Event()
        self._faults: deque[Fault] = deque()
        self._always: Fault | None = None
        self._lock = threading.Lock()
        self._open: set[socket.socket] = set()
        self._server = _Server(("127.0.0.1", 0), _Handler)
        self._server.owner = self
        self._thread = threading.Thread(target=self._server.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True)

    @property
    def base_url(self) -> str:
        """What goes into ``base_url``."""
        return f"http://127.0.0.1:{self._server.server_port}/v1"

    def fail(self, fault: Fault, *, times: int = 1) -> None:
        """The next answers are faults, in the order in which they were asked for."""
        with self._lock:
            self._faults.extend([fault] * times)

    def fail_always(self, fault: Fault | None) -> None:
        """Every answer is this fault once the queued ones are used up; None ends it."""
        with self._lock:
            self._always = fault

    def note(self, headers: dict[str, str], body: dict[str, Any]) -> Fault | None:
        """Counts a request; the fault with which it is to be answered."""
        with self._lock:
            self.requests += 1
            self.texts += len(body["input"])
            self.seen.append((headers, body))
            return self._faults.popleft() if self._faults else self._always

    def hold(self, connection: socket.socket, *, is_open: bool) -> None:
        """Keeps the list of open connections, which stopping closes."""
        with self._lock:
            (self._open.add if is_open else self._open.discard)(connection)
            self.connections += is_open

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
        self._server.shutdown()
        self._thread.join()
        with self._lock:
            connections = list(self._open)
        for connection in connections:
            _shut(connection)
        self._server.server_close()


class _Server(ThreadingHTTPServer):
    owner: OpenAIServer
    # Joined on server_close, so that no thread or socket outlives its test.
    daemon_threads = False
    request_queue_size = 128


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    @property
    def _owner(self) -> OpenAIServer:
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

    def do_POST(self) -> None:
        body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        fault = self._owner.note(dict(self.headers), body)
        if fault is None or fault.how in _SPOILED:
            refusal = self._refusal(body)
            if refusal is None:
                self._answer(200, _embeddings(body, self._owner, fault))
            else:
                self._answer_error(refusal)
        elif fault.how == "hang":
            self._owner.stopping.wait()
            self.close_connection = True
        elif fault.how == "drop":
            whole = _embeddings(body, self._owner, None)
            self._answer(200, whole[: len(whole) // 2], length=len(whole))
            self.close_connection = True
        elif fault.how == "garbage":
            self._answer(200, b"<html>not the protocol</html>")
        else:
            self._answer_error(fault)

    def _refusal(self, body: dict[str, Any]) -> Fault | None:
        owner = self._owner
        if self.path != "/v1/embeddings":
            return Fault(status=404, code="unknown_url", message="unknown request URL")
        if owner.key is not None and self.headers.get("Authorization") != f"Bearer {owner.key}":
            sent = self.headers.get("Authorization", "")
            return Fault(status=401, code="invalid_api_key", message=f"Incorrect API key provided: {sent}")
        if "dimensions" in body and not owner.sized:
            return Fault(status=400, code="invalid_request_error", param="dimensions", message="no such parameter")
        if any(owner.refused in text for text in body["input"]):
            return Fault(status=400, code="invalid_request_error", param="input", message="a text is refused")
        return None

    def _answer_error(self, fault: Fault) -> None:
        error = {"message": fault.message, "type": fault.code, "param": fault.param, "code": fault.code}
        whole: object = [{"error": error}] if fault.wrapped else {"error": error}
        self._answer(fault.status, json.dumps(whole).encode(), headers=fault.headers)

    def _answer(
        self, status: int, body: bytes, *, headers: Mapping[str, str] | None = None, length: int | None = None
    ) -> None:
        self.send_response(status)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(body) if length is None else length))
        for name, value in (headers or {}).items():
            self.send_header(name, value)
        self.end_headers()
        self.wfile.write(body)


def _embeddings(body: dict[str, Any], owner: OpenAIServer, fault: Fault | None) -> bytes:
    d, model, texts = body.get("dimensions", owner.dimensions), body["model"], body["input"]
    how = fault.how if fault else None
    vectors = [vector_of(text, model=model, d=d + (how == "size")) * np.float32(owner.length) for text in texts]
    if how in {"nan", "inf", "zero"}:
        vectors[0] = np.full(d, {"nan": np.nan, "inf": np.inf, "zero": 0.0}[how], dtype=np.float32)
    if how == "ragged":
        vectors[0] = np.append(vectors[0], np.float32(1))
    plain = owner.plain or how == "floats" or body.get("encoding_format") != "base64"
    data = [
        {"object": "embedding", "index": 0 if how == "twice" else i, "embedding": _written(vector, plain=plain)}
        for i, vector in enumerate(vectors)
    ]
    if how == "fewer":
        data.pop()
    if how == "shuffle":
        data.reverse()
    tokens = sum(len(text.split()) for text in texts)
    usage = {"prompt_tokens": tokens, "total_tokens": tokens}
    return json.dumps({"object": "list", "data": data, "model": model, "usage": usage}).encode()


def _written(vector: NDArray[np.float32], *, plain: bool) -> str | list[float]:
    return vector.tolist() if plain else base64.b64encode(vector.astype("<f4").tobytes()).decode()


def _shut(connection: socket.socket) -> None:
    try:
        connection.shutdown(socket.SHUT_RDWR)
    except OSError:
        return
