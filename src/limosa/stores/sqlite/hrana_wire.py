"""One libSQL server over HTTP: requests of Hrana 3 in JSON, and a token that is sent nowhere else."""

from __future__ import annotations

import ssl
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import orjson
import urllib3

from limosa.errors import Refused, RowRefused, Transient
from limosa.stores.sqlite.hrana_errors import refusal
from limosa.version import __version__

__all__ = ["READ_S", "Stream", "Wire"]

READ_S = 60.0
"""How long the server may stay silent over one statement; it waits 5 s itself for a lock."""

_CONNECT_S = 10.0
# Workers and their follower; a thread that finds none free waits.
_CONNECTIONS = 8


@dataclass(frozen=True, slots=True)
class Stream:
    """A connection that the server holds open: ten seconds from one request to the next (libsql-server 0.24).

    Attributes:
        baton: names it; each answer brings a new one.
        address: where it lives.
    """

    baton: str
    address: urllib3.util.Url


class Wire:
    """Requests to one server; safe to use from several threads.

    Args:
        address: scheme, host and path; without a name and password.
        token: sent as a bearer token; empty for none.
    """

    def __init__(self, address: urllib3.util.Url, token: str) -> None:
        self._address = address
        self._token = token
        self._headers = {"Content-Type": "application/json", "User-Agent": f"limosa/{__version__}"}
        if token:
            self._headers["Authorization"] = f"Bearer {token}"
        self._pool = urllib3.PoolManager(num_pools=2, maxsize=_CONNECTIONS, block=True)

    @property
    def title(self) -> str:
        """``host`` or ``host:port``, for a person."""
        return self._address.netloc or ""

    def pipeline(
        self, requests: Sequence[dict[str, Any]], stream: Stream | None, *, read_s: float = READ_S
    ) -> tuple[list[dict[str, Any]], Stream | None]:
        """The results of requests that are worked off in order, and the stream where it is still open.

        Raises:
            Transient: no answer, or the stream is gone; what was sent may have been done.
            Refused: the server does not accept the request.
        """
        body = {"baton": stream.baton if stream else None, "requests": requests}
        answer = self._post("/v3/pipeline", body, stream, read_s)
        try:
            parsed = orjson.loads(answer)
            results = parsed["results"]
            if len(results) != len(requests):
                raise ValueError("a result is missing")
            return results, self._stream(parsed, stream)
        except (KeyError, TypeError, ValueError) as exc:
            raise self._strange() from exc

    def cursor(self, batch: dict[str, Any], stream: Stream | None) -> tuple[list[dict[str, Any]], Stream | None]:
        """The entries that a batch answers, without a limit to their size, and the stream, which stays open."""
        body = {"baton": stream.baton if stream else None, "batch": batch}
        lines = self._post("/v3/cursor", body, stream, READ_S).splitlines()
        try:
            head, *entries = (orjson.loads(line) for line in lines)
            return entries, self._stream(head, stream)
        except (KeyError, TypeError, ValueError) as exc:
            raise self._strange() from exc

    def quiet(self, text: str) -> str:
        """At most 200 characters of a server's message on one line, without the token."""
        if self._token:
            text = text.replace(self._token, "***")
        text = " ".join(text.split())
        return text if len(text) <= 200 else text[:200] + "..."

    def _post(self, path: str, body: dict[str, Any], stream: Stream | None, read_s: float) -> bytes:
        base = stream.address if stream else self._address
        try:
            content = orjson.dumps(body)
        except orjson.JSONEncodeError as exc:
            raise RowRefused("A text holds half a character (a lone surrogate), which cannot be stored.") from exc
        try:
            answer = self._pool.request(
                "POST",
                base._replace(path=(base.path or "").rstrip("/") + path).url,
                body=content,
                headers=self._headers,
                retries=False,
                redirect=False,
                timeout=urllib3.Timeout(connect=_CONNECT_S, read=read_s),
            )
        except urllib3.exceptions.HTTPError as exc:
            raise self._unanswered(exc) from exc
        if answer.status != 200:
            raise refusal(answer.status, answer.data, self.title, self.quiet)
        return answer.data

    def _unanswered(self, exc: urllib3.exceptions.HTTPError) -> Refused | Transient:
        if any(isinstance(each, ssl.SSLCertVerificationError) for each in (*exc.args, exc.__cause__)):
            return Refused(
                f"The certificate of {self.title} is not trusted.",
                do="Check the address, and the certificates of this machine (SSL_CERT_FILE).",
            )
        # The kind alone: urllib3's own message holds the whole address.
        return Transient(
            f"{self.title} did not answer ({type(exc).__name__}).",
            do="Repeat the command; check the address and the network if it goes on.",
        )

    def _stream(self, answer: dict[str, Any], before: Stream | None) -> Stream | None:
        if answer["baton"] is None:
            return None
        address = before.address if before else self._address
        if answer.get("base_url"):
            address = self._allowed(urllib3.util.parse_url(str(answer["base_url"])))
        return Stream(str(answer["baton"]), address)

    def _allowed(self, address: urllib3.util.Url) -> urllib3.util.Url:
        # The token goes along: in the clear only to where it was in the clear before.
        known = (address.scheme, address.host) == (self._address.scheme, self._address.host)
        if known or (address.scheme == "https" and address.host and not address.auth):
            return address
        raise Refused(
            f"{self.title} sends its clients on to {address.host} without encryption.",
            needed="An address that begins with https://.",
            do="Check the server's own address (sqld: --http-self-url).",
        )

    def _strange(self) -> Refused:
        return Refused(
            f"{self.title} does not answer as a libSQL server does.",
            needed="A server that speaks Hrana 3 over HTTP.",
            do="Check the address.",
        )
