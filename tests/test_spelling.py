"""Addresses leave a process as the wallets of its network write them (EIP-1191 on Rootstock)."""

import os
from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from scheduler.chain.addresses import checksummed, in_small_letters
from scheduler.spelling import speak_of, spelled, spelled_output
from scheduler.transactions.journal import Journal
from tests import nodes
from tests.commands import Running, finished
from tests.transactions.samples import ACCOUNT, CHAIN, CONTRACT, intent, prepared

ADDRESS = "0x5aaeb6053f3e94c9b9a09f33669435e7ef1beaed"
ON_MAINNET = "0x5aaEB6053f3e94c9b9a09f33669435E7ef1bEAeD"
ON_TESTNET = "0x5aAeb6053F3e94c9b9A09F33669435E7EF1BEaEd"

addresses = st.binary(min_size=20, max_size=20).map(lambda octets: "0x" + octets.hex())
# What may stand between two of them in a line.
between = st.sampled_from([" ", "  sends\n", "', '", "=", " (", ") and ", "\x1b[1;36m", "…", "#"])


@given(st.lists(st.tuples(between, addresses), max_size=5), st.sampled_from([30, 31, 33]))
def test_every_address_of_a_text_is_spelled_and_nothing_else_of_it(
    parts: list[tuple[str, str]], chain_id: int
) -> None:
    with spelled_output():
        speak_of(chain_id)
        found = spelled("".join(f"{gap}{address}" for gap, address in parts))
    assert found == "".join(f"{gap}{checksummed(each, chain_id)}" for gap, each in parts)
    assert in_small_letters(found) == "".join(f"{gap}{address}" for gap, address in parts)


@pytest.mark.parametrize(
    "text",
    [
        f"alarm:execute:0123456789abcdef:{ADDRESS}:{ADDRESS}-7777777777777777",
        f"{ADDRESS}-7777777777777777",
        ADDRESS + "00" * 12,
        "0x" + "ab" * 19,
    ],
    ids=["key", "short name", "hash", "too short"],
)
def test_names_and_what_is_no_address_stay_as_they_are(text: str) -> None:
    with spelled_output():
        speak_of(30)
        assert spelled(text) == text


@pytest.mark.parametrize("chain_id", [None, 1, 1337, 61])
def test_other_chains_have_small_letters(chain_id: int | None) -> None:
    with spelled_output():
        speak_of(chain_id)
        assert spelled(ADDRESS) == ADDRESS


def test_what_is_configured_is_shown_as_the_networks_wallets_show_it(tmp_path: Path) -> None:
    config = tmp_path / "config.toml"
    shown = ("scheduler", "config", "show", "account", "--config", str(config))
    for network, written in (("rsk-mainnet", ON_MAINNET), ("rsk-testnet", ON_TESTNET)):
        config.write_text(f'network = "{network}"\naccount = "{ADDRESS}"\n')
        assert finished(tmp_path, *shown).stdout == f"{written}\n"
    config.write_text(f'network = "mainnet"\naccount = "{ADDRESS}"\n')
    assert finished(tmp_path, *shown).stdout == f"{ADDRESS}\n"


def test_errors_are_spelled_as_well(tmp_path: Path) -> None:
    config = tmp_path / "config.toml"
    config.write_text(f'network = "rsk-testnet"\naccount = "{ADDRESS}"\nsigner = "environment"\n')
    done = finished(
        tmp_path,
        *("scheduler", "config", "check", "--config", str(config)),
        ACCOUNT_PK_SECRET="01" * 32,
    )
    assert done.returncode == 2
    assert ON_TESTNET in done.stderr


def test_the_nodes_accounts_are_of_the_chain_that_it_serves(tmp_path: Path) -> None:
    with nodes.rskj() as rskj:
        done = finished(tmp_path, "scheduler", "account", "show", SCHEDULER_RPC_URL=rskj.http)
        known = rskj.anvil.rpc("eth_accounts")
    assert [line.split()[0] for line in done.stdout.splitlines()] == [
        checksummed(each.lower(), 33) for each in known
    ]


def test_a_journal_tells_its_chain_and_takes_an_address_in_any_spelling(tmp_path: Path) -> None:
    key = f"alarm:execute:{CHAIN}:{CONTRACT}:{ADDRESS}-{'7' * 16}"
    journal = Journal.open(tmp_path / "journal.db")
    journal.admit(ACCOUNT)
    wish = intent(key, family="alarm", kind="execute", params={"call": ADDRESS})
    by_node = prepared(0, wish, signs=False)
    asked = replace(by_node.transaction, chain_id=30)
    journal.reserve(ACCOUNT, [replace(by_node, transaction=asked)])
    journal.close()
    listed = finished(tmp_path, "scheduler", "journal", "list").stdout
    assert ON_MAINNET in listed
    for given_ in (ON_MAINNET, ADDRESS, key):
        told = finished(tmp_path, "scheduler", "journal", "show", given_)
        assert f"contract {checksummed(CONTRACT, 30)}" in told.stdout, told
        assert key in told.stdout
    reported = finished(tmp_path, "scheduler", "report").stdout
    assert f"{checksummed(ACCOUNT.address, 30)} on rsk-mainnet" in reported
    exported = finished(tmp_path, "scheduler", "journal", "export").stdout
    assert f'"{key}"' in exported


def test_a_program_says_what_it_serves_as_wallets_show_it(tmp_path: Path) -> None:
    """Whatever the configuration says of the network: the node has told its chain by then."""
    gas_limit = 6_800_000 + os.getpid() % 10_000
    with nodes.alarm_on_rskj(block_time=1, gas_limit=gas_limit) as (chain, rskj):
        alarm = chain.deployment.scheduler
        command = ("eth_alarm", "scheduler", "--address", alarm)
        with Running(tmp_path, *command, SCHEDULER_RPC_URL=rskj.http) as program:
            program.saw(f"Serving {checksummed(alarm, 33)}, an Alarm Clock contract")
            assert program.stop() == 0
    assert program.errors == []


def test_status_shows_the_account_as_wallets_do(tmp_path: Path) -> None:
    with nodes.rskj() as rskj:
        given_ = {"SCHEDULER_RPC_URL": rskj.http, "SCHEDULER_ACCOUNT": ADDRESS}
        for words in (("status",), ("status", "--json")):
            done = finished(tmp_path, "scheduler", *words, **given_)
            assert checksummed(ADDRESS, 33) in done.stdout, done
            assert ADDRESS not in done.stdout
