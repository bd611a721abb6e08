"""A journal in a database whose server goes away, hangs, is restarted, or says nothing of a COMMIT:
it is told in one line, nothing is written by halves, and it goes on by itself."""

import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from tempfile import TemporaryDirectory

import psycopg
import pytest

from scheduler.errors import Misconfigured
from scheduler.transactions.intents import Verdict
from scheduler.transactions.journal import Journal, JournalUnavailable, Remote, named
from scheduler.transactions.journal.reading import reading
from scheduler.transactions.journal.upkeep import migrate
from scheduler.transactions.states import OutcomeKind
from tests.commands import free_port
from tests.postgres import PASSWORD, UNPRIVILEGED, USER, Server, postgres
from tests.transactions.line import Cut, Line
from tests.transactions.places import asked
from tests.transactions.samples import ACCOUNT, intent, prepared, receipt

# Below a block of any public network that the alarm clock or Money on Chain is on, seconds.
BLOCK = 12.0


@pytest.fixture(scope="module")
def server() -> Iterator[Server]:
    """One for these tests alone, which take it away from whoever uses it."""
    with postgres() as server:
        yield server


@pytest.fixture
def password_file(tmp_path: Path) -> Path:
    path = tmp_path / "password"
    path.write_text(f"{PASSWORD}\n")
    path.chmod(0o600)
    return path


@pytest.fixture
def where(server: Server, tmp_path: Path, password_file: Path) -> Remote:
    """A new journal, reached over TCP, with a password."""
    where = over_tcp(server.database(), server.port, tmp_path, password_file)
    migrate(where)
    return where


@pytest.fixture
def journal(where: Remote) -> Iterator[Journal]:
    journal = Journal.open(where)
    journal.admit(ACCOUNT)
    yield journal
    journal.close()


@pytest.fixture
def line(server: Server) -> Iterator[Line]:
    line = Line(server.port)
    yield line
    line.close()


@pytest.fixture
def through(where: Remote, line: Line, journal: Journal) -> Iterator[Journal]:
    """The same journal at the other end of the line."""
    url = where.url.replace(f":{where.url.rpartition(':')[2].partition('/')[0]}/", f":{line.port}/")
    opened = Journal.open(Remote(url, where.directory, where.password_file))
    yield opened
    opened.close()


def over_tcp(database: str, port: int, directory: Path, password_file: Path | None) -> Remote:
    return Remote(f"postgresql://{USER}@127.0.0.1:{port}/{database}", directory, password_file)


def nonces(journal: Journal) -> list[int]:
    return [attempt.nonce for attempt in journal.open_attempts(ACCOUNT)]


def told(journal: Journal) -> str:
    """The one line about a journal that cannot be had; it is told within a block."""
    began = time.monotonic()
    with pytest.raises(JournalUnavailable) as refused:
        journal.reserve(ACCOUNT, [prepared(journal.next_nonce(ACCOUNT))])
    assert time.monotonic() - began < BLOCK
    text = str(refused.value)
    assert "\n" not in text
    assert PASSWORD not in text
    return text


def test_a_commit_whose_answer_is_lost_is_found_to_be_written(
    through: Journal, journal: Journal, line: Line
) -> None:
    line.cut = Cut.ANSWER
    [attempt] = through.reserve(ACCOUNT, [prepared(0)])
    assert nonces(journal) == [attempt.nonce] == [0]
    assert line.cut is Cut.NEVER
    through.reserve(ACCOUNT, [prepared(1)])
    assert nonces(journal) == [0, 1]


def test_a_commit_that_never_arrived_is_told_and_has_written_nothing(
    through: Journal, journal: Journal, line: Line
) -> None:
    line.cut = Cut.REQUEST
    assert "cannot be written" in told(through)
    assert nonces(journal) == []
    through.reserve(ACCOUNT, [prepared(0)])
    assert nonces(journal) == [0]


@pytest.mark.parametrize("cut", [Cut.REQUEST, Cut.ANSWER])
def test_a_commit_that_cannot_be_asked_for_is_of_unknown_result(
    through: Journal, journal: Journal, line: Line, cut: Cut
) -> None:
    """Nothing is sent then; the next head reads what came of it."""
    assert through.next_nonce(ACCOUNT) == 0
    line.cut, line.is_closed = cut, True
    began = time.monotonic()
    with pytest.raises(JournalUnavailable, match=r"whether .* was written is not known yet"):
        through.reserve(ACCOUNT, [prepared(0)])
    assert time.monotonic() - began < BLOCK
    line.is_closed = False
    assert nonces(through) == nonces(journal) == ([0] if cut is Cut.ANSWER else [])


