"""What counts as strain on a real Postgres: locks, replicas, subscribers, and what the user asks."""

from __future__ import annotations

import os
import signal
import subprocess
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from urllib.parse import urlsplit

import psycopg
import pytest

from limosa.model.strain import Limits
from limosa.stores.postgres.database import Database
from limosa.stores.postgres.embedded import Server, programs, start
from limosa.stores.postgres.identity import choose_identity
from limosa.stores.postgres.strain import Strain
from tests.contract.plans import planned
from tests.postgres.questions import job, make_questions

LAG = Limits(max_lag_s=1.0)
VERSION = int(os.environ.get("LIMOSA_TEST_PG", "18"))


def test_a_query_that_becomes_true_and_untrue(database: str) -> None:
    with psycopg.connect(database, autocommit=True) as application, looking(database) as strain:
        application.execute("CREATE TABLE busy (is_so boolean)")
        asked = Limits(wait_while="SELECT is_so FROM busy -- percent: 100 % %s")
        assert strain.look(asked) == ""
        application.execute("INSERT INTO busy VALUES (true)")
        assert strain.look(asked) == "wait_while answers true"
        application.execute("UPDATE busy SET is_so = false")
        assert strain.look(asked) == ""


@pytest.mark.parametrize(
    ("sql", "said"),
    [
        ("SELECT count(*) > 0 FROM pg_class", "wait_while answers true"),
        ("SELECT 2.5", "wait_while answers true"),
        ("SELECT 0.0", ""),
        ("SELECT false UNION ALL SELECT true", ""),
        ("SELECT 'f'", "wait_while answers a str; needed is true or false"),
        ("SELECT missing FROM pg_class", 'wait_while fails: Postgres refuses: column "missing" does not exist'),
        ("SELECT pg_sleep(30) IS NULL", "canceling statement due to statement timeout"),
        ("SELECT nextval('numbers') > 0", "cannot execute nextval() in a read-only transaction"),
        ("SELECT 0) AS a; COMMIT; CREATE TABLE made (); SELECT * FROM (SELECT 0", "multiple commands"),
    ],
)
def test_what_a_query_answers(database: str, sql: str, said: str) -> None:
    with psycopg.connect(database, autocommit=True) as connection:
        connection.execute("CREATE SEQUENCE numbers")
    with looking(database) as strain:
        for _ in range(2):
            found = strain.look(Limits(wait_while=sql))
            assert said in found
            assert bool(found) == bool(said)
        assert strain.look(Limits(wait_while="SELECT to_regclass('made') IS NOT NULL")) == ""


def test_sessions_that_wait_for_a_lock_are_counted(database: str) -> None:
    with psycopg.connect(database, autocommit=True) as connection:
        connection.execute("CREATE TABLE docs (id int); INSERT INTO docs VALUES (1); CREATE TABLE other (id int)")
    one, none = Limits(max_lock_waits=1), Limits(max_lock_waits=0)
    with looking(database, table="docs") as strain, psycopg.connect(database) as holder:
        assert strain.look(none) == ""
        holder.execute("UPDATE docs SET id = 2")
        # A row, the table, and somebody who has nothing to do with it.
        with waiting(database, "UPDATE docs SET id = 3"):
            until(lambda: strain.look(none) == "1 sessions wait for a lock, and max_lock_waits is 0")
            assert strain.look(one) == ""
            holder.execute("LOCK TABLE other")
            with waiting(database, "SELECT * FROM other"), waiting(database, "ALTER TABLE docs ADD COLUMN a int"):
                until(lambda: strain.look(one) == "2 sessions wait for a lock, and max_lock_waits is 1")
                assert strain.look(Limits(max_lock_waits=2)) == ""
                holder.rollback()
        assert strain.look(none) == ""


@pytest.fixture
def primary(server_folder: Path) -> Server:
    """A server that others may follow."""
    return start(server_folder, version=VERSION, settings={"wal_level": "logical", "fsync": "off"})


def test_a_replica_that_does_not_replay_is_waited_for(primary: Server) -> None:
    with looking(primary.url()) as strain:
        assert strain.look(LAG) == ""
        with standby_of(primary) as standby, psycopg.connect(standby, autocommit=True) as replica:
            until(lambda: receivers(primary) == 1)
            until(lambda: strain.look(LAG) == "")
            replica.execute("SELECT pg_wal_replay_pause()")
            write(primary)
            until(lambda: strain.look(LAG) != "")
            assert strain.look(LAG).startswith("the replica walreceiver is ")
            assert strain.look(LAG).endswith(" s behind, and max_lag_s is 1")
            assert strain.look(Limits(max_lag_s=3600)) == strain.look(Limits()) == ""

            def newcomer_waits() -> bool:
                # It has seen nothing yet, and goes by what the server has measured.
                write(primary)
                return Strain(strain.database, strain.table_oid).look(LAG) != ""

            until(newcomer_waits)
            replica.execute("SELECT pg_wal_replay_resume()")
            until(lambda: strain.look(LAG) == "")


