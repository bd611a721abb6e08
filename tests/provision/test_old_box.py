"""A box that was set up step by step by the first client's guide, and what setup makes of it.

geth of today has neither `--rpc` nor `--fast`, and does not unlock: the box's geth is a script that
leaves the two out, and is on hoodi instead of the main network: there somebody makes blocks.
"""

import json
import re
from pathlib import Path

import pytest

from scheduler.devchain.accounts import Role, address_of
from tests.provision.hoodi import GETH, OPTIONS, account, asked, deploy, fund, furnish
from tests.provision.hoodi import MEGABYTES as MEGABYTES
from tests.provision.machine import OPERATOR, Machine
from tests.provision.operating import (
    SETUP,
    eventually,
    install,
    log,
    outcomes,
    reach,
    schedule,
    set_up,
)

PROGRAM_FILES = "/etc/supervisor/conf.d"
PASSWORD_FILE = "/home/ubuntu/geth_password"
V6_LOG = "/var/log/supervisor/scheduler-v6-stdout.log"
# Where the development chain's contracts are, wherever they are deployed first.
ALARM = re.search(r"DEV_ALARM=(\w+)", Path("provision/networks.sh").read_text())
THEN = f"""\
#!/bin/sh
for word in "$@"; do
    shift
    case $word in --rpc | --fast) ;; *) set -- "$@" "$word" ;; esac
done
case " $* " in *" account new "*) exec {GETH} "$@" ;; esac
exec {GETH} "$@" --hoodi --syncmode full
"""
# The guide's, word for word.
GETH_CONF = """\
[program:geth]
command=geth --datadir /data/ethereum --unlock 0 --password /home/ubuntu/geth_password --rpc --fast
user=ubuntu
stdout_logfile=/var/log/supervisor/geth-stdout.log
stderr_logfile=/var/log/supervisor/geth-stderr.log
"""
V6_CONF = """\
[program:scheduler-v6]
user=ubuntu
command=/home/ubuntu/alarm-0.6.0/env/bin/eth_alarm scheduler --client rpc --address {alarm}
directory=/home/ubuntu/alarm-0.6.0/
environment=PATH="/home/ubuntu/alarm-0.6.0/env/bin"
stdout_logfile=/var/log/supervisor/scheduler-v6-stdout.log
stderr_logfile=/var/log/supervisor/scheduler-v6-stderr.log
autorestart=true
autostart=false
"""
FSTAB = "/dev/xvdb       /data   ext4    defaults,nofail        0       2\n"


@pytest.fixture(scope="module")
def old_box(bare_box: Machine) -> Machine:
    """The box after the guide's nine steps, with geth running."""
    assert ALARM is not None
    furnish(bare_box)
    install(bare_box, "supervisor")
    bare_box.run("mkfs", "-t", "ext4", "-q", "/dev/xvdb")
    bare_box.run("mkdir", "-p", "/data")
    (bare_box.root / "etc/fstab").write_text(FSTAB)
    bare_box.run("mount", "-a")
    bare_box.run("install", "-d", "-o", OPERATOR, "/data/ethereum")
    bare_box.run("install", "-d", "-o", OPERATOR, "/home/ubuntu/alarm-0.6.0")
    (bare_box.root / "usr/bin/geth").write_text(THEN)
    bare_box.run("chmod", "755", "/usr/bin/geth")
    bare_box.run("sh", "-c", f"echo 'of then' >{PASSWORD_FILE}; chown {OPERATOR} {PASSWORD_FILE}")
    # The second account is one that nothing unlocks.
    for _ in range(2):
        bare_box.run(
            "geth", "--datadir", "/data/ethereum", "account", "new", "--password", PASSWORD_FILE,
            user=OPERATOR,
        )  # fmt: skip
    (bare_box.root / PROGRAM_FILES[1:] / "geth.conf").write_text(GETH_CONF)
    (bare_box.root / PROGRAM_FILES[1:] / "scheduler-v6.conf").write_text(
        V6_CONF.format(alarm=ALARM[1])
    )
    eventually(
        lambda: bare_box.run("supervisorctl", "update", check=False).returncode == 0,
        "supervisord answers, which its package started",
    )
    running = ("supervisorctl", "status", "geth")
    eventually(lambda: "RUNNING" in bare_box.run(*running, check=False).stdout, "geth runs")
    bare_box.run("test", "-d", "/data/ethereum/geth/chaindata")
    return bare_box


@pytest.fixture(scope="module")
def unlocked(old_box: Machine) -> str:
    """The account that geth unlocked."""
    files = old_box.run("sh", "-c", "ls /data/ethereum/keystore/*").stdout.split()
    assert len(files) == 2
    return "0x" + str(json.loads(old_box.read(files[0]))["address"])


