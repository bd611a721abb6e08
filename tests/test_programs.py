"""One process does the main job over every way to a node; what is wrong is said in one line."""

import json
import re
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path

import pytest

from scheduler.alarm.calls import Unit
from scheduler.alarm.claiming import Policy, Strategy
from scheduler.bounds import budget, claim_policy, deposits
from scheduler.config import Settings
from scheduler.devchain.accounts import Role, Wallet, address_of
from scheduler.devchain.chain import DevelopmentChain
from scheduler.devchain.chronologic import TransactionRequest, requested_by, send_request
from scheduler.devchain.deployment import deploy
from scheduler.devchain.endpoint import Endpoint
from scheduler.devchain.evidence import Witness
from scheduler.networks import networks
from scheduler.transactions.purse import Budget, Deposits
from tests import nodes
from tests.commands import (
    Running,
    alarm_chain,
    eth_alarm,
    free_port,
    head_of,
    mine_up_to,
    pulse_of,
    refusal,
    schedule_on,
    until,
    walk_to,
)

TIME = r"\d{4}-\d\d-\d\d \d\d:\d\d:\d\d,\d{3}"
NOBODY = "0x00000000000000000000000000000000000000aa"


@pytest.fixture(scope="module")
def chain() -> Iterator[DevelopmentChain]:
    with alarm_chain() as chain:
        yield chain


def write(path: Path, text: str, mode: int = 0o600) -> Path:
    path.write_text(text)
    path.chmod(mode)
    return path


@pytest.mark.parametrize("way", ["rpc", "ws", "ipc"])
def test_a_call_is_executed_at_its_target_over_every_way_to_the_node(
    chain: DevelopmentChain, tmp_path: Path, way: str
) -> None:
    port = str(chain.node.port)
    options = {
        "rpc": ("-c", "rpc", "-r", "127.0.0.1", "-p", port),
        "ws": ("-c", "ws", "-r", "localhost", "-p", port),
        "ipc": ("-c", "ipc", "-i", str(chain.node.ipc)),
    }
    call = schedule_on(chain)
    with eth_alarm(chain, tmp_path, *options[way]) as program:
        program.saw(f"Tracking call: {call.address}")
        until(lambda: head_of(tmp_path) > 0)
        walk_to(chain, call.target_block - 1, tmp_path)
        program.saw("Outcome: ")
        assert program.stop() == 0
    evidence = Witness(chain.node.http).testify(call, chain.deployment.counter)
    assert evidence.on_target

    assert re.fullmatch(f"BLOCKSAGE: INFO: {TIME} > Starting block sage", program.lines[0])
    heartbeat = rf"BLOCKSAGE: INFO: {TIME} > Heartbeat: block #(\d+) : block_time: [0-9.]+"
    beats = [re.fullmatch(heartbeat, line) for line in program.having("Heartbeat")]
    blocks = [int(beat[1]) for beat in beats if beat]
    assert len(blocks) == len(beats) >= 3
    assert blocks == list(range(blocks[0], blocks[-1] + 1, 4))
    name = f"CALL-{call.address.upper()}"
    said = [line.split(maxsplit=4)[4] for line in program.having(f"^{name}: ")]
    # Before that it may have claimed the call: a draw decides.
    assert said[0] == f"Sleeping until {call.target_block - 2}"
    assert [text.split(":")[0] for text in said[said.index("Entering call loop") :]] == [
        "Entering call loop",
        "Attempting to execute call",
        "Transaction accepted.",
        "Outcome",
    ]
    assert f": succeeded at block {call.target_block} " in program.saw("Outcome: ")
    assert program.errors == []


def test_log_level_chooses_what_is_said_whatever_its_case(
    chain: DevelopmentChain, tmp_path: Path
) -> None:
    with eth_alarm(chain, tmp_path, LOG_LEVEL="debug") as program:
        program.saw(": DEBUG: ")
        assert program.stop() == 0
    with eth_alarm(chain, tmp_path, LOG_LEVEL="ERROR") as program:
        until(lambda: (pulse_of(tmp_path) or {}).get("pid") == program.pid)
        assert program.stop() == 0
    assert program.lines == []