def test_a_subscriber_that_takes_nothing_is_waited_for_and_one_that_is_away_is_not(primary: Server) -> None:
    with looking(primary.url()) as strain:
        with psycopg.connect(primary.url(), autocommit=True) as connection:
            connection.execute("SELECT pg_create_logical_replication_slot('feed', 'pgoutput')")
            connection.execute("CREATE PUBLICATION all_of_it FOR ALL TABLES")
        write(primary)
        assert strain.look(LAG) == ""
        with subscriber_of(primary) as process:
            until(lambda: receivers(primary) == 1)
            process.send_signal(signal.SIGSTOP)
            write(primary)
            until(lambda: strain.look(LAG) != "")
            assert strain.look(LAG).startswith("the slot feed is ")
            process.send_signal(signal.SIGCONT)
        until(lambda: receivers(primary) == 0)
        write(primary)
        assert strain.look(LAG) == ""


def test_a_role_that_may_not_see_replicas_is_told_so(primary: Server) -> None:
    with psycopg.connect(primary.url(), autocommit=True) as connection:
        connection.execute("CREATE EXTENSION vector")
    make_questions(primary.url())
    with psycopg.connect(primary.url(), autocommit=True) as connection, standby_of(primary):
        connection.execute("CREATE ROLE plain LOGIN PASSWORD 'plain'")
        connection.execute("GRANT ALL ON SCHEMA public TO plain")
        connection.execute("GRANT ALL ON DATABASE postgres TO plain")
        connection.execute("ALTER TABLE questions OWNER TO plain")
        parts = urlsplit(primary.url())
        url = parts._replace(netloc=f"plain:plain@{parts.hostname}:{parts.port}").geturl()
        until(lambda: receivers(primary) == 1)
        told = {check.name: check for check in planned(job(url)).checks}
        assert "1 standbys are behind: max_lag_s does not heed them" in told["lag"].said
        assert told["lag"].do == 'GRANT pg_monitor TO "plain";'
        connection.execute("GRANT pg_monitor TO plain")
        assert "lag" not in {check.name for check in planned(job(url)).checks}


@contextmanager
def looking(url: str, *, table: str = "pg_class") -> Iterator[Strain]:
    database = Database(url)
    with database.begin() as tx:
        oid = int(tx.execute("SELECT %(table)s::regclass::oid::int", {"table": table})[0][0])
    yield Strain(database, oid)
    database.close()


@contextmanager
def waiting(url: str, sql: str) -> Iterator[None]:
    """A session of the application that waits with a statement; it ends when it was let through."""

    def run() -> None:
        with psycopg.connect(url) as connection:
            connection.execute(sql.encode())

    thread = threading.Thread(target=run, daemon=True)
    thread.start()
    yield
    thread.join(60)
    assert not thread.is_alive()


@contextmanager
def standby_of(primary: Server) -> Iterator[str]:
    """The address of a streaming replica."""
    folder = primary.folder.parent / "standby"
    folder.mkdir(mode=0o700)
    identity = choose_identity(folder, programs=programs(primary.version))
    argv: list[str | Path] = [programs(primary.version) / "pg_basebackup", "-d", primary.url(), "-D", folder / "data"]
    done = identity.run([*argv, "-R", "-X", "stream", "-c", "fast"], cwd=folder)
    assert done.returncode == 0, done.stderr
    (folder / "password").write_text(primary.password)
    standby = start(folder, version=primary.version, settings={"fsync": "off"})
    try:
        yield standby.url()
    finally:
        standby.stop("immediate")


@contextmanager
def subscriber_of(primary: Server) -> Iterator[subprocess.Popen[bytes]]:
    """A client that takes the changes of the slot away and says once a second how far it is."""
    parts = urlsplit(primary.url())
    options = ["-S", "feed", "-o", "proto_version=1", "-o", "publication_names=all_of_it", "-s", "1", "-F", "1"]
    argv = [str(programs(primary.version) / "pg_recvlogical"), "-d", parts._replace(path="/postgres").geturl()]
    with subprocess.Popen([*argv, *options, "--start", "-f", os.devnull], stderr=subprocess.PIPE) as process:
        try:
            yield process
        finally:
            process.kill()


def receivers(server: Server) -> int:
    with psycopg.connect(server.url(), autocommit=True) as connection:
        found = connection.execute("SELECT count(*) FROM pg_stat_replication WHERE state = 'streaming'").fetchone()
    assert found is not None
    return int(found[0])


def write(server: Server) -> None:
    """Makes the log longer."""
    with psycopg.connect(server.url(), autocommit=True) as connection:
        connection.execute("CREATE TABLE IF NOT EXISTS written AS SELECT i FROM generate_series(1, 1000) AS i")
        connection.execute("INSERT INTO written SELECT i FROM generate_series(1, 1000) AS i")


def until(holds: Callable[[], bool]) -> None:
    """Waits until something holds."""
    deadline_s = time.monotonic() + 60
    while not holds():
        if time.monotonic() > deadline_s:
            pytest.fail("it did not come to hold")
        time.sleep(0.05)
