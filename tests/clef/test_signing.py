"""clef signs what its rules allow, and nothing else: asked by geth, and asked itself.

The chain is a public network's, on a geth that is driven as after the Merge.
"""

import asyncio
import json
import urllib.error
from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path

import pytest

from scheduler.chain.errors import RpcError
from scheduler.devchain.accounts import Role, Wallet
from scheduler.devchain.scheduling import CallRequest, ScheduledCall, schedule
from scheduler.transactions import clef as own
from tests.chain.provider import Provider, provider
from tests.clef.rig import CHAIN_ID, Clef, Public, clef, geth, rules_of, write
from tests.commands import Running, finished
from tests.provision.consensus import Engine

GWEI = 10**9
EXECUTE = bytes.fromhex("61461954")  # execute()
STRANGER = "0x" + "77" * 20


WAYS = ["by geth", "itself"]


@dataclass(frozen=True)
class Setup:
    """A geth that asks a clef (--signer), and the rules of a configuration.

    `elsewhere` is the same node for one who may not have it sign.
    """

    clef: Clef
    geth: Public
    elsewhere: Provider
    home: Path

    def configured(self, way: str = "itself", **keys: object) -> Path:
        """A configuration with these keys; clef is asked by geth, or itself, past a node that
        signs nothing."""
        itself = way == "itself"
        settings = {
            "network": "hoodi",
            "rpc_url": self.elsewhere.url if itself else self.geth.node.http,
            "signer": "clef",
            "account": self.clef.address,
            "journal": str(self.home / "journal.db"),
            "clef": {"ipc": str(self.clef.ipc)} if itself else {},
            "alarm": {"addresses": [self.geth.deployment.scheduler], "claiming": "never"},
            "signing": {"max-gas-cost": "0.1 ether"},
            **keys,
        }
        return write(self.home / "config.toml", **settings)

    def obey(self, config: Path) -> None:
        """Makes clef's rules anew, as provision/setup.sh does."""
        self.clef.stop()
        self.clef.obey(rules_of(config))
        self.clef.start()


def scheduled(geth: Public, ahead: int = 15) -> ScheduledCall:
    """A call, so many blocks after the head."""
    target = geth.endpoint.number("eth_blockNumber") + ahead
    request = CallRequest(to=geth.deployment.counter, target_block=target)
    return schedule(Wallet(geth.endpoint, Role.CUSTOMER), geth.deployment.scheduler, request)


@pytest.fixture(scope="module")
def setup(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Setup]:
    with ExitStack() as stack:
        signer = stack.enter_context(clef())
        signer.obey("")
        signer.start()
        public = stack.enter_context(geth("--signer", str(signer.ipc)))
        elsewhere = stack.enter_context(provider(public.node.http))
        elsewhere.refuses = {"eth_accounts", "eth_signTransaction", "eth_sendTransaction"}
        found = Setup(signer, public, elsewhere, tmp_path_factory.mktemp("home"))
        public.consensus.start()
        public.fund(signer.address)
        found.obey(found.configured())
        yield found


@pytest.mark.parametrize("way", WAYS)
def test_a_scheduled_call_is_executed_end_to_end(setup: Setup, way: str) -> None:
    config = setup.configured(way)
    shown = finished(setup.home, "scheduler", "account", "show", "--config", str(config))
    where = "node" if way == "by geth" else "clef"
    assert f"{setup.clef.address}  {where}  sends" in shown.stdout
    command = ("scheduler", "run", "scheduler", "--config", str(config))
    with Running(setup.home, *command) as program:
        program.saw("Heartbeat")
        call = scheduled(setup.geth)
        program.saw(f"{call.address.upper()[2:]}.* Outcome: succeeded", seconds=60)
        assert program.stop() == 0
    assert program.errors == []


ALLOWED = {
    "from": "",
    "to": STRANGER,
    "value": "0x0",
    "gas": hex(500_000),
    "nonce": hex(999),
    "maxFeePerGas": hex(2 * GWEI),
    "maxPriorityFeePerGas": "0x1",
    "data": "0x" + EXECUTE.hex(),
    "chainId": hex(CHAIN_ID),
}

REFUSED = {
    "another function": {"data": "0xa9059cbb"},
    "more of it than its selector": {"data": "0x6146"},
    "nothing to call": {"data": "0x"},
    "ether with it": {"value": "0x1"},
    # 0.2 ether for gas: below what geth itself lets pass (--rpc.txfeecap).
    "a fee beyond the rules": {"maxFeePerGas": hex(400 * GWEI)},
    "nobody to call": {"to": None},
}


def signed(setup: Setup, way: str, **changes: object) -> bool:
    """Whether clef signs this for whoever asks, whatever a scheduler would think of it."""
    given = {**ALLOWED, "from": setup.clef.address, **changes}
    fields = {name: each for name, each in given.items() if each is not None}
    if way == "by geth":
        return "raw" in setup.geth.endpoint.request("eth_signTransaction", fields)
    [answer] = asyncio.run(own.Clef(setup.clef.ipc).sign_transactions([fields]))
    if isinstance(answer, RpcError):
        raise answer
    return answer != b""


