"""Ids of Qdrant: whole numbers of 64 bits and UUIDs, in the order in which the engine has them."""

from __future__ import annotations

import uuid

from limosa.model.batch import Key

__all__ = ["Id", "bare_id", "id_of", "key_of", "order", "successor", "valid"]

Id = int | str
"""As the clients take it; a UUID as text."""

_NUMBERS = 1 << 64
_UUIDS = 1 << 128


def key_of(found: int | str | uuid.UUID) -> Key:
    """An id as limosa writes it: digits, or a UUID with hyphens in lower case."""
    return (str(found if isinstance(found, int) else uuid.UUID(str(found))),)


def bare_id(found: int | str | uuid.UUID) -> Id:
    """An id as every client takes it."""
    return found if isinstance(found, int) else str(found)


def id_of(key: Key) -> Id:
    """The id of a key."""
    return int(key[0]) if key[0].isdecimal() else key[0]


def valid(key: Key) -> bool:
    """Whether a key can be an id."""
    if key[0].isdecimal():
        return key[0].isascii() and int(key[0]) < _NUMBERS
    try:
        return str(uuid.UUID(key[0])) == key[0]
    except ValueError:
        return False


def order(key: Key) -> tuple[int, ...]:
    """Numbers come before UUIDs. Source: the order of Qdrant's ``ExtendedPointId``, by which a scroll goes."""
    found = id_of(key)
    return (0, found) if isinstance(found, int) else (1, uuid.UUID(found).int)


def successor(key: Key) -> Id | None:
    """The smallest id behind another, where a scroll goes on; None behind the last that can be."""
    kind, number = order(key)
    if kind == 0:
        return number + 1 if number + 1 < _NUMBERS else str(uuid.UUID(int=0))
    return str(uuid.UUID(int=number + 1)) if number + 1 < _UUIDS else None
