"""One provider's address over HTTP: a pool of kept connections, a key that is sent nowhere else, no patience."""

from __future__ import annotations

import ssl
from collections.abc import Mapping
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


@dataclass(frozen=True, slots=True)
class Reply:
    """A provider's whole answer, whatever its status; header names in any case."""

    status: int
    headers: Mapping[str, str]
    body: bytes


class Wire:
    """Posts JSON to one address; safe to use from several threads, each with a connection of its own.

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

    def post(self, path: str, body: bytes) -> Reply:
        """The answer to one request; never repeats it and never follows a redirect.

        Raises:
            Unanswered: no connection, a time-out, or an answer that broke off.
            Refused: the server's certificate is not trusted.
        """
        url = self._url._replace(path=(self._url.path or "").rstrip("/") + path).url
        try:
            answer = self._pool.request("POST", url, body=body, headers=self._headers, retries=False, redirect=False)
        except urllib3.exceptions.SSLError as exc:
            if any(isinstance(each, ssl.SSLCertVerificationError) for each in (*exc.args, exc.__cause__)):
                raise Refused(
                    f"The certificate of {self.destination} is not trusted.",
                    do="Check base_url, and the certificates of this machine (SSL_CERT_FILE).",
                ) from exc
            raise self._lost(exc) from exc
        except urllib3.exceptions.HTTPError as exc:
            raise self._lost(exc) from exc
        return Reply(answer.status, answer.headers, answer.data)

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
