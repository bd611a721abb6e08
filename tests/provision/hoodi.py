"""A box on hoodi: its options, its chain from the genesis on, and who has ether there.

The chain is made by a stand-in for the consensus client (consensus.py); it has no peers. geth is
told to execute every block, since snap sync, the default, would wait for peers.
"""

import re
import stat
from pathlib import Path

from scheduler.devchain.toolchain import clef_path
from tests.provision.machine import Machine

# What setup wants for hoodi (provision/networks.sh), on a sparse file.
MEGABYTES = 210_000
GETH = "/usr/local/lib/geth"
OPTIONS = ("--network", "hoodi", "--node-binary", "/home/ubuntu/geth-full")
OPTIONS += ("--clef-binary", "/home/ubuntu/clef", "--beacon-binary", "/home/ubuntu/consensus")

_DEPLOY = """\
from pathlib import Path
from scheduler.devchain.deployment import deploy
from scheduler.devchain.endpoint import Endpoint
deployment = deploy(Endpoint("http://127.0.0.1:8545"))
deployment.write(Path("/srv/chain"))
print(deployment.scheduler)
"""


def furnish(box: Machine) -> None:
    """Puts the programs that OPTIONS name into the operator's home."""
    box.put(clef_path(), "/home/ubuntu/clef")
    full = box.root / "home/ubuntu/geth-full"
    full.write_text(f'#!/bin/sh\nexec {GETH} "$@" --syncmode full\n')
    box.run("install", "-m", "755", "/home/ubuntu/geth", GETH)
    consensus = box.root / "home/ubuntu/consensus"
    consensus.write_bytes((Path(__file__).parent / "consensus.py").read_bytes())
    for each in (full, consensus):
        each.chmod(each.stat().st_mode | stat.S_IXUSR)


def deploy(box: Machine) -> str:
    """The alarm clock's contracts on the box's chain, their state in /srv/chain; the address."""
    python = "/opt/scheduler/current/bin/python"
    environment = {"XDG_CACHE_HOME": "/var/cache"}
    return box.run(python, "-c", _DEPLOY, environment=environment).stdout.strip()


def account(said: str) -> str:
    match = re.search(
        r"the account is (0x[0-9a-fA-F]{40}): send it at least ([\d.]+) ether\n", said
    )
    assert match, said
    assert float(match[2]) > 0
    return match[1]


def asked(box: Machine, script: str) -> str:
    """What geth's console says to a line of JavaScript."""
    command = (GETH, "attach", "--exec", script, "http://127.0.0.1:8545")
    done = box.run(*command, check=False)
    return done.stdout + done.stderr


def fund(box: Machine, *addresses: str) -> None:
    """Has the stand-in pay ether to these accounts."""
    lines = "".join(f"{each}\n" for each in addresses)
    box.run("sh", "-c", f"printf %s '{lines}' >>/data/beacon/withdrawals")
