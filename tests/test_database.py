"""A whole program with its journal in a PostgreSQL database, which goes away and comes back."""

import re
from collections.abc import Iterator
from pathlib import Path

import pytest

from scheduler.devchain.chain import DevelopmentChain
from scheduler.transactions.journal import Journal, Remote
from scheduler.transactions.journal.reading import reading
from scheduler.transactions.journal.upkeep import migrate
from scheduler.transactions.states import IntentState
from tests.commands import alarm_chain, eth_alarm, refusal, schedule_on, walk_to
from tests.postgres import Server, postgres
from tests.transactions.places import asked
from tests.transactions.samples import ACCOUNT


@pytest.fixture(scope="module")
def server() -> Iterator[Server]:
    """One for these tests alone, which take it away."""
    with postgres() as server:
        yield server


@pytest.fixture(scope="module")
def chain() -> Iterator[DevelopmentChain]:
    with alarm_chain() as chain:
        yield chain


@pytest.fixture
def where(server: Server, tmp_path: Path) -> Remote:
    return Remote(server.local(server.database()), tmp_path / ".local/share/scheduler-kit")


def test_a_program_says_once_that_its_database_is_away_and_goes_on(
    chain: DevelopmentChain, server: Server, where: Remote, tmp_path: Path
) -> None:
    migrate(where)
    with eth_alarm(chain, tmp_path, SCHEDULER_JOURNAL=where.url) as program:
        call = schedule_on(chain, ahead=16)
        program.saw(f"Tracking call: {call.address}")
        walk_to(chain, call.target_block - 10, where.directory)
        server.stop()
        try:
            away = f"the journal {where} cannot be read"
            chain.endpoint.request("anvil_mine")
            program.saw(re.escape(away))
            walk_to(chain, call.target_block - 6, where.directory)
        finally:
            server.start()
        walk_to(chain, call.target_block, where.directory)
        program.saw("Executed|executed|success")
        assert len([line for line in program.lines if away in line]) == 1
        assert program.stop() == 0
    with reading(where) as opened:
        assert [each.state for each in opened.summaries()] == [IntentState.SUCCEEDED]


def test_a_database_without_a_journal_is_told_with_the_command_that_makes_it(
    chain: DevelopmentChain, where: Remote, tmp_path: Path
) -> None:
    line = refusal(
        tmp_path, "eth_alarm", "scheduler", "-a", chain.deployment.scheduler,
        "-p", str(chain.node.port), SCHEDULER_JOURNAL=where.url,
    )  # fmt: skip
    assert "make it with: scheduler journal migrate" in line


def test_a_wrong_password_ends_a_program(
    chain: DevelopmentChain, server: Server, tmp_path: Path
) -> None:
    url = f"postgresql://scheduler@127.0.0.1:{server.port}/postgres"
    line = refusal(
        tmp_path, "eth_alarm", "scheduler", "-a", chain.deployment.scheduler,
        "-p", str(chain.node.port), SCHEDULER_JOURNAL=url, PGPASSWORD="a guess",
    )  # fmt: skip
    assert "password authentication failed" in line
    assert "a guess" not in line


def test_the_journal_of_another_chain_is_told_and_left_alone(
    chain: DevelopmentChain, where: Remote, tmp_path: Path
) -> None:
    migrate(where)
    journal = Journal.open(where)
    journal.admit(ACCOUNT)
    journal.close()
    line = refusal(
        tmp_path, "eth_alarm", "scheduler", "-a", chain.deployment.scheduler,
        "-p", str(chain.node.port), SCHEDULER_JOURNAL=where.url,
    )  # fmt: skip
    assert f"the journal {where} is another chain's ({ACCOUNT.chain})" in line
    assert asked(where, "SELECT chain FROM accounts") == [(ACCOUNT.chain,)]
