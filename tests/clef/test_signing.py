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
from scheduler.errors import NotYet
from scheduler.transactions import clef as own
from scheduler.transactions.encoding import DynamicFee, Transaction
from scheduler.transactions.signers import NodeSigner
from tests.clef.rig import CHAIN_ID, Clef, Public, clef, geth, rules_of, write
from tests.commands import Running, finished
from tests.provision.consensus import Engine

GWEI = 10**9
EXECUTE = bytes.fromhex("61461954")  # execute()
STRANGER = "0x" + "77" * 20


@dataclass(frozen=True)
class Setup:
    """A clef that obeys the rules of a configuration, and how a scheduler reaches it."""

    way: str
    clef: Clef
    geth: Public
    home: Path

    def configured(self, **keys: object) -> Path:
        """A configuration with these keys, as an operator writes it."""
        settings = {
            "alarm": {"addresses": [self.geth.deployment.scheduler], "claiming": "never"},
            "signing": {"max-gas-cost": "0.1 ether"},
            "network": "hoodi",
            "rpc_url": self.geth.node.http,
            "signer": "clef",
            "account": self.clef.address,
            "journal": str(self.home / "journal.db"),
            "clef": {"ipc": str(self.clef.ipc)} if self.way == "itself" else {},
            **keys,
        }
        return write(self.home / "config.toml", **settings)

    def obey(self, config: Path) -> None:
        """Makes clef's rules anew, as provision/setup.sh does."""
        self.clef.stop()
        self.clef.obey(rules_of(config))
        self.clef.start()

    def schedule(self, ahead: int = 25) -> ScheduledCall:
        deployment, endpoint = self.geth.deployment, self.geth.endpoint
        target = endpoint.number("eth_blockNumber") + ahead
        request = CallRequest(to=deployment.counter, target_block=target)
        return schedule(Wallet(endpoint, Role.CUSTOMER), deployment.scheduler, request)


@pytest.fixture(scope="module", params=["by geth", "itself"])
def setup(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Setup]:
    """Asked by geth (--signer), or itself, on the box of a node that knows nothing of it."""
    with ExitStack() as stack:
        signer = stack.enter_context(clef())
        signer.obey("")
        signer.start()
        options = ("--signer", str(signer.ipc)) if request.param == "by geth" else ()
        public = stack.enter_context(geth(*options))
        found = Setup(request.param, signer, public, tmp_path_factory.mktemp("home"))
        public.consensus.start()
        public.fund(signer.address)
        found.obey(found.configured())
        yield found


def test_a_scheduled_call_is_executed_end_to_end(setup: Setup) -> None:
    config = setup.configured()
    shown = finished(setup.home, "scheduler", "account", "show", "--config", str(config))
    where = "node" if setup.way == "by geth" else "clef"
    assert f"{setup.clef.address}  {where}  sends" in shown.stdout
    command = ("scheduler", "run", "scheduler", "--config", str(config))
    with Running(setup.home, *command) as program:
        program.saw("is pending: work begins")
        call = setup.schedule()
        line = program.saw("Outcome: succeeded", seconds=60)
        assert call.address.upper()[2:] in line
        assert program.stop() == 0
    assert program.errors == []
    # Twice an account's listing, and then signatures: clef was asked, and by nobody else.
    log = (setup.clef.sockets / "audit.log").read_text()
    assert "SignTransaction" in log


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


def signed(setup: Setup, **changes: object) -> bool:
    """Whether clef signs this for whoever asks, whatever a scheduler would think of it."""
    given = {**ALLOWED, "from": setup.clef.address, **changes}
    fields = {name: each for name, each in given.items() if each is not None}
    if setup.way == "by geth":
        return "raw" in setup.geth.endpoint.request("eth_signTransaction", fields)
    return asyncio.run(own.Clef(setup.clef.ipc).sign_transaction(fields)) != b""


def test_what_the_rules_allow_is_signed(setup: Setup) -> None:
    assert signed(setup)


@pytest.mark.parametrize("wrong", REFUSED)
def test_what_the_rules_do_not_allow_is_refused(setup: Setup, wrong: str) -> None:
    with pytest.raises(RpcError, match="request denied"):
        signed(setup, **REFUSED[wrong])


def test_a_recipient_that_the_rules_do_not_name_is_refused(setup: Setup) -> None:
    job = (
        '[[jobs]]\nname = "harvest"\ncontract = "0x6c8f2a135f6ed072de4503bd7c4999a1a17f824b"\n'
        'call = "work()"\nwhen = "workable()"\ngas-limit = 100000\n'
    )
    config = setup.configured()
    config.write_text(config.read_text() + job)
    setup.obey(config)
    work = {"data": "0x322e9f04", "gas": hex(100_000)}
    assert signed(setup, to="0x6c8f2a135f6ed072de4503bd7c4999a1a17f824b", **work)
    with pytest.raises(RpcError, match="request denied"):
        signed(setup, **work)
    setup.obey(setup.configured())


async def test_a_refusal_is_told_with_what_to_do(setup: Setup) -> None:
    """Of a scheduler whose configuration allows what clef's rules do not."""
    setup.obey(setup.configured(signing={"max-gas-cost": "1 gwei"}))
    holder = own.Clef(setup.clef.ipc)
    wish = Transaction(CHAIN_ID, 7, STRANGER, 0, 500_000, EXECUTE, DynamicFee(2 * GWEI, 1))
    with pytest.raises(NotYet) as refused:
        await NodeSigner(holder, setup.clef.address).sign([wish])
    words = str(refused.value)
    assert f"clef's rules do not let it sign for {setup.clef.address}" in words
    assert f"function 0x61461954 of {STRANGER}" in words
    assert "scheduler config clef" in words
    assert "sudo provision/setup.sh" in words
    setup.obey(setup.configured())


def test_a_refusing_clef_is_waited_for_and_work_goes_on_when_it_has_the_rules(
    setup: Setup,
) -> None:
    setup.obey(setup.configured(signing={"max-gas-cost": "1 gwei"}))
    config = setup.configured()
    command = ("scheduler", "run", "scheduler", "--config", str(config))
    with Running(setup.home, *command) as program:
        program.saw("Heartbeat")
        setup.schedule(ahead=12)
        program.saw("clef's rules do not let it sign for", seconds=40)
        setup.obey(config)
        program.saw("Outcome: succeeded", seconds=60)
        assert program.stop() == 0
    assert len(program.having("clef's rules do not let it sign for")) == 1
    assert program.errors == []


def test_a_clef_that_is_away_is_waited_for_and_told(setup: Setup) -> None:
    config = setup.configured()
    setup.clef.stop()
    command = ("scheduler", "run", "scheduler", "--config", str(config))
    with Running(setup.home, *command) as program:
        if setup.way == "itself":
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


def test_a_key_file_signs_on_a_public_network_as_well(plain: Public, tmp_path: Path) -> None:
    files = _key_file(tmp_path)
    address = "0x" + json.loads((tmp_path / "key.json").read_text())["address"]
    plain.fund(address)
    setup = Setup("", None, plain, tmp_path)  # type: ignore[arg-type]
    config = write(
        tmp_path / "config.toml",
        network="hoodi",
        rpc_url=plain.node.http,
        signer="keystore",
        keystore=files,
        alarm={"addresses": [plain.deployment.scheduler], "claiming": "never"},
    )
    with Running(tmp_path, "scheduler", "run", "scheduler", "--config", str(config)) as program:
        program.saw("is pending: work begins")
        setup.schedule()
        program.saw("Outcome: succeeded", seconds=60)
        assert program.stop() == 0