class Box:
    """A box with this chain's node in its configuration."""

    def __init__(self, chain: DevelopmentChain, home: Path) -> None:
        self.chain = chain
        self.home = home

    def configured(self, **keys: str) -> Path:
        values = {
            "rpc-url": self.chain.node.http,
            "alarm": {"addresses": [self.chain.deployment.scheduler]},
            **{name.replace("_", "-"): value for name, value in keys.items()},
        }
        top = [f"{k} = {json.dumps(v)}" for k, v in values.items() if not isinstance(v, dict)]
        tables = [
            "\n".join([f"[{k}]", *(f"{name} = {json.dumps(each)}" for name, each in v.items())])
            for k, v in values.items()
            if isinstance(v, dict)
        ]
        return write(self.home / "config.toml", "\n".join([*top, *tables]) + "\n")


@pytest.fixture
def box(chain: DevelopmentChain, tmp_path: Path) -> Box:
    return Box(chain, tmp_path)


WRONG = {
    "address without code": ({"alarm": {"addresses": [NOBODY]}}, f"no contract at {NOBODY}"),
    "another network": ({"network": "mainnet"}, "chain id 1337, but the network mainnet has 1"),
    "account not at the node": ({"account": NOBODY}, f"does not have the account {NOBODY}"),
    "journal on a missing volume": ({"journal": "/nowhere/journal.db"}, "/nowhere is not there"),
    "journal below a file": ({"journal": "/dev/null/journal.db"}, "/dev/null is not there"),
    "journal that is a directory": ({"journal": "/proc"}, "journal = /proc is a directory; name"),
    "journal that is none": ({"journal": "/proc/version"}, "journal /proc/version cannot"),
}


@pytest.mark.parametrize("wrong", WRONG)
def test_by_hand_what_may_change_outside_is_checked_once(box: Box, wrong: str) -> None:
    keys, told = WRONG[wrong]
    box.configured(**keys)
    environment = {"SCHEDULER_CONFIG": str(box.home / "config.toml"), "SCHEDULER_JOURNAL": ""}
    if "journal" not in keys:
        environment["SCHEDULER_JOURNAL"] = str(box.home / "journal.db")
    line = refusal(box.home, "eth_alarm", "scheduler", **environment)
    assert line.startswith("eth_alarm: ")
    assert told in line


def test_a_contract_that_is_no_scheduler_is_told_by_its_version(
    chain: DevelopmentChain, tmp_path: Path
) -> None:
    line = refusal(
        tmp_path, "eth_alarm", "scheduler", "-a", chain.deployment.counter,
        "-p", str(chain.node.port),
    )  # fmt: skip
    assert f"{chain.deployment.counter} is not an Alarm Clock scheduler of v0.6" in line
    assert "check --address" in line


def test_on_mainnet_the_known_contract_is_the_default(tmp_path: Path) -> None:
    with nodes.anvil(chain_id=1) as node:
        line = refusal(tmp_path, "eth_alarm", "scheduler", "-p", str(node.port))
    assert "there is no contract at 0x6c8f2a135f6ed072de4503bd7c4999a1a17f824b" in line


def test_a_node_without_accounts_is_told_by_hand(tmp_path: Path) -> None:
    with nodes.anvil(options=["--accounts", "0"]) as node:
        endpoint = Endpoint(node.http)
        for role in Role:
            endpoint.request("anvil_setBalance", address_of(role), hex(10**20))
        deployment = deploy(endpoint)
        endpoint.close()
        command = ("eth_alarm", "scheduler", "-a", deployment.scheduler, "-p", str(node.port))
        line = refusal(tmp_path, *command)
    assert "the node has no account to sign with; make one there and unlock it" in line


