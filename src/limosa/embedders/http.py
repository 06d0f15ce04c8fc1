"""One provider's address over HTTP: a pool of kept connections, a key that is sent nowhere else, no patience."""

from __future__ import annotations

import ssl
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from copy import copy
from dataclasses import dataclass

import urllib3

from limosa.errors import Refused, Unanswered
from limosa.version import __version__

__all__ = ["CONNECTIONS", "Reply", "Wire"]

CONNECTIONS = 128
"""Most connections kept open per embedder, opened as they are needed.

At 0.5 s an answer these are 256 requests a second, more than one process decodes; how many are worth having in
flight is found by trying.
"""

_CONNECT_S = 10.0

_PIECE_BYTES = 2**18
"""Read at once of an answer that comes in lines."""


@dataclass(frozen=True, slots=True)
class Reply:
    """A provider's whole answer, whatever its status; header names in any case."""

    status: int
    headers: Mapping[str, str]
    body: bytes


class Wire:
    """Asks one address, mostly by posting JSON; safe to use from several threads, each with a connection of its own.

    Args:
        base_url: scheme, host, path; without a name and password.
        key: sent as a bearer token, or as it is where ``header`` names another one; empty for none.
        timeout_s: how long the server may stay silent.
        header: the header in which the key travels.
    """

    def __init__(self, base_url: str, *, key: str, timeout_s: float, header: str = "Authorization") -> None:
        self._url = _parsed(base_url)
        self._key = key
        self._headers = {"Content-Type": "application/json", "User-Agent": f"limosa/{__version__}"}
        if key:
            self._headers[header] = f"Bearer {key}" if header == "Authorization" else key
        # A full pool makes the next thread wait: without block, urllib3 opens and throws away connections.
        self._pool = urllib3.PoolManager(
            num_pools=1,
            maxsize=CONNECTIONS,
            block=True,
            timeout=urllib3.Timeout(connect=min(_CONNECT_S, timeout_s), read=timeout_s),
        )

    @property
    def destination(self) -> str:
        """``host`` or ``host:port``, for a person."""
        return self._url.netloc or ""

    @property
    def path(self) -> str:
        """The address's own path, to which those of the requests are added."""
        return (self._url.path or "").rstrip("/")

    @property
    def root(self) -> Wire:
        """The same connections and key, at the address without its path."""
        other = copy(self)
        other._url = self._url._replace(path=None)
        return other

    def post(self, path: str, body: bytes) -> Reply:
        """The answer to one request; never repeats it and never follows a redirect.

        Raises:
            Unanswered: no connection, a time-out, or an answer that broke off.
            Refused: the server's certificate is not trusted.
        """
        return self.send("POST", path, body)

    def send(
        self, method: str, path: str, body: bytes | None = None, *, headers: Mapping[str, str] | None = None
    ) -> Reply:
        """As ``post``, by any method; ``headers`` come beside those that every request carries, or instead of them."""
        with self._asking():
            answer = self._request(method, path, body, headers or {})
            return Reply(answer.status, answer.headers, answer.data)

    def lines(self, path: str, *, refuse: Callable[[Reply], Exception]) -> Iterator[bytes]:
        """The lines of an answer as they arrive, without those that are empty; memory holds one piece of it.

        Args:
            refuse: the error for an answer whose status is not 200.

        Raises:
            Unanswered: as for ``post``; lines that came before it are whole.
        """
        with self._asking():
            answer = self._request("GET", path, None, {}, whole=False)
            try:
                if answer.status != 200:
                    raise refuse(Reply(answer.status, answer.headers, answer.read()))
                rest = b""
                for piece in answer.stream(_PIECE_BYTES):
                    *whole, rest = (rest + piece).split(b"\n")
                    yield from filter(None, whole)
                if rest:
                    yield rest
            finally:
                # What was not read is not waited for: the connection goes.
                answer.close()

    def _request(
        self, method: str, path: str, body: bytes | None, headers: Mapping[str, str], *, whole: bool = True
    ) -> urllib3.BaseHTTPResponse:
        route, _, query = path.partition("?")
        return self._pool.request(
            method,
            self._url._replace(path=self.path + route, query=query or None).url,
            body=body,
            headers={**self._headers, **headers},
            retries=False,
            redirect=False,
            preload_content=whole,
        )

    @contextmanager
    def _asking(self) -> Iterator[None]:
        try:
            yield
        except urllib3.exceptions.SSLError as exc:
            if any(isinstance(each, ssl.SSLCertVerificationError) for each in (*exc.args, exc.__cause__)):
                raise Refused(
                    f"The certificate of {self.destination} is not trusted.",
                    do="Check base_url, and the certificates of this machine (SSL_CERT_FILE).",
                ) from exc
            raise self._lost(exc) from exc
        except urllib3.exceptions.HTTPError as exc:
            raise self._lost(exc) from exc

    def quiet(self, text: str) -> str:
        """At most 200 characters of a provider's message on one line, without the key."""
        if self._key:
            text = text.replace(self._key, "***")
        text = " ".join(text.split())
        return text if len(text) <= 200 else text[:200] + "..."

    def _lost(self, exc: Exception) -> Unanswered:
        # The kind alone: urllib3's own message holds the whole address.
        return Unanswered(
            f"{self.destination} did not answer ({type(exc).__name__}).",
            do="Repeating is safe; check the address and the network if it goes on.",
        )


def _parsed(base_url: str) -> urllib3.util.Url:
    try:
        url = urllib3.util.parse_url(base_url)
    except urllib3.exceptions.LocationParseError as exc:
        # The value is not shown here or below: it may hold a password.
        raise Refused("base_url is not an address.", needed="For example https://host/v1.", do="Correct it.") from exc
    if url.scheme not in {"http", "https"} or not url.host:
        raise Refused(
            "base_url is not an HTTP address.",
            needed="One that begins with https:// or http://.",
            do="Correct base_url in the space.",
        )
    if url.auth:
        raise Refused(
            f"base_url of {url.host} holds a name or password.",
            needed="An address alone.",
            do='Take it out, and give the key by reference: key = "env:NAME".',
        )
    return url