def refused(box: Machine, *options: str, status: int) -> str:
    """The line with which setup ends."""
    environment = {"SUDO_USER": OPERATOR}
    done = box.run(SETUP, *options, check=False, environment=environment)
    assert done.returncode == status, done.stdout + done.stderr
    return done.stderr


def test_it_asks_first(old_box: Machine, unlocked: str) -> None:
    line = refused(old_box, *OPTIONS, status=2)
    assert "take these over, and remove the old programs?: nobody is there to answer" in line
    dry = set_up(old_box, *OPTIONS, "--dry-run")
    assert f"account {unlocked}, its key in /data/ethereum/keystore/UTC--" in dry
    assert "would stop geth and scheduler-v6" in dry
    assert old_box.read(f"{PROGRAM_FILES}/geth.conf") == GETH_CONF


def test_a_missing_or_wrong_password_leaves_the_old_programs_alone(old_box: Machine) -> None:
    old_box.run("mv", PASSWORD_FILE, "/srv/kept")
    line = refused(old_box, *OPTIONS, "--yes", status=2)
    assert f"the password file {PASSWORD_FILE}, which geth.conf names, is missing" in line
    old_box.run("sh", "-c", f"echo wrong >{PASSWORD_FILE}")
    line = refused(old_box, *OPTIONS, "--yes", status=1)
    assert "takeover: could not copy the account's key and password" in line
    said = old_box.read("/var/log/scheduler-setup/takeover.log")
    assert f"the password in {PASSWORD_FILE} does not open" in said
    old_box.run("mv", "/srv/kept", PASSWORD_FILE)
    assert "RUNNING" in old_box.run("supervisorctl", "status", "geth", check=False).stdout


@pytest.fixture(scope="module")
def said(old_box: Machine, unlocked: str) -> str:
    """What setup said when it took over."""
    return set_up(old_box, *OPTIONS, "--yes")


@pytest.fixture
def box(old_box: Machine, said: str) -> Machine:
    """The box, taken over."""
    return old_box


def test_the_account_is_taken_over_and_signs(box: Machine, said: str, unlocked: str) -> None:
    assert account(said) == unlocked
    assert "Next: supervisorctl start scheduler-v6\n" in said
    reach(box, {
        "beacon": "RUNNING", "clef": "RUNNING", "geth": "RUNNING",
        "scheduler": "STOPPED", "scheduler-monitor": "RUNNING", "scheduler-v6": "STOPPED",
    })  # fmt: skip
    fund(box, unlocked, *map(address_of, Role))
    paid = f"eth.getBalance('{address_of(Role.CUSTOMER)}') > 0"
    eventually(lambda: "true" in asked(box, paid), "the chain makes blocks, and pays")
    assert ALARM is not None
    assert deploy(box) == ALARM[1]
    box.run("supervisorctl", "start", "scheduler-v6", user=OPERATOR)
    call = schedule(box, state="/srv/chain", blocks=25)
    eventually(lambda: outcomes(box, call, V6_LOG), "the call has an outcome in the old log")
    assert "succeeded" in outcomes(box, call, V6_LOG)[0], log(box, V6_LOG)


def test_of_its_two_names_one_works_at_a_time(box: Machine) -> None:
    box.run("supervisorctl", "start", "scheduler", user=OPERATOR)
    eventually(lambda: "Waiting" in log(box), "the second says that it waits")
    box.run("supervisorctl", "stop", "scheduler", user=OPERATOR)


def test_nobody_else_reads_the_key_or_its_password_any_more(box: Machine) -> None:
    assert box.run("ls", PASSWORD_FILE, check=False).returncode == 2
    assert box.run("find", "/data/ethereum/keystore", "-type", "f").stdout == ""
    assert box.run("stat", "--format=%a %U", "/etc/scheduler/before-setup").stdout == "700 root\n"
    kept = box.run("find", "/etc/scheduler/before-setup", "-printf", "%U %f\n").stdout.splitlines()
    assert {line.split()[0] for line in kept} == {"0"}
    names = {line.split()[1] for line in kept}
    assert {"geth.conf", "scheduler-v6.conf", "keystore", "geth_password", "key.json"} <= names
    assert len([name for name in names if name.startswith("UTC--")]) == 2


def test_flags_and_owners_are_todays(box: Machine) -> None:
    command = box.read(f"{PROGRAM_FILES}/geth.conf")
    assert not re.search(r"--(unlock|password|rpc|fast)\b", command)
    strangers = box.run("find", "/data/ethereum", "!", "-user", "geth").stdout
    assert strangers == ""
    assert "user=scheduler" in box.read(f"{PROGRAM_FILES}/scheduler-v6.conf")
    assert box.read("/etc/fstab") == FSTAB


def test_a_second_run_changes_nothing(box: Machine) -> None:
    assert "== nothing had to be changed\n" in set_up(box)
