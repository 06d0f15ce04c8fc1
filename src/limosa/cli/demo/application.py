"""An application that uses the table all the while, in a process of its own, and counts what it meets.

It knows nothing of limosa but one thing: which model its queries are embedded with. It reads one
line of JSON with its settings, then a command on each line, and answers each with one line; when
its input ends, it ends.
"""

from __future__ import annotations

import json
import random
import signal
import sys
import threading
import time
from collections.abc import Callable
from functools import partial
from typing import Any, LiteralString

import psycopg

from limosa.cli.demo.counts import Counts
from limosa.embedders.find import find
from limosa.model.space import Endpoint, Space
from limosa.ports.embedder import Embedder

__all__ = ["Application", "main"]

EDIT: LiteralString = "UPDATE docs SET body = %s, edited_at = now() WHERE id = %s RETURNING id"
INSERT: LiteralString = "INSERT INTO docs (title, body) VALUES (%s, %s) RETURNING id"
DELETE: LiteralString = "DELETE FROM docs WHERE id = %s RETURNING id"
SEARCH: LiteralString = "SELECT id, title, similarity FROM match_docs(%s::vector, 0, %s)"

EDITED, INSERTED = 0.5, 0.75
"""Of its writes half are edits, a quarter inserts and a quarter deletes, so that the table keeps its size."""


_Connection = psycopg.Connection[tuple[Any, ...]]
_Act = Callable[[_Connection, random.Random], None]


class Application:
    """One writer and several searchers, each with a thread and a connection.

    Args:
        settings: ``url``, ``writes_per_s``, ``searches_per_s``, ``searchers``, ``answers`` (rows wanted
            of a search), ``queries`` (texts, which it also writes), ``spaces`` (name to the fields of a space).
    """

    def __init__(self, settings: dict[str, Any]) -> None:
        self._settings = settings
        self._counts = Counts()
        self._stop = threading.Event()
        # Opened before the first search: loading a model is not a pause of the database.
        self._embedders = {name: find(Space(**each), Endpoint()) for name, each in settings["spaces"].items()}
        self._embedder: Embedder = self._embedders["old"]
        self._turns = [threading.Lock() for _ in range(settings["searchers"])]
        self._book: dict[int, tuple[str, str]] = {}
        self._threads: list[threading.Thread] = []

    def start(self) -> dict[str, Any]:
        """Reads which rows there are, then works until it is stopped; how many rows there were."""
        self._book = self._table()
        for embedder in self._embedders.values():
            embedder.embed(["a first query"], "query")
        searches = self._settings["searches_per_s"] / self._settings["searchers"]
        self._run(self._write, self._settings["writes_per_s"])
        for turn in self._turns:
            self._run(partial(self._search, turn), searches)
        return {"rows": len(self._book)}

    def phase(self) -> dict[str, Any]:
        """What was counted since the last time; counting begins anew."""
        counted, self._counts = self._counts, Counts()
        return counted.report()

    def use(self, model: str) -> dict[str, Any]:
        """From the moment this returns, every query is embedded with this model, ``old`` or ``new``."""
        self._embedder = self._embedders[model]
        for turn in self._turns:
            with turn:
                pass
        return {"model": model}

    def stop(self) -> dict[str, Any]:
        """Ends its threads, then compares the table with what it wrote: how many rows are not so."""
        self._stop.set()
        for thread in self._threads:
            thread.join()
        found = self._table()
        wrong = sum(found.get(number) != said for number, said in self._book.items())
        return {"rows": len(self._book), "wrong": wrong + len(found.keys() - self._book.keys())}

    def _table(self) -> dict[int, tuple[str, str]]:
        with self._connect() as connection:
            rows = connection.execute("SELECT id, title, body FROM docs").fetchall()
        return {number: (title, body) for number, title, body in rows}

    def _connect(self) -> _Connection:
        return psycopg.connect(self._settings["url"], autocommit=True, application_name="application")

    def _run(self, act: _Act, rate_per_s: float) -> None:
        chance = random.Random(len(self._threads))  # noqa: S311 - not a secret

        def loop() -> None:
            connection, due_s = None, time.monotonic()
            while not self._stop.is_set():
                try:
                    connection = connection or self._connect()
                    act(connection, chance)
                except psycopg.Error as error:
                    self._counts.failed(error.diag.message_primary or str(error) or type(error).__name__)
                    connection = None if connection is None or connection.broken else connection
                # People do not make up for what they missed: after a pause it goes on at the same pace.
                due_s = max(due_s + 1 / rate_per_s, time.monotonic() - 1 / rate_per_s)
                self._stop.wait(max(0.0, due_s - time.monotonic()))
            if connection is not None:
                connection.close()

        thread = threading.Thread(target=loop, daemon=True)
        self._threads.append(thread)
        thread.start()

    def _write(self, connection: _Connection, chance: random.Random) -> None:
        dice, number = chance.random(), chance.choice(list(self._book))
        title, body = self._book[number]
        sentence = chance.choice(self._settings["queries"])
        if dice < EDITED:
            body = f"{body}\n\n{sentence}."
            self._made("edits", connection, EDIT, (body, number))
            self._book[number] = title, body
        elif dice < INSERTED:
            title, body = f"note {chance.randrange(10**6)}", f"{sentence}."
            self._book[self._made("inserts", connection, INSERT, (title, body))] = title, body
        else:
            self._made("deletes", connection, DELETE, (number,))
            del self._book[number]

    def _made(self, kind: str, connection: _Connection, sql: LiteralString, values: tuple[object, ...]) -> int:
        began_s = time.perf_counter()
        found = connection.execute(sql, values).fetchone()
        self._counts.wrote(kind, time.perf_counter() - began_s)
        if found is None:
            raise psycopg.DataError("a row that the application had written was not there")
        return int(found[0])

    def _search(self, turn: threading.Lock, connection: _Connection, chance: random.Random) -> None:
        with turn:
            vector = self._embedder.embed([chance.choice(self._settings["queries"])], "query").vectors[0]
            wanted = self._settings["answers"]
            sent = "[" + ",".join(map(str, vector.tolist())) + "]"
            began_s = time.perf_counter()
            found = connection.execute(SEARCH, (sent, wanted)).fetchall()
            self._counts.searched(time.perf_counter() - began_s, found=len(found), wanted=wanted)


def main() -> None:
    """Obeys the commands on standard input, until it ends."""
    # Ctrl-C reaches every process of a terminal; this one ends when its parent closes its input.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    application = Application(json.loads(sys.stdin.readline()))
    for line in sys.stdin:
        name, *values = json.loads(line)
        verbs: dict[str, Callable[..., dict[str, Any]]] = {
            "start": application.start,
            "phase": application.phase,
            "use": application.use,
            "stop": application.stop,
        }
        print(json.dumps(verbs[name](*values)), flush=True)


if __name__ == "__main__":
    main()
