"""Retry: dead and skipped rows are queued again, all of a kind, by their reason, or by their keys."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from itertools import combinations, pairwise

from limosa.errors import Refused
from limosa.model.batch import Key
from limosa.steps.voyage import Voyage

__all__ = ["possible_keys", "retry"]


def retry(voyage: Voyage, *, reason: str | None = None, keys: Sequence[str] = ()) -> int:
    """Queues rows again for the next run; how many there were.

    Args:
        reason: dead and skipped rows with this reason, which may be shortened as long as it means one.
        keys: dead and skipped rows with these keys, as ``possible_keys`` takes them.

    Without either every dead row is queued.

    Raises:
        Refused: a reason or a key is not known, or means several; nothing was queued.
    """
    voyage.record()
    letters = voyage.letters
    if keys:
        return letters.queue(dict.fromkeys(_key(voyage, text) for text in keys))
    if reason is not None:
        return letters.queue(letter.key for letter in letters.each(reason=letters.reason_like(reason)))
    return letters.queue(letter.key for letter in letters.each(kind="dead"))


def possible_keys(text: str, *, columns: int) -> Iterator[Key]:
    """What a person may mean by a text: the value of one column, a JSON array, or ``a/b`` as status prints keys.

    A value may hold a slash of its own, so that ``a/b/c`` means two keys of two columns.
    """
    if columns == 1:
        yield (text,)
    parsed = _array(text)
    if parsed is not None and len(parsed) == columns:
        yield parsed
    parts = text.split("/")
    # More than a few dozen ways to read a text are none.
    if columns > 1 and len(parts) <= 12:
        for cuts in combinations(range(1, len(parts)), columns - 1):
            edges = (0, *cuts, len(parts))
            yield tuple("/".join(parts[a:b]) for a, b in pairwise(edges))


def _array(text: str) -> Key | None:
    try:
        found = json.loads(text)
    except (ValueError, RecursionError):
        return None
    if not isinstance(found, list) or not all(isinstance(each, str | int | float) for each in found):
        return None
    return tuple(each if isinstance(each, str) else json.dumps(each) for each in found)


def _key(voyage: Voyage, text: str) -> Key:
    columns = len(voyage.migration.source.place.key)
    wanted = list(dict.fromkeys(possible_keys(text, columns=columns)))
    known = voyage.letters.known(wanted)
    found = [key for key in wanted if key in known]
    if not found:
        raise Refused(
            f"No dead or skipped row has the key {text!r}.",
            needed=f"{columns} values, as a JSON array or with slashes between." if columns > 1 else "",
            do="limosa status FILE --failed --export - lists every key.",
        )
    # A value that reads like a JSON array is taken as it stands first.
    if len(found) > 1 and columns > 1:
        listed = " or ".join(json.dumps(key, ensure_ascii=False) for key in found)
        raise Refused(f"The key {text!r} may mean several rows.", needed=f"A JSON array: {listed}.")
    return found[0]