@pytest.mark.parametrize("way", WAYS)
def test_what_the_rules_allow_is_signed(setup: Setup, way: str) -> None:
    assert signed(setup, way)


@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize("wrong", REFUSED)
def test_what_the_rules_do_not_allow_is_refused(setup: Setup, wrong: str, way: str) -> None:
    with pytest.raises(RpcError, match="request denied"):
        signed(setup, way, **REFUSED[wrong])


def test_a_recipient_that_the_rules_do_not_name_is_refused(setup: Setup) -> None:
    job = (
        '[[jobs]]\nname = "harvest"\ncontract = "0x6c8f2a135f6ed072de4503bd7c4999a1a17f824b"\n'
        'call = "work()"\nwhen = "workable()"\ngas-limit = 100000\n'
    )
    config = setup.configured()
    config.write_text(config.read_text() + job)
    setup.obey(config)
    work = {"data": "0x322e9f04", "gas": hex(100_000)}
    assert signed(setup, "itself", to="0x6c8f2a135f6ed072de4503bd7c4999a1a17f824b", **work)
    with pytest.raises(RpcError, match="request denied"):
        signed(setup, "itself", **work)
    setup.obey(setup.configured())


def test_a_refusing_clef_is_waited_for_and_work_goes_on_when_it_has_the_rules(
    setup: Setup,
) -> None:
    setup.obey(setup.configured(signing={"max-gas-cost": "1 gwei"}))
    config = setup.configured("by geth")
    command = ("scheduler", "run", "scheduler", "--config", str(config))
    with Running(setup.home, *command) as program:
        program.saw("Heartbeat")
        call = scheduled(setup.geth)
        line = program.saw("clef's rules do not let it sign for", seconds=40)
        assert f"{setup.clef.address} (function 0x61461954 of {call.address}, 0 wei, at " in line
        assert "scheduler config clef, and have clef take them: sudo provision/setup.sh" in line
        setup.obey(config)
        program.saw("Outcome: succeeded", seconds=60)
        assert program.stop() == 0
    assert len(program.having("clef's rules do not let it sign for")) == 1
    assert program.errors == []


@pytest.mark.parametrize("way", WAYS)
def test_a_clef_that_is_away_is_waited_for_and_told(setup: Setup, way: str) -> None:
    config = setup.configured(way)
    setup.clef.stop()
    command = ("scheduler", "run", "scheduler", "--config", str(config))
    with Running(setup.home, *command) as program:
        if way == "itself":
            program.saw(f"Waiting: clef does not answer at {setup.clef.ipc}: .*supervisorctl start")
        else:
            program.saw("Waiting: the node .* account")
        setup.clef.start()
        program.saw("Everything needed is there now")
        assert program.stop() == 0


def test_a_scheduler_waits_until_the_node_is_synced(tmp_path: Path) -> None:
    """A geth at its genesis says that it is syncing; and a wrong JWT does not get it going."""
    with geth() as at_genesis:
        config = write(
            tmp_path / "config.toml",
            network="hoodi",
            rpc_url=at_genesis.node.http,
            signer="keystore",
            keystore=_key_file(tmp_path),
            alarm={"addresses": [STRANGER]},
        )
        command = ("scheduler", "run", "scheduler", "--config", str(config))
        with pytest.raises(urllib.error.HTTPError, match="401"):
            Engine(at_genesis.engine, bytes(32)).ask("eth_blockNumber")
        with Running(tmp_path, *command) as program:
            program.saw("Waiting: the node is syncing")
            at_genesis.consensus.start()
            program.saw(f"Waiting: there is no contract at {STRANGER}")
            assert program.stop() == 0


def _key_file(home: Path) -> dict[str, str]:
    finished(home, "scheduler", "account", "new", str(home / "key.json"))
    return {"file": str(home / "key.json"), "password-file": str(home / "key.password")}


def test_a_key_file_signs_on_a_public_network_as_well(setup: Setup, tmp_path: Path) -> None:
    public, files = setup.geth, _key_file(tmp_path)
    address = "0x" + json.loads((tmp_path / "key.json").read_text())["address"]
    public.fund(address)
    config = write(
        tmp_path / "config.toml",
        network="hoodi",
        rpc_url=public.node.http,
        signer="keystore",
        keystore=files,
        alarm={"addresses": [public.deployment.scheduler], "claiming": "never"},
    )
    with Running(tmp_path, "scheduler", "run", "scheduler", "--config", str(config)) as program:
        program.saw("is pending: work begins")
        scheduled(public)
        program.saw("Outcome: succeeded", seconds=60)
        assert program.stop() == 0
