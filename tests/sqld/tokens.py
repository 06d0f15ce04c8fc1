"""Tokens for the server: JSON Web Tokens signed with Ed25519, as RFC 8032 describes it, for tests alone."""

from __future__ import annotations

import hashlib
import json
import secrets
from base64 import urlsafe_b64encode
from dataclasses import dataclass, field

__all__ = ["Key"]

# The curve of RFC 8032, section 5.1. Nothing here runs in constant time: no secret of anybody's may come near it.
_P = 2**255 - 19
_L = 2**252 + 27742317777372353535851937790883648493
_D = -121665 * pow(121666, -1, _P) % _P
_BASE = (
    15112221349535400772501151409588531511454012693041857206046113283949847762202,
    46316835694926478169428394003475163141307993866256225615783033603165251855960,
)

_Point = tuple[int, int]


@dataclass(frozen=True, slots=True)
class Key:
    """A signing key, new each time."""

    secret: bytes = field(default_factory=lambda: secrets.token_bytes(32), repr=False)

    @property
    def public(self) -> bytes:
        """32 bytes."""
        return _packed(_times(_scalar(hashlib.sha512(self.secret).digest()), _BASE))

    def token(self, access: str) -> str:
        """A token with the right ``rw`` or ``ro``."""
        head = _text(json.dumps({"alg": "EdDSA", "typ": "JWT"}).encode())
        body = _text(json.dumps({"a": access}).encode())
        return f"{head}.{body}.{_text(self.sign(f'{head}.{body}'.encode()))}"

    def sign(self, message: bytes) -> bytes:
        """The signature, 64 bytes."""
        digest = hashlib.sha512(self.secret).digest()
        r = _number(digest[32:] + message)
        point = _packed(_times(r, _BASE))
        s = (r + _number(point + self.public + message) * _scalar(digest)) % _L
        return point + s.to_bytes(32, "little")


def _add(a: _Point, b: _Point) -> _Point:
    product = _D * a[0] * b[0] * a[1] * b[1] % _P
    return (
        (a[0] * b[1] + b[0] * a[1]) * pow(1 + product, -1, _P) % _P,
        (a[1] * b[1] + a[0] * b[0]) * pow(1 - product, -1, _P) % _P,
    )


def _times(n: int, point: _Point) -> _Point:
    found = (0, 1)
    while n:
        if n & 1:
            found = _add(found, point)
        point = _add(point, point)
        n >>= 1
    return found


def _packed(point: _Point) -> bytes:
    return (point[1] | (point[0] & 1) << 255).to_bytes(32, "little")


def _scalar(digest: bytes) -> int:
    return int.from_bytes(digest[:32], "little") & ((1 << 254) - 8) | 1 << 254


def _number(message: bytes) -> int:
    return int.from_bytes(hashlib.sha512(message).digest(), "little") % _L


def _text(raw: bytes) -> str:
    return urlsafe_b64encode(raw).decode().rstrip("=")
