"""One collection by Milvus's own client, with its errors in limosa's words."""

from __future__ import annotations

import json
import logging
import threading
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from pymilvus import MilvusClient
from pymilvus.exceptions import MilvusException

from limosa.errors import LimosaError, Refused, RowRefused, Transient
from limosa.model.batch import Vectors
from limosa.model.point import Collected
from limosa.ports.listed import order_of
from limosa.stores.milvus.fields import METRICS, Fields, fields_of, indexes_of, schema_of

__all__ = ["MilvusEngine", "TIMEOUT_S"]

TIMEOUT_S = 60.0
"""An answer that takes longer is not waited for."""

_PAGE = 16_000
"""Ids of one request, near the most that Milvus gives: 16,384."""

_STRONG = "Strong"

_USERS: Counter[str] = Counter()
"""How many of this process have a file open; one engine serves them all."""

_PASSING = ("unavailable", "deadline", "timeout", "rate limit", "connect")
_UNKNOWN = 100
"""The code of a collection that is not there, as milvus-lite 3.2 tells it."""


class MilvusEngine:
    """One collection; threads may share it.

    Args:
        file: of the engine in this process; None for a server.

    Raises:
        Transient: the server is not there, or ill; it is asked again.
        Refused: it is there, and says no.
        RowRefused: it does not take what was sent.
    """

    def __init__(self, uri: str, name: str, *, token: str = "", file: Path | None = None) -> None:
        self._uri = uri
        self._name = name
        self._token = token
        self._file = file
        self._opening = threading.Lock()
        self._opened: Any = None

    def stands(self) -> bool:
        """Whether the collection is there."""
        if self._file is not None and not self._file.exists():
            return False
        with self._words():
            return bool(self._client().has_collection(self._name, timeout=TIMEOUT_S))

    def make(self, wanted: Collected) -> None:
        """Makes it, with an index for each vector."""
        if self._file is not None:
            self._file.parent.mkdir(parents=True, exist_ok=True)
        with self._words():
            self._client().create_collection(
                self._name, schema=schema_of(wanted), index_params=indexes_of(wanted), consistency_level=_STRONG
            )

    def drop(self) -> None:
        """Takes it away."""
        with self._words():
            self._client().drop_collection(self._name, timeout=TIMEOUT_S)

    def fields(self) -> Fields:
        """Its fields; a collection that is not in the server's memory is loaded for it."""
        if self._file is not None and not self._file.exists():
            raise Refused(f"There is no file {self._file.name}.", do="Check store in the file.")
        with self._words():
            client = self._client()
            told = client.describe_collection(self._name, timeout=TIMEOUT_S)
            indexes = [client.describe_index(self._name, each) for each in client.list_indexes(self._name)]
            client.load_collection(self._name, timeout=TIMEOUT_S)
            return fields_of(told, {each["field_name"]: each for each in indexes if each})

    def count(self) -> int:
        """How many points there are."""
        with self._words():
            found = self._client().query(
                self._name, filter="", output_fields=["count(*)"], consistency_level=_STRONG, timeout=TIMEOUT_S
            )
            return int(found[0]["count(*)"])

    def ids(self, fields: Fields) -> Iterator[list[str]]:
        """All ids, in their order.

        A query with a limit gives any of them, unless it says that it iterates. The client's own iterator does, but
        puts an id without its escapes between quotes (seen with pymilvus 3.0), and fails at one with a quote in it.
        """
        behind = ""
        while page := self._page(fields, behind):
            if page != sorted(page, key=lambda each: order_of((each,), numbers=fields.numbers)):
                raise Refused("Milvus does not tell ids in their order.", needed="Milvus 2.4 or newer.")
            yield page
            behind = f"{fields.key} > {_literal(fields, page[-1])}"

    def _page(self, fields: Fields, behind: str) -> list[str]:
        with self._words():
            found = self._client().query(
                self._name,
                filter=behind,
                limit=_PAGE,
                output_fields=[fields.key],
                consistency_level=_STRONG,
                timeout=TIMEOUT_S,
                iterator="True",
                reduce_stop_for_best="True",
            )
            return [str(each[fields.key]) for each in found]

    def rows(self, fields: Fields, ids: Sequence[str], *, bare: bool) -> list[dict[str, Any]]:
        """Points as the client tells them."""
        with self._words():
            found = self._client().query(
                self._name,
                filter=_among(fields, ids),
                limit=len(ids),
                output_fields=[fields.key] if bare else ["*"],
                consistency_level=_STRONG,
                timeout=TIMEOUT_S,
            )
            return [dict(each) for each in found]

    def upsert(self, rows: Sequence[Mapping[str, Any]]) -> None:
        """Writes rows in the place of those with the same ids."""
        with self._words():
            self._client().upsert(self._name, [dict(each) for each in rows], timeout=TIMEOUT_S)

    def delete(self, fields: Fields, ids: Sequence[str]) -> None:
        """Takes points away."""
        with self._words():
            self._client().delete(self._name, filter=_among(fields, ids), timeout=TIMEOUT_S)

    def nearest(self, fields: Fields, field: str, vector: Vectors, k: int, condition: str) -> list[tuple[str, float]]:
        """At most k ids and their scores, best first, of points that a condition holds for; empty for all."""
        with self._words():
            [found] = self._client().search(
                self._name,
                data=[vector],
                anns_field=field,
                limit=k,
                filter=condition,
                search_params={"metric_type": METRICS[fields.vectors[field].metric]},
                output_fields=[fields.key],
                consistency_level=_STRONG,
                timeout=TIMEOUT_S,
            )
            return [(str(each[fields.key]), float(each["distance"])) for each in found]

    def close(self) -> None:
        """Closes the client; safe to call again."""
        with self._opening:
            client, self._opened = self._opened, None
        if client is not None:
            client.close()
            if self._file is not None:
                _release(str(self._file))

    def _client(self) -> Any:
        with self._opening:
            if self._opened is None:
                # It logs every error that it raises, with its whole way; what limosa makes of them is enough.
                logging.getLogger("pymilvus").setLevel(logging.CRITICAL)
                self._opened = MilvusClient(self._uri, token=self._token, timeout=TIMEOUT_S)
                if self._file is not None:
                    _USERS[str(self._file)] += 1
            return self._opened

    @contextmanager
    def _words(self) -> Iterator[None]:
        try:
            yield
        except LimosaError:
            raise
        except MilvusException as error:
            raise _in_words(error, self._name) from error
        except (ValueError, TypeError) as error:
            raise RowRefused(f"Milvus does not take it: {str(error)[:200]}") from error


