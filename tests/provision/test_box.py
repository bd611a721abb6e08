"""From a bare box to an executed call with two commands, and through what happens to it later."""

import json
import re
import socket
import subprocess

import pytest
from eth_utils.crypto import keccak

from tests.provision.machine import CHECKOUT, OPERATOR, Machine
from tests.provision.operating import (
    Call,
    accounts,
    eventually,
    listens,
    log,
    outcomes,
    reach,
    schedule,
    set_up,
    states,
)

OPTIONS = ("--network", "dev", "--node-binary", "/home/ubuntu/geth")
OPTIONS += ("--device", "/dev/xvdb", "--yes")
STEPS = "packages volume users scheduler node account supervisor firewall check"
# All that setup could change; what programs write is elsewhere.
LOOKED_AFTER = "/etc /opt /usr /var/lib/dpkg/status /home"


def state(machine: Machine) -> set[str]:
    """Names, modes, owners, times and sizes of all that setup could change, and the firewall."""
    listed = f"find {LOOKED_AFTER} -xdev -printf '%p %m %u %g %T@ %s %l\\n'"
    rules = "if command -v nft >/dev/null; then nft list ruleset; fi"
    return set(machine.run("sh", "-c", f"{listed}; {rules}").stdout.splitlines())


@pytest.fixture(scope="module")
def said(bare_box: Machine) -> str:
    """What setup said on the bare box, after a dry run that changed nothing."""
    before = state(bare_box)
    dry = set_up(bare_box, *OPTIONS, "--dry-run")
    assert state(bare_box) ^ before == set()
    assert "would install nftables" in dry
    assert "would make an ext4 file system on /dev/" in dry
    assert re.search(r"== dry run: changes to make: [1-9]\d*\n", dry)
    return set_up(bare_box, *OPTIONS)


@pytest.fixture
def box(bare_box: Machine, said: str) -> Machine:
    """The box, set up."""
    return bare_box


def test_each_step_is_announced_and_judged(said: str) -> None:
    assert re.findall(r"(?m)^== (\w+): (?:done|as it should be)", said) == STEPS.split()
    assert "Next: supervisorctl start scheduler\n" in said


def test_the_second_command_starts_what_executes_a_call(box: Machine) -> None:
    reach(
        box, {"devchain": "RUNNING", "scheduler": "STOPPED", "scheduler-monitor": "RUNNING"}
    )  # fmt: skip
    started = box.run("supervisorctl", "start", "scheduler", user=OPERATOR)
    assert started.stdout == "scheduler: started\n"
    call = schedule(box)
    eventually(lambda: outcomes(box, call), "the call has an outcome in the log")
    [outcome] = outcomes(box, call)
    # On a loaded machine it may be a later block, which is right, too.
    mined = re.match(rf"succeeded at block (\d+) \(target {call.target}\): executed", outcome)
    assert mined is not None, outcome
    assert int(mined[1]) >= call.target


READ_METRICS = """
from urllib.request import urlopen
print(urlopen("http://127.0.0.1:9469/metrics", timeout=10).read().decode())
"""


def test_the_monitor_sees_the_box_and_may_ask_supervisord(box: Machine) -> None:
    python = "/opt/scheduler/current/bin/python"
    running = 'scheduler_program_state{program="scheduler",state="RUNNING"} 1.0'

    def sees() -> bool:
        return running in box.run(python, "-c", READ_METRICS, check=False).stdout

    eventually(sees, "the monitor knows that the scheduler runs")
    told = box.run("scheduler", "doctor", user=OPERATOR, check=False).stdout
    wrong = [line for line in told.splitlines() if line.startswith("FAIL")]
    assert wrong == [], told


def test_a_second_run_changes_nothing(box: Machine) -> None:
    before, running = state(box), box.processes("scheduler.launch")
    assert "== nothing had to be changed\n" in set_up(box)
    assert "== nothing had to be changed\n" in set_up(box, *OPTIONS)
    assert state(box) ^ before == set()
    assert box.processes("scheduler.launch") == running


def test_nobody_reads_what_is_not_theirs(box: Machine) -> None:
    refused = [
        ("scheduler", "/data/ethereum"),
        ("geth", "/data/scheduler"),
        (OPERATOR, "/data/ethereum"),
    ]
    for user, path in refused:
        assert box.run("ls", path, user=user, check=False).returncode != 0, (user, path)
    keys = box.run("find", "/data/ethereum/node/geth/keystore", "-type", "f", "-printf", "%m %u\\n")
    assert keys.stdout == "600 geth\n"