def test_without_an_address_a_network_without_a_known_contract_is_refused_even_supervised(
    chain: DevelopmentChain, tmp_path: Path
) -> None:
    arguments = ("eth_alarm", "scheduler", "-p", str(chain.node.port))
    line = refusal(tmp_path, *arguments, SUPERVISOR_ENABLED="1")
    assert "no Alarm Clock contract is known on dev; give its address with --address" in line


@pytest.mark.parametrize("wrong", ["address without code", "another network"])
def test_run_by_a_supervisor_it_waits_and_says_so_once(box: Box, wrong: str) -> None:
    keys, told = WRONG[wrong]
    config = box.configured(**keys)
    with Running(box.home, "scheduler", "run", "scheduler", "--config", str(config)) as program:
        program.saw(told)
        # Checked again and again, each time at another block, and still one line.
        for _ in range(2):
            box.chain.endpoint.request("anvil_mine")
            before = pulse_of(box.home, "scheduler")
            until(lambda before=before: pulse_of(box.home, "scheduler") != before)
        pulse = pulse_of(box.home, "scheduler")
        assert pulse is not None
        assert (pulse["head"], told in pulse["trouble"]) == (None, True)
        assert program.stop() == 0
    assert len(program.having("Waiting")) == 1
    assert program.errors == []


def test_the_loser_of_the_lock_says_who_holds_it_and_takes_over_when_it_is_free(
    chain: DevelopmentChain, tmp_path: Path
) -> None:
    with eth_alarm(chain, tmp_path) as holder:
        holder.saw("Heartbeat")
        elsewhere = tmp_path / "another"
        elsewhere.mkdir()
        line = refusal(
            elsewhere, "eth_alarm", "scheduler", "-a", chain.deployment.scheduler,
            "-p", str(chain.node.port), status=1,
        )  # fmt: skip
        assert f"process {holder.pid} (" in line
        assert "stop it first" in line

        with eth_alarm(chain, elsewhere, SUPERVISOR_ENABLED="1") as waiting:
            waiting.saw(f"Waiting: process {holder.pid} ")
            assert holder.stop() == 0
            waiting.saw("Everything needed is there now")
            waiting.saw("Heartbeat")
            assert waiting.stop() == 0
    assert len(waiting.having("Waiting")) == 1


def test_one_program_serves_several_contracts_and_shares_none_of_them(
    chain: DevelopmentChain, tmp_path: Path
) -> None:
    """Of 1.0 by the name of a scheduler: its factory is what is served, and what is locked."""
    deployed = chain.deployment
    call = schedule_on(chain, ahead=30)
    customer = Wallet(chain.endpoint, Role.CUSTOMER)
    wish = TransactionRequest(deployed.counter, call.target_block + 1)
    request = requested_by(customer, wish, send_request(customer, deployed.block_scheduler, wish))
    with eth_alarm(
        chain, tmp_path, "-a", deployed.block_scheduler, "-a", deployed.timestamp_scheduler,
        "-p", str(chain.node.port),
    ) as program:  # fmt: skip
        program.saw(f"Serving {deployed.scheduler}, an Alarm Clock contract of v0.7")
        program.saw(f"Serving {deployed.request_factory}, an Alarm Clock contract of 1.0")
        program.saw(f"Tracking call: {request.address}")
        until(lambda: head_of(tmp_path) > 0)
        elsewhere = tmp_path / "another"
        elsewhere.mkdir()
        line = refusal(
            elsewhere, "eth_alarm", "scheduler", "-a", deployed.timestamp_scheduler,
            "-p", str(chain.node.port), status=1,
        )  # fmt: skip
        assert f"already serves {deployed.request_factory} with" in line
        # What is sent makes no block of its own: the targets follow each other.
        chain.endpoint.request("evm_setAutomine", False)
        try:
            walk_to(chain, call.target_block + 2, tmp_path)
        finally:
            chain.endpoint.request("evm_setAutomine", True)
        program.saw("Outcome: succeeded", times=2)
        assert program.stop() == 0
    assert len(program.having("Serving")) == 2
    assert sorted(line.split(" at block ")[1].split()[0] for line in program.having("Outcome")) == [
        str(call.target_block),
        str(call.target_block + 1),
    ]


