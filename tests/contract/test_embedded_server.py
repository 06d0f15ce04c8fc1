"""The embedded server: started once, adopted by others, stopped cleanly, back after a kill with nothing lost."""

from __future__ import annotations

import os
import shutil
import signal
import socket
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import psycopg
import pytest

from limosa.errors import Refused, Transient
from limosa.stores.postgres.embedded import Server, embedded_folder, embedded_url, find, programs, start

VERSIONS = (16, 18)
QUICK = {"fsync": "off", "shared_buffers": "16MB"}


def ask(url: str, sql: str) -> object:
    with psycopg.connect(url, autocommit=True) as connection:
        cursor = connection.execute(sql.encode())
        row = cursor.fetchone() if cursor.description else None
        return row[0] if row else None


def fill(server: Server, rows: int) -> None:
    ask(server.url(), f"CREATE TABLE kept AS SELECT g AS id, md5(g::text) AS body FROM generate_series(1, {rows}) g")


def kill(server: Server) -> None:
    pid = server.pid
    assert pid is not None
    os.kill(pid, signal.SIGKILL)


@pytest.mark.parametrize("version", VERSIONS)
def test_url_leads_to_a_database_with_pgvector(version: int, server_folder: Path) -> None:
    url = embedded_url(f"embedded:{version}", server_folder)
    assert ask(url, "SELECT current_database()") == "limosa"
    assert str(ask(url, "SHOW server_version")).split(".")[0] == str(version)
    assert ask(url, "SELECT '[1,2,3]'::vector <-> '[1,2,5]'::vector") == 2.0
    assert ask(url, "SHOW server_encoding") == "UTF8"
    assert ask(url, "SELECT 'b' < 'C' COLLATE \"default\"") is False
    assert embedded_url(f"embedded:{version}", server_folder) == url


def test_embedded_alone_means_18(tmp_path: Path) -> None:
    assert embedded_folder("embedded", tmp_path) == embedded_folder("embedded:18", tmp_path)
    assert embedded_folder("embedded:16", tmp_path) != embedded_folder("embedded", tmp_path)


@pytest.mark.parametrize("store", ["embedded:17", "embedded:", "embeded"])
def test_an_unknown_name_is_refused(store: str, tmp_path: Path) -> None:
    with pytest.raises(Refused, match="embedded:16"):
        embedded_folder(store, tmp_path)


def test_16_and_18_run_side_by_side(server_folder: Path) -> None:
    with (
        start(server_folder / "a", version=16, settings=QUICK) as old,
        start(server_folder / "b", version=18, settings=QUICK) as new,
    ):
        assert (old.running, new.running) == (True, True)
        assert old.port != new.port
        assert old.password != new.password
    assert (old.running, new.running) == (False, False)


def test_the_password_is_asked_for_and_hidden(server_folder: Path) -> None:
    server = start(server_folder, settings=QUICK)
    assert server.password not in repr(server)
    assert (server_folder / "password").stat().st_mode & 0o777 == 0o600
    assert server_folder.stat().st_mode & 0o777 == 0o700
    commands = subprocess.run(["/bin/ps", "-eww", "-o", "args"], capture_output=True, text=True, check=True).stdout
    assert "postgres" in commands
    assert server.password not in commands
    with pytest.raises(psycopg.OperationalError, match="password authentication failed"):
        psycopg.connect(server.url().replace(server.password, "guessed"))
    ask(server.url(), "CREATE ROLE somebody LOGIN PASSWORD 'x'")
    assert str(ask(server.url(), "SELECT rolpassword FROM pg_authid WHERE rolname = 'somebody'")).startswith("SCRAM")


def test_it_listens_on_loopback_only(server_folder: Path) -> None:
    server = start(server_folder, settings=QUICK | {"listen_addresses": "*"})
    assert ask(server.url(), "SHOW listen_addresses") == "127.0.0.1"
    assert ask(server.url(), "SHOW unix_socket_directories") == ""