def assert_ssh_answers(box: Machine, port: int) -> None:
    """To whom asks from elsewhere."""
    with socket.create_connection((box.address, port), timeout=60) as connection:
        assert connection.recv(4) == b"SSH-"


def test_the_firewall_shuts_all_but_sshd_and_leaves_the_host_alone(box: Machine) -> None:
    box.run(
        "systemd-run",
        "--quiet",
        "--unit=listener",
        "--property=Type=exec",
        "systemd-socket-activate",
        "--listen=0.0.0.0:9999",
        "cat",
    )
    try:
        eventually(lambda: listens(box, 9999), "somebody listens at the port")
        assert_ssh_answers(box, 22)
        for port in (8545, 9999):
            with pytest.raises(TimeoutError):
                socket.create_connection((box.address, port), timeout=1)
        box.run("systemctl", "stop", "scheduler-firewall")
        socket.create_connection((box.address, 9999), timeout=10).close()
    finally:
        box.run("systemctl", "start", "scheduler-firewall")
        box.run("systemctl", "stop", "listener", check=False)
    tables = subprocess.run(["nft", "list", "tables"], capture_output=True, text=True, check=True)
    assert "scheduler_kit" not in tables.stdout


def test_killed_supervisord_leaves_one_copy_of_each_program(box: Machine) -> None:
    box.run("supervisorctl", "start", "scheduler", user=OPERATOR, check=False)
    [node], former = box.processes("geth", "--dev.period"), box.read("/run/supervisord.pid").strip()
    box.run("kill", "-9", former)

    def copies() -> int:
        """Of the node; none where the one that ended is there, too."""
        found = box.processes("geth", "--dev.period")
        return 0 if node in found else len(found)

    eventually(
        lambda: (
            box.read("/run/supervisord.pid").strip() not in ("", former)
            and states(box).get("devchain") == "RUNNING"
            and copies() > 0
        ),
        "another supervisord has started the node again",
    )
    assert copies() == 1
    assert len(box.processes("bin/scheduler", "dev")) == 1
    # It was not enabled, so nobody starts it; and the one that ran is gone.
    eventually(lambda: not box.processes("scheduler.launch"), "the former scheduler has ended")
    assert states(box)["scheduler"] == "STOPPED"


def test_a_reboot_brings_back_what_was_enabled(box: Machine) -> None:
    before = accounts(box)
    enabled = box.run("scheduler", "enable", "scheduler")
    assert enabled.stdout.startswith("scheduler starts at boot;")
    # At boot the firewall is there before sshd: who had given that another port was locked out.
    (box.root / "etc/ssh/sshd_config.d/port.conf").write_text("Port 2222\n")
    box.reboot()
    assert_ssh_answers(box, 2222)
    eventually(lambda: states(box).get("scheduler") == "RUNNING", "the scheduler runs")
    assert box.run("mountpoint", "/data").stdout == "/data is a mountpoint\n"
    call = schedule(box)
    eventually(lambda: outcomes(box, call), "the call has an outcome in the log")
    assert "succeeded" in outcomes(box, call)[0]
    assert accounts(box) == before


def test_a_power_cut_sends_nothing_twice_and_is_said(box: Machine) -> None:
    """Killed at once, geth comes back some blocks behind, as a rule: the journal knows more."""
    calls = [schedule(box), schedule(box, 40)]
    eventually(lambda: outcomes(box, calls[0]), "the first call has an outcome in the log")
    before = log(box)
    status = json.loads(box.run("scheduler", "status", "--json", check=False).stdout)
    written_at = status["facts"]["journal"]["highest_head"]
    box.cut_power()
    box.boot()
    eventually(lambda: states(box).get("scheduler") == "RUNNING", "the scheduler runs")
    eventually(lambda: outcomes(box, calls[1]), "the second call has an outcome in the log")
    for call in calls:
        assert executions(box, call) == 1
        assert effects(box, call) == 1
    said = log(box).removeprefix(before)
    first = re.search(r"Heartbeat: block #(\d+)", said)
    assert first is not None
    told = re.search(r"the node is at block \d+, behind block \d+, which the journal was wr", said)
    assert told is not None or int(first[1]) >= written_at, said


