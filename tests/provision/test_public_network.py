"""A box on a public network: geth, clef and a consensus client as setup configures them.

The chain is that of hoodi from its genesis on, made by a stand-in for the consensus client
(consensus.py); it has no peers. geth is told to execute every block, since snap sync, the default,
would wait for peers.
"""

import re
import stat
from pathlib import Path

import pytest

from scheduler.devchain.accounts import Role, address_of
from scheduler.devchain.toolchain import clef_path
from tests.provision.machine import OPERATOR, Machine
from tests.provision.operating import eventually, log, outcomes, schedule, set_up, states

MEGABYTES = 210_000
OPTIONS = ("--network", "hoodi", "--device", "/dev/xvdb", "--yes")
OPTIONS += ("--node-binary", "/home/ubuntu/geth-full", "--clef-binary", "/home/ubuntu/clef")
OPTIONS += ("--beacon-binary", "/home/ubuntu/consensus")
DEPLOY = """\
import sys
from pathlib import Path
from scheduler.devchain.deployment import deploy
from scheduler.devchain.endpoint import Endpoint
deployment = deploy(Endpoint("http://127.0.0.1:8545"))
deployment.write(Path("/srv/chain"))
print(deployment.scheduler)
"""


@pytest.fixture(scope="module")
def said(bare_box: Machine) -> str:
    """What setup said."""
    bare_box.put(clef_path(), "/home/ubuntu/clef")
    full = bare_box.root / "home/ubuntu/geth-full"
    full.write_text('#!/bin/sh\nexec /usr/local/lib/geth "$@" --syncmode full\n')
    bare_box.run("install", "-m", "755", "/home/ubuntu/geth", "/usr/local/lib/geth")
    consensus = bare_box.root / "home/ubuntu/consensus"
    consensus.write_bytes((Path(__file__).parent / "consensus.py").read_bytes())
    for each in (full, consensus):
        each.chmod(each.stat().st_mode | stat.S_IXUSR)
    return set_up(bare_box, *OPTIONS)


@pytest.fixture
def box(bare_box: Machine, said: str) -> Machine:
    """The box, set up."""
    return bare_box


def account(said: str) -> str:
    match = re.search(r"the account is (0x[0-9a-f]{40}): send it at least ([\d.]+) ether\n", said)
    assert match, said
    assert float(match[2]) > 0
    return match[1]


def asked(box: Machine, script: str) -> str:
    """What geth's console says to a line of JavaScript."""
    command = ("/usr/local/lib/geth", "attach", "--exec", script, "http://127.0.0.1:8545")
    done = box.run(*command, check=False)
    return done.stdout + done.stderr


def fund(box: Machine, *addresses: str) -> None:
    """Has the stand-in pay ether to these accounts."""
    lines = "".join(f"{each}\n" for each in addresses)
    box.run("sh", "-c", f"printf %s '{lines}' >>/data/beacon/withdrawals")


def test_clef_signs_for_a_geth_that_a_consensus_client_drives(box: Machine, said: str) -> None:
    assert states(box) == {
        "beacon": "RUNNING", "clef": "RUNNING", "geth": "RUNNING", "scheduler": "STOPPED",
        "scheduler-monitor": "RUNNING",
    }  # fmt: skip
    fund(box, account(said), *map(address_of, Role))
    paid = f"eth.getBalance('{address_of(Role.CUSTOMER)}') > 0"
    eventually(lambda: "true" in asked(box, paid), 60, "the chain makes blocks, and pays")
    environment = {"XDG_CACHE_HOME": "/var/cache"}
    python = "/opt/scheduler/current/bin/python"
    alarm = box.run(python, "-c", DEPLOY, environment=environment, timeout=120).stdout.strip()
    box.run("sh", "-c", f"echo '[alarm]\naddresses = [\"{alarm}\"]' >>/etc/scheduler/config.toml")
    box.run("supervisorctl", "start", "scheduler", user=OPERATOR)
    call = schedule(box, state="/srv/chain", blocks=25)
    eventually(lambda: outcomes(box, call), 90, "the call has an outcome in the log")
    assert "succeeded" in outcomes(box, call)[0], log(box)