def test_what_was_promoted_meanwhile_may_have_given_the_number_to_another(
    through: Journal, line: Line
) -> None:
    """After a failover to a copy that lacks the commit, its number tells nothing."""
    through._database._timeline = "000000FF"
    line.cut = Cut.ANSWER
    with pytest.raises(JournalUnavailable, match="not known yet"):
        through.reserve(ACCOUNT, [prepared(0)])


@pytest.mark.parametrize("signum", [signal.SIGINT, signal.SIGQUIT], ids=["stopped", "crashed"])
def test_a_restart_of_the_server_goes_unnoticed(
    server: Server, journal: Journal, signum: int
) -> None:
    journal.reserve(ACCOUNT, [prepared(0)])
    server.restart(signum)
    assert nonces(journal) == [0]
    server.restart(signum)
    journal.reserve(ACCOUNT, [prepared(1)])
    assert nonces(journal) == [0, 1]


def test_a_server_that_is_away_is_told_until_it_is_back(
    server: Server, journal: Journal, where: Remote
) -> None:
    server.stop()
    try:
        for _ in range(2):
            text = told(journal)
            assert text.startswith(f"the journal {where} cannot be read: ")
            assert text.endswith(
                f"; see whether the server runs and can be reached: pg_isready -d '{where}'"
            )
    finally:
        server.start()
    journal.reserve(ACCOUNT, [prepared(0)])
    assert nonces(journal) == [0]


def test_a_server_that_hangs_is_told_within_a_block(server: Server, journal: Journal) -> None:
    assert nonces(journal) == []
    assert server.process
    group = [server.process.pid, *children(server.process.pid)]
    for pid in group:
        os.kill(pid, signal.SIGSTOP)
    try:
        assert "the server does not answer" in told(journal)
    finally:
        for pid in group:
            os.kill(pid, signal.SIGCONT)
    journal.reserve(ACCOUNT, [prepared(0)])
    assert nonces(journal) == [0]


def children(pid: int) -> list[int]:
    return [int(each) for each in Path(f"/proc/{pid}/task/{pid}/children").read_text().split()]


def test_who_is_in_a_transaction_keeps_others_out_and_is_put_out_after_a_while(
    journal: Journal, where: Remote
) -> None:
    """A box that is stopped, or loses its network, right before its COMMIT: it writes nothing when
    it is woken, and the others wait for some seconds only."""
    other = Journal.open(where)
    began = time.monotonic()

    def is_stopped_within() -> None:
        with journal.together():
            journal.reserve(ACCOUNT, [prepared(0, intent("ours"))])
            busy = told(other)
            assert "another process keeps it busy; see who: psql" in busy
            reserves_in_the_end(other)

    with pytest.raises(JournalUnavailable, match="cannot be written"):
        is_stopped_within()
    assert time.monotonic() - began < BLOCK
    [attempt] = journal.open_attempts(ACCOUNT)
    assert attempt.intent.key == "theirs"
    other.close()


def reserves_in_the_end(journal: Journal) -> None:
    while True:
        try:
            journal.reserve(ACCOUNT, [prepared(0, intent("theirs"))])
            return
        except JournalUnavailable:
            time.sleep(0.1)


RESERVES = """
import sys
from pathlib import Path
from tempfile import TemporaryDirectory
from scheduler.transactions.journal import Journal, NonceTaken, Remote
from tests.transactions.samples import ACCOUNT, intent, prepared

url, name, count = sys.argv[1], sys.argv[2], int(sys.argv[3])
journal = Journal.open(Remote(url, Path(".")))
for number in range(count):
    while True:
        try:
            nonce = journal.next_nonce(ACCOUNT)
            journal.reserve(ACCOUNT, [prepared(nonce, intent(f"{name}:{number}"))])
            break
        except NonceTaken:
            pass
"""


