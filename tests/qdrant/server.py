"""A server on loopback that speaks Qdrant's REST protocol over its real engine, with faults on demand."""

from __future__ import annotations

import re
import sys
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any, Literal

import orjson

from tests.qdrant.engine import Body, Collections, Unknown, Wrong

__all__ = ["Fault", "QdrantServer"]


def _text(answer: Body) -> bytes:
    return orjson.dumps(answer, option=orjson.OPT_SERIALIZE_NUMPY)


class _Listening(ThreadingHTTPServer):
    """Says nothing of a client that was killed while it was answered."""

    def handle_error(self, request: Any, client_address: Any) -> None:
        if not isinstance(sys.exc_info()[1], ConnectionError):
            super().handle_error(request, client_address)


Kind = Literal["slow", "500", "429", "cut", "reset", "short"]


@dataclass(frozen=True)
class Fault:
    """One fault of an answer.

    Attributes:
        kind: answered late, with an error, broken off in the middle, not at all, or with fewer points than asked for.
        seconds: how late.
        over: only where more points than this are asked for.
    """

    kind: Kind
    seconds: float = 0.0
    over: int = 0


class QdrantServer:
    """Serves the collections of a folder until it is closed.

    Attributes:
        faults: taken one for each request that reads points; None is none. Emptied as they are used.
        always: a fault that every such request meets as well.
        requests: how many were answered, well or badly.
        largest: the most points that one request asked for and got.
        whole: points that pages gave with their vectors, each as often as it was given.
    """

    def __init__(self, folder: Path, *, port: int = 0, key: str | None = None) -> None:
        self.collections = Collections(folder)
        self.collections.reopen()
        self.faults: list[Fault | None] = []
        self.always: Fault | None = None
        self.requests = 0
        self.largest = 0
        self.whole = 0
        self.key = key
        self._guard = threading.Lock()
        owner = self

        class Handler(_Handler):
            server_of = owner

        self._http = _Listening(("127.0.0.1", port), Handler)
        self._http.daemon_threads = True
        self.port = self._http.server_address[1]
        self._thread = threading.Thread(target=self._http.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True)
        self._thread.start()

    @property
    def url(self) -> str:
        """As a file names it."""
        return f"qdrant://127.0.0.1:{self.port}"

    def fault(self, limit: int) -> Fault | None:
        """What the next request meets that asks for so many points."""
        with self._guard:
            self.requests += 1
            found = self.faults.pop(0) if self.faults else self.always
            return found if found is not None and limit > found.over else None

    def close(self) -> None:
        """Ends it, as a server that is stopped; connections that are open break."""
        self._http.shutdown()
        self._http.server_close()
        self.collections.close()


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    # The body is sent at once, and does not wait until the head has arrived.
    disable_nagle_algorithm = True
    server_of: QdrantServer

    def log_message(self, *args: object) -> None:
        """Nothing is printed."""

    def do_GET(self) -> None:
        """Looks."""
        self._serve("GET")

    def do_DELETE(self) -> None:
        """Takes a collection away."""
        self._serve("DELETE")

    def do_PUT(self) -> None:
        """Makes, or writes points."""
        self._serve("PUT")

    def do_POST(self) -> None:
        """Reads points, or deletes some."""
        self._serve("POST")

    def _serve(self, method: str) -> None:
        body = orjson.loads(self.rfile.read(int(self.headers.get("content-length", 0))) or b"{}")
        path = self.path.partition("?")[0]
        if self.server_of.key is not None and self.headers.get("api-key") != self.server_of.key:
            self._answer(403, {"status": {"error": "forbidden"}})
            return
        fault = None
        if method == "POST" and re.search(r"/points(/scroll)?$", path):
            asked = body.get("limit", len(body.get("ids", ())))
            fault = self.server_of.fault(asked if body.get("with_vector") else 0)
            if fault is not None and fault.kind == "short":
                body["limit"] = max(1, asked // 3)
        try:
            result = self._result(method, path, body)
        except Unknown as error:
            self._answer(404, {"status": {"error": f"Not found: Collection `{error}` doesn't exist!"}})
            return
        except Wrong as error:
            self._answer(400, {"status": {"error": f"Wrong input: {error}"}})
            return
        self._told(fault, {"result": result, "status": "ok", "time": 0.0})

    def _told(self, fault: Fault | None, answer: Body) -> None:
        kind = fault.kind if fault is not None else ""
        if kind == "slow":
            assert fault is not None
            time.sleep(fault.seconds)
        if kind in {"500", "429"}:
            self._answer(int(kind), {"status": {"error": "busy"}})
        elif kind == "cut":
            self._cut(_text(answer))
        elif kind == "reset":
            self.close_connection = True
            self.connection.close()
        else:
            self._answer(200, answer)

    def _cut(self, text: bytes) -> None:
        self._head(200, len(text))
        self.wfile.write(text[: len(text) // 2])
        self.wfile.flush()
        self.close_connection = True

    def _answer(self, status: int, answer: Body) -> None:
        text = _text(answer)
        self._head(status, len(text))
        self.wfile.write(text)

    def _head(self, status: int, size: int) -> None:
        self.send_response(status)
        self.send_header("content-type", "application/json")
        self.send_header("content-length", str(size))
        if status == 429:
            self.send_header("retry-after", "0")
        self.end_headers()

    def _result(self, method: str, path: str, body: Body) -> Any:
        kept = self.server_of.collections
        if path == "/":
            return {}
        if path == "/collections":
            return {"collections": [{"name": name} for name in kept.names()]}
        found = re.fullmatch(r"/collections/([^/]+)(/exists|/index|/points.*)?", path)
        assert found is not None, path
        name, rest = found[1], found[2] or ""
        calls: dict[tuple[str, str], Callable[[], Any]] = {
            ("GET", ""): lambda: kept.describe(name),
            ("PUT", ""): lambda: kept.create(name, body) or True,  # type: ignore[func-returns-value]
            ("DELETE", ""): lambda: kept.drop(name) or True,  # type: ignore[func-returns-value]
            ("PUT", "/index"): lambda: self._done(kept.index, name, body),
            ("GET", "/exists"): lambda: {"exists": name in kept.names()},
            ("PUT", "/points"): lambda: self._done(kept.upsert, name, body),
            ("POST", "/points/delete"): lambda: self._done(kept.remove, name, body),
            ("PUT", "/points/payload"): lambda: self._done(kept.overwrite, name, body),
            ("POST", "/points"): lambda: kept.retrieve(name, body),
            ("POST", "/points/scroll"): lambda: self._page(kept.scroll(name, body), body),
            ("POST", "/points/count"): lambda: {"count": kept.count(name)},
            ("POST", "/points/query"): lambda: {"points": kept.query(name, body)},
        }
        return calls[method, rest]()

    def _page(self, page: Body, asked: Body) -> Body:
        self.server_of.largest = max(self.server_of.largest, len(page["points"]))
        self.server_of.whole += len(page["points"]) if asked.get("with_vector") else 0
        return page

    def _done(self, call: Callable[[str, Body], None], name: str, body: Body) -> Body:
        call(name, body)
        return {"operation_id": 0, "status": "completed"}