@pytest.mark.skipif(sys.platform != "linux", reason="only Linux shows a process's environment")
def test_the_keys_of_the_starter_do_not_stay_with_the_server(
    server_folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SOME_API_KEY", "secret-of-the-starter")
    monkeypatch.setenv("PGOPTIONS", "-c work_mem=123kB")
    server = start(server_folder, settings=QUICK)
    environment = Path(f"/proc/{server.pid}/environ").read_bytes()
    assert b"LC_ALL=C" in environment
    assert b"secret-of-the-starter" not in environment
    assert b"PGOPTIONS" not in environment


def test_a_running_server_is_adopted(server_folder: Path) -> None:
    assert find(server_folder) is None
    first = start(server_folder, settings=QUICK)
    second, third = start(server_folder), find(server_folder)
    assert third is not None
    assert first.pid == second.pid == third.pid
    assert first.url() == second.url() == third.url()
    second.stop()
    assert not first.running
    assert find(server_folder) is None


def test_several_processes_start_it_once(server_folder: Path) -> None:
    code = (
        "import sys; from pathlib import Path; from limosa.stores.postgres.embedded import embedded_url;"
        "print(embedded_url('embedded', Path(sys.argv[1])))"
    )

    def call(_: int) -> str:
        argv = [sys.executable, "-c", code, str(server_folder)]
        return subprocess.run(argv, capture_output=True, text=True, check=True).stdout.strip()

    with ThreadPoolExecutor(4) as pool:
        urls = set(pool.map(call, range(4)))
    assert len(urls) == 1
    # Their starters are gone; the server is not.
    assert ask(urls.pop(), "SELECT 1") == 1


@pytest.mark.parametrize("version", VERSIONS)
def test_a_clean_stop_keeps_everything(version: int, server_folder: Path) -> None:
    server = start(server_folder, version=version, settings=QUICK)
    fill(server, 1_000)
    port = server.port
    server.stop()
    server.stop()
    assert not server.running
    server.restart()
    assert server.port == port
    assert ask(server.url(), "SELECT count(*) FROM kept WHERE body = md5(id::text)") == 1_000
    assert "automatic recovery" not in (server_folder / "server.log").read_text()


@pytest.mark.parametrize("version", VERSIONS)
def test_after_kill_9_nothing_is_lost(version: int, server_folder: Path) -> None:
    server = start(server_folder, version=version, settings={"shared_buffers": "16MB"})
    fill(server, 20_000)
    # A backend that computes does not notice that its postmaster is gone, and holds the shared memory.
    busy = """DO $$ DECLARE t timestamptz := clock_timestamp() + '1 s';
                 BEGIN WHILE clock_timestamp() < t LOOP END LOOP; END $$"""
    open_work = psycopg.connect(server.url())
    open_work.execute("INSERT INTO kept VALUES (0, 'not committed')")
    with ThreadPoolExecutor(1) as pool:
        orphan = pool.submit(ask, server.url(), busy)
        while not ask(server.url(), "SELECT count(*) FROM pg_stat_activity WHERE query LIKE 'DO %'"):
            assert not orphan.done()
        kill(server)
        server.restart()
        orphan.exception()
    open_work.close()
    log = (server_folder / "server.log").read_text()
    assert "shared memory block" in log
    assert "automatic recovery" in log
    assert ask(server.url(), "SELECT count(*) FROM kept WHERE body = md5(id::text)") == 20_000
    assert ask(server.url(), "SELECT count(*) FROM kept") == 20_000


def test_a_pid_file_left_by_a_machine_crash_is_no_obstacle(server_folder: Path) -> None:
    server = start(server_folder, settings=QUICK)
    left = (server.data / "postmaster.pid").read_text().splitlines()
    server.stop()
    with subprocess.Popen([sys.executable, "-c", "input()"], stdin=subprocess.PIPE) as stranger:
        (server.data / "postmaster.pid").write_text("\n".join([str(stranger.pid), *left[1:]]) + "\n")
        assert not server.running
        assert find(server_folder) is None
        server.stop()
        assert stranger.poll() is None
        server.restart()
        assert ask(server.url(), "SELECT 1") == 1
        stranger.communicate(b"\n")


def test_a_set_up_that_was_killed_leaves_nothing_half(server_folder: Path) -> None:
    (server_folder / "data.tmp").mkdir(parents=True)
    (server_folder / "data.tmp" / "PG_VERSION").write_text("18\n")
    assert ask(start(server_folder, settings=QUICK).url(), "SELECT 1") == 1
    assert not (server_folder / "data.tmp").exists()


def test_a_taken_port_is_given_up(server_folder: Path) -> None:
    server = start(server_folder, settings=QUICK)
    server.stop()
    taken = server.port
    with socket.socket() as other:
        other.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        other.bind(("127.0.0.1", taken))
        other.listen()
        server.restart()
        assert server.port != taken
        assert ask(server.url(), "SELECT 1") == 1


def test_another_version_is_refused(server_folder: Path) -> None:
    start(server_folder, version=16, settings=QUICK)
    with pytest.raises(Refused, match="one of Postgres 16"):
        start(server_folder, version=18)


def test_a_lost_password_is_refused(server_folder: Path) -> None:
    start(server_folder, settings=QUICK).stop()
    (server_folder / "password").unlink()
    with pytest.raises(Refused, match="password file"):
        start(server_folder, settings=QUICK)
    assert find(server_folder) is None


def test_a_setting_it_does_not_know_is_said_at_once(server_folder: Path) -> None:
    with pytest.raises(Transient, match="no_such_setting"):
        start(server_folder, settings={"no_such_setting": "1"})


def test_an_unknown_version_is_refused() -> None:
    with pytest.raises(Refused, match="16 or 18"):
        programs(17)


def test_without_the_package_it_says_what_to_install(tmp_path: Path) -> None:
    # An interpreter that sees limosa and nothing that is installed beside it.
    code = "from limosa.stores.postgres.embedded import programs; programs(18)"
    environment = {"PYTHONPATH": str(Path(__file__).parents[2] / "src")}
    argv = [sys.executable, "-S", "-c", code]
    done = subprocess.run(argv, env=environment, capture_output=True, text=True, check=False, cwd=tmp_path)
    assert done.returncode == 1
    assert "pip install 'limosa[embedded]'" in done.stderr


@pytest.mark.skipif(os.geteuid() != 0, reason="only root needs another user")
@pytest.mark.parametrize("tool", ["unshare", "setpriv", None])
def test_root_finds_a_way(tool: str | None, server_folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    tools = server_folder.parent / "tools"
    tools.mkdir()
    if tool is not None:
        path = shutil.which(tool)
        if path is None:
            pytest.skip(f"this machine has no {tool}")
        (tools / tool).symlink_to(path)
    monkeypatch.setenv("PATH", str(tools))
    server = start(server_folder, settings=QUICK)
    monkeypatch.undo()
    fill(server, 100)
    kill(server)
    # The next start finds all tools again, and may be somebody else.
    server.restart()
    assert ask(server.url(), "SELECT count(*) FROM kept") == 100


@pytest.mark.skipif(os.geteuid() != 0, reason="only root has a stand-in that reaches less than itself")
@pytest.mark.parametrize("tool", ["setpriv", None])
def test_a_closed_checkout_is_reached_or_refused(
    tool: str | None, server_folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    closed, tools = server_folder.parent / "closed", server_folder.parent / "tools"
    closed.mkdir(mode=0o700)
    tools.mkdir()
    path = shutil.which(tool) if tool else None
    if path is not None:
        (tools / str(tool)).symlink_to(path)
    monkeypatch.setenv("PATH", str(tools))
    package = programs(18).parents[1]
    copied = closed / package.name
    shutil.copytree(package / "pginstall18", copied / "pginstall18", symlinks=True)
    (copied / "__init__.py").touch()
    if (libraries := package.with_name(f"{package.name}.libs")).exists():
        shutil.copytree(libraries, closed / libraries.name)
    monkeypatch.syspath_prepend(closed)
    assert programs(18).is_relative_to(closed)
    if path is None:
        with pytest.raises(Refused, match="ordinary user"):
            start(closed / "server", settings=QUICK)
    else:
        assert start(closed / "server", settings=QUICK).running


def test_the_context_manager_stops_it_at_interpreter_exit(server_folder: Path) -> None:
    code = (
        "import sys; from pathlib import Path; from limosa.stores.postgres.embedded import start;"
        "server = start(Path(sys.argv[1])).__enter__(); print(server.running)"
    )
    argv = [sys.executable, "-c", code, str(server_folder)]
    done = subprocess.run(argv, capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "True"
    assert find(server_folder) is None


def test_every_test_has_a_database_of_its_own(database: str, pg_server: Server) -> None:
    ask(database, "CREATE TABLE t (v vector(3))")
    ask(database, "INSERT INTO t VALUES ('[1,2,3]')")
    assert ask(database, "SELECT vector_dims(v) FROM t") == 3
    assert ask(pg_server.url(), "SHOW max_connections") == "60"
