"""A box on a public network: geth, clef and a consensus client as setup configures them."""

import pytest

from scheduler.devchain.accounts import Role, address_of
from tests.provision.hoodi import MEGABYTES as MEGABYTES
from tests.provision.hoodi import OPTIONS, account, asked, deploy, fund, furnish
from tests.provision.machine import OPERATOR, Machine
from tests.provision.operating import eventually, log, outcomes, reach, schedule, set_up


@pytest.fixture(scope="module")
def said(bare_box: Machine) -> str:
    """What setup said."""
    furnish(bare_box)
    return set_up(bare_box, *OPTIONS, "--device", "/dev/xvdb", "--yes")


@pytest.fixture
def box(bare_box: Machine, said: str) -> Machine:
    """The box, set up."""
    return bare_box


def test_nothing_is_begun_before_the_node_has_caught_up(box: Machine) -> None:
    reach(box, {
        "beacon": "RUNNING", "clef": "RUNNING", "geth": "RUNNING", "scheduler": "STOPPED",
        "scheduler-monitor": "RUNNING",
    })  # fmt: skip
    looking = ("scheduler", "node", "wait", "--timeout", "0")
    eventually(
        lambda: "syncing: it knows of no block yet" in box.run(*looking, check=False).stdout,
        "geth answers that it syncs",
    )
    box.run("supervisorctl", "start", "scheduler", user=OPERATOR)
    eventually(
        lambda: "the node is syncing; work begins when it has caught up" in log(box),
        "the scheduler waits for the node",
    )
    box.run("supervisorctl", "stop", "scheduler", user=OPERATOR)


def test_clef_signs_for_a_geth_that_a_consensus_client_drives(box: Machine, said: str) -> None:
    fund(box, account(said), *map(address_of, Role))
    paid = f"eth.getBalance('{address_of(Role.CUSTOMER)}') > 0"
    eventually(lambda: "true" in asked(box, paid), "the chain makes blocks, and pays")
    alarm = deploy(box)
    box.run("sh", "-c", f"echo '[alarm]\naddresses = [\"{alarm}\"]' >>/etc/scheduler/config.toml")
    box.run("supervisorctl", "start", "scheduler", user=OPERATOR)
    call = schedule(box, state="/srv/chain", blocks=25)
    eventually(lambda: outcomes(box, call), "the call has an outcome in the log")
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
    # Started again with other rules in the test before, clef may not answer yet.
    eventually(lambda: "request denied" in asked(box, script).lower(), "clef refuses")
    allowed = script.replace(stranger, us).replace("value: 1", "value: 0")
    assert "raw" in asked(box, allowed)


def test_a_wrong_jwt_is_refused(box: Machine) -> None:
    box.run("supervisorctl", "stop", "beacon")
    kept = box.read("/data/beacon/jwt.hex")
    box.run("sh", "-c", f"echo {'ab' * 32} >/data/beacon/jwt.hex")
    box.run("supervisorctl", "start", "beacon")
    try:
        eventually(
            lambda: (
                "401"
                in "".join(log(box, "/var/log/supervisor/beacon-stderr.log").splitlines()[-1:])
            ),
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
    eventually(lambda: outcomes(box, call), "the call has an outcome in the log")
    assert "succeeded" in outcomes(box, call)[0], log(box)
    assert address in box.run("scheduler", "account", "show").stdout