def test_processes_that_reserve_at_the_same_time_never_share_a_nonce(
    server: Server, journal: Journal, where: Remote
) -> None:
    processes, each = 3, 15
    url = server.local(where.url.rpartition("/")[2])
    running = [
        subprocess.Popen(
            [sys.executable, "-c", RESERVES, url, f"process {number}", str(each)],
            cwd=Path(__file__).parents[2],
        )
        for number in range(processes)
    ]
    assert [process.wait(timeout=90) for process in running] == [0] * processes
    attempts = journal.open_attempts(ACCOUNT)
    assert [attempt.nonce for attempt in attempts] == list(range(processes * each))
    assert len({attempt.intent.key for attempt in attempts}) == processes * each


def test_commits_are_durable_whatever_the_servers_defaults(
    server: Server, journal: Journal, where: Remote
) -> None:
    asked(
        Remote(server.local(where.url.rpartition("/")[2]), where.directory),
        f"ALTER ROLE {USER} SET synchronous_commit = off",
        f"ALTER ROLE {USER} SET default_transaction_isolation = 'serializable'",
    )
    try:
        opened = Journal.open(where)

        def settings() -> list[object]:
            names = ("synchronous_commit", "transaction_isolation")
            return [opened._database._execute(f"SHOW {name}", {}) for name in names]

        with opened.together():
            assert settings() == [[("on",)], [("read committed",)]]
        with opened.together(durable=False):
            assert settings() == [[("off",)], [("read committed",)]]
        with opened.together():
            assert settings() == [[("on",)], [("read committed",)]]
        opened.close()
    finally:
        asked(Remote(server.local("postgres"), where.directory), f"ALTER ROLE {USER} RESET ALL")


def test_what_a_contract_says_is_kept_though_it_has_a_nul(journal: Journal, where: Remote) -> None:
    """PostgreSQL keeps none in a text; the outcome could never be written."""
    [attempt] = journal.reserve(ACCOUNT, [prepared(0)])
    journal.mined(attempt, receipt(attempt), Verdict(OutcomeKind.REVERTED, "it said a\0b"))
    assert asked_there(where, "SELECT detail FROM outcomes") == [("it said a\ufffdb",)]


def test_the_databases_clock_is_in_seconds_since_the_epoch(journal: Journal) -> None:
    [(now,)] = journal.rows.read("now")
    assert abs(now - time.time()) < 5