def test_work_starts_by_itself_when_the_volume_is_mounted(box: Box) -> None:
    volume = box.home / "volume"
    config = box.configured(journal=str(volume / "journal.db"))
    command = ("scheduler", "run", "scheduler", "--config", str(config))
    with Running(box.home, *command, SCHEDULER_JOURNAL="") as program:
        program.saw(f"Waiting: the journal's directory {volume} is not there")
        volume.mkdir()
        program.saw("Everything needed is there now")
        program.saw("Heartbeat")
        assert program.stop() == 0
    assert (volume / "journal.db").exists()


def test_work_starts_by_itself_when_the_node_and_then_the_contract_appear(tmp_path: Path) -> None:
    port = free_port()
    # Where the first contract that creates others comes to be on a development chain.
    with alarm_chain() as model:
        address = model.deployment.scheduler
    arguments = ("eth_alarm", "scheduler", "-a", address, "-p", str(port))
    with Running(tmp_path, *arguments, SUPERVISOR_ENABLED="1") as program:
        program.saw("Waiting for the node: ")
        with alarm_chain(port=port) as chain:
            assert chain.deployment.scheduler == address
            program.saw("Everything needed is there now")
            call = schedule_on(chain)
            program.saw(f"Tracking call: {call.address}")
            mine_up_to(chain, call.target_block - 1)
            program.saw("Outcome: succeeded")
            assert program.stop() == 0
    assert len(program.having("Waiting for the node: http://127.0.0.1:")) == 1


def test_an_unreachable_node_is_waited_for_by_hand_too(tmp_path: Path) -> None:
    port = free_port()
    with Running(tmp_path, "eth_alarm", "scheduler", "-a", NOBODY, "-p", str(port)) as program:
        line = program.saw("Waiting for the node")
        assert f"http://127.0.0.1:{port}: nothing listens there" in line
        assert program.stop() == 0
    assert len(program.having("Waiting")) == 1


KEY = "0123456789abcdef0123"
PASSWORD = "hunter2%21"


class Provider(BaseHTTPRequestHandler):
    """Imitates a hosted node: it refuses a key and repeats it in its answer, has a page that says
    so where there is no such path, and no WebSocket."""

    def do_POST(self) -> None:
        length = int(self.headers["Content-Length"])
        self.rfile.read(length)
        if self.path.startswith("/v4"):
            self.send_error(404, f"no {self.path}")
            return
        error = {"code": -32000, "message": f"unknown project {self.path}", "data": self.path}
        answer = json.dumps({"jsonrpc": "2.0", "id": None, "error": error}).encode()
        self.send_response(401)
        self.send_header("Content-Length", str(len(answer)))
        self.end_headers()
        self.wfile.write(answer)

    def log_message(self, *_: object) -> None:
        pass


@pytest.fixture
def provider() -> Iterator[int]:
    with HTTPServer(("127.0.0.1", 0), Provider) as server:
        thread = threading.Thread(target=server.serve_forever, args=(0.05,))
        thread.start()
        yield server.server_port
        server.shutdown()
        thread.join()


def assert_kept(secret_holder: Running) -> None:
    said = "\n".join([*secret_holder.lines, *secret_holder.errors])
    for secret in (KEY, PASSWORD, "hunter2!"):
        assert secret not in said


REACHED = {
    "refused": ("http", "v3", "unknown project /v3/…?token=…"),
    "wrong path": ("http", "v4", "it answered HTTP 404 Not Found"),
    "no WebSocket": ("ws", "v3", "it speaks no WebSocket"),
    "unreachable": ("http", "v3", "nothing listens there"),
}