def _release(file: str) -> None:
    """Stops the engine in this process, which otherwise keeps every other process from the file until this one ends."""
    from milvus_lite.server_manager import server_manager_instance

    _USERS[file] -= 1
    if not _USERS[file]:
        server_manager_instance.release_server(file)


def _among(fields: Fields, ids: Sequence[str]) -> str:
    """A condition; texts in the quotes and with the escapes of JSON, which are Milvus's too."""
    return f"{fields.key} in [{', '.join(_literal(fields, each) for each in ids)}]"


def _literal(fields: Fields, text: str) -> str:
    return text if fields.numbers else json.dumps(text, ensure_ascii=False)


def _in_words(error: MilvusException, name: str) -> LimosaError:
    said = str(error.message).partition("\n")[0][:200]
    if error.code == _UNKNOWN:
        return Refused(f"Milvus has no collection {name!r}.", do="Check store and collection in the file.")
    if "Open local milvus" in said:
        return Refused(
            "The file of Milvus cannot be opened.",
            needed="A file that no other process has open.",
            do="Close it there; then repeat the command.",
        )
    if "auth" in said.lower() or "permission" in said.lower():
        return Refused("Milvus does not let limosa in.", do="Set token in the file to a reference: env:MILVUS_TOKEN.")
    if any(each in said.lower() for each in _PASSING):
        return Transient(f"Milvus does not answer as it should: {said}", do="Repeat the command later.")
    return RowRefused(f"Milvus does not take it: {said}")
