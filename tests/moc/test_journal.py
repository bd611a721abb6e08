"""Where moc_jobs has its journal: in a volume, or in a database that its environment names."""

import os
import secrets
from pathlib import Path

from eth_keys.datatypes import PrivateKey

from scheduler.transactions.journal import Journal
from tests.commands import BIN, Running, finished
from tests.moc.configured import rootstock, written
from tests.postgres import PASSWORD, USER, Server

KEY = PrivateKey(secrets.token_bytes(32))
SECRET = KEY.to_bytes().hex()

BOTH_CURES = (
    "there is no journal at {journal} yet; .* each waits in quarantine: give {directory} a volume "
    "that outlives the container, or .* SCHEDULER_JOURNAL=postgresql://USER@HOST/DATABASE"
)


def first_process(home: Path, **variables: str) -> Running:
    """moc_jobs as a container's first process, with no node that answers."""
    user = [] if os.getuid() == 0 else ["--user", "--map-root-user"]
    unshare = ("/usr/bin/unshare", *user, "--pid", "--fork", "--kill-child")
    return Running(home, *unshare, str(BIN / "moc_jobs"), ACCOUNT_PK_SECRET=SECRET, **variables)


def test_a_container_without_a_journal_says_so_and_names_both_cures(tmp_path: Path) -> None:
    journal = tmp_path / "journal.db"
    program = first_process(tmp_path)
    try:
        program.saw(BOTH_CURES.format(journal=journal, directory=tmp_path))
        program.saw("Waiting for the node")
    finally:
        program.kill()


def test_a_container_that_has_one_says_nothing_of_it(tmp_path: Path) -> None:
    Journal.open(tmp_path / "journal.db").close()
    for there in ({}, {"SCHEDULER_JOURNAL": "postgresql://scheduler@127.0.0.1:1/scheduler"}):
        program = first_process(tmp_path, **there)
        try:
            program.saw("Waiting for the node")
            assert program.having("there is no journal") == []
        finally:
            program.kill()


def test_the_journal_is_in_the_database_that_the_environment_names(
    database_server: Server, tmp_path: Path
) -> None:
    """As in a container: the password is a variable, too, and nothing of the journal is a file."""
    url = f"postgresql://{USER}@127.0.0.1:{database_server.port}/{database_server.database()}"
    variables = {"SCHEDULER_JOURNAL": url, "PGPASSWORD": PASSWORD, "ACCOUNT_PK_SECRET": SECRET}
    made = finished(tmp_path, "scheduler", "journal", "migrate", seconds=30, **variables)
    assert made.stdout == f"the journal {url} was made, with schema 1\n"
    with rootstock(KEY) as (world, stand_in):
        path = written(tmp_path, world, stand_in.http)
        for sent in (True, False):
            with Running(tmp_path, "moc_jobs", "-c", str(path), **variables) as program:
                if sent:
                    program.saw("never sent from .* before")
                    program.saw("Successfully payBitProHoldersInterestPayment in Block")
                else:
                    program.saw("NO: runSettlement!")
                assert program.stop() == 0
            assert PASSWORD not in str(program.lines)
        assert program.having("never sent from|Calling") == []
    listed = finished(tmp_path, "scheduler", "journal", "list", seconds=30, **variables)
    assert "payBitProHoldersInterestPayment" in listed.stdout
    assert not list(tmp_path.glob("**/journal.db"))