def test_a_role_without_any_privilege_but_its_own_database_will_do(
    server: Server, line: Line, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As docs/postgresql.md has it made; also to ask for a commit whose answer was lost."""
    server.sql("CREATE ROLE plain LOGIN PASSWORD 'plain'")
    server.sql("CREATE DATABASE plain OWNER plain ENCODING 'UTF8' TEMPLATE template0")
    monkeypatch.setenv("PGPASSWORD", "plain")
    where = Remote(f"postgresql://plain@127.0.0.1:{line.port}/plain", tmp_path)
    assert migrate(where).before == 0
    journal = Journal.open(where)
    journal.admit(ACCOUNT)
    line.cut = Cut.ANSWER
    journal.reserve(ACCOUNT, [prepared(0)])
    assert line.cut is Cut.NEVER
    assert nonces(journal) == [0]
    with reading(where) as opened:
        assert opened.size > 0
    journal.close()


def test_it_is_reached_with_tls_and_by_the_authority_that_is_trusted(tmp_path: Path) -> None:
    with TemporaryDirectory() as name:
        directory = Path(name)
        # Whoever the server is must get there.
        directory.chmod(0o755)
        key, certificate, other = (directory / each for each in ("key", "certificate", "other"))
        for path in (certificate, other):
            subprocess.run(
                ["openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "1",
                 "-subj", "/CN=localhost", "-addext", "subjectAltName=DNS:localhost",
                 "-keyout", str(key if path is certificate else directory / "unused"),
                 "-out", str(path)],
                check=True, capture_output=True,
            )  # fmt: skip
        key.chmod(0o600)
        if os.getuid() == 0:
            shutil.chown(key, UNPRIVILEGED)
        with postgres(ssl="on", ssl_cert_file=str(certificate), ssl_key_file=str(key)) as server:
            password = tmp_path / "password"
            password.touch(0o600)
            password.write_text(PASSWORD)
            base = f"postgresql://{USER}@localhost:{server.port}/{server.database()}"

            def trusting(authority: Path) -> Remote:
                url = f"{base}?sslmode=verify-full&sslrootcert={authority}"
                return Remote(url, tmp_path, password)

            migrate(trusting(certificate))
            journal = Journal.open(trusting(certificate))
            encrypted = "SELECT ssl::text FROM pg_stat_ssl WHERE pid = pg_backend_pid()"
            assert journal._database._execute(encrypted, {}) == [("true",)]
            journal.close()
            assert "certificate verify failed; see sslmode and sslrootcert" in refused(
                trusting(other)
            )


# --- what an operator can have wrong


def refused(where: Remote, error: type[Exception] = JournalUnavailable) -> str:
    with pytest.raises(error) as refusal:
        Journal.open(where)
    text = str(refusal.value)
    assert "\n" not in text
    return text


def test_a_wrong_password_is_wrong_configuration(where: Remote, password_file: Path) -> None:
    password_file.write_text("a guess")
    text = refused(where, Misconfigured)
    assert "password authentication failed" in text
    assert "correct the password in the file that journal-password-file names" in text
    assert "a guess" not in text


def test_a_missing_password_is_wrong_configuration(where: Remote) -> None:
    text = refused(Remote(where.url, where.directory), Misconfigured)
    assert "write the password into a file and name it with journal-password-file" in text


def test_the_password_may_be_in_the_environment(
    where: Remote, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PGPASSWORD", PASSWORD)
    Journal.open(Remote(where.url, where.directory)).close()


def test_a_password_that_others_can_read_is_refused(where: Remote, password_file: Path) -> None:
    password_file.chmod(0o640)
    assert f"run: chmod 600 {password_file}" in refused(where, Misconfigured)


def test_an_empty_password_file_is_told(where: Remote, password_file: Path) -> None:
    password_file.write_text("\n")
    assert "is empty; write the password into it" in refused(where, Misconfigured)


def test_a_server_that_nobody_reaches_is_told(where: Remote) -> None:
    text = refused(over_tcp("journal", free_port(), where.directory, None))
    assert "Connection refused" in text
    assert "pg_isready -d" in text


def test_a_database_that_is_not_there_is_told(where: Remote) -> None:
    text = refused(Remote(where.url + "x", where.directory, where.password_file))
    assert "does not exist; make it, as docs/postgresql.md says" in text


def test_an_option_that_libpq_does_not_know_is_told(where: Remote) -> None:
    text = refused(Remote(where.url + "?sslmod=require", where.directory), Misconfigured)
    assert 'invalid URI query parameter: "sslmod"' in text


def test_an_empty_database_is_told_how_to_make_a_journal(
    server: Server, where: Remote, password_file: Path
) -> None:
    empty = over_tcp(server.database(), server.port, where.directory, password_file)
    assert "make it with: scheduler journal migrate" in refused(empty)


def test_an_older_journal_is_left_to_the_operator(
    where: Remote, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A program that migrated it would put the other boxes' programs of before out of work."""
    newer = [*named.migrations("postgresql"), (99, "CREATE TABLE extra (number bigint)")]
    monkeypatch.setattr(named, "migrations", lambda dialect: newer)
    assert "run: scheduler journal migrate" in refused(where)
    assert asked_there(where, "SELECT to_regclass('extra')") == [(None,)]
    assert migrate(where).now == 99
    Journal.open(where).close()


def test_a_migration_that_fails_leaves_nothing(
    where: Remote, monkeypatch: pytest.MonkeyPatch
) -> None:
    broken = "CREATE TABLE extra (number bigint); CREATE TABLE intents (number bigint)"
    newer = [*named.migrations("postgresql"), (99, broken)]
    monkeypatch.setattr(named, "migrations", lambda dialect: newer)
    with pytest.raises(JournalUnavailable, match='cannot be migrated: relation "intents" already'):
        migrate(where)
    assert asked_there(where, "SELECT to_regclass('extra')") == [(None,)]
    assert asked_there(where, "SELECT max(number) FROM migrations") == [(1,)]


def test_another_programs_database_is_left_alone(
    server: Server, where: Remote, password_file: Path
) -> None:
    other = over_tcp(server.database(), server.port, where.directory, password_file)
    asked_there(other, "CREATE TABLE songs (title text)")
    with pytest.raises(JournalUnavailable, match="another program's database"):
        migrate(other)


def asked_there(where: Remote, statement: str) -> list[tuple[object, ...]]:
    with psycopg.connect(where.url, password=PASSWORD, autocommit=True) as database:
        cursor = database.execute(statement)
        return cursor.fetchall() if cursor.description else []