def test_a_second_run_changes_nothing_but_what_the_operator_changed(box: Machine) -> None:
    assert "== nothing had to be changed\n" in set_up(box)
    box.run("sh", "-c", "printf '[signing]\nmax-value = \"1 gwei\"\n' >>/etc/scheduler/config.toml")
    said = set_up(box)
    assert "attest the rules by which clef signs" in said
    assert "== nothing had to be changed\n" in set_up(box)


def test_clef_signs_nothing_that_the_rules_do_not_allow(box: Machine, said: str) -> None:
    us, stranger = account(said), address_of(Role.RIVAL)
    transaction = f"{{from: '{us}', to: '{stranger}', value: 1, gas: 21000, nonce: 999, "
    transaction += "maxFeePerGas: 2e9, maxPriorityFeePerGas: 1}"
    script = f"eth.signTransaction({transaction})"
    assert "request denied" in asked(box, script).lower()
    allowed = script.replace(stranger, us).replace("value: 1", "value: 0")
    assert "raw" in asked(box, allowed)


def test_a_wrong_jwt_is_refused(box: Machine) -> None:
    box.run("supervisorctl", "stop", "beacon")
    kept = box.read("/data/beacon/jwt.hex")
    box.run("sh", "-c", f"echo {'ab' * 32} >/data/beacon/jwt.hex")
    box.run("supervisorctl", "start", "beacon")
    try:
        eventually(
            lambda: "401" in log(box, "/var/log/supervisor/beacon-stderr.log").splitlines()[-1:][0],
            30,
            "geth refuses the consensus client",
        )
    finally:
        box.run("supervisorctl", "stop", "beacon")
        box.run("sh", "-c", f"printf %s {kept} >/data/beacon/jwt.hex")
        box.run("supervisorctl", "start", "beacon")


def test_secrets_are_their_users_alone(box: Machine) -> None:
    files = box.run(
        "stat", "--format=%a %U %n", "/data/ethereum/jwt.hex", "/data/beacon/jwt.hex",
        "/etc/scheduler/clef/master.password", "/etc/scheduler/clef/key.password",
        "/etc/scheduler/clef/keystore/key.json", "/etc/scheduler/clef/rules.js",
    ).stdout.splitlines()  # fmt: skip
    assert [line.split()[:2] for line in files] == [
        ["600", "geth"], ["600", "beacon"], *[["600", "clef"]] * 4
    ]  # fmt: skip
    for user in ("scheduler", "geth", OPERATOR):
        assert box.run("ls", "/etc/scheduler/clef", user=user, check=False).returncode != 0
    shown = box.run("ps", "axww", "-o", "args=").stdout + box.run("cat", "/proc/1/environ").stdout
    password = box.run("cat", "/etc/scheduler/clef/master.password").stdout.strip()
    assert password not in shown
    assert password not in log(box, "/var/log/supervisor/clef-stdout.log")


def test_a_key_file_signs_as_well(box: Machine) -> None:
    box.run("install", "-d", "-m", "700", "-o", "scheduler", "/etc/scheduler/keys")
    key = "/etc/scheduler/keys/key.json"
    made = box.run("scheduler", "account", "new", key, "--config", "/dev/null", user="scheduler")
    address = made.stdout.splitlines()[0]
    fund(box, address)
    keystore = f'[keystore]\nfile = "{key}"\npassword-file = "/etc/scheduler/keys/key.password"\n'
    change = 's/^signer = .*/signer = "keystore"/; s/^max-value.*//'
    box.run("sed", "-i", change, "/etc/scheduler/config.toml")
    box.run("sh", "-c", f"echo '{keystore}' >>/etc/scheduler/config.toml")
    box.run("supervisorctl", "restart", "scheduler", user=OPERATOR)
    call = schedule(box, state="/srv/chain", blocks=30)
    eventually(lambda: outcomes(box, call), 90, "the call has an outcome in the log")
    assert "succeeded" in outcomes(box, call)[0], log(box)
    assert address in box.run("scheduler", "account", "show").stdout