@pytest.mark.parametrize("reached", REACHED)
def test_a_key_in_the_rpc_url_is_never_shown(tmp_path: Path, provider: int, reached: str) -> None:
    scheme, version, told = REACHED[reached]
    port = free_port() if reached == "unreachable" else provider
    url = f"{scheme}://user:{PASSWORD}@127.0.0.1:{port}/{version}/{KEY}?token={KEY}"
    config = write(tmp_path / "config.toml", f'rpc-url = "{url}"\n')
    command = ("scheduler", "run", "scheduler", "--config", str(config))
    with Running(tmp_path, *command, LOG_LEVEL="DEBUG") as program:
        assert told in program.saw("Waiting")
        for name in ("cmdline", "environ"):
            assert KEY.encode() not in Path(f"/proc/{program.pid}/{name}").read_bytes()
        assert program.stop() == 0
    assert_kept(program)


def test_a_key_that_a_node_repeats_is_not_shown_by_hand_either(
    tmp_path: Path, provider: int
) -> None:
    url = f"http://user:{PASSWORD}@127.0.0.1:{provider}/v3/{KEY}"
    config = write(tmp_path / "config.toml", f'rpc-url = "{url}"\n')
    with Running(tmp_path, "eth_alarm", "scheduler", "--config", str(config)) as program:
        assert program.ended() == 2
    assert "unknown project /v3/…" in program.errors[0]
    assert len(program.errors) == 1
    assert_kept(program)


def test_the_keystore_signs_where_it_is_chosen_and_only_there(box: Box) -> None:
    from eth_account import Account

    # Public knowledge: the second account of development nodes.
    account = Account.from_key("0x59c6995e998f97a5a0044966f0945389dc9e86dae88c7a8412f4603b6b78690d")
    encrypted = Account.encrypt(account.key, "right", kdf="pbkdf2", iterations=1)
    key_file = write(box.home / "key.json", json.dumps(encrypted))
    password = write(box.home / "password", "right\n")
    keystore = {"file": str(key_file), "password-file": str(password)}
    config = box.configured(signer="keystore", keystore=keystore)
    command = ("eth_alarm", "scheduler", "--config", str(config))

    check = ("scheduler", "config", "check", "--config", str(config))

    def refused(*command: str) -> str:
        return refusal(box.home, *command, SUPERVISOR_ENABLED="1")

    password.write_text("wrong\n")
    line = refused(*command)
    assert f"the password in {password} does not open {key_file}" in line
    assert "wrong;" not in line
    password.chmod(0o644)
    for each in (command, check):
        assert f"chmod 600 {password}" in refused(*each)
    password.unlink()
    assert f"the password file {password} cannot be read" in refused(*check)

    # Nobody chose the keystore: what is wrong with it does not matter.
    box.configured(signer="node", keystore=keystore)
    with Running(box.home, *command) as program:
        program.saw("Heartbeat")
        assert program.stop() == 0

    write(password, "right\n")
    box.configured(signer="keystore", keystore=keystore, account=NOBODY)
    assert f"the key file is of {account.address.lower()}" in refused(*command)
    box.configured(signer="keystore", keystore=keystore)
    call = schedule_on(box.chain)
    with Running(box.home, *command) as program:
        program.saw(f"Tracking call: {call.address}")
        mine_up_to(box.chain, call.target_block - 1)
        program.saw("Outcome: succeeded")
        assert program.stop() == 0


def test_what_the_budget_does_not_allow_is_not_sent_and_said_once(box: Box) -> None:
    config = box.configured(budget={"urgent-per-day": "1 wei"})
    call = schedule_on(box.chain)
    with Running(box.home, "eth_alarm", "scheduler", "--config", str(config)) as program:
        program.saw(f"Tracking call: {call.address}")
        until(lambda: head_of(box.home) > 0)
        walk_to(box.chain, call.target_block + 3, box.home)
        program.saw("budget.urgent-per-day is 1 wei, ")
        assert program.stop() == 0
    assert len(program.having("budget.urgent-per-day")) == 1
    evidence = Witness(box.chain.node.http).testify(call, box.chain.deployment.counter)
    assert evidence.executed_in is None