# Event of FutureBlockCall v0.7.
EXECUTED = "0x" + keccak(text="CallExecuted(address,uint256,uint256,uint256,bool)").hex()
COUNT = """\
import sys
from scheduler.devchain.endpoint import Endpoint
address, topic = sys.argv[1:]
wanted = {"address": address, "topics": [topic], "fromBlock": "0x0", "toBlock": "latest"}
print(len(Endpoint("http://127.0.0.1:8545").request("eth_getLogs", wanted)))
"""


def effects(box: Machine, call: Call) -> int:
    """How often the call was executed, as the chain's log has it."""
    python = "/opt/scheduler/current/bin/python"
    return int(box.run(python, "-c", COUNT, call.address, EXECUTED).stdout)


def executions(box: Machine, call: Call) -> int:
    """How many intents to execute a call the journal has, all of them on this chain."""
    listed = box.run("scheduler", "journal", "list").stdout
    return len(re.findall(rf"(?m)^execute:{call.address}\s+execute\s+succeeded", listed))


def test_the_node_is_stopped_in_good_order_before_its_disk_is_full(box: Machine) -> None:
    assert (
        "ActiveState=active"
        in box.run(
            "systemctl", "show", "--property=ActiveState", "scheduler-disk-guard.timer"
        ).stdout
    )
    guard = "/opt/scheduler/current/src/provision/disk-guard"
    assert box.run(guard).stdout == ""
    free = int(box.run("df", "--block-size=1M", "--output=avail", "/data").stdout.split()[1])
    try:
        box.run("fallocate", "--length", f"{free - 200}M", "/data/filling")
        assert "MB left; at 9" in box.run(guard).stdout
        assert states(box)["devchain"] == "RUNNING"
        box.run("fallocate", "--length", f"{free - 40}M", "/data/filling")
        box.run("systemctl", "start", "scheduler-disk-guard")
        assert states(box)["devchain"] == "STOPPED"
        said = box.run("journalctl", "--unit=scheduler-disk-guard", "--output=cat").stdout
        assert "stopping devchain; make room or a larger volume, then: supervisorctl start" in said
    finally:
        box.run("rm", "-f", "/data/filling")
    box.run("supervisorctl", "start", "devchain")


def test_nothing_starts_where_the_volume_is_missing(box: Machine) -> None:
    before = log(box, "/var/log/supervisor/devchain-stderr.log")
    fstab = box.read("/etc/fstab")
    box.run("sed", "-i", "s/^UUID=[^ ]*/UUID=00000000-0000-4000-8000-000000000000/", "/etc/fstab")
    box.reboot()
    eventually(
        lambda: (
            "the volume is not mounted at /data"
            in log(box, "/var/log/supervisor/devchain-stderr.log").removeprefix(before)
        ),
        "the node's log says that the volume is missing",
    )
    assert box.run("find", "/data").stdout == "/data\n"
    assert not box.processes("geth", "--dev.period")
    (box.root / "etc/fstab").write_text(fstab)
    box.run("mount", "/data")
    eventually(lambda: box.processes("geth", "--dev.period"), "the node starts by itself")


def script(box: Machine, name: str, *arguments: str, status: int = 0) -> str:
    """One of the other scripts of provision/, as root; everything that it said."""
    command = f"{CHECKOUT}/provision/{name}"
    done = box.run(command, *arguments, check=False, environment={"SUDO_USER": OPERATOR})
    assert done.returncode == status, done.stdout + done.stderr
    return done.stdout + done.stderr


def executed(box: Machine) -> Call:
    """A call that was scheduled now, and executed."""
    call = schedule(box)
    eventually(lambda: outcomes(box, call), "the call has an outcome in the log")
    assert "succeeded" in outcomes(box, call)[0]
    return call


def test_an_older_journal_put_back_is_recognised_and_sends_nothing_twice(box: Machine) -> None:
    said = script(box, "backup.sh", "/srv/backup.tar.gz")
    assert "It holds secrets" in said
    assert box.run("stat", "--format=%a %U", "/srv/backup.tar.gz").stdout == "600 root\n"
    forgotten = executed(box)
    box.run("sh", "-c", "echo '# changed since' >>/etc/scheduler/config.toml")
    quiet = log(box).count("work begins")
    script(box, "restore.sh", "--yes", "/srv/backup.tar.gz")
    assert "changed since" not in box.read("/etc/scheduler/config.toml")
    assert executions(box, forgotten) == 0
    executed(box)
    assert log(box).count("work begins") == quiet + 1
    assert executions(box, forgotten) == 0
    assert "is there already" in script(box, "backup.sh", "/srv/backup.tar.gz", status=2)
    assert "is no backup made by" in script(box, "restore.sh", "/etc/passwd", status=2)


