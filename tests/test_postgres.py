"""The PostgreSQL of the tests: it is one's own, keeps its data, and needs a password over TCP."""

import os
import signal
import subprocess

import pytest

from tests.postgres import PASSWORD, Server, _program, postgres


def _asked(server: Server, url: str) -> "subprocess.CompletedProcess[str]":
    return subprocess.run(
        [_program("psql"), "--no-psqlrc", "--no-password", "-At", "-c", "SELECT 1", url],
        capture_output=True,
        text=True,
        check=False,
    )


def test_databases_are_apart_from_each_other(database_server: Server) -> None:
    one, other = database_server.database(), database_server.database()
    database_server.sql("CREATE TABLE here (number INTEGER)", one)
    database_server.sql("CREATE TABLE here (number INTEGER)", other)
    assert database_server.sql("SELECT count(*) FROM here", one) == [["0"]]


def test_over_tcp_it_wants_the_password(database_server: Server) -> None:
    name = database_server.database()
    assert _asked(database_server, database_server.url(name)).stdout == "1\n"
    wrong = database_server.url(name).replace(PASSWORD, "another")
    assert "password authentication failed" in _asked(database_server, wrong).stderr


@pytest.mark.parametrize("signum", [signal.SIGINT, signal.SIGQUIT], ids=["stopped", "crashed"])
def test_what_was_written_is_there_after_a_restart(signum: int) -> None:
    with postgres() as server:
        name = server.database()
        server.sql("CREATE TABLE kept AS SELECT 7 AS number", name)
        process = server.process
        assert process
        owner = os.stat(f"/proc/{process.pid}").st_uid
        server.restart(signum)
        assert server.sql("SELECT number FROM kept", name) == [["7"]]
    assert owner != 0
    assert process.poll() is not None
    assert not server.directory.exists()
