"""Bodies of several parts, as clients upload files."""

from __future__ import annotations

import re
from dataclasses import dataclass

from tests.providers.exchange import Problem, Request
from tests.providers.faults import Fault

__all__ = ["Part", "parts_of"]


@dataclass(frozen=True, slots=True)
class Part:
    """One part of a body; name and filename are empty where it has none."""

    name: str
    filename: str
    content: bytes


def parts_of(request: Request) -> list[Part]:
    """The parts of a body, bytes as they were sent.

    Raises:
        Problem: the body is not of several parts.
    """
    found = re.search(r'boundary="?([^";]+)"?', request.header("Content-Type") or "")
    if found is None:
        raise Problem(Fault(status=400, code="invalid_request_error", message="the body is not multipart"))
    pieces = (b"\r\n" + request.body).split(b"\r\n--" + found[1].encode())
    return [_part(piece) for piece in pieces[1:] if not piece.startswith(b"--")]


def _part(piece: bytes) -> Part:
    head, _, content = piece.partition(b"\r\n\r\n")
    said = head.decode()
    name, filename = re.search(r'[; ]name="([^"]*)"', said), re.search(r'filename="([^"]*)"', said)
    return Part(name[1] if name else "", filename[1] if filename else "", content)