def release(box: Machine) -> str:
    """The name of the release in use."""
    return box.run("readlink", "/opt/scheduler/current").stdout.strip().rpartition("/")[2]


def releases(box: Machine) -> set[str]:
    """The names of all releases that are there."""
    return set(box.run("ls", "/opt/scheduler/releases").stdout.split())


def edit(box: Machine, module: str, line: str) -> None:
    """Makes another version of the checkout, with this line at the end of a module."""
    box.run("sh", "-c", f"echo '{line}' >>{CHECKOUT}/scheduler/{module}")


def take_back(box: Machine, module: str) -> None:
    """Makes it the version that it was before the last such edit."""
    box.run("sed", "-i", "$d", f"{CHECKOUT}/scheduler/{module}")


def test_an_upgrade_keeps_the_version_before(box: Machine) -> None:
    box.run("supervisorctl", "start", "scheduler", user=OPERATOR, check=False)
    first = release(box)
    assert "this version is the one on the box" in script(box, "upgrade.sh")
    edit(box, "__init__.py", "# newer")
    assert "== upgrade: done" in script(box, "upgrade.sh")
    second = release(box)
    assert second != first
    assert all(second in box.read(f"/etc/supervisor/conf.d/{name}.conf") for name in states(box))
    assert releases(box) == {first, second}


# Gives a release libraries of its own, as if its pins were others.
OTHER_LIBRARIES = """\
cd /opt/scheduler/libraries
former=$(ls)
cp --archive --link "$former" of-first
cd "/opt/scheduler/releases/$1"
sed -i "s#/$former/#/of-first/#" lib/python*/site-packages/libraries.pth
echo "$former"
"""


def test_a_third_release_removes_the_first_with_all_that_was_its_own(box: Machine) -> None:
    second = release(box)
    [first] = releases(box) - {second}
    libraries = box.run("sh", "-ec", OTHER_LIBRARIES, "sh", first).stdout.split()
    journal = "/data/scheduler/journal.db"
    box.run("touch", f"{journal}.before-{first}")
    edit(box, "__init__.py", "# newest")
    said = script(box, "upgrade.sh")
    assert f"remove the old version {first}\n" in said
    third = release(box)
    assert releases(box) == {second, third}
    assert box.run("ls", "/opt/scheduler/libraries").stdout.split() == libraries
    copies = box.run("sh", "-c", f"ls {journal}.before-[0-9]*").stdout.split()
    assert copies == sorted(f"{journal}.before-{each}" for each in (second, third))


def test_an_upgrade_goes_back_where_the_new_version_does_not_run(box: Machine) -> None:
    former, kept = release(box), releases(box)
    edit(box, "service.py", 'raise SystemExit("broken")')
    said = script(box, "upgrade.sh", status=1)
    assert f"the box runs {former} as before, since scheduler does not stay up" in said
    assert release(box) == former
    assert kept < releases(box)
    executed(box)


def test_the_version_before_is_there_to_go_back_to(box: Machine) -> None:
    """From its checkout: nothing has to be installed, and what was broken is removed."""
    later, kept = release(box), releases(box)
    take_back(box, "service.py")
    take_back(box, "__init__.py")
    said = script(box, "upgrade.sh")
    assert "install this version" not in said
    assert release(box) != later
    assert releases(box) == {release(box), later} < kept
    executed(box)


def test_what_is_removed_leaves_the_data_until_that_is_wanted_too(box: Machine) -> None:
    script(box, "remove.sh", "--yes")
    assert states(box) == {}
    assert not box.processes("/opt/scheduler")
    assert box.run("sh", "-c", "ls /etc/supervisor/conf.d /opt").stdout.count("scheduler") == 0
    assert "scheduler_kit" not in box.run("nft", "list", "tables").stdout
    assert box.run("ls", "/etc/scheduler/config.toml", "/data/scheduler/journal.db").returncode == 0
    script(box, "remove.sh", "--yes", "--data")
    assert box.run("ls", "/data").stdout == "lost+found\n"