@pytest.mark.parametrize(("alarm", "claimed"), [({}, True), ({"claiming": "never"}, False)])
def test_a_call_is_claimed_unless_the_operator_does_not_want_it(
    box: Box, alarm: dict[str, str], claimed: bool
) -> None:
    """By chance, which is against it in each of these blocks with 1 in 3 or less."""
    alarm["addresses"] = [box.chain.deployment.scheduler]
    config = box.configured(alarm=alarm)
    call = schedule_on(box.chain, ahead=100)
    with Running(box.home, "eth_alarm", "scheduler", "--config", str(config)) as program:
        until(lambda: head_of(box.home) > 0)
        walk_to(box.chain, call.scheduled_in + 20, box.home)
        if claimed:
            program.saw("Claim: succeeded at block")
        assert program.stop() == 0
    claims = program.having("Attempting to claim call")
    assert len(claims) == claimed
    assert all(line.startswith(f"CALL-{call.address.upper()}: INFO") for line in claims)


@pytest.mark.parametrize(("alarm", "cleaned_up"), [({}, True), ({"cleanup": False}, False)])
def test_a_call_that_nobody_executed_is_cleaned_up_unless_the_operator_does_not_want_it(
    box: Box, alarm: dict[str, object], cleaned_up: bool
) -> None:
    """It asks for more per gas than the operator pays. By chance, which is against it in so many
    blocks with 1 in 600,000."""
    deployed, customer = box.chain.deployment, Wallet(box.chain.endpoint, Role.CUSTOMER)
    alarm["addresses"] = [deployed.request_factory]
    config = box.configured(alarm=alarm, fees={"max-gas-price": "5 gwei"})
    wish = TransactionRequest(
        to=deployed.counter,
        window_start=box.chain.endpoint.number("eth_blockNumber") + 20,
        window_size=16,
        gas_price=10**10,
    )
    call = requested_by(customer, wish, send_request(customer, deployed.block_scheduler, wish))
    with Running(box.home, "eth_alarm", "scheduler", "--config", str(config)) as program:
        until(lambda: head_of(box.home) > 0)
        walk_to(box.chain, wish.window_start + 16 + 100, box.home)
        if cleaned_up:
            program.saw("Clean-up: succeeded at block")
        assert program.stop() == 0
    assert len(program.having("Attempting to clean up call")) == cleaned_up
    left = int(box.chain.endpoint.request("eth_getBalance", call.address, "latest"), 16)
    assert (left == 0) is cleaned_up


@pytest.mark.parametrize(
    ("section", "node", "slots", "kept"),
    [
        ({}, "geth", 64, 16),
        ({}, "rskj", 16, 4),
        ({"slots": 8, "kept_slots": None}, "rskj", 8, 2),
        ({"slots": None, "kept_slots": 0}, "geth", 64, 0),
    ],
)
def test_the_slots_are_those_of_the_node_where_the_configuration_says_nothing(
    section: dict[str, int | None], node: str, slots: int, kept: int
) -> None:
    allowed = budget(section, node)
    assert (allowed.slots, allowed.kept) == (slots, kept)
    assert allowed == Budget(slots=slots, kept=kept)


def test_claims_are_bounded_by_what_the_configuration_says() -> None:
    section = Settings.model_validate({"alarm": {"claim-floor": "1 gwei"}}).alarm.model_dump()
    mainnet, dev = networks()["mainnet"], networks()["dev"]
    policy = claim_policy(section, mainnet)
    assert policy == Policy(
        Strategy.SEED,
        max_at_risk=2 * 10**16,
        margin={Unit.BLOCKS: 10, Unit.SECONDS: 120},
        floor=10**9,
        depth=12,
    )
    assert claim_policy({**section, "claim_margin": 7}, mainnet).margin[Unit.BLOCKS] == 7
    assert claim_policy(section, dev).margin == {Unit.BLOCKS: 3, Unit.SECONDS: 3}
    assert deposits(section, ["0xc0"]) == Deposits(frozenset(["0xc0"]), 5 * 10**16)


def test_a_program_that_knows_nothing_of_claims_makes_none() -> None:
    assert claim_policy({}, networks()["mainnet"]).strategy is Strategy.NEVER
    assert deposits({}, ["0xc0"]) is None
